"""Labels as recorders write them, and labels that only look like a lead's."""

import pytest

from ecg12.pipeline.formats.lead_names import find_lead, name_leads

WRITTEN = {
    "I": "I|I |ECG I|ECG I-Ref|ECGI|EKG I|ECG Lead I|I-0|MDC_ECG_LEAD_I|I (Einthoven)|Einthoven I|Ableitung I|ECG:I",
    "II": "ECG II|ECGII|ECG-II|II ECG|Abl. II|lead ii (einthoven)|II-Ref",
    "III": "ECG III|Derivación III",
    "aVR": "AVR|A V R|aVR, augmented voltage, right|Lead aVR, augmented voltage, right|MDC_ECG_LEAD_AVR|Goldberger aVR",
    "aVF": "EKGaVF|aVF (Goldberger)|ECG aVF-GND|avf",
    "V1": "V 1|v_1|ECG V1-REF|ECG V1-WCT|ECGV1|Lead V1 [mV]|Brustwandableitung V1|MDC_ECG_ELEC_POTL_V1|V1\0\0|ECG_V1",
    "V6": "Dérivation V6|ecg v6",
}
OTHERS = (
    "ECG 1|ECG1|ECG|V1-V2|I-II|-aVR|ECG -aVR|ECG -I|ECG - I|C3|C3-A2|MLII|V7|V1R|V3R|vx|EDF Annotations|Status||x|"
    "ECG X|ECG-|ECG LA-RA|Lead|IV|V|VI|i i|EEG I|ECG --I|aVR-aVL|Lead -aVR|DI|D1"
)


@pytest.mark.parametrize(("lead", "labels"), WRITTEN.items())
def test_labels_of_leads(lead: str, labels: str) -> None:
    assert {label: find_lead(label) for label in labels.split("|")} == dict.fromkeys(labels.split("|"), lead)


def test_labels_of_something_else() -> None:
    assert {label: find_lead(label) for label in OTHERS.split("|")} == dict.fromkeys(OTHERS.split("|"))


def test_a_plain_name_goes_before_a_longer_one_for_the_same_lead() -> None:
    assert name_leads(["ECG I-Ref", "ECG I", "II-0", "Resp"]) == ["ECG I-Ref", "I", "II", "Resp"]
