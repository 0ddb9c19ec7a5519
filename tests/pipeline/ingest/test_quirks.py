"""Every oddity that is known of the six datasets' files, each in a record of its own, from its files into one store.

Header lines are those of the published files; the signals are made here. What a record shows is looked up in the store
that `build-cache` makes of all of them together, and in what `inspect` says of it.
"""

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.cache.verify import verify_store
from ecg12.ecg.headers.header import parse_header
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.quality import describe_flags
from ecg12.pipeline.ingest.build_cache import BuildSummary, build_cache
from ecg12.pipeline.ingest.describe_quality import describe_quality
from ecg12.pipeline.ingest.describe_store import describe_store
from tests.commands.test_cli import invoke
from tests.records import MAT_BYTES, checksum_of, pulses_uv, write_record

FS = 500.0
"""Of the store: records at this rate are stored sample for sample."""

HALF_HOUR = 462_600
INVALID = -32768

Write = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Quirk:
    """A record, and what the store says of it.

    Attributes
    ----------
    name : dataset/name in the store
    write : writes the files into a folder
    columns : column below record/ → its value
    codes : the diagnoses in the store; None where they are not what this is about
    flags : lead → names of its flags; every other lead has none
    signal : the samples in µV that the store must hold, to half a microvolt; None where they are resampled
    """

    name: str
    write: Write
    columns: Mapping[str, Any] = field(default_factory=dict)
    codes: tuple[str, ...] | None = None
    flags: Mapping[str, set[str]] = field(default_factory=dict)
    signal: NDArray[np.integer] | None = None


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A record that is not taken: its name, stage and reason in the store's table of rejects."""

    name: str
    write: Write
    stage: str
    reason: str


def plain(name: str, signal: NDArray[np.int16] | None = None, **options: Any) -> Write:
    """Writes a record of the Challenge's form; `options` as `tests.records.write_record` has them."""

    def write(folder: Path) -> None:
        write_record(folder, name, beats(name) if signal is None else signal, **options)

    return write


def edited(name: str, edit: Callable[[str], str], **options: Any) -> Write:
    """Writes a record, then changes its header's text."""

    def write(folder: Path) -> None:
        header = write_record(folder, name, beats(name), **options)
        header.write_bytes(edit(header.read_text()).encode())

    return write


def beats(name: str, n_samples: int = 2500, fs: float = FS) -> NDArray[np.int16]:
    """Beats of their own for each name."""
    seed = sum(map(ord, name)) * 7 + int(name[-3:] if name[-3:].isdigit() else 0)
    return pulses_uv(n_samples, fs=fs, seed=seed + ((2 * seed + 7919) % 23 == 0))  # that one has no ripple on it


def changed(name: str, change: Callable[[NDArray[np.int16]], object]) -> NDArray[np.int16]:
    """The record's beats after a change in place."""
    signal = beats(name)
    change(signal)
    return signal


def first_line(line: str) -> Callable[[str], str]:
    """An edit of the header: another record line."""
    return lambda text: "\n".join([line, *text.split("\n")[1:]])


def without(key: str) -> Callable[[str], str]:
    """An edit of the header: without this comment."""
    return lambda text: "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"#{key}"))


def in_two_files(folder: Path) -> None:
    """As the original PTB database: fifteen leads in `.dat` and `.xyz`, small letters, 2000 adu/mV, CRLF, an age."""
    name, standard = "s0010_re", beats("s0010_re", 4000, fs=1000)
    leads = [*(lead.lower() for lead in LEADS), "vx", "vy", "vz"]
    signals = [*(2 * standard), *(2 * standard[:3])]
    lines = [f"{name} 15 1000 4000"]
    for number, (lead, samples) in enumerate(zip(leads, signals, strict=True)):
        file = f"{name}.{'dat' if number < 12 else 'xyz'}"
        lines.append(f"{file} 16 2000 16 0 {samples[0]} {checksum_of(samples)} 0 {lead}")
    lines += ["", "# age: 81", "# sex: female", "# Diagnose:", "# Reason for admission: Myocardial infarction"]
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.hea").write_bytes("\r\n".join([*lines, ""]).encode())
    (folder / f"{name}.dat").write_bytes(np.array(signals[:12]).T.astype("<i2").tobytes())
    (folder / f"{name}.xyz").write_bytes(np.array(signals[12:]).T.astype("<i2").tobytes())


