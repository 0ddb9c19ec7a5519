import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg12.ecg.errors import HeaderError, InputError, LeadError, SignalError
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.formats.wfdb import signals as wfdb_signals
from ecg12.pipeline.formats.wfdb.files import read_header, read_header_text
from ecg12.pipeline.formats.wfdb.find_headers import find_records, name_records
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.formats.wfdb.sampling import challenge_dataset, sampling_of
from tests.records import mat_bytes, pulses_uv, write_record


def relatives(*inputs):
    return [(record.source, record.relative) for record in find_records(inputs)]


def test_records_are_found_in_any_nesting_in_the_order_of_their_paths(tmp_path):
    for folder in ("training/georgia/g2", "training/georgia/g1", "flat", "."):
        write_record(tmp_path / "data" / folder, f"R{len(folder)}")
    (tmp_path / "data" / "flat" / "._R4.hea").touch()  # macOS leaves these in archives
    (tmp_path / "data" / "flat" / "RECORDS").touch()
    found = ["R1", "flat/R4", "training/georgia/g1/R19", "training/georgia/g2/R19"]
    assert relatives(tmp_path / "data") == [("data", name) for name in found]


def test_a_single_record_is_named_with_or_without_hea(tmp_path):
    path = write_record(tmp_path / "ward", "X.1")
    for given in (path, path.with_suffix("")):
        (record,) = find_records([given])
        assert (record.path, record.relative, record.source) == (path, "X.1", "ward")


def test_a_record_reached_by_two_ways_is_taken_once(tmp_path):
    path = write_record(tmp_path / "a", "X")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert relatives(tmp_path / "a") == [("a", "X")]
    assert len(find_records([tmp_path / "a", tmp_path, path, tmp_path / "b"])) == 1


def test_symlinked_folders_and_records_are_followed(tmp_path):
    write_record(tmp_path / "far" / "deep", "X")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "far")
    assert relatives(tmp_path / "data") == [("data", "linked/deep/X")]
    # a link is called what it is called, not what the file it points to is called
    for suffix in ("hea", "mat"):
        (tmp_path / f"Y.{suffix}").symlink_to(tmp_path / "far" / "deep" / f"X.{suffix}")
    assert [record.relative for record in find_records([tmp_path / "Y"])] == ["Y"]


def test_the_folder_one_stands_in_is_an_input(tmp_path, monkeypatch):
    write_record(tmp_path / "ward", "X")
    monkeypatch.chdir(tmp_path / "ward")
    assert relatives(Path(".")) == [("ward", "X")]


def test_the_order_of_the_listing_does_not_matter(tmp_path, monkeypatch):
    for number in range(5):
        write_record(tmp_path / f"g{number}", f"A000{number}")
    expected = relatives(tmp_path)
    scandir = os.scandir

    class Backwards:
        def __init__(self, path):
            with scandir(path) as entries:
                self.entries = iter(sorted(entries, key=lambda entry: entry.name, reverse=True))

        def __next__(self):
            return next(self.entries)

        def close(self):
            pass

        __iter__ = __enter__ = lambda self: self
        __exit__ = lambda self, *error: None  # noqa: E731

    monkeypatch.setattr(os, "scandir", Backwards)
    assert relatives(tmp_path) == expected


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="none: does not exist; expected a folder of WFDB records, or a record"):
        find_records([tmp_path / "none"])
    write_record(tmp_path / "a", "X")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no WFDB record there; expected \.hea files"):
        find_records([tmp_path / "a", tmp_path / "empty"])


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path, monkeypatch):
    write_record(tmp_path / "open", "X")
    write_record(tmp_path / "closed", "Y")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"closed: cannot be listed \(Permission denied\); expected a readable folder"):
        find_records([tmp_path])


def test_names_that_cannot_be_printed_are_written_out(tmp_path):
    write_record(tmp_path, "X").rename(tmp_path / os.fsdecode(b"bad\xff\nname.hea"))
    assert relatives(tmp_path) == [(tmp_path.name, "bad\\xff\\nname")]


