"""DICOM ECGs as several programs write them: the samples that were written come back, or a line says why not."""

import struct
import zlib
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from ecg12.ecg.errors import LeadError, SignalError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.ecg.signals.recording import Recording
from ecg12.pipeline.formats.dicom.reading import read_dicom
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.recordings.find_recordings import find_inputs
from ecg12.pipeline.recordings.reader_registry import read_complete
from tests.fuzz import Fuzzed, run_cases
from tests.pipeline.formats.files import MDC, write_dicom
from tests.records import pulses_uv

SIGNAL = pulses_uv(1500, seed=3)
NOTHING = InputConfig()
BACKWARDS = tuple(reversed(LEADS))


def check(recording: Recording, signal=SIGNAL, *, leads=LEADS, fs: float = 500, atol: float = 1e-3) -> None:
    assert (recording.leads, recording.fs) == (leads, fs)
    assert recording.signal_uv.dtype == np.float32
    np.testing.assert_allclose(recording.signal_uv, signal, atol=atol)


@pytest.mark.parametrize("coded", [True, False])
@pytest.mark.parametrize("median_beat", [True, False])
def test_dicom(tmp_path: Path, coded: bool, median_beat: bool) -> None:
    path = write_dicom(tmp_path / "ecg.dcm", SIGNAL[::-1], BACKWARDS, coded=coded, median_beat=median_beat)
    recording = read_dicom(path, NOTHING)
    check(recording)
    assert (recording.age, recording.sex) == (45, "Female")


def test_dicom_sensitivity_and_padding(tmp_path: Path) -> None:
    signal = SIGNAL.copy()
    signal[2, 100:110] = -32768
    recording = read_dicom(write_dicom(tmp_path / "ecg.dcm", signal, sensitivity=4.88, padding=-32768), NOTHING)
    assert recording.lead_flags[2] & LeadFlag.INVALID
    assert not recording.lead_flags[3] & LeadFlag.INVALID
    np.testing.assert_allclose(recording.signal_uv[:, :100], SIGNAL[:, :100] * 4.88, rtol=1e-5)
    assert np.abs(recording.signal_uv).max() < 30_000


def test_dicom_says_what_is_wrong(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "ecg.dcm", SIGNAL, sensitivity=None)
    with pytest.raises(SignalError, match="lead I: uncalibrated, the file states no sensitivity"):
        read_dicom(path, NOTHING)
    dataset = dcmread(path)
    dataset.WaveformSequence[0].WaveformData = dataset.WaveformSequence[0].WaveformData[:1000]
    dataset.save_as(path)
    with pytest.raises(SignalError, match=r"group 1: 1,000 bytes of samples; expected 36,000: the file is cut short"):
        read_dicom(path, NOTHING)
    del dataset.WaveformSequence
    dataset.save_as(path)
    with pytest.raises(SignalError, match=r"ecg\.dcm: a DICOM file without waveforms, nothing known \(ECG\); expected"):
        read_dicom(path, NOTHING)
    path.write_bytes(b"no DICOM at all")
    with pytest.raises(SignalError, match=r"ecg\.dcm: begins unlike a DICOM file"):
        read_dicom(path, NOTHING)


def element(tag: int, kind: str, value: bytes, form: str = "<") -> bytes:
    """An element written by hand; `form` is < or >, and i before it for implicit."""
    order = form[-1]
    value += (b"\0" if kind in ("UI", "OB", "OW", "UN") else b" ") * (len(value) % 2)
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if form.startswith("i"):
        return head + struct.pack(f"{order}I", len(value)) + value
    if kind in ("OB", "OW", "SQ", "UN", "UT"):
        return head + kind.encode() + struct.pack(f"{order}HI", 0, len(value)) + value
    return head + kind.encode() + struct.pack(f"{order}H", len(value)) + value


