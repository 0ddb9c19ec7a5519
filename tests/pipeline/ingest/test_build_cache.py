"""Builds from end to end: what goes in and what is refused."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.cache.verify import verify_store
from ecg12.cache.writing.build_folder import build_folder
from ecg12.ecg.errors import (
    ChecksumError,
    HeaderError,
    InputError,
    LeadError,
    SignalError,
    StoreError,
)
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.ingest import partition
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.ingest.dask_cluster import Cluster
from tests.cache.small_store import contents
from tests.records import mat_bytes, pulses_uv, write_corpus, write_record

CONFIG = StoreConfig(chunk_length=4096, fs=500)


@pytest.fixture
def data(tmp_path):
    write_corpus(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ecg.zarr"


def test_records_go_in_and_come_out(data, path):
    summary = build_cache([data], path, CONFIG)
    store = Store(path)
    assert store.ids.tolist() == ["A0001", "A0002", "A0003", "A0004", "X", "E00001", "I0001"]
    assert store.datasets.tolist() == ["cpsc"] * 4 + ["data", "georgia", "incart"]
    assert np.array_equal(store.read_record(0), pulses_uv(2300, seed=1))
    assert store.dx_codes(4) == ("164889003", "OWN")
    assert store.column("label/annotated").tolist() == [True] * 5 + [False, True]
    assert verify_store(path) == ()
    assert summary.description.n_records == 7
    assert (summary.n_resumed, summary.already_complete) == (0, False)
    assert summary.records_per_second > 0
    assert not build_folder(path).exists()


def test_progress_is_told_of_every_record(data, path):
    told = []

    class Task:
        def __init__(self, label, total, unit):
            self.label, self.total, self.done = label, total, 0
            told.append(self)

        def advance(self, n=1, **figures):
            self.done += n

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    build_cache([data], path, CONFIG, progress=Task)
    assert [(task.label, task.total, task.done) for task in told] == [("reading headers", 7, 7), ("build-cache", 7, 7)]


def test_the_bytes_do_not_depend_on_the_order_of_the_listing(data, path, monkeypatch):
    build_cache([data], path, CONFIG)
    walk = os.walk

    def backwards(*arguments, **options):
        for folder, folders, files in walk(*arguments, **options):
            folders.reverse()
            yield folder, folders, files[::-1]

    monkeypatch.setattr(os, "walk", backwards)
    build_cache([data], path.with_name("second.zarr"), CONFIG)
    assert contents(path) == contents(path.with_name("second.zarr"))


def test_the_bytes_do_not_depend_on_place_or_layout(data, path, tmp_path):
    build_cache([data], path, CONFIG)
    flat = tmp_path / "deep" / "er" / "data"
    flat.mkdir(parents=True)
    for file in data.rglob("*.*"):
        shutil.copy(file, flat)
    build_cache([flat], path.with_name("second.zarr"), CONFIG)
    assert contents(path) == contents(path.with_name("second.zarr"))


def test_the_bytes_do_not_depend_on_the_number_of_workers(data, path):
    build_cache([data], path, CONFIG)
    summary = build_cache([data], path.with_name("second.zarr"), CONFIG, workers=2)
    assert summary.start_seconds > 0
    assert contents(path) == contents(path.with_name("second.zarr"))


def test_strict_stops_workers_with_the_records_name(data, path):
    write_record(data / "cpsc", "A0009", checksums=[7] * 12)
    with pytest.raises(ChecksumError, match="A0009 lead I, II, III") as caught:
        build_cache([data], path, CONFIG, workers=2, strict=True)
    assert caught.value.__notes__ == [f"while ingesting {data / 'cpsc' / 'A0009.hea'}"]


def test_one_partition_needs_no_workers(tmp_path, path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    write_record(tmp_path / "data", "A0001")
    build_cache([tmp_path / "data"], path, StoreConfig(), workers=4)
    assert Store(path).n_records == 1


def test_killed_workers_are_a_store_error(monkeypatch):
    import distributed

    class Nothing:
        def __init__(self, *arguments, **options):
            pass

        def map(self, function, jobs, **options):
            return []

        def run(self, function, **options):
            pass

        def nthreads(self):
            return {}

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    def die(futures, **options):
        raise distributed.KilledWorker("task", None, 3)
        yield

    monkeypatch.setattr(distributed, "LocalCluster", Nothing)
    monkeypatch.setattr(distributed, "Client", Nothing)
    monkeypatch.setattr(distributed, "as_completed", die)
    two = Cluster(workers=2)
    message = r"killed several times .* fewer --workers"
    with partition.job_runner(two, Path(), 2) as run, pytest.raises(StoreError, match=message):
        list(run([]))


def spoil_mat(path, data):
    path.with_suffix(".mat").write_bytes(data)


REJECTS = {
    "no header line": (lambda path: path.write_text("#\n"), "header", "no record line", HeaderError),
    "short mat": (
        lambda path: spoil_mat(path, mat_bytes(pulses_uv(5000))[:-1]),
        "signal",
        "is cut short, fetch it again",
        SignalError,
    ),
    "no mat": (lambda path: path.with_suffix(".mat").unlink(), "signal", "No such file", SignalError),
    "checksum": (
        lambda path: write_record(path.parent, path.stem, checksums=[7] * 12),
        "checksum",
        "A0009 lead I, II, III, aVR, aVL, aVF, V1, V2, V3, V4, V5, V6: the samples do not match",
        ChecksumError,
    ),
    "eleven leads": (
        lambda path: write_record(path.parent, path.stem, pulses_uv(5000)[:11], leads=LEADS[:11]),
        "signal",
        "lead V6 missing",
        LeadError,
    ),
    "no frequency": (lambda path: write_record(path.parent, path.stem, fs=None), "header", "no sampling", HeaderError),
    "no gain": (lambda path: write_record(path.parent, path.stem, fs=250, gain="0"), "signal", "uncalib", SignalError),
    "units": (
        lambda path: write_record(path.parent, path.stem, fs=250, gain="1/mmHg"),
        "signal",
        "units 'mmHg' not understood",
        SignalError,
    ),
    "lightning": (
        lambda path: write_record(path.parent, path.stem, fs=250, gain="1e-9/mV"),
        "signal",
        "expected at most 1000 V",
        SignalError,
    ),
    "path": (
        lambda path: write_record(path.parent, path.stem, mat_name="../../data/cpsc/g1/A0001.mat"),
        "header",
        "expected a file in the header's own folder",
        HeaderError,
    ),
    "length": (
        lambda path: write_record(path.parent, path.stem, stated_length=10**12),
        "signal",
        "expected more for the 1,000,000,000,000 samples",
        SignalError,
    ),
    "frequency": (
        lambda path: write_record(path.parent, path.stem, pulses_uv(500), fs=1e-3),
        "header",
        "sampling frequency 0.001 Hz; expected 10 to 1e+06 Hz",
        HeaderError,
    ),
}


@pytest.mark.parametrize("fault", REJECTS)
def test_a_bad_record_is_rejected_by_name_stage_and_reason(tmp_path, path, fault):
    spoil, stage, reason, error = REJECTS[fault]
    write_record(tmp_path / "data" / "cpsc" / "g1", "A0001")
    spoil(write_record(tmp_path / "data", "A0009"))
    build_cache([tmp_path / "data"], path, CONFIG)
    store = Store(path)
    assert store.names.tolist() == ["A0001"]
    (reject,) = store.attributes["rejects"]
    assert (reject["record"], reject["stage"]) == ("A0009", stage)
    assert reason in reject["reason"]
    assert verify_store(path) == ()
    assert str(tmp_path) not in json.dumps(store.attributes)
    with pytest.raises(error, match=r"A0009|header: no record line") as caught:
        build_cache([tmp_path / "data"], path.with_name("strict.zarr"), CONFIG, strict=True)
    assert caught.value.__notes__[0].endswith(str(tmp_path / "data" / "A0009.hea"))


def test_a_comma_in_a_name_is_rejected(data, path):
    write_record(data, "A,1")
    build_cache([data], path, CONFIG)
    (reject,) = Store(path).attributes["rejects"]
    assert (reject["record"], reject["stage"], reject["dataset"]) == ("A,1", "header", "data")


def test_a_wrong_checksum_may_be_flagged(tmp_path, path):
    write_record(tmp_path / "data", "A0001", checksums=[7] * 12)
    build_cache([tmp_path / "data"], path, StoreConfig(bad_checksum="flag"))
    assert Store(path).column("record/lead_flags").tolist() == [[128] * 12]


def test_a_rejected_long_record_leaves_zeros_that_verify(data, path):
    """Whole chunks of zeros are written as every other, or their files would seem lost."""
    (data / "incart" / "I0001.mat").write_bytes(b"short")
    build_cache([data], path, CONFIG)
    store = Store(path)
    assert store.n_records == 6
    assert any(not store.read_chunk(chunk).any() for chunk in range(store.n_chunks))
    assert verify_store(path) == ()


def test_all_rejected(tmp_path, path):
    write_record(tmp_path / "data", "A0001", fs=None)
    with pytest.raises(InputError, match="none of the 1 records can be taken: A0001: no sampling frequency stated"):
        build_cache([tmp_path / "data"], path, CONFIG)
    write_record(tmp_path / "data", "A0002").with_suffix(".mat").unlink()
    with pytest.raises(InputError, match="none of the 2 records can be taken: A0001: no sampling frequency stated"):
        build_cache([tmp_path / "data"], path, CONFIG)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data"]


def test_no_records(tmp_path, path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no recording there; expected WFDB headers \(\.hea\)"):
        build_cache([tmp_path / "empty"], path, CONFIG)
    with pytest.raises(InputError, match="nowhere: does not exist"):
        build_cache([tmp_path / "nowhere"], path, CONFIG)


def test_a_table_of_other_patients_is_refused(data, path, tmp_path):
    table = tmp_path / "patients.csv"
    table.write_text("record,patient_id\nX1,7\n")
    with pytest.raises(InputError, match=r"patients\.csv: names none of the \d+ records; expected their names"):
        build_cache([data], path, CONFIG, patients=[table])
    assert not path.exists()


def test_patients_and_duplicates_make_groups(data, path, tmp_path):
    write_record(data, "Q0001", pulses_uv(2300, seed=1))  # A0001 again
    table = tmp_path / "patients.csv"
    table.write_text("record,patient_id\nA0002,7\nA0003,7\n")
    build_cache([data], path, CONFIG, patients=[table])
    store = Store(path)
    groups = dict(zip(store.names, store.column("record/group"), strict=True))
    assert groups["Q0001"] == groups["A0001"]
    assert groups["A0002"] == groups["A0003"]
    assert len(set(groups.values())) == 6
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        build_cache([data], path, CONFIG, patients=[tmp_path / "none.csv"])
