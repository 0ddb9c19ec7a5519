"""One task of a build, and how it travels."""

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.cache.layout import Partition
from ecg12.cache.reader import Store, read_chunk_of
from ecg12.cache.schema import Part, StoreConfig
from ecg12.cache.storage.location import RemotePath
from ecg12.cache.verify import verify_store
from ecg12.cache.writing.build_folder import PLAN_MARKER
from ecg12.cache.writing.writer import create_store, part_path
from ecg12.ecg.errors import SignalError
from ecg12.pipeline.ingest import partition
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.ingest.partition import JOBS_A_TASK, Job, ingest_partition, ingest_pickled, share_out
from ecg12.pipeline.ingest.plan import PlannedRecord, plan_records
from tests.records import pulses_uv, write_record

CONFIG = StoreConfig(chunk_length=4096, fs=500)
STARTS = (100, 1500, 3000)


@pytest.fixture
def job(tmp_path):
    """Three records in one chunk, with room before, between and behind; the second is damaged."""
    for number in (1, 2, 3):
        path = write_record(tmp_path / "data", f"A000{number}", pulses_uv(1000, seed=number))
        if number == 2:
            path.with_suffix(".mat").write_bytes(b"cut short")
    create_store(tmp_path / "s.zarr", CONFIG, 1)
    (tmp_path / PLAN_MARKER).write_text("digest")
    return Job(
        store=tmp_path / "s.zarr",
        folder=tmp_path,
        config=CONFIG,
        plan_digest="digest",
        partition=Partition(index=0, first_chunk=0, n_chunks=1, records=(0, 1, 2)),
        starts=STARTS,
        records=tuple(plan_records([tmp_path / "data"], CONFIG).records),
        strict=False,
    )


def test_nothing_of_earlier_work_gets_into_a_chunk(job, monkeypatch):
    """Memory is taken as it comes: here, full of sevens."""
    monkeypatch.setattr(np, "empty", lambda shape, dtype=float, **options: np.full(shape, 7, dtype, **options))
    assert ingest_partition(job) == (0, 3)
    expected = np.zeros((12, 4096), np.int16)
    for number, start in ((1, STARTS[0]), (3, STARTS[2])):
        expected[:, start : start + 1000] = pulses_uv(1000, seed=number)
    np.testing.assert_array_equal(read_chunk_of(job.store, 0), expected)
    part = Part.from_json(part_path(job.folder, 0).read_bytes(), where="part")
    assert [row.name for row in part.rows] == ["A0001", "A0003"]
    assert [reject.record for reject in part.rejects] == ["A0002"]


def test_a_job_travels_as_bytes(job):
    assert pickle.loads(pickle.dumps(job)) == job
    assert len(pickle.dumps(job)) < 2500
    assert ingest_pickled(pickle.dumps([job])) == [(0, 3)]


def test_what_a_lost_worker_had_finished_is_not_done_again(job, monkeypatch):
    other = replace(job, partition=replace(job.partition, index=1))
    assert ingest_pickled(pickle.dumps([job])) == [(0, 3)]
    done = []
    monkeypatch.setattr("ecg12.pipeline.ingest.partition.ingest_partition", lambda job: done.append(job) or job.result)
    assert ingest_pickled(pickle.dumps([job, other])) == [(0, 3), (1, 3)]
    assert done == [other]


def test_what_stops_the_build_stops_the_task(job):
    strict, other = replace(job, strict=True), replace(job, partition=replace(job.partition, index=1))
    (error,) = ingest_pickled(pickle.dumps([strict, other]))
    assert isinstance(error, SignalError)
    assert not part_path(job.folder, 1).exists()


@given(st.integers(0, 400), st.integers(1, 50))
def test_every_job_is_in_one_task_and_the_last_ones_are_small(n_jobs, n_workers):
    tasks = list(share_out(range(n_jobs), n_workers))
    assert [job for task in tasks for job in task] == list(range(n_jobs))
    sizes = [len(task) for task in tasks]
    assert sizes == sorted(sizes, reverse=True)
    assert all(1 <= size <= JOBS_A_TASK for size in sizes)
    assert sizes[-n_workers:] == [1] * min(n_workers, len(sizes))