def original_of_ptb_xl(folder: Path) -> None:
    """As PTB-XL publishes its records: leads AVR, AVL, AVF, unsigned checksums, no comments, a time before the date."""
    name, signal = "00841_hr", beats("00841_hr")
    leads = [lead.upper() if lead.startswith("aV") else lead for lead in LEADS]
    lines = [f"{name} 12 500 {signal.shape[1]} 16:56:02 28/06/1987"]
    for lead, samples in zip(leads, signal, strict=True):
        lines.append(f"{name}.dat 16 1000.0(0)/mV 16 0 {samples[0]} {checksum_of(samples) % 65536} 0 {lead}")
    assert any(int(line.split()[6]) > 32767 for line in lines[1:])
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.hea").write_text("\n".join([*lines, ""]))
    (folder / f"{name}.dat").write_bytes(signal.T.astype("<i2").tobytes())


def listed_elsewhere(folder: Path) -> None:
    """In the release g1/RECORDS names a record that lies in g2; both folders are read as they are."""
    for group, name, named in (("g1", "S0001", "S0002"), ("g2", "S0002", "S0003")):
        write_record(folder / group, name, beats(name, 2000, fs=1000), fs=1000, gain="1000/mv")
        (folder / group / "RECORDS").write_text(f"{name}\n{named}\n")


def twice(folder: Path) -> None:
    """One recording under a name of CPSC and one of CPSC-Extra, with other labels."""
    write_record(folder, "A0101", SAME)
    write_record(folder, "Q0048", SAME, dx="164889003")


CORRECTED = {lead: {"gain_corrected"} for lead in LEADS}
RAILED = changed("A0070", lambda signal: signal[6].__setitem__(slice(100, 140), 32767))
GONE = changed("E04603", lambda signal: signal[2].__setitem__(slice(700, 710), INVALID))
MOSTLY_GONE = changed("I0002", lambda signal: signal[11].__setitem__(slice(20, 2480), INVALID))
DEAD = changed("A0071", lambda signal: signal[8].__setitem__(slice(None), 0))
FLAT = np.full((12, 2500), 7, np.int16)
FAR_OFF = changed("A0072", lambda signal: signal[9].__iadd__(15_000))
SAME = beats("A0101")