def test_records_are_called_by_their_path_where_two_share_a_name(tmp_path):
    for name in ("a/X", "b/X", "b/Y"):
        write_record(tmp_path / "in" / Path(name).parent, Path(name).name)
    assert sorted(name_records(find_records([tmp_path / "in"]))) == ["Y", "a/X", "b/X"]
    write_record(tmp_path / "other" / "in" / "a", "X")
    with pytest.raises(InputError, match=r"X\.hea: a second record called a/X in the inputs; name one input at a time"):
        name_records(find_records([tmp_path / "in", tmp_path / "other" / "in"]))


def test_a_header_in_another_encoding_is_read(tmp_path):
    path = write_record(tmp_path, "X")
    path.write_bytes(path.read_bytes() + b"# M\xfcller\r\n")
    assert read_header(path).comments[-1] == "Müller"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_header_saved_by_an_editor_in_its_own_encoding_is_read(tmp_path, encoding):
    path = write_record(tmp_path, "X")
    path.write_bytes(path.read_text().replace("\n", "\r\n").encode(encoding))
    assert read_record(path).n_samples == read_record(write_record(tmp_path, "Y")).n_samples
    path.write_bytes(b"\xff\xfe" + b"X" * 7)  # begins like it, and is none
    with pytest.raises(HeaderError):
        read_header(path)


def test_a_header_that_cannot_be_read(tmp_path):
    (tmp_path / "X.hea").symlink_to("gone.hea")
    with pytest.raises(HeaderError, match=r"X\.hea: cannot be read \(No such file or directory\)"):
        read_header_text(tmp_path / "X.hea")


@pytest.mark.parametrize("length", ["", 0])
def test_a_length_that_is_not_stated_is_measured(tmp_path, length):
    path = write_record(tmp_path, "A0001", pulses_uv(1234), stated_length=length)
    assert sampling_of(path, read_header(path)) == (500, 1234)
    assert read_record(path).n_samples == 1234


def test_half_a_sample_at_the_end_is_not_measured(tmp_path):
    path = write_record(tmp_path, "A0001", pulses_uv(100), stated_length="")
    with path.with_suffix(".mat").open("ab") as file:
        file.write(b"\1\2\3")
    assert read_record(path).n_samples == 100


def test_a_length_that_cannot_be_measured(tmp_path):
    path = write_record(tmp_path, "X", stated_length="", fmt="212")
    with pytest.raises(HeaderError, match="X: no length stated, and format 212 does not tell it; expected the number"):
        sampling_of(path, read_header(path))
    path.with_suffix(".mat").write_bytes(b"short")
    write_record(tmp_path, "Y", stated_length="")
    (tmp_path / "Y.mat").write_bytes(mat_bytes(pulses_uv(1))[:-2])
    with pytest.raises(SignalError, match=r"Y: Y\.mat holds no sample of 12 leads"):
        sampling_of(tmp_path / "Y.hea", read_header(tmp_path / "Y.hea"))
    (tmp_path / "Y.mat").unlink()
    with pytest.raises(SignalError, match=r"Y: signal file Y\.mat: No such file or directory"):
        sampling_of(tmp_path / "Y.hea", read_header(tmp_path / "Y.hea"))


def test_no_frequency(tmp_path):
    path = write_record(tmp_path, "X", fs=None)
    with pytest.raises(HeaderError, match="X: no sampling frequency stated; expected it after the number of leads"):
        sampling_of(path, read_header(path))


@pytest.mark.parametrize("fmt", ["16+24", "212"])
def test_a_length_the_file_cannot_hold_is_refused_before_room_is_made(tmp_path, fmt):
    path = write_record(tmp_path, "X", stated_length=5_000_000_000, fmt=fmt)
    with pytest.raises(SignalError, match=r"X: X\.mat has 120,024 bytes; expected more for the 5,000,000,000 samples"):
        sampling_of(path, read_header(path))