def test_a_record_behind_a_url_travels_too(job):
    values = {name: getattr(job.records[0], name) for name in PlannedRecord.__slots__}
    remote = PlannedRecord(**(values | {"path": RemotePath("memory://bucket/A0001.hea")}))
    assert pickle.loads(pickle.dumps(remote)) == remote


def test_files_are_announced_before_they_are_read(job, monkeypatch):
    events = []
    monkeypatch.setattr(
        "ecg12.pipeline.ingest.partition.os.posix_fadvise", lambda *told: events.append("announced"), raising=False
    )
    monkeypatch.setattr(
        "ecg12.pipeline.ingest.partition.convert_record", lambda *told: events.append("read") or pytest.fail("late")
    )
    with pytest.raises(pytest.fail.Exception):
        ingest_partition(job)
    assert events == ["announced"] * 3 + ["read"]


def test_what_cannot_be_announced_is_read_all_the_same(job, monkeypatch):
    def refuse(*told):
        raise OSError("not on this file system")

    monkeypatch.setattr("ecg12.pipeline.ingest.partition.os.posix_fadvise", refuse, raising=False)
    job.records[2].path.with_suffix(".mat").unlink()
    assert ingest_partition(job) == (0, 3)


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("too deep"), ZeroDivisionError("division by zero")])
def test_whatever_one_record_raises_is_said_of_it_and_the_others_are_stored(job, monkeypatch, error):
    real = partition.convert_record

    def convert(planned, start, config, told):
        if planned.name == "A0001":
            raise error
        return real(planned, start, config, told)

    monkeypatch.setattr(partition, "convert_record", convert)
    assert ingest_partition(job) == (0, 3)
    part = Part.from_json(part_path(job.folder, 0).read_bytes(), where="part")
    assert [row.name for row in part.rows] == ["A0003"]
    assert [reject.record for reject in part.rejects] == ["A0001", "A0002"]
    assert f"A0001.hea: cannot be read as a WFDB record ({type(error).__name__}: " in part.rejects[0].reason
    stored = read_chunk_of(job.store, 0)
    np.testing.assert_array_equal(stored[:, STARTS[2] : STARTS[2] + 1000], pulses_uv(1000, seed=3))
    assert not stored[:, : STARTS[2]].any()


def test_odd_names_go_into_a_store_or_are_named(tmp_path):
    """What a file system takes: control letters, 255 bytes, right to left, bytes that are no UTF-8."""
    odd = ["bell\a", "line\nbreak", "esc\x1b[2J", "rtl\u202e", os.fsdecode(b"caf\xe9"), "n" * 251, "Å" * 125]
    for name in ["fine", "blank and ünï", *odd]:
        for suffix in (".hea", ".mat"):
            file = write_record(tmp_path, "e", pulses_uv(1000)).with_suffix(suffix)
            (tmp_path / "data").mkdir(exist_ok=True)
            file.rename(tmp_path / "data" / f"{name}{suffix}")
            header = tmp_path / "e.hea"
            header.unlink(missing_ok=True)
    for header in (tmp_path / "data").glob("*.hea"):  # each names its own file, by its bytes
        stem = os.fsencode(header.stem)
        header.write_bytes(header.read_bytes().replace(b"e.mat", stem.replace(b"\n", b"") + b".mat"))
    build_cache([tmp_path / "data"], tmp_path / "o.zarr", CONFIG)
    store = Store(tmp_path / "o.zarr")
    rejects = store.attributes["rejects"]
    assert "fine" in store.names
    assert len(store.names) + len(rejects) == 9
    texts = [*map(str, store.names), *(one[key] for one in rejects for key in ("record", "reason"))]
    assert all(text.isprintable() for text in texts)
    assert verify_store(tmp_path / "o.zarr") == ()