def sequence(tag: int, items: Sequence[bytes], form: str = "<", *, undefined: bool = False) -> bytes:
    order = form[-1]
    mark = [struct.pack(f"{order}HHI", 0xFFFE, end, 0) for end in (0xE00D, 0xE0DD)]
    if not undefined:
        body = b"".join(struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
        return element(tag, "SQ", body, form)
    body = b"".join(struct.pack(f"{order}HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + item + mark[0] for item in items)
    empty = element(tag, "SQ", b"", form)
    return empty[:-4] + b"\xff\xff\xff\xff" + body + mark[1]


def channel(lead: str, form: str, changes: dict) -> bytes:
    facts = {"sensitivity": "2.5", "correction": "2", "baseline": "100", "unit": "uV", "bits": 16} | changes
    code = element(0x00080100, "SH", MDC[lead].encode(), form) + element(0x00080102, "SH", b"MDC", form)
    unit = element(0x00080100, "SH", facts["unit"].encode(), form)
    parts = [sequence(0x003A0208, [code], form)]
    for tag, name in ((0x003A0210, "sensitivity"), (0x003A0212, "correction"), (0x003A0213, "baseline")):
        if facts[name] is not None:
            parts.append(element(tag, "DS", facts[name].encode(), form))
    parts.append(sequence(0x003A0211, [unit], form))
    parts += [element(tag, "DS", changes[tag].encode(), form) for tag in SKEWS if tag in changes]
    return b"".join(parts) + element(0x003A021A, "US", struct.pack(f"{form[-1]}H", facts["bits"]), form)


SKEWS = (0x003A0214, 0x003A0215, 0x003A0218)


def by_hand(
    path: Path,
    samples: np.ndarray,
    *,
    form: str = "<",
    kind: str = "SS",
    data_kind: str = "OW",
    undefined: bool = False,
    padding: int | None = None,
    channels: dict[str, dict] | None = None,
    patient: dict[int, str] | None = None,
    before: bytes = b"",
    deflate: bool = False,
    meta: str = "all",
    count: int | None = None,
    **changes: object,
) -> Path:
    """A file built element by element from PS3.5, its samples (lead, sample) as they are to stand in the file."""
    order, width = form[-1], samples.dtype.itemsize
    sample_type = samples.dtype.newbyteorder(order)
    data = np.ascontiguousarray(samples.T).astype(sample_type).tobytes()
    leads = LEADS[: len(samples)]
    us = f"{order}H"
    group = element(0x003A0005, "US", struct.pack(us, len(samples)), form)
    group += element(0x003A0010, "UL", struct.pack(f"{order}I", count or samples.shape[1]), form)
    group += element(0x003A001A, "DS", b"500", form)
    described = [channel(lead, form, changes | (channels or {}).get(lead, {})) for lead in leads]
    group += sequence(0x003A0200, described, form, undefined=undefined)
    group += element(0x54001004, "US", struct.pack(us, 8 * width), form) + element(
        0x54001006, "CS", kind.encode(), form
    )
    if padding is not None:
        group += element(0x5400100A, data_kind, np.array(padding, sample_type).tobytes(), form)
    group += element(0x54001010, data_kind, data, form)
    top = {0x00080060: "ECG", 0x00100040: "M"} | (patient or {})
    body = before + b"".join(element(tag, "LO", text.encode(), form) for tag, text in sorted(top.items()))
    body += sequence(0x54000100, [group], form, undefined=undefined)
    syntax = {"i<": "1.2.840.10008.1.2", "<": "1.2.840.10008.1.2.1", ">": "1.2.840.10008.1.2.2"}[form]
    if deflate:
        squeeze = zlib.compressobj(wbits=-15)
        body, syntax = squeeze.compress(body) + squeeze.flush(), "1.2.840.10008.1.2.1.99"
    head = element(0x00020010, "UI", syntax.encode())
    head = element(0x00020000, "UL", struct.pack("<I", len(head))) + head
    path.write_bytes({"all": bytes(128) + b"DICM" + head, "no preamble": head, "none": b""}[meta] + body)
    return path


EXPECTED = SIGNAL * 5.0 + 100


@pytest.mark.parametrize("form", ["<", "i<", ">"])
@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("meta", ["all", "no preamble", "none"])
def test_every_uncompressed_syntax_with_and_without_preamble(
    tmp_path: Path, form: str, undefined: bool, meta: str
) -> None:
    path = by_hand(tmp_path / "ecg.dcm", SIGNAL, form=form, undefined=undefined, meta=meta)
    recording = read_dicom(path, NOTHING)
    check(recording, EXPECTED)  # value x sensitivity x correction + baseline, which is in microvolts
    assert (recording.sex, recording.notes) == ("Male", ())
    if meta != "none":
        np.testing.assert_allclose(dcmread(path, force=True).WaveformSequence[0].SamplingFrequency, 500)


def test_deflated(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "ecg.dcm", SIGNAL, deflate=True)
    check(read_dicom(path, NOTHING), EXPECTED)
    assert len(path.read_bytes()) < SIGNAL.nbytes
    assert dcmread(path).WaveformSequence[0].NumberOfWaveformSamples == 1500
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SignalError, match="deflated, cannot be inflated; the file is cut short or damaged"):
        read_dicom(path, NOTHING)


def test_a_deflated_bomb_is_refused_at_the_stated_size(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "ecg.dcm", np.zeros((12, 1_000_000), np.int16), deflate=True)
    assert len(path.read_bytes()) < 60_000
    with pytest.raises(SignalError, match="deflated, grows to more than 16,777,216 bytes; expected at most 10 times"):
        read_dicom(path, NOTHING)


@pytest.mark.parametrize("form", ["<", ">"])
@pytest.mark.parametrize(
    ("kind", "sample_type"),
    [("US", "u2"), ("SL", "i4"), ("UL", "u4"), ("SV", "i8"), ("UV", "u8"), ("SB", "i1"), ("UB", "u1")],
)
def test_every_kind_of_linear_sample_and_its_padding(tmp_path: Path, form: str, kind: str, sample_type: str) -> None:
    top = np.iinfo(sample_type).max
    whole = (SIGNAL // 16 if kind.endswith("B") else SIGNAL).astype(np.int64)
    samples = (whole + (min(top // 2 + 1, 40_000) if kind.startswith("U") else 0)).astype(sample_type)
    samples[3, 200:300] = top
    path = by_hand(tmp_path / "ecg.dcm", samples, form=form, kind=kind, data_kind="OB", padding=top, baseline="0")
    recording = read_dicom(path, NOTHING)
    expected = samples.astype(float) * 5
    expected[3, 200:300] = np.interp(np.arange(200, 300), [199, 300], expected[3, [199, 300]])
    np.testing.assert_allclose(recording.signal_uv, expected, rtol=1e-6, atol=0.01)
    assert [bool(flag & LeadFlag.INVALID) for flag in recording.lead_flags] == [row == 3 for row in range(12)]


def test_words_of_bytes_are_turned_round_in_big_endian(tmp_path: Path) -> None:
    samples = (SIGNAL // 16).astype(np.int8)
    turned = np.ascontiguousarray(samples.T).reshape(-1, 2)[:, ::-1].reshape(1500, 12).T
    path = by_hand(tmp_path / "ecg.dcm", turned, form=">", kind="SB")
    check(read_dicom(path, NOTHING), samples * 5.0 + 100)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"baseline": "", "correction": ""}, SIGNAL * 2.5),
        ({"baseline": None, "correction": None}, SIGNAL * 2.5),
        ({"unit": "mV", "baseline": "0.1", "sensitivity": " .0025 "}, EXPECTED),
        ({"unit": "266419"}, EXPECTED),
        ({"unit": "\u00b5V"}, EXPECTED),
        ({"sensitivity": "-2.5", "baseline": "0"}, SIGNAL * -5.0),
    ],
)
def test_empty_means_not_stated(tmp_path: Path, changes: dict, expected: np.ndarray) -> None:
    check(read_dicom(by_hand(tmp_path / "ecg.dcm", SIGNAL, **changes), NOTHING), expected, atol=0.01)


def test_told_units_win_aloud(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "ecg.dcm", SIGNAL, unit="mmHg", baseline="0")
    with pytest.raises(SignalError, match="lead I: units 'mmHg' not understood"):
        read_dicom(path, NOTHING)
    recording = read_dicom(path, InputConfig(units="uV"))
    check(recording, SIGNAL * 5.0)
    assert recording.notes == ("units taken as uV, as told; the file states 'mmHg'",)


def test_skew_is_honoured(tmp_path: Path) -> None:
    late = {"V1": {0x003A0214: "0.020"}, "V2": {0x003A0215: "4"}, "V3": {0x003A0218: "0.002"}}
    channels = {lead: {0x003A0214: "0"} for lead in LEADS} | late
    samples = np.array(SIGNAL)
    for lead, shift in (("V1", 10), ("V2", 4), ("V3", 1)):  # the first sample is one of so much later
        row = LEADS.index(lead)
        samples[row, :-shift] = SIGNAL[row, shift:]
    recording = read_dicom(by_hand(tmp_path / "ecg.dcm", samples, channels=channels), NOTHING)
    check(recording, EXPECTED[:, 10:])
    assert recording.notes == ("channels aligned by their skew, 10 samples at most: V1 V2 V3 begin late",)


def test_samples_of_twelve_bits(tmp_path: Path) -> None:
    small = SIGNAL // 2
    check(read_dicom(by_hand(tmp_path / "ecg.dcm", small, bits=12), NOTHING), small * 5.0 + 100)
    recording = read_dicom(by_hand(tmp_path / "ecg.dcm", small & 0xFFF, bits=12), NOTHING)
    check(recording, small * 5.0 + 100)
    assert recording.notes == ("samples of 12 bits without their sign: extended",)


@pytest.mark.parametrize(
    ("patient", "age"),
    [
        ({0x00101010: "045Y"}, 45),
        ({0x00101010: "45Y", 0x00100030: "19000101", 0x00080020: "20200101"}, 45),
        ({0x00101010: "018M"}, 1.5),
        ({0x00100030: "19600102", 0x00080020: "20200102"}, 60),
        ({0x00100030: "19600102", 0x00080020: "20200101"}, 59),
        ({0x00100030: "1960.01.02", 0x0008002A: "20200102093000.000000+0100", 0x00080020: "19900101"}, 60),
        ({0x00100030: "19600102", 0x00080022: "", 0x00080023: "20190101"}, 58),
        ({0x00100030: "1960", 0x00080020: "20200101"}, None),
        ({0x00100030: "19601331", 0x00080020: "20200101"}, None),
        ({0x00100030: "18000101", 0x00080020: "20200101"}, None),
        ({0x00100030: "20300101", 0x00080020: "20200101"}, None),
        ({0x00101010: "old", 0x00100030: "19600102"}, None),
        ({0x00101010: "000Y", 0x00100030: "19600102", 0x00080020: "20200102"}, 60),
        ({0x00101010: "999Y", 0x00100030: "19600102", 0x00080020: "20200102"}, 60),
        ({0x00101010: "000Y", 0x00100030: "20191201", 0x00080020: "20200102"}, 0),
        ({0x00101010: "000D"}, 0),
        ({0x00101010: "000Y"}, None),
        ({0x00101010: "999Y"}, None),
        ({0x00100030: "19000101", 0x00080020: "20150101"}, None),
    ],
)
def test_age(tmp_path: Path, patient: dict, age: float | None) -> None:
    recording = read_dicom(by_hand(tmp_path / "ecg.dcm", SIGNAL, patient=patient), NOTHING)
    assert (recording.age, recording.notes) == (age, ())


def test_an_age_that_contradicts_the_dates_is_taken_aloud(tmp_path: Path) -> None:
    patient = {0x00101010: "040Y", 0x00100030: "19600102", 0x00080020: "20200102"}
    recording = read_dicom(by_hand(tmp_path / "ecg.dcm", SIGNAL, patient=patient), NOTHING)
    assert recording.age == 40
    assert recording.notes == ("age taken as 040Y, as stated; by the dates it is 60 years",)


def split(path: Path, *parts: Sequence[int], change: Callable[[Dataset], object] = lambda group: None) -> Path:
    """pydicom's way: the leads in several groups, the last one changed."""
    write_dicom(path, SIGNAL)
    dataset = dcmread(path)
    whole = dataset.WaveformSequence[0]
    groups = []
    for rows in parts:
        group = deepcopy(whole)
        group.ChannelDefinitionSequence = [whole.ChannelDefinitionSequence[row] for row in rows]
        group.NumberOfWaveformChannels = len(rows)
        group.WaveformData = np.ascontiguousarray(SIGNAL[list(rows)].T).tobytes()
        groups.append(group)
    change(groups[-1])
    dataset.WaveformSequence = groups
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("parts", [(range(6), range(6, 12)), (range(9, 12), range(3), range(3, 6), range(6, 9))])
def test_leads_in_several_groups_are_joined(tmp_path: Path, parts: Sequence[Sequence[int]]) -> None:
    recording = read_dicom(split(tmp_path / "ecg.dcm", *parts), NOTHING)
    check(recording)
    assert recording.notes == ()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda group: setattr(group, "SamplingFrequency", 250), "is sampled at 250 Hz, not at 500 Hz"),
        (lambda group: setattr(group, "MultiplexGroupTimeOffset", 2500), "begins at 2500 ms, not at 0 ms"),
        (lambda group: setattr(group, "NumberOfWaveformSamples", 900), "has 900 samples, not 1,500"),
    ],
)
def test_leads_of_a_group_at_another_time_are_named(tmp_path: Path, change: Callable, why: str) -> None:
    path = split(tmp_path / "ecg.dcm", range(8), range(8, 12), change=change)
    recording = read_dicom(path, NOTHING)
    check(recording, SIGNAL[:8], leads=LEADS[:8])
    assert recording.notes == (f"V3 V4 V5 V6 are in group 2, which {why}: left out",)
    (found,) = find_inputs([path], NOTHING)
    with pytest.raises(LeadError, match=f"lead V3, V4, V5, V6 missing: .* in group 2, which {why}"):
        read_complete(found, LEADS, NOTHING, "ecg")