QUIRKS: dict[str, Quirk] = {
    # header dialects
    "gain 1000/mV, 16+24, a date before the time": Quirk(
        name="cpsc/A0001",
        write=edited("A0001", first_line("A0001 12 500 2500 12-May-2020 12:33:59")),
        columns={"fs_source": 500, "n_samples_source": 2500},
        signal=beats("A0001"),
    ),
    "gain 1000/mv": Quirk(name="cpsc/A0002", write=plain("A0002", gain="1000/mv"), signal=beats("A0002")),
    "gain 1000.0(0)/mV, 16x1+24, '# Dx:', no date, no Sx": Quirk(
        name="georgia/E07500",
        write=edited(
            "E07500", without(" Sx"), gain="1000.0(0)/mV", fmt="16x1+24", comment="# ", dx="67741000119109,426177001"
        ),
        codes=("426177001", "67741000119109"),
        signal=beats("E07500"),
    ),
    "gain 1000.0(0)/mv": Quirk(
        name="ptb-xl/HR00001",
        write=plain("HR00001", gain="1000.0(0)/mv", fmt="16x1+24", comment="# ", dx="251146004,426783006"),
        codes=("251146004", "426783006"),
        signal=beats("HR00001"),
    ),
    "Georgia's record name ends in .mat": Quirk(
        name="georgia/E00002", write=plain("E00002", stated_name="E00002.mat"), signal=beats("E00002")
    ),
    "Sx: Unknows": Quirk(
        name="cpsc/A0003",
        write=edited("A0003", lambda text: text.replace("Sx: Unknown", "Sx: Unknows")),
        codes=("426783006",),
    ),
    "no comments at all": Quirk(
        name="cpsc/A0004",
        write=edited("A0004", lambda text: text[: text.index("#")]),
        columns={"age": np.nan, "sex": -1},
        codes=(),
    ),
    "lines end in CRLF": Quirk(
        name="cpsc/A0005",
        write=edited("A0005", lambda text: text.replace("\n", "\r\n"), dx="164889003"),
        codes=("164889003",),
        signal=beats("A0005"),
    ),
    # early gains above the same bytes
    "Georgia 4880/mV": Quirk(
        name="georgia/E00001",
        write=plain("E00001", gain="4880/mV", stated_name="E00001.mat"),
        flags=CORRECTED,
        signal=beats("E00001"),
    ),
    "PTB-XL 200/mV": Quirk(
        name="ptb-xl/HR00599", write=plain("HR00599", gain="200/mV"), flags=CORRECTED, signal=beats("HR00599")
    ),
    "PTB 2000000/mV": Quirk(
        name="ptb/S0010",
        write=plain("S0010", beats("S0010", 5000, fs=1000), fs=1000, gain="2000000/mV"),
        columns={"fs_source": 1000, "n_samples_source": 5000, "length": 2500},
        flags=CORRECTED,
    ),
    "INCART 306000/mV": Quirk(
        name="incart/I0001",
        write=plain("I0001", beats("I0001", 2570, fs=257), fs=257, gain="306000/mV"),
        columns={"fs_source": 257, "length": 5000},
        flags=CORRECTED,
    ),
    # diagnoses
    "Dx empty": Quirk(name="ptb-xl/HR00500", write=plain("HR00500", dx=""), codes=()),
    "no Dx line": Quirk(name="cpsc/A0010", write=plain("A0010", dx=None), codes=()),
    "Dx repeats a code": Quirk(
        name="cpsc-extra/Q0010",
        write=plain("Q0010", dx="59118001,164889003,59118001"),
        codes=("164889003", "59118001"),
    ),
    "a code of 14 digits": Quirk(
        name="georgia/E00010", write=plain("E00010", dx="67741000119109"), codes=("67741000119109",)
    ),
    "equivalent codes count as one scored class": Quirk(
        name="cpsc-extra/Q0011", write=plain("Q0011", dx="713427006,59118001"), codes=("59118001", "713427006")
    ),
    **{
        f"Dx in words: {text}": Quirk(
            name=f"cpsc/A{20 + number:04d}", write=plain(f"A{20 + number:04d}", dx=text), codes=(code,)
        )
        for number, (text, code) in enumerate(
            {
                "AF": "164889003",
                "I-AVB": "270492004",
                "LBBB": "164909002",
                "Normal": "426783006",
                "PAC": "284470004",
                "PVC": "164884008",
                "RBBB": "59118001",
                "STD": "429622005",
                "STE": "164931005",
            }.items()
        )
    },
    # patients
    "age NaN": Quirk(name="georgia/E00020", write=plain("E00020", age="NaN"), columns={"age": np.nan}),
    "age -1": Quirk(name="georgia/E00021", write=plain("E00021", age="-1"), columns={"age": np.nan}),
    "age 300": Quirk(name="ptb-xl/HR00020", write=plain("HR00020", age="300"), columns={"age": 300}),
    "age 104": Quirk(name="ptb/S0020", write=plain("S0020", fs=1000, age="104"), columns={"age": 104}),
    **{
        f"sex {text}": Quirk(
            name=f"cpsc/A{40 + number:04d}",
            write=plain(f"A{40 + number:04d}", sex=text),
            columns={"sex": code},
        )
        for number, (text, code) in enumerate(
            {"Male": 1, "male": 1, "M": 1, "Female": 0, "female": 0, "F": 0, "Unknown": -1, None: -1}.items()
        )
    },
    # samples
    "raw -32768 is no sample": Quirk(
        name="georgia/E04603",
        write=plain("E04603", GONE),
        columns={"n_invalid": 10, "n_clipped": 0},
        flags={"III": {"invalid"}},
    ),
    "a lead that is nearly all -32768": Quirk(
        name="incart/I0002",
        write=plain("I0002", MOSTLY_GONE, fs=257),
        columns={"n_invalid": 2460},
        flags={"V6": {"invalid"}},
    ),
    "a dead lead": Quirk(name="cpsc/A0071", write=plain("A0071", DEAD), flags={"V3": {"flat"}}, signal=DEAD),
    "all leads flat": Quirk(
        name="cpsc-extra/Q0400",
        write=plain("Q0400", FLAT),
        columns={"scale": 0},
        flags={lead: {"flat"} for lead in LEADS},
        signal=FLAT,
    ),
    "at the rail of ±32.767 mV": Quirk(
        name="cpsc/A0070",
        write=plain("A0070", RAILED),
        columns={"n_clipped": 0},
        flags={"V1": {"railed"}},
        signal=RAILED,
    ),
    "beyond ±10 mV all the time": Quirk(
        name="cpsc/A0072", write=plain("A0072", FAR_OFF), flags={"V4": {"offset"}}, signal=FAR_OFF
    ),
    "leads in other sockets": Quirk(
        name="cpsc/A0073",
        write=plain("A0073", beats("A0073")[[0, 4, 2, 3, 1, 5, 6, 7, 8, 9, 10, 11]]),
        flags={lead: {"einthoven"} for lead in ("I", "II", "III")},
    ),
    # the same recording under two names
    "duplicates across datasets": Quirk(
        name="cpsc-extra/Q0048",
        write=twice,
        signal=SAME,
    ),
    # lengths
    "an odd length": Quirk(
        name="cpsc/A0080",
        write=plain("A0080", beats("A0080", 4567)),
        columns={"length": 4567},
        signal=beats("A0080", 4567),
    ),
    "half an hour": Quirk(
        name="incart/I0003",
        write=plain("I0003", np.tile(beats("I0003", 1285, fs=257), 360), fs=257),
        columns={"n_samples_source": HALF_HOUR, "length": 900_000},
    ),
    # where files are
    "gN/RECORDS names a record of g(N+1)": Quirk(name="ptb/S0002", write=listed_elsewhere, columns={"length": 1000}),
    # originals
    "fifteen leads in .dat and .xyz": Quirk(
        name="ward/s0010_re",
        write=in_two_files,
        columns={"fs_source": 1000, "n_samples_source": 4000, "length": 2000, "age": 81, "sex": 0},
        codes=(),
    ),
    "PTB-XL's own: AVR, unsigned checksums": Quirk(
        name="ward/00841_hr", write=original_of_ptb_xl, signal=beats("00841_hr"), codes=()
    ),
}