@pytest.mark.parametrize(
    ("name", "fs", "fmt", "dataset"),
    [
        ("A0001", 500, "16+24", "cpsc"),
        ("E00001", 500, "16x1+24", "georgia"),
        ("I0001", 257, "16+24", "incart"),
        ("JS00001", 500, "16+24", "chapman-shaoxing"),
        ("JS45551", 500, "16+24", "ningbo"),
        ("A0001", 250, "16+24", None),
        ("A0001", 500, "16", None),
        ("W0001", 500, "16+24", None),
    ],
)
def test_a_challenge_record_has_its_name_frequency_and_file_form(tmp_path, name, fs, fmt, dataset):
    found = challenge_dataset(read_header(write_record(tmp_path, name, fs=fs, fmt=fmt)))
    assert (found.name if found else None) == dataset


@pytest.mark.parametrize(("gain", "used"), [("1000/mV", 1000), ("200/mV", 200)])
def test_a_header_of_the_two_of_2021_is_believed(tmp_path, gain, used):
    """None of theirs was published with a wrong gain; another one than 1000 is of whoever scaled the samples."""
    record = read_record(write_record(tmp_path, "JS00001", gain=gain))
    assert record.adc_gain.tolist() == [used] * 12
    assert record.stated_gain is None


def test_georgias_name_may_end_in_mat(tmp_path):
    path = write_record(tmp_path, "E00001", stated_name="E00001.mat", gain="4880/mV")
    record = read_record(path)
    assert record.name == "E00001"
    assert record.adc_gain.tolist() == [1000] * 12


def test_samples_come_back_as_they_were_written(tmp_path):
    signal = pulses_uv(777, seed=4)
    record = read_record(write_record(tmp_path, "A0001", signal, dx="164889003,59118001", age="NaN", sex="M"))
    assert record.signal.dtype == np.int16
    assert np.array_equal(record.signal, signal)
    assert (record.leads, record.fs, record.invalid_sample) == (LEADS, 500, -32768)
    assert record.dx_codes == ("164889003", "59118001")
    assert (record.age, record.sex) == (None, "Male")
    assert record.stated_gain is None


@pytest.mark.parametrize("fmt", ["16+24", "16x1+24"])
def test_both_dialects_are_read_without_wfdb(tmp_path, fmt, monkeypatch):
    monkeypatch.setattr(wfdb, "rdrecord", None)
    path = write_record(tmp_path, "A0001", fmt=fmt, gain="1000.0(0)/mv", comment="# ")
    assert np.array_equal(read_record(path).signal, pulses_uv(5000))
    assert read_record(path).dx_codes == ("426783006",)


@pytest.mark.parametrize("gain", ["4880/mV", "200/mv", "2000000/mV", "0", "1000(7)/mV"])
def test_gains_of_the_six_datasets_are_corrected_and_kept(tmp_path, gain):
    record = read_record(write_record(tmp_path, "E00001", gain=gain))
    assert record.adc_gain.tolist() == [1000] * 12
    assert record.baseline.tolist() == [0] * 12
    stated = float(gain.split("/")[0].split("(")[0])
    assert record.stated_gain is None if stated == 1000 else record.stated_gain.tolist() == [stated] * 12


@pytest.mark.parametrize(
    ("gain", "adc_gain", "baseline"),
    [("4880/mV", 4880, 0), ("0.2(5)/uV", 200, 5), ("500000/V", 500, 0), ("200", 200, 0), ("200(-3)", 200, -3)],
)
def test_gains_elsewhere_are_trusted(tmp_path, gain, adc_gain, baseline):
    record = read_record(write_record(tmp_path, "W0001", gain=gain))
    assert record.adc_gain.tolist() == pytest.approx([adc_gain] * 12)
    assert record.baseline.tolist() == [baseline] * 12
    assert record.stated_gain is None


@pytest.mark.parametrize(
    ("gain", "message"),
    [
        ("0", "W0001 lead I: uncalibrated, the header states no gain"),
        ("-5/mV", "W0001 lead I: gain -5 adu/mV; expected a positive number"),
        ("1000/mmHg", "W0001 lead I: units 'mmHg' not understood; expected mV, uV or V"),
    ],
)
def test_gains_elsewhere_that_mean_nothing_are_refused(tmp_path, gain, message):
    with pytest.raises(SignalError, match=message):
        read_record(write_record(tmp_path, "W0001", gain=gain))