@pytest.mark.parametrize("offset", [None, 0])
def test_groups_that_were_sampled_in_turn_are_not_put_side_by_side(tmp_path: Path, offset: float | None) -> None:
    """As recorders of three channels have it, group after group, when each began left out or not."""
    path = split(tmp_path / "ecg.dcm", range(3), range(3, 6), range(6, 9), range(9, 12))
    dataset = dcmread(path)
    for number, group in enumerate(dataset.WaveformSequence):
        rows = slice(3 * number, 3 * number + 3)
        group.NumberOfWaveformSamples = 300
        group.WaveformData = np.ascontiguousarray(10 * SIGNAL[rows, 300 * number : 300 * (number + 1)].T).tobytes()
        if offset is not None:
            group.MultiplexGroupTimeOffset = 600 * number
    dataset.save_as(path)
    recording = read_dicom(path, NOTHING)
    check(recording, 10 * SIGNAL[:3, :300], leads=LEADS[:3])
    why = "limb leads in other groups contradict those in group 1, and the file does not say when they were sampled"
    assert (f"{why}: other groups are left out" in recording.notes) == (offset is None)


def test_limb_leads_that_contradict_within_their_group_say_nothing_of_the_others(tmp_path: Path) -> None:
    """Such as aVR written upside down: the chest leads are in a group of their own, which states no time."""
    signal = 10 * SIGNAL
    signal[3] = -signal[3]
    path = split(tmp_path / "ecg.dcm", range(6), range(6, 12))
    dataset = dcmread(path)
    for group, rows in zip(dataset.WaveformSequence, (signal[:6], signal[6:]), strict=True):
        group.WaveformData = np.ascontiguousarray(rows.T).tobytes()
    dataset.save_as(path)
    recording = read_dicom(path, NOTHING)
    check(recording, signal)
    assert recording.notes == ()