REFUSED = (
    Refused(
        name="A0090",
        write=lambda folder: cut_short(folder, "A0090"),
        stage="signal",
        reason="A0090.mat has 60,021 bytes; expected 60,024 for 2,500 samples of 12 leads",
    ),
    Refused(
        name="A0091",
        write=plain("A0091", checksums=[1] * 12),
        stage="checksum",
        reason="the samples do not match the header's checksum: the file is damaged",
    ),
    Refused(
        name="A0092",
        write=lambda folder: write_record(folder, "A0092").with_suffix(".mat").unlink(),
        stage="signal",
        reason="signal file A0092.mat: No such file",
    ),
    Refused(
        name="A0093",
        write=plain("A0093", beats("A0093")[:11], leads=LEADS[:11]),
        stage="signal",
        reason="lead V6 missing",
    ),
)


def cut_short(folder: Path, name: str) -> None:
    mat = write_record(folder, name, beats(name)).with_suffix(".mat")
    mat.write_bytes(mat.read_bytes()[: MAT_BYTES + 2 * 12 * 2500 - 3])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildSummary:
    """One store of all of them."""
    folder = tmp_path_factory.mktemp("quirks")
    for number, quirk in enumerate((*QUIRKS.values(), *REFUSED)):
        quirk.write(folder / "ward" / f"{number:02d}")
    return build_cache([folder / "ward"], folder / "ecg.zarr", StoreConfig(fs=FS))