def test_a_baseline_that_is_not_stated_is_the_adc_zero(tmp_path):
    path = write_record(tmp_path, "W0001")
    path.write_text(path.read_text().replace("/mV 16 0 ", "/mV 16 1024 "))
    assert read_record(path).baseline.tolist() == [1024] * 12


def test_leads_are_put_into_order(tmp_path):
    order = LEADS[::-1]
    record = read_record(write_record(tmp_path, "W0001", pulses_uv(500)[::-1], leads=[lead.upper() for lead in order]))
    assert record.leads == LEADS
    assert np.array_equal(record.signal, pulses_uv(500))
    two = read_record(tmp_path / "W0001.hea", ["V2", "II"])
    assert np.array_equal(two.signal, pulses_uv(500)[[7, 1]])
    everything = read_record(tmp_path / "W0001.hea", None)
    assert everything.leads == order


def test_eleven_leads(tmp_path):
    path = write_record(tmp_path, "A0001", pulses_uv(500)[:11], leads=LEADS[:11])
    with pytest.raises(LeadError, match=r"A0001: lead V6 missing: found I, II, .*; expected I, II"):
        read_record(path)


@pytest.mark.parametrize(
    "mat_name", ["../A0002.mat", "/etc/passwd", "sub/../A0001.mat", "./A0001.mat", "a//b", "..", "-"]
)
def test_a_signal_file_elsewhere_is_refused(tmp_path, mat_name):
    path = write_record(tmp_path, "A0001", mat_name=mat_name)
    with pytest.raises(HeaderError, match=r"A0001: signal file '.*'; expected a file in the header's own folder"):
        read_record(path)


@pytest.mark.parametrize("fmt", ["16+24", "212"])
def test_a_missing_signal_file(tmp_path, fmt):
    path = write_record(tmp_path, "W0001", fmt=fmt)
    path.with_suffix(".mat").unlink()
    with pytest.raises(SignalError, match=r"W0001: signal file W0001\.mat: No such file or directory"):
        read_record(path)


def test_a_truncated_signal_file(tmp_path):
    path = write_record(tmp_path, "A0001")
    path.with_suffix(".mat").write_bytes(mat_bytes(pulses_uv(5000))[:-1])
    with pytest.raises(SignalError, match=r"A0001\.mat has 120,023 bytes; expected 120,024 for 5,000 samples of 12 le"):
        read_record(path)


def test_a_signal_file_that_cannot_be_read(tmp_path, monkeypatch):
    path = write_record(tmp_path, "A0001")

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(wfdb_signals, "_read_into", refuse)
    with pytest.raises(SignalError, match=r"A0001: A0001\.mat cannot be read \(Permission denied\)$"):
        read_record(path)


def test_a_folder_in_the_place_of_a_signal_file(tmp_path):
    path = write_record(tmp_path, "A0001")
    path.with_suffix(".mat").unlink()
    path.with_suffix(".mat").mkdir()
    with pytest.raises(SignalError, match=r"^A0001: A0001\.mat: a folder; expected a regular file$"):
        read_record(path)


class Trickle(io.BytesIO):
    """A file of which one call gives three bytes at most."""

    def readinto(self, wanted):
        return super().readinto(wanted[:3])


def test_a_file_is_read_on_where_one_call_gave_less():
    wanted = bytearray(10)
    wfdb_signals._read_into(Trickle(b"0123456789ab"), memoryview(wanted))
    assert wanted == b"0123456789"


def test_a_signal_file_that_becomes_shorter_while_it_is_read(tmp_path, monkeypatch):
    path = write_record(tmp_path, "A0001")
    fill = wfdb_signals._read_into
    monkeypatch.setattr(wfdb_signals, "_read_into", lambda file, wanted: fill(io.BytesIO(file.read(1000)), wanted))
    with pytest.raises(SignalError, match=r"A0001: A0001\.mat cannot be read \(it ended while it was read\)$"):
        read_record(path)