def test_zeros_behind_the_last_element_are_no_damage(tmp_path: Path) -> None:
    for filled in (1, 3, 512, 5000):
        path = write_dicom(tmp_path / "ecg.dcm", SIGNAL)
        path.write_bytes(path.read_bytes() + bytes(filled))
        check(read_dicom(path, NOTHING))
    path.write_bytes(path.read_bytes() + b"\1")
    with pytest.raises(SignalError, match=r"element \(0000,0000\) is of no known kind; the file is damaged"):
        read_dicom(path, NOTHING)


def test_a_group_that_cannot_be_read_costs_only_its_leads(tmp_path: Path) -> None:
    path = split(
        tmp_path / "ecg.dcm",
        range(12),
        range(1),
        change=lambda group: setattr(group, "WaveformSampleInterpretation", "AB"),
    )
    recording = read_dicom(path, NOTHING)
    check(recording)
    assert recording.notes == ("group 2: A-law samples of 8 bits (AB); expected linear ones: left out",)


@pytest.mark.parametrize(
    ("scheme", "codes"),
    [
        ("SCPECG", [f"5.6.3-9-{MDC[lead].removeprefix('2:')}" for lead in LEADS]),
        ("SCPECG", [MDC[lead].removeprefix("2:") for lead in LEADS]),
        ("MDC", [str(2**17 + int(MDC[lead].removeprefix("2:"))) for lead in LEADS]),
        ("99X", [f"Ableitung {lead}" for lead in LEADS]),
        ("99X", [f"lead {lead.lower()} (einthoven)" for lead in LEADS]),
        ("99X", [f"{lead}, augmented voltage" for lead in LEADS]),
    ],
)
def test_leads_by_code_and_by_name(tmp_path: Path, scheme: str, codes: Sequence[str]) -> None:
    dataset = dcmread(write_dicom(tmp_path / "ecg.dcm", SIGNAL))
    for described, code in zip(dataset.WaveformSequence[0].ChannelDefinitionSequence, codes, strict=True):
        source = described.ChannelSourceSequence[0]
        source.CodingSchemeDesignator, source.CodeValue = scheme, code if scheme != "99X" else "x"
        source.CodeMeaning = code
    dataset.save_as(tmp_path / "ecg.dcm")
    check(read_dicom(tmp_path / "ecg.dcm", NOTHING))