@pytest.fixture(scope="module")
def store(built: BuildSummary) -> Store:
    return Store(built.description.path)


@pytest.mark.parametrize("what", QUIRKS)
def test_a_quirk_is_seen_in_the_store(store: Store, what: str) -> None:
    quirk = QUIRKS[what]
    row = store.index_of(quirk.name)
    expected = {"n_invalid": 0, "n_clipped": 0, "length": 2500} if quirk.signal is not None else {}
    if quirk.signal is not None:
        expected["length"] = quirk.signal.shape[1]
        found = store.read_microvolts(row)
        assert np.abs(found - quirk.signal).max() <= 0.5
    for column, value in (expected | dict(quirk.columns)).items():
        np.testing.assert_equal(store.column(f"record/{column}")[row].item(), value, err_msg=column)
    flags = store.column("record/lead_flags")[row]
    named = {
        lead: set(describe_flags(int(bits)).split(", ")) - {"none"} for lead, bits in zip(LEADS, flags, strict=True)
    }
    assert {lead: names for lead, names in named.items() if names} == quirk.flags
    if quirk.codes is not None:
        assert store.dx_codes(row) == quirk.codes
        assert store.column("label/annotated")[row] == bool(quirk.codes)


def test_every_record_is_taken_but_those_that_are_refused(store: Store) -> None:
    assert store.n_records == len(QUIRKS) + 2  # the other one of the duplicates, and of the two in gN
    assert verify_store(store.path) == ()


def test_refusals_are_named_with_their_reason(store: Store) -> None:
    rejects = {reject["record"].rpartition("/")[2]: reject for reject in store.attributes["rejects"]}
    assert rejects.keys() == {refused.name for refused in REFUSED}
    for refused in REFUSED:
        assert (rejects[refused.name]["dataset"], rejects[refused.name]["stage"]) == ("cpsc", refused.stage)
        assert refused.reason in rejects[refused.name]["reason"]


def test_duplicates_are_one_group_and_listed(store: Store, built: BuildSummary) -> None:
    assert built.description.duplicates == (("cpsc-extra/Q0048", "cpsc/A0101"),)
    groups = store.column("record/group")
    assert groups[store.index_of("Q0048")] == groups[store.index_of("A0101")]
    assert len(set(groups)) == store.n_records - 1


def test_equivalent_codes_are_one_scored_class(store: Store) -> None:
    scored = store.column("label/scored")[store.index_of("Q0011")]
    assert list(store.column("label/scored_code")[scored == 1]) == ["713427006"]


def test_no_file_of_the_release_is_taken_for_a_record(store: Store) -> None:
    assert {"S0001", "S0002"} <= set(store.names)
    assert "S0003" not in store.names


def test_inspect_quality_counts_them(store: Store) -> None:
    quality = describe_quality(store.path)
    expected: dict[str, dict[str, int]] = {}
    for quirk in QUIRKS.values():
        for flag in set().union(*quirk.flags.values()):
            of_dataset = expected.setdefault(quirk.name.partition("/")[0], {})
            of_dataset[flag] = of_dataset.get(flag, 0) + 1
    found = {name: {entry.flag: entry.n_records for entry in one.flags} for name, one in quality.items()}
    assert {name: flags for name, flags in found.items() if flags} == expected
    assert (quality["georgia"].n_invalid, quality["incart"].n_invalid, quality["cpsc"].n_rejected) == (10, 2460, 4)
    assert describe_store(store.path).flags["georgia"]["gain_corrected"] == 1


