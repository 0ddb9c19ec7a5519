"""An embedded ECG simulator: records of the six Challenge datasets with real signs, as text and bytes.

Nothing here needs data or writes a file, so that tests, the demonstration and teaching run anywhere; what it makes is
physiologically plausible, never a substitute for recordings. `findings` has the definitions and labels,
`prevalence` their frequencies, `anatomy` the patient, `rhythm` the beat times, `waves`, `repolarisation` and
`atrial` the heart vector, `noise` the electrodes, `recording` the signal, `dialect` the file formats, `plan` the
datasets and `corpus` the records.
"""

from ecg12.ecg.synthetic.anatomy import Patient, draw_patient
from ecg12.ecg.synthetic.clinical_findings import FINDINGS, Finding, findings_of
from ecg12.ecg.synthetic.corpus import SimulatedRecord, simulate_corpus, simulate_record
from ecg12.ecg.synthetic.corpus_plan import PlannedRecord, plan_corpus
from ecg12.ecg.synthetic.recording import simulate_signal

__all__ = [
    "FINDINGS",
    "Finding",
    "Patient",
    "PlannedRecord",
    "SimulatedRecord",
    "draw_patient",
    "findings_of",
    "plan_corpus",
    "simulate_corpus",
    "simulate_record",
    "simulate_signal",
]