def test_told_leads_name_channels_that_no_lead_is(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "ecg.dcm", SIGNAL[:2])
    path.write_bytes(path.read_bytes().replace(b"2:1 ", b"9:1 ").replace(b"2:2 ", b"9:2 "))
    with pytest.raises(LeadError, match=r"group 1: 9:1, 9:2; expected some of I, .*, which --leads can name"):
        read_dicom(path, NOTHING)
    recording = read_dicom(path, InputConfig(leads=("V1", "I")))
    check(recording, EXPECTED[[1, 0]], leads=("I", "V1"))
    assert recording.notes == ("'9:1' is V1, '9:2' is I, as told",)


def test_a_published_file_reads_as_pydicom_reads_it() -> None:
    path = Path(str(get_testdata_file("waveform_ecg.dcm")))
    dataset = dcmread(path)
    recording = read_dicom(path, NOTHING)
    group = dataset.WaveformSequence[0]
    raw = np.frombuffer(group.WaveformData, "<i2").reshape(-1, 12).T  # another way to the samples
    scale = [float(one.ChannelSensitivity) for one in group.ChannelDefinitionSequence]
    check(recording, raw * np.array(scale)[:, None], fs=1000, atol=0.01)
    np.testing.assert_allclose(recording.signal_uv, dataset.waveform_array(0).T, atol=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "AB"}, r"A-law samples of 8 bits \(AB\)"),
        ({"kind": "MB"}, r"µ-law samples of 8 bits \(MB\)"),
        ({"kind": "XX"}, "samples of kind 'XX'; expected one of SB, UB"),
        ({"kind": "SL"}, "SL samples of 16 bits; expected 32"),
        ({"count": 4_000_000_000}, "36,000 bytes of samples; expected 96,000,000,000: the file is cut short"),
        ({"sensitivity": ""}, "lead I: uncalibrated, the file states no sensitivity"),
        ({"sensitivity": "much"}, r"element \(003A,0210\) is 'much'; expected a number"),
        ({"sensitivity": "inf"}, r"element \(003A,0210\) is 'inf'; expected a number"),
        ({"sensitivity": "1e300"}, "a sensitivity of 1e.300 and a baseline that no ECG has"),
        ({"channels": {"V1": {0x003A0214: "10"}}}, "a channel's skew of 5,000 samples"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(SignalError, match=message):
        read_dicom(by_hand(tmp_path / "ecg.dcm", SIGNAL, **changes), NOTHING)


def nested(depth: int) -> bytes:
    """Sequences in sequences, written inwards, so that a million levels cost no time."""
    begin = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    return begin * depth


def test_bounds_that_no_file_can_move(tmp_path: Path) -> None:
    path = tmp_path / "ecg.dcm"
    path.write_bytes(bytes(128) + b"DICM" + sequence(0x54000100, [b""] * 2000))
    with pytest.raises(SignalError, match=r"ecg\.dcm: 2,000 groups of channels; expected at most 1000"):
        read_dicom(path, NOTHING)
    with pytest.raises(SignalError, match=r"ecg\.dcm: sequences nested deeper than 16; expected an ECG"):
        read_dicom(by_hand(path, SIGNAL, before=nested(1_000)), NOTHING)
    by_hand(path, SIGNAL, before=element(0x00080005, "CS", b"") * 600_000)
    with pytest.raises(SignalError, match=r"ecg\.dcm: more than 500,000 elements; expected an ECG"):
        read_dicom(path, NOTHING)
    content = by_hand(path, SIGNAL).read_bytes()
    path.write_bytes(content[:-1000])
    with pytest.raises(SignalError, match=r"bytes, where [\d,]+ are left; the file is cut short or damaged"):
        read_dicom(path, NOTHING)
    with path.open("r+b") as file:
        file.truncate(2**33)  # a hole, not samples
    with pytest.raises(SignalError, match=r"8,589,934,592 bytes; expected a DICOM file of at most 4,294,967,296"):
        read_dicom(path, NOTHING)
    path.write_bytes(b"")
    with pytest.raises(SignalError, match=r"ecg\.dcm: begins unlike a DICOM file; expected one by its name"):
        read_dicom(path, NOTHING)


@pytest.mark.parametrize(
    ("elements", "what"),
    [
        ([(0x00080060, "CS", b"CT"), (0x7FE00010, "OW", bytes(8))], r"an image \(CT\)"),
        ([(0x00010001, "UN", bytes(2000)), (0x00080060, "CS", b"NM")], r"nothing known \(NM\)"),
        (
            [(0x00080060, "CS", b"ECG"), (0x00420011, "OB", b"%PDF"), (0x00420012, "LO", b"application/pdf")],
            r"an encapsulated document \(ECG, application/pdf\)",
        ),
        ([(0x00080060, "CS", b"SR"), (0x0040A730, "SQ", b"")], r"a report \(SR\)"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path: Path, elements: Sequence[tuple], what: str) -> None:
    path = tmp_path / "ecg.dcm"
    head = element(0x00020010, "UI", b"1.2.840.10008.1.2.1")
    path.write_bytes(bytes(128) + b"DICM" + head + b"".join(element(*one) for one in elements))
    with pytest.raises(SignalError, match=f"a DICOM file without waveforms, {what}; expected an ECG"):
        read_dicom(path, NOTHING)


def test_pixels_in_fragments_are_an_image() -> None:
    path = Path(str(get_testdata_file("JPEG2000.dcm")))
    with pytest.raises(SignalError, match=r"a DICOM file without waveforms, an image \(NM\); expected an ECG"):
        read_dicom(path, NOTHING)


def seeds() -> list[bytes]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ecg.dcm"
        written = [write_dicom(path, SIGNAL[:, :500], padding=-32768).read_bytes()]
        written.append(split(path, range(6), range(6, 12)).read_bytes())
        written += [by_hand(path, SIGNAL[:3, :99], form=form, undefined=True).read_bytes() for form in ("i<", ">")]
        written.append(by_hand(path, SIGNAL[:2, :99], meta="none", before=nested(2)).read_bytes())
        return written


def deflated(content: bytes) -> bytes:
    """What is behind the meta information of a damaged file, deflated."""
    squeeze = zlib.compressobj(wbits=-15)
    head = bytes(128) + b"DICM" + element(0x00020010, "UI", b"1.2.840.10008.1.2.1.99")
    return head + squeeze.compress(content[max(content.find(b"\x08\0", 132), 0) :]) + squeeze.flush()


FUZZED = Fuzzed(seeds=seeds, read=lambda path: read_dicom(path, NOTHING), name="ecg.dcm", wraps=(deflated,))


def test_damaged_files_are_refused_or_read_and_nothing_else_is_raised(tmp_path: Path) -> None:
    tally = run_cases(FUZZED, tmp_path, range(300))
    assert not tally.failures
    assert tally.refusals.total() > 30
    assert tally.n_read > 30
