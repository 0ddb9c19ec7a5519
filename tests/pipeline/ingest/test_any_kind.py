"""Recordings of every kind into a store: what other programs write, beside the same ECG as a WFDB record."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.cache.verify import verify_store
from ecg12.ecg.errors import InputError, LeadError, SignalError, StoreError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.ingest import measure, partition
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.ingest.plan import TOLD_NOTHING, plan_records
from tests.cache.small_store import contents
from tests.pipeline.formats.files import write_dicom, write_edf, write_table
from tests.records import pulses_uv, write_record

CONFIG = StoreConfig(chunk_length=4096)
TOLD = InputConfig(fs=500, units="uV", leads=("standard",), prefix="source-", with_source=True)


def write_npy(path: Path, signal_uv: np.ndarray) -> Path:
    np.save(path, signal_uv)
    return path


def write_mat(path: Path, signal_uv: np.ndarray) -> Path:
    scipy.io.savemat(path, {"val": signal_uv})
    return path


def write_csv(path: Path, signal_uv: np.ndarray) -> Path:
    return write_table(path, signal_uv, head="# fs: 500\n# units: mV\n")


WRITERS = {
    "edf": (write_edf, ".edf", TOLD_NOTHING),
    "bdf": (write_edf, ".bdf", TOLD_NOTHING),
    "dicom": (write_dicom, ".dcm", TOLD_NOTHING),
    "csv": (write_csv, ".csv", TOLD_NOTHING),
    "npy": (write_npy, ".npy", TOLD),
    "mat": (write_mat, ".mat", TOLD),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_the_same_ecg_gives_the_same_samples_and_digest_whatever_holds_it(tmp_path, kind):
    write, suffix, told = WRITERS[kind]
    (tmp_path / "wfdb").mkdir()
    (tmp_path / "other").mkdir()
    for number in range(3):
        signal = pulses_uv(1500 + 500 * number, seed=number)
        write_record(tmp_path / "wfdb", f"W{number}", signal)
        write(tmp_path / "other" / f"W{number}{suffix}", signal)
    build_cache([tmp_path / "wfdb"], tmp_path / "wfdb.zarr", CONFIG)
    summary = build_cache([tmp_path / "other"], tmp_path / "other.zarr", CONFIG, told=told)
    wfdb, other = Store(tmp_path / "wfdb.zarr"), Store(tmp_path / "other.zarr")
    assert other.names.tolist() == wfdb.names.tolist() == ["W0", "W1", "W2"]
    assert other.datasets.tolist() == ["other"] * 3
    for row in range(3):
        assert np.abs(other.read_record(row).astype(int) - wfdb.read_record(row)).max() <= 1
    for column in ("fs_source", "n_samples_source", "length", "n_invalid", "n_clipped", "offset"):
        assert np.array_equal(other.column(f"record/{column}"), wfdb.column(f"record/{column}"))
    if kind != "csv":  # whole numbers, and the same: millivolts with three decimals are others
        assert np.array_equal(other.column("record/digest"), wfdb.column("record/digest"))
    assert (other.column("record/lead_flags") == LeadFlag.UNVERIFIED).all()
    assert verify_store(tmp_path / "other.zarr") == ()
    assert summary.description.rejects == ()


def corpus(folder: Path) -> Path:
    """A folder of several kinds, with what lies around beside them."""
    write_record(folder / "ward", "A0001", pulses_uv(1500, seed=1))
    write_edf(folder / "holter" / "one.edf", pulses_uv(2500, seed=2))
    write_edf(folder / "holter" / "two.bdf", pulses_uv(1000, seed=3), fs=250)
    write_dicom(folder / "pacs" / "three.dcm", pulses_uv(2000, seed=4))
    write_csv(folder / "four.csv", pulses_uv(1700, seed=5))
    (folder / "RECORDS").write_text("ward/A0001\n")
    (folder / "labels.csv").write_text("filename,diagnosis,age\nfour.csv,NORM,60\n")
    (folder / "notes.pdf").write_bytes(b"%PDF-1.4\n")
    return folder


def test_a_mixed_folder_is_taken_as_predict_finds_it(tmp_path):
    summary = build_cache([corpus(tmp_path / "in")], tmp_path / "s.zarr", CONFIG)
    store = Store(tmp_path / "s.zarr")
    assert store.names.tolist() == ["A0001", "four", "one", "three", "two"]
    assert store.datasets.tolist() == ["cpsc", *["in"] * 4]
    assert [(one.relative, one.reason) for one in summary.aside] == [
        ("RECORDS", "text"),
        ("labels.csv", "table of labels or patients"),
        ("notes.pdf", "PDF"),
    ]
    ages = dict(zip(store.names, store.column("record/age").tolist(), strict=True))
    assert ages["three"] == 45
    assert Store(tmp_path / "s.zarr").column("record/fs_source").tolist() == [500, 500, 500, 500, 250]


def test_workers_and_interruptions_leave_no_trace(tmp_path, monkeypatch):
    folder = corpus(tmp_path / "in")
    build_cache([folder], tmp_path / "one.zarr", CONFIG)
    build_cache([folder], tmp_path / "two.zarr", CONFIG, workers=2)
    assert contents(tmp_path / "two.zarr") == contents(tmp_path / "one.zarr")
    real = partition.write_part

    def stop(folder, part):
        if part.partition == 1:
            raise KeyboardInterrupt
        real(folder, part)

    monkeypatch.setattr(partition, "write_part", stop)
    with pytest.raises(KeyboardInterrupt):
        build_cache([folder], tmp_path / "again.zarr", CONFIG)
    monkeypatch.undo()
    summary = build_cache([folder], tmp_path / "again.zarr", CONFIG)
    assert summary.n_resumed > 0
    assert contents(tmp_path / "again.zarr") == contents(tmp_path / "one.zarr")
    assert build_cache([folder], tmp_path / "one.zarr", CONFIG).already_complete


def test_what_a_file_does_not_say_changes_the_build(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write_npy(folder / "a.npy", pulses_uv(1000))
    with pytest.raises(InputError, match=r"a: does not name its 12 leads; tell them with --source-leads, such as"):
        build_cache([folder], tmp_path / "s.zarr", CONFIG)
    build_cache([folder], tmp_path / "s.zarr", CONFIG, told=TOLD)
    assert build_cache([folder], tmp_path / "s.zarr", CONFIG, told=TOLD).already_complete
    with pytest.raises(StoreError, match="built from other records"):
        build_cache([folder], tmp_path / "s.zarr", CONFIG, told=InputConfig(fs=500, units="mV", leads=("standard",)))


def test_a_changed_file_is_noticed_although_its_header_is_the_same(tmp_path):
    path = write_edf(tmp_path / "in" / "a.edf", pulses_uv(1000))
    build_cache([tmp_path / "in"], tmp_path / "s.zarr", CONFIG)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="built from other records"):
        build_cache([tmp_path / "in"], tmp_path / "s.zarr", CONFIG)


def test_one_bad_file_never_stops_the_others(tmp_path):
    folder = corpus(tmp_path / "in")
    write_edf(folder / "cut.edf", pulses_uv(1000)).write_bytes((folder / "holter" / "one.edf").read_bytes()[:2000])
    (folder / "cut.dcm").write_bytes((folder / "pacs" / "three.dcm").read_bytes()[:-5000])
    write_csv(folder / "torn.csv", pulses_uv(50)).write_text("# fs: 500\n# units: mV\nI,II,V1\n1,2,3\n4,5\n6,7,8\n")
    write_table(folder / "no_rate.csv", pulses_uv(50))
    write_table(folder / "limb.csv", pulses_uv(500)[:3], LEADS[:3], head="# fs: 500\n# units: mV\n")
    summary = build_cache([folder], tmp_path / "s.zarr", CONFIG)
    assert summary.description.n_records == 5
    found = {reject.record: (reject.stage, reject.reason) for reject in summary.description.rejects}
    assert found.keys() == {"cut.edf", "cut.dcm", "torn", "no_rate.csv", "limb"}
    assert "cut short" in found["cut.dcm"][1]
    assert found["torn"][1].startswith("torn line 5: 2 cells; expected 3")
    assert found["no_rate.csv"] == ("signal", "no_rate: states no sampling frequency; tell it with --source-fs")
    assert "lead V1, V2, V3, V4, V5, V6 missing" in found["limb"][1]
    with pytest.raises(SignalError) as caught:
        build_cache([folder], tmp_path / "strict.zarr", CONFIG, strict=True)
    assert caught.value.__notes__[0].startswith(f"while planning {folder}")


def test_what_is_changed_between_plan_and_conversion_is_a_named_error(tmp_path, monkeypatch):
    path = write_edf(tmp_path / "in" / "a.edf", pulses_uv(1000))
    write_edf(tmp_path / "in" / "b.edf", pulses_uv(1500, seed=1))
    real = partition.convert_record

    def change(planned, start, config, told):
        if planned.name == "a":
            write_edf(path, pulses_uv(2000))
        return real(planned, start, config, told)

    monkeypatch.setattr(partition, "convert_record", change)
    (reject,) = build_cache([tmp_path / "in"], tmp_path / "s.zarr", CONFIG).description.rejects
    assert reject.reason == (
        "a: 2000 samples at 500 Hz; expected 1000 at 500 Hz as planned: the file changed during the build, run it again"
    )


class TestLeads:
    def limb(self, n_samples: int = 1500) -> np.ndarray:
        """Twelve leads whose limb leads follow from I and II exactly, for all are even."""
        signal = pulses_uv(n_samples).astype(np.int32) // 4 * 4
        one, two = signal[:2]
        signal[2:6] = two - one, -(one + two) // 2, one - two // 2, two - one // 2
        return signal.astype(np.int16)

    @pytest.mark.parametrize("form", ["wfdb", "edf"])
    def test_limb_leads_follow_from_two(self, tmp_path, form):
        signal, there = self.limb(), [0, 1, *range(6, 12)]
        leads = [LEADS[row] for row in there]
        if form == "wfdb":
            write_record(tmp_path / "in", "X", signal[there], leads=leads)
        else:
            write_edf(tmp_path / "in" / "X.edf", signal[there], leads)
        build_cache([tmp_path / "in"], tmp_path / "s.zarr", StoreConfig(fs=500))
        store = Store(tmp_path / "s.zarr")
        assert np.array_equal(store.read_record(0), signal)
        flags = store.column("record/lead_flags")[0]
        derived = (flags & LeadFlag.DERIVED) != 0
        assert derived.tolist() == [2 <= row < 6 for row in range(12)]
        assert not (flags & LeadFlag.ABSENT).any()
        assert verify_store(tmp_path / "s.zarr") == ()

    def test_a_lead_that_cannot_be_had_is_refused_or_zeros(self, tmp_path):
        signal = self.limb()[:11]
        write_edf(tmp_path / "in" / "X.edf", signal, LEADS[:11])
        write_record(tmp_path / "in", "W", signal, leads=LEADS[:11])
        with pytest.raises(InputError, match=r"none of the 2 records can be taken: \w: lead V6 missing: found I, II"):
            build_cache([tmp_path / "in"], tmp_path / "s.zarr", CONFIG)
        with pytest.raises(LeadError, match="lead V6 missing"):
            build_cache([tmp_path / "in"], tmp_path / "s.zarr", CONFIG, strict=True)
        zero = InputConfig(missing_leads="zero", prefix="source-", with_source=True)
        build_cache([tmp_path / "in"], tmp_path / "zero.zarr", CONFIG, told=zero)
        store = Store(tmp_path / "zero.zarr")
        for row in range(2):
            assert not store.read_record(row)[11].any()
            assert store.column("record/lead_flags")[row, 11] & LeadFlag.ABSENT
            assert store.read_record(row)[:11].any(axis=1).all()

    def test_a_source_that_has_none_of_them_is_refused_in_any_case(self, tmp_path):
        write_table(tmp_path / "in" / "x.csv", pulses_uv(500)[:2], ("V1", "V2"), head="# fs: 500\n# units: mV\n")
        zero = InputConfig(missing_leads="zero", prefix="source-", with_source=True)
        with pytest.raises(InputError, match=r"x: leads V1, V2; expected at least one of V5"):
            build_cache([tmp_path / "in"], tmp_path / "s.zarr", StoreConfig(leads=("V5",)), told=zero)


def test_flags_and_counts_of_what_was_read(tmp_path):
    signal = pulses_uv(1000)
    signal[3], signal[7, 100:120] = 5, 32767
    signal[8] = pulses_uv(1000)[8] + np.int16(20_000)
    rows = ["I,II,V1", *("1,2,3" for _ in range(50)), "nan,2,3", *("2,3,4" for _ in range(50))]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "gaps.csv").write_text("# fs: 500\n# units: mV\n" + "\n".join(rows) + "\n")
    write_edf(tmp_path / "in" / "x.edf", signal)
    told = InputConfig(missing_leads="zero", prefix="source-", with_source=True)
    build_cache([tmp_path / "in"], tmp_path / "s.zarr", CONFIG, told=told)
    store = Store(tmp_path / "s.zarr")
    gaps, x = store.column("record/lead_flags")
    assert store.column("record/n_invalid").tolist() == [1, 0]
    assert gaps[0] & LeadFlag.INVALID
    assert x[3] & LeadFlag.FLAT
    assert x[7] & LeadFlag.RAILED
    assert not x[6] & LeadFlag.RAILED
    assert store.column("record/offset")[1, 8] > 10_000


def test_exact_copies_in_any_format_are_one_group(tmp_path):
    signal = pulses_uv(1000)
    write_edf(tmp_path / "in" / "a.edf", signal)
    write_edf(tmp_path / "in" / "b.edf", signal)
    write_dicom(tmp_path / "in" / "c.dcm", signal)
    for name in ("d", "e"):
        write_csv(tmp_path / "in" / f"{name}.csv", pulses_uv(1000, seed=9))
    write_edf(tmp_path / "in" / "f.edf", pulses_uv(1000, seed=3))
    build_cache([tmp_path / "in"], tmp_path / "s.zarr", CONFIG)
    groups = Store(tmp_path / "s.zarr").column("record/group").tolist()
    assert groups[0] == groups[1] == groups[2]
    assert groups[3] == groups[4]
    assert len(set(groups)) == 3


def test_what_readers_say_stays_with_the_store(tmp_path):
    write_edf(tmp_path / "in" / "a.edf", pulses_uv(1000), units="mV")
    told = InputConfig(units="uV", prefix="source-", with_source=True)
    build_cache([tmp_path / "in"], tmp_path / "s.zarr", CONFIG, told=told)
    said = Store(tmp_path / "s.zarr").attributes["remarks"]["reader"]
    assert said == {
        "records": 1,
        "values": 1,
        "such": [["units taken as uV, as told; the file states 'mV'", 1, "in/a"]],
    }


def test_a_tarball_is_unpacked_beside_the_store_and_gone_in_the_end(tmp_path):
    corpus(tmp_path / "in")
    with tarfile.open(tmp_path / "in.tar.gz", "w:gz") as tar:
        for path in sorted((tmp_path / "in").iterdir()):
            tar.add(path, path.name)
    build_cache([tmp_path / "in"], tmp_path / "folder.zarr", CONFIG)
    build_cache([tmp_path / "in.tar.gz"], tmp_path / "out" / "tarball.zarr", CONFIG)
    assert contents(tmp_path / "out" / "tarball.zarr") == contents(tmp_path / "folder.zarr")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tarball.zarr"]


def test_names_that_collide_are_told_apart(tmp_path):
    for ward in ("a", "b"):
        write_edf(tmp_path / "in" / ward / "ecg.edf", pulses_uv(1000, seed=ord(ward)))
    write_record(tmp_path / "in" / "a", "ecg", pulses_uv(1500, seed=5))
    plan = plan_records([tmp_path / "in"], CONFIG)
    assert [record.name for record in plan.records] == ["a/ecg", "a/ecg.edf", "b/ecg"]


def test_many_files_are_measured_by_workers_and_the_plan_is_the_same(tmp_path, monkeypatch):
    folder = corpus(tmp_path / "in")
    (folder / "broken.csv").write_text("I,II\n1\n2,3,4\n")
    alone = plan_records([folder], CONFIG)
    monkeypatch.setattr(measure, "WORTH_WORKERS_S", 0.0)
    monkeypatch.setattr(measure, "_AT_ONCE", 2)
    shared_out = plan_records([folder], CONFIG, workers=2)
    assert shared_out.records == alone.records
    assert shared_out.rejects == alone.rejects


def test_what_is_behind_a_url_is_fetched_where_it_is_no_wfdb(tmp_path, in_memory):
    write_edf(tmp_path / "in" / "one.edf", pulses_uv(1500))
    write_csv(tmp_path / "in" / "two.csv", pulses_uv(1000, seed=2))
    for path in (tmp_path / "in").iterdir():
        (in_memory / "in" / path.name).write_bytes(path.read_bytes())
    build_cache([tmp_path / "in"], tmp_path / "here.zarr", CONFIG)
    build_cache([in_memory / "in"], tmp_path / "out" / "there.zarr", CONFIG)
    assert contents(tmp_path / "out" / "there.zarr") == contents(tmp_path / "here.zarr")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["there.zarr"]
    build_cache([in_memory / "in" / "one.edf"], tmp_path / "one.zarr", CONFIG)
    assert Store(tmp_path / "one.zarr").names.tolist() == ["one"]


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["edf", "dicom", "npy"])
def test_real_records_rewritten_are_the_same_in_a_store(tmp_path, shared, kind):
    write, suffix, told = WRITERS[kind]
    headers = sorted((shared / "data" / "challenge2020" / "Training_PTB-XL").glob("*.hea"))[:6]
    (tmp_path / "in").mkdir()
    for header in headers:
        record = read_record(header)
        write(tmp_path / "in" / f"{header.stem}{suffix}", record.signal)
    build_cache(headers, tmp_path / "wfdb.zarr", CONFIG)
    build_cache([tmp_path / "in"], tmp_path / "other.zarr", CONFIG, told=told)
    wfdb, other = Store(tmp_path / "wfdb.zarr"), Store(tmp_path / "other.zarr")
    assert wfdb.names.tolist() == other.names.tolist()
    assert wfdb.column("record/digest").tolist() == other.column("record/digest").tolist()
    for row in range(len(headers)):
        assert np.abs(wfdb.read_record(row).astype(int) - other.read_record(row)).max() <= 1