def test_inspect_shows_them(store: Store) -> None:
    quality = invoke("inspect", store.path, "--quality").output
    for line in (
        r"georgia +gain_corrected +1 +12 +E00001",
        r"incart +invalid +1 +1 +I0002",
        r"cpsc-extra +flat +1 +12 +Q0400",
        r"cpsc +railed +1 +1 +A0070",
        r"cpsc +offset +1 +1 +A0072",
        r"cpsc +einthoven +1 +3 +A0073",
    ):
        assert re.search(line, quality), line
    rejects = invoke("inspect", store.path, "--rejects").output
    for refused in REFUSED:
        assert re.search(rf"cpsc +\S*{refused.name} +{refused.stage} .*{re.escape(refused.reason)}", rejects)
    assert "4 records rejected" in rejects
    shown = invoke("inspect", store.path, "--record", "HR00020").output
    assert re.search(r"age +older than 89", shown)
    assert "same samples: cpsc-extra/Q0048 = cpsc/A0101" in invoke("inspect", store.path).output


def test_a_wrong_checksum_may_be_kept_and_is_flagged(tmp_path: Path) -> None:
    plain("A0091", checksums=[1] * 12)(tmp_path / "in")
    build_cache([tmp_path / "in"], tmp_path / "s.zarr", StoreConfig(fs=FS, bad_checksum="flag"))
    assert re.search(r"cpsc +checksum +1 +12 +A0091", invoke("inspect", tmp_path / "s.zarr", "--quality").output)


def test_values_beyond_the_stores_range_are_clipped_and_counted(tmp_path: Path) -> None:
    """None of the six can hold them in 16 bits; a hospital's record at 500/mV can."""
    signal = beats("X")
    signal[10, 40:43] = 20_000
    write_record(tmp_path / "in", "X", signal, fs=FS, gain="500/mV")
    build_cache([tmp_path / "in"], tmp_path / "s.zarr", StoreConfig(fs=FS))
    store = Store(tmp_path / "s.zarr")
    assert store.column("record/n_clipped").tolist() == [3]
    assert re.search(r"in +clipped +1 +1 +X", invoke("inspect", store.path, "--quality").output)


def write_below(header: Path, folder: Path) -> None:
    """The published header as it is, over beats that begin and add up as it says."""
    stated = parse_header(header.read_text(encoding="utf-8", errors="replace"))
    signal = beats("A0001", stated.n_samples or 0)
    for samples, spec in zip(signal, stated.signals, strict=True):
        samples[0] = spec.initial_value
        samples[-1] += (spec.checksum - int(samples.sum(dtype=np.int64)) + 32768) % 65536 - 32768
    folder.mkdir(parents=True)
    (folder / header.name).write_bytes(header.read_bytes())
    head = struct.pack("<5i4s", 30, *signal.shape, 0, 4, b"val\0") if stated.signals[0].byte_offset else b""
    (folder / stated.signals[0].file_name).write_bytes(head + signal.T.astype("<i2").tobytes())


@pytest.mark.shared
def test_published_headers_of_every_issue(shared: Path, tmp_path: Path) -> None:
    """The first header of each collection, but for the original PTB's, whose record is among the originals."""
    folders = sorted(path for path in (shared / "data" / "headers").iterdir() if path.name != "ptb_JennEYoon_original")
    for folder in folders:
        write_below(min(folder.glob("*.hea")), tmp_path / "ward" / folder.name)
    summary = build_cache([tmp_path / "ward"], tmp_path / "s.zarr", StoreConfig(fs=FS))
    store = Store(tmp_path / "s.zarr")
    rejects = {reject.record.rpartition("/")[2]: reject.reason for reject in summary.description.rejects}
    # three records are in two collections, and of one name the first is taken
    assert rejects.keys() == {"A0001", "HR00001", "S0001"}
    assert all("a second record of this name" in reason for reason in rejects.values())
    assert store.n_records == len(folders) - 3
    counted = {name: flags["gain_corrected"] for name, flags in summary.description.flags.items()}
    assert counted == {"cpsc": 0, "cpsc-extra": 0, "georgia": 2, "incart": 1, "ptb": 1, "ptb-xl": 1, "ward": 0}
    assert not any(n for flags in summary.description.flags.values() for name, n in flags.items() if name == "checksum")
