"""EDF and BDF files as several programs write them: the samples that were written come back, or a line says why not."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import edfio
import numpy as np
import pytest

from ecg12.ecg.errors import LeadError, SignalError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.recording import Recording
from ecg12.pipeline.formats.edf.reading import read_edf
from ecg12.pipeline.formats.told_by_user import InputConfig
from tests.fuzz import Fuzzed, run_cases
from tests.pipeline.formats.files import write_edf
from tests.records import pulses_uv

SIGNAL = pulses_uv(1500, seed=3)
NOTHING = InputConfig()
BACKWARDS = tuple(reversed(LEADS))


def check(recording: Recording, signal=SIGNAL, *, leads=LEADS, fs: float = 500, atol: float = 1e-3) -> None:
    assert (recording.leads, recording.fs) == (leads, fs)
    assert recording.signal_uv.dtype == np.float32
    np.testing.assert_allclose(recording.signal_uv, signal, atol=atol)


@pytest.mark.parametrize("suffix", ["edf", "bdf"])
def test_edf_and_bdf(tmp_path: Path, suffix: str) -> None:
    path = write_edf(tmp_path / f"ecg.{suffix}", SIGNAL[::-1], [f"ECG {lead}" for lead in BACKWARDS])
    check(read_edf(path, NOTHING))


def test_edf_in_other_units_with_a_patient_and_other_channels(tmp_path: Path) -> None:
    patient = edfio.Patient(sex="F", birthdate=date(1950, 6, 1))
    path = write_edf(
        tmp_path / "ecg.edf", np.vstack([SIGNAL, SIGNAL[:1]]), [*LEADS, "Resp"], units="mV", patient=patient
    )
    recording = read_edf(path, NOTHING)
    check(recording, atol=0.01)
    assert (recording.age, recording.sex) == (69, "Female")


@pytest.mark.parametrize(
    "text",
    ["X F X x", "X Q 31-FEB-1950 x", "X F 1-JUN-" + "9" * 40, "F", "", "Mrs Smith, ward 4", "X F 1--1 x", "\xe9 \xff"],
)
def test_edf_with_an_odd_patient(tmp_path: Path, text: str) -> None:
    path = write_edf(tmp_path / "ecg.edf", SIGNAL)
    content = path.read_bytes()
    path.write_bytes(content[:8] + text.encode("latin-1").ljust(80) + content[88:])
    recording = read_edf(path, NOTHING)
    check(recording)
    assert recording.age is None
    assert recording.sex == ("Female" if " F " in text else None)


@pytest.mark.parametrize(
    ("text", "age", "sex"),
    [
        ("MCH-0234567 F 02-MAY-1951 Haagse_Harry", 68, "Female"),  # the example of the EDF+ specification
        ("X  M  02-may-1951  X", 68, "Male"),
        ("X m X X", None, "Male"),
        ("X F 02-MAY-51 X", None, "Female"),
        ("X F 01-JAN-1900 X", None, "Female"),
        ("X F 01-FEB-1899 X", None, "Female"),
        ("John M Smith", None, None),
        ("Mary M Smith 1951", None, None),
        ("Smith F", None, None),
    ],
)
def test_age_and_sex_are_taken_from_what_keeps_to_the_rule_of_edf_plus(
    tmp_path: Path, text: str, age: float | None, sex: str | None
) -> None:
    path = write_edf(tmp_path / "ecg.edf", SIGNAL)
    content = path.read_bytes()
    begun = b"Startdate 01-MAY-2020 X X X".ljust(80)
    path.write_bytes(content[:8] + text.encode().ljust(80) + begun + content[168:])
    recording = read_edf(path, NOTHING)
    check(recording)
    assert (recording.age, recording.sex) == (age, sex)


def test_edf_says_what_is_wrong(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "ecg.edf", SIGNAL)
    content = path.read_bytes()
    path.write_bytes(content[:-500])
    with pytest.raises(SignalError, match=r"35,500 bytes of samples; expected 36,000: the file is cut short"):
        read_edf(path, NOTHING)
    path.write_bytes(content[:192] + b"EDF+D" + content[197:])
    with pytest.raises(SignalError, match=r"an interrupted recording \(EDF\+D\) without times"):
        read_edf(path, NOTHING)
    path.write_bytes(b"garbage")
    with pytest.raises(SignalError, match="ecg: begins unlike an EDF or BDF file"):
        read_edf(path, NOTHING)
    path.write_bytes(content[:252] + b"0   " + content[256:])
    with pytest.raises(SignalError, match="0 channels in a header of 3328 bytes; expected some"):
        read_edf(path, NOTHING)
    at = content.index(b"-32768")
    path.write_bytes(content[:at] + b"32767 " + content[at + 6 :])
    with pytest.raises(SignalError, match="lead I: uncalibrated, its smallest and largest value are the same"):
        read_edf(path, NOTHING)
    write_edf(path, SIGNAL[:2], ["EEG Fpz-Cz", "Resp"])
    with pytest.raises(LeadError, match="channels EEG Fpz-Cz, Resp; expected some of I, II"):
        read_edf(path, NOTHING)
    signals = [
        edfio.EdfSignal(samples[::step].astype(float), 500 / step, label=lead, physical_dimension="uV")
        for samples, step, lead in ((SIGNAL[0], 1, "I"), (SIGNAL[1], 2, "II"))
    ]
    edfio.Edf(signals).write(path)
    with pytest.raises(SignalError, match=r"leads at 250 Hz \(II\), 500 Hz \(I\); expected one rate"):
        read_edf(path, NOTHING)


def test_edf_without_a_unit_wants_to_be_told(tmp_path: Path) -> None:
    edfio.Edf([edfio.EdfSignal(SIGNAL[0] / 1000, 500, label="I")]).write(tmp_path / "ecg.edf")
    with pytest.raises(SignalError, match="lead I: states no units; tell them with --units mV, uV or V"):
        read_edf(tmp_path / "ecg.edf", NOTHING)
    check(read_edf(tmp_path / "ecg.edf", InputConfig(units="mV")), SIGNAL[:1], leads=("I",), atol=0.05)


def field(value: object, width: int) -> bytes:
    return (value if isinstance(value, bytes) else str(value).encode()).ljust(width)


def by_hand(
    path: Path,
    *,
    labels: Sequence[str] = LEADS,
    unit: object = "uV",
    physical: tuple[object, object] = (-16384, "16383.5"),
    digital: tuple[object, object] = (-32768, 32767),
    kind: str = "",
    n_records: object = 3,
    duration: object = 1,
    header_bytes: object | None = None,
    onsets: Sequence[bytes] | None = None,
    version: object = 0,
    behind: bytes = b"",
) -> Path:
    """A file built field by field from the EDF+ specification: SIGNAL in half microvolts, three records of 500 samples.

    With `onsets`, the annotations' channel holds these bytes, a record each.
    """
    n = len(labels) + (onsets is not None)
    notes = ["EDF Annotations"] * (onsets is not None)
    head = field(version, 8) + field("X F 01-JUN-1950 X", 80) + field("Startdate 01-MAY-2020 X X X", 80)
    head += (
        field("01.05.20", 8) + field("10.00.00", 8) + field(256 * (n + 1) if header_bytes is None else header_bytes, 8)
    )
    head += field(kind, 44) + field(n_records, 8) + field(duration, 8) + field(n, 4)
    columns = [(16, [*labels, *notes]), (80, [""] * n), (8, [unit] * len(labels) + [""] * len(notes))]
    columns += [(8, [end] * len(labels) + [other] * len(notes)) for end, other in zip(physical, (-1, 1), strict=True)]
    columns += [(8, [end] * n) for end in digital]
    columns += [(80, [""] * n), (8, [500] * len(labels) + [20] * len(notes)), (32, [""] * n)]
    head += b"".join(field(value, width) for width, values in columns for value in values)
    steps = (SIGNAL[: len(labels)] * 2).astype("<i2")
    for record in range(3):
        head += steps[:, 500 * record : 500 * (record + 1)].tobytes()
        head += onsets[record].ljust(40, b"\0") if onsets is not None else b""
    path.write_bytes(head + behind)
    return path


@pytest.mark.parametrize("unit", ["uV", b"\xb5V", "\u00b5V", "\u03bcV", "microV", "UV", b"uV\0\0\0\0\0\0", " u V"])
def test_microvolts_by_all_their_names(tmp_path: Path, unit: object) -> None:
    recording = read_edf(by_hand(tmp_path / "ecg.edf", unit=unit), NOTHING)
    check(recording)
    assert (recording.age, recording.sex, recording.notes) == (69, "Female", ())


def test_told_units_win_over_stated_ones_aloud(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "ecg.edf", unit=".V")
    with pytest.raises(SignalError, match=r"ecg lead I: units '\.V' not understood; .* which --units can tell"):
        read_edf(path, NOTHING)
    recording = read_edf(path, InputConfig(units="uV"))
    check(recording)
    assert recording.notes == ("units taken as uV, as told; the file states '.V'",)
    recording = read_edf(by_hand(path, unit="uV"), InputConfig(units="mV"))
    check(recording, SIGNAL * 1000.0, atol=1)
    assert recording.notes == ("units taken as mV, as told; the file states 'uV'",)


@pytest.mark.parametrize(
    "changes",
    [
        {"physical": ("-16384,0", "16383,5")},
        {"physical": (b"-16384\0\0", b"16383.5\0"), "version": b"0" + bytes(7), "duration": b"1\0junk"},
        {"physical": ("-16384.", "+16383.5"), "n_records": "  3", "duration": " 1.000"},
        {"physical": (16384, "-16383.5"), "digital": (32768, -32767)},  # reversed, which EDF+ allows
        {"physical": (0, "16383.5"), "digital": (0, 32767)},
    ],
)
def test_numbers_as_writers_have_them(tmp_path: Path, changes: dict) -> None:
    recording = read_edf(by_hand(tmp_path / "ecg.edf", **changes), NOTHING)
    check(recording, atol=0.01)
    assert recording.notes == ()


def test_a_reversed_range_turns_the_signal(tmp_path: Path) -> None:
    check(read_edf(by_hand(tmp_path / "ecg.edf", physical=(16384, "-16383.5")), NOTHING), -SIGNAL.astype(float))


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"n_records": -1}, "3 records, as many as are there; the header states -1"),
        ({"n_records": 0}, "3 records, as many as are there; the header states 0"),
        ({"behind": b"x" * 77}, "77 bytes behind the 3 records that the header states: left out"),
        (
            {"header_bytes": 256},
            "samples taken from byte 3,328 on, as the file's size has it; its header states 256 bytes",
        ),
        (
            {"header_bytes": ""},
            "samples taken from byte 3,328 on, as the file's size has it; its header states no bytes",
        ),
    ],
)
def test_what_is_taken_otherwise_than_stated_is_said(tmp_path: Path, changes: dict, note: str) -> None:
    recording = read_edf(by_hand(tmp_path / "ecg.edf", **changes), NOTHING)
    check(recording)
    assert recording.notes == (note,)


def test_fewer_records_than_there_are_is_what_counts(tmp_path: Path) -> None:
    recording = read_edf(by_hand(tmp_path / "ecg.edf", n_records=2), NOTHING)
    check(recording, SIGNAL[:, :1000])
    assert recording.notes == ("12,000 bytes behind the 2 records that the header states: left out",)


@pytest.mark.parametrize(
    ("times", "duration"),
    [
        ((b"+0", b"+1", b"+2"), 1),
        ((b"+17.5", b"+18.5", b"+19.5"), "1.0"),
        ((b"-1", b"+0", b"+1"), 1),
        ((b"+0.0000000", b"+0.1000000", b"+0.2000000"), "0.1"),  # 0.1 + 0.2 is not 0.3 in binary
        ((b"+0.3", b"+0.6", b"+0.9"), "0,3"),
        ((b"+0", b"+.333", b"+0.667"), "0.333333"),
        ((b"+0", b"+1\x155", b"+2"), 1),
    ],
)
def test_an_interrupted_recording_without_a_gap(tmp_path: Path, times: Sequence[bytes], duration: object) -> None:
    onsets = [(time.replace(b"+.", b"+0.")) + b"\x14\x14\0+1\x14beat\x14" for time in times]
    path = by_hand(tmp_path / "ecg.edf", kind="EDF+D", onsets=onsets, duration=duration)
    check(read_edf(path, NOTHING), fs=500 / float(str(duration).replace(",", ".")))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ((b"+0", b"+1", b"+8.25"), "record 3 begins at 8.25 s, where the one before ends at 2 s; expected one piece"),
        ((b"+0", b"+0.5", b"+1.5"), "record 2 begins at 0.5 s, where the one before ends at 1 s"),
        ((b"+0", b"+1.0021", b"+2.0021"), "record 2 begins at 1.0021 s"),
        ((b"+0", b"", b"+2"), "record 2 of an interrupted recording states no time"),
        ((b"+0", b"+1e1", b"+2"), "record 2 of an interrupted recording states no time"),
    ],
)
def test_an_interrupted_recording_with_a_gap_is_refused(tmp_path: Path, times: Sequence[bytes], message: str) -> None:
    path = by_hand(tmp_path / "ecg.edf", kind="EDF+D", onsets=[time + b"\x14\x14" if time else b"" for time in times])
    with pytest.raises(SignalError, match=message):
        read_edf(path, NOTHING)


@pytest.mark.parametrize(
    ("times", "notes"),
    [
        ((b"+0", b"+1", b"+2"), ()),
        ((b"+0", b"", b"+2"), ()),
        ((b"", b"", b""), ()),
        (
            (b"+0", b"+1", b"+8.25"),
            ("record 3 begins at 8.25 s, where the one before ends at 2 s; read as one piece, as EDF+C states",),
        ),
    ],
)
def test_a_gap_in_what_says_that_it_has_none_is_said(
    tmp_path: Path, times: Sequence[bytes], notes: tuple[str, ...]
) -> None:
    path = by_hand(tmp_path / "ecg.edf", kind="EDF+C", onsets=[time + b"\x14\x14" if time else b"" for time in times])
    recording = read_edf(path, NOTHING)
    check(recording)
    assert recording.notes == notes


def test_times_are_compared_of_so_many_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = by_hand(tmp_path / "ecg.edf", kind="EDF+D", onsets=[b"+%d\x14\x14" % second for second in range(3)])
    monkeypatch.setattr("ecg12.pipeline.formats.edf.times.MOST_RECORDS", 2)
    with pytest.raises(SignalError, match="an interrupted recording of more than 2 records; cut it into parts"):
        read_edf(path, NOTHING)


def test_records_of_no_duration_want_to_be_told_the_rate(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "ecg.edf", duration=0)
    with pytest.raises(SignalError, match="records of 0 s, which tell no sampling frequency; tell it with --fs"):
        read_edf(path, NOTHING)
    check(read_edf(path, InputConfig(fs=500)))


@pytest.mark.parametrize("form", ["ECG {}-Ref", "ECG{}", "EKG {}", "{}-0", "MDC_ECG_LEAD_{}", "Ableitung {}"])
def test_labels_of_leads(tmp_path: Path, form: str) -> None:
    check(read_edf(by_hand(tmp_path / "ecg.edf", labels=[form.format(lead) for lead in LEADS]), NOTHING))


def test_told_leads_name_channels_that_no_lead_is(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "ecg.edf", labels=["ECG 1", "Resp", "ECG 2"])
    with pytest.raises(LeadError, match=r"channels ECG 1, Resp, ECG 2; expected some of .*, which --leads can tell"):
        read_edf(path, NOTHING)
    recording = read_edf(path, InputConfig(leads=("II", "V5")))
    check(recording, SIGNAL[[0, 2]], leads=("II", "V5"))
    assert recording.notes == ("'ECG 1' is II, 'ECG 2' is V5, as told",)
    with pytest.raises(LeadError, match="channels ECG 1, ECG 2; expected 12, as many as --leads names"):
        read_edf(path, InputConfig(leads=("standard",)))
    by_hand(path, labels=["CH1", "CH2"])
    check(read_edf(path, InputConfig(leads=("V1", "I"))), SIGNAL[[1, 0]], leads=("I", "V1"))
    recording = read_edf(by_hand(path, labels=["I", "II"]), InputConfig(leads=("V1", "V2")))
    assert (recording.leads, recording.notes) == (("I", "II"), ("leads as the file's labels have them, not as told",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"physical": ("low", 5)}, "lead I: its range is 'low', '5', '-32768', '32767'; expected four numbers"),
        ({"physical": ("1e308", "-1e308")}, "lead I: its range is .*; expected voltages that can be"),
        ({"physical": ("nan", "1")}, "expected four numbers"),
        ({"physical": ("-1_0", "1_0")}, "expected four numbers"),
        ({"digital": (7, 7)}, "lead I: uncalibrated, its smallest and largest value are the same"),
        ({"duration": -1}, "records of -1 s; expected a positive duration"),
        ({"duration": "1e-300", "unit": "uV"}, "500 samples in 1e-300 s; expected 1 to 1,000,000 in one"),
        ({"duration": "one"}, "'one' as the duration of a record; expected a number"),
        ({"n_records": "3.5"}, "'3.5' as the number of records; expected a whole number"),
        ({"n_records": 99999999}, "36,000 bytes of samples; expected 1,199,999,988,000: the file is cut short"),
        ({"header_bytes": 99999999, "n_records": -1}, "12 channels in a header of 99999999 bytes; the file is damaged"),
        ({"header_bytes": 512, "n_records": -1}, "12 channels in a header of 512 bytes; the file is damaged"),
        ({"version": 1}, "begins unlike an EDF or BDF file"),
    ],
)
def test_headers_that_cannot_be_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(SignalError, match=message):
        read_edf(by_hand(tmp_path / "ecg.edf", **changes), NOTHING)


def test_only_some_of_many_channels_are_listed(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "ecg.edf", np.vstack([SIGNAL[:, :500]] * 5), [f"ch{n}" for n in range(60)])
    with pytest.raises(LeadError, match=r"channels ch0, ch1, .*, ch39, 20 others; expected some of I, II"):
        read_edf(path, NOTHING)


def test_a_hole_in_a_file_is_not_read(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "ecg.edf", n_records=-1)
    with path.open("r+b") as file:
        file.truncate(2**33)
    with pytest.raises(SignalError, match="more than 2,147,483,648 samples; cut the recording into parts"):
        read_edf(path, NOTHING)


def test_many_records_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_edf(tmp_path / "ecg.bdf", SIGNAL)
    other = edfio.read_bdf(path)
    whole = np.array([signal.data for signal in other.signals])
    monkeypatch.setattr("ecg12.pipeline.formats.edf.reading._BLOCK_BYTES", 1)
    check(read_edf(path, NOTHING), whole)


def seeds() -> list[bytes]:
    with TemporaryDirectory() as folder:
        written = [write_edf(Path(folder) / name, SIGNAL[:, :500]) for name in ("ecg.edf", "ecg.bdf")]
        onsets = [b"+0\x14\x14", b"+1\x14\x14", b"+2\x14\x14"]
        written.append(by_hand(Path(folder) / "gap.edf", labels=LEADS[:3], kind="EDF+D", onsets=onsets))
        return [path.read_bytes() for path in written]


FUZZED = Fuzzed(seeds=seeds, read=lambda path: read_edf(path, InputConfig(units="mV")), name="ecg.edf")


def test_damaged_files_are_refused_or_read_and_nothing_else_is_raised(tmp_path: Path) -> None:
    tally = run_cases(FUZZED, tmp_path, range(300))
    assert not tally.failures
    assert tally.refusals.total() > 30
    assert tally.n_read > 30