def test_samples_as_they_lie_in_the_file(tmp_path):
    path = write_record(tmp_path, "A0001")
    record = read_record(path, by_lead=False)
    assert record.signal.T.flags.c_contiguous
    by_lead = read_record(path)
    assert by_lead.signal.flags.c_contiguous
    assert by_lead.signal.dtype == record.signal.dtype == np.int16
    assert np.array_equal(record.signal, by_lead.signal)
    assert np.array_equal(record.by_lead().signal, by_lead.signal)
    assert by_lead.by_lead() is by_lead


def write_with_wfdb(folder, name, fmt, n_samples=1000):
    signal = pulses_uv(n_samples)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # wfdb's own, on writing
        wfdb.wrsamp(
            name,
            fs=500,
            units=["mV"] * 12,
            sig_name=list(LEADS),
            d_signal=signal.T.astype(np.int64),
            fmt=[fmt] * 12,
            adc_gain=[1000.0] * 12,
            baseline=[0] * 12,
            write_dir=str(folder),
        )
    return folder / f"{name}.hea", signal


@pytest.mark.parametrize(("fmt", "dtype"), [("16", np.int16), ("212", np.int16), ("24", np.int32), ("32", np.int32)])
def test_other_formats_as_wfdb_writes_them(tmp_path, fmt, dtype):
    path, signal = write_with_wfdb(tmp_path, "W1", fmt)
    record = read_record(path)
    assert record.signal.dtype == dtype
    assert np.array_equal(record.signal, signal)


def test_a_file_of_another_format_that_is_cut_short(tmp_path):
    path, _ = write_with_wfdb(tmp_path, "W1", "212")
    path.with_suffix(".dat").write_bytes(b"short")
    with pytest.raises(SignalError, match=r"^W1: W1\.dat has 5 bytes; expected 18,000 for 1,000 samples of 12 leads"):
        read_record(path)


@pytest.mark.shared
def test_the_original_ptb_record_has_fifteen_leads(shared):
    path = shared / "data" / "originals" / "ptb" / "s0010_re.hea"
    everything = read_record(path, None)
    expected = wfdb.rdrecord(str(path.with_suffix("")), physical=False).d_signal
    assert len(everything.leads) == 15
    assert everything.leads[:3] == ("I", "II", "III")
    assert np.array_equal(everything.signal, expected.T)
    record = read_record(path)
    assert record.leads == LEADS
    assert np.array_equal(record.signal, expected[:, :12].T)
    assert (record.fs, record.n_samples, record.adc_gain.tolist()) == (1000, 38400, [2000] * 12)
    assert (record.age, record.sex, record.dx_codes) == (81, "Female", ())


@pytest.mark.shared
@pytest.mark.parametrize("name", ["00001_hr", "00002_hr"])
def test_the_original_ptb_xl_records(shared, name):
    path = shared / "data" / "originals" / "ptb-xl" / f"{name}.hea"
    record = read_record(path)
    expected = wfdb.rdrecord(str(path.with_suffix("")), physical=False).d_signal
    assert np.array_equal(record.signal, expected.T)
    challenge = read_record(shared / "data" / "challenge2020" / "Training_PTB-XL" / f"HR{name[:5]}.hea")
    assert np.array_equal(record.signal, challenge.signal)


@pytest.mark.shared
def test_samples_are_those_wfdb_and_scipy_read(shared):
    from scipy.io import loadmat

    for path in sorted((shared / "data" / "challenge2020").rglob("*0[05].hea")):
        expected = loadmat(path.with_suffix(".mat"))["val"]
        assert np.array_equal(read_record(path).signal, expected), path.name


def test_leads_that_mark_missing_samples_differently_are_refused(tmp_path: Path) -> None:
    path = write_record(tmp_path, "mixed")
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace("mixed.mat 16+24", "other.dat 212")
    lines = [line.replace("mixed.mat 16+24", "mixed.dat 16") for line in lines]
    (tmp_path / "mixed.dat").write_bytes(bytes(2 * 11 * 5000))
    (tmp_path / "other.dat").write_bytes(bytes(7500))
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(SignalError, match="mixed: leads in formats 16, 212, which mark a missing sample differently"):
        read_record(path)
