"""Builds that are killed and disks that are full: the next run ends with the same bytes and redoes little."""

import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.cache.storage.half_written import partial_of
from ecg12.cache.writing.build_folder import PLAN_MARKER, build_folder, no_task_at_work, task_lock, told_what_to_do
from ecg12.ecg.errors import InputError, StoreError
from ecg12.pipeline.ingest import partition
from ecg12.pipeline.ingest.build_cache import build_cache
from tests.cache.small_store import contents
from tests.records import pulses_uv, write_record

CONFIG = StoreConfig(chunk_length=4096, fs=400)
N_RECORDS = 150

BUILD = """
import sys
from pathlib import Path
from ecg12.cache.schema import StoreConfig
from ecg12.pipeline.ingest.build_cache import build_cache
print("imported", flush=True)
build_cache([Path(sys.argv[1])], Path(sys.argv[2]), StoreConfig(chunk_length=4096, fs=400), workers=int(sys.argv[3]))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Short records in many chunks, and one of forty chunks."""
    folder = tmp_path_factory.mktemp("killed") / "data"
    for number in range(1, N_RECORDS):
        write_record(folder, f"A{number:04d}", pulses_uv(3000 + 7 * number, seed=number))
    write_record(folder, "I0001", pulses_uv(100_000, fs=257), fs=257)
    return folder


@pytest.fixture(scope="module")
def whole(data):
    """The bytes of an uninterrupted build."""
    build_cache([data], data.with_name("whole.zarr"), CONFIG)
    return contents(data.with_name("whole.zarr"))


@pytest.fixture(scope="module")
def seconds(data, whole):
    """What a build takes here."""
    begun = time.monotonic()
    build_cache([data], data.with_name("timed.zarr"), CONFIG)
    return time.monotonic() - begun


def parts_of(path):
    """Journal entry → when and as which file it was written."""
    return {part.name: (part.stat().st_ino, part.stat().st_mtime_ns) for part in build_folder(path).glob("part-*.json")}


def start(data, path, workers):
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, str(data), str(path), str(workers)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "imported\n"
    return process


@pytest.mark.slow
def test_killed_twenty_times_in_a_row(data, whole, seconds, tmp_path):
    """At random moments, most of them while records are converted; entries once written stay as they are."""
    path = tmp_path / "ecg.zarr"
    chance = random.Random(4)
    kept, n_killed = {}, 0
    for _ in range(20):
        process = start(data, path, workers=1)
        time.sleep(chance.uniform(0.1, 0.4) * seconds)
        process.kill()
        n_killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
        if path.exists():  # finished before it was killed: once more
            assert contents(path) == whole
            kept = {}
            path.rename(tmp_path / f"finished-{time.monotonic_ns()}.zarr")
            continue
        now = parts_of(path)
        assert kept.items() <= now.items()
        kept = now
    assert n_killed > 0
    summary = build_cache([data], path, CONFIG)
    assert summary.n_resumed >= len(kept)
    assert contents(path) == whole
    assert not build_folder(path).exists()


@pytest.mark.slow
def test_a_killed_build_of_two_workers_leaves_none_behind(data, whole, tmp_path):
    path = tmp_path / "ecg.zarr"
    process = start(data, path, workers=2)
    family = []
    while not parts_of(path):
        assert process.poll() is None
        family = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.005)
    process.kill()
    process.wait()
    process.stdout.close()
    assert not path.exists()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive
    kept = parts_of(path)
    assert build_cache([data], path, CONFIG, workers=2).n_resumed >= len(kept) > 0
    assert contents(path) == whole


class KillsAWorker:
    """A progress that kills one of the build's worker processes when the first results are there."""

    def __init__(self, label, total, unit):
        self.label, self.killed = label, []

    def advance(self, n=1, **figures):
        if self.label == "build-cache" and n and not self.killed:
            workers = [
                child
                for child in psutil.Process().children(recursive=True)
                if any("multiprocessing.spawn" in word for word in child.cmdline())
            ]
            workers[0].kill()
            self.killed = workers[:1]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        assert self.killed or self.label != "build-cache"


def test_a_killed_workers_task_is_done_again(data, whole, tmp_path):
    path = tmp_path / "ecg.zarr"
    build_cache([data], path, CONFIG, workers=2, progress=KillsAWorker)
    assert contents(path) == whole


class TestFullDisk:
    def test_is_told_and_what_is_finished_is_kept(self, data, whole, tmp_path):
        """The kernel's own ENOSPC, from a device that is always full; before it, two dozen chunks go well."""
        path = tmp_path / "ecg.zarr"
        chunks = build_folder(path) / "store.zarr" / "signal" / "c" / "0"
        full = [partial_of(chunks / str(chunk)) for chunk in (24, 25)]

        class FillsTheDisk(KillsAWorker):
            def advance(self, n=1, **figures):
                if self.label == "build-cache" and not self.killed:
                    self.killed = [True]
                    chunks.mkdir(parents=True, exist_ok=True)
                    for partial in full:
                        partial.symlink_to("/dev/full")

        with pytest.raises(
            StoreError, match=r"store\.zarr: the build cannot go on \(No space left on device"
        ) as caught:
            build_cache([data], path, CONFIG, progress=FillsTheDisk)
        assert "make room or allow writing there, then give the same command again" in str(caught.value)
        assert not path.exists()
        assert not (chunks / "24").exists()
        assert not full[0].is_symlink()  # half a chunk does not stay to take up room
        full[1].unlink()
        kept = parts_of(path)
        assert build_cache([data], path, CONFIG).n_resumed >= len(kept) > 0
        assert contents(path) == whole

    @pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_small_disk(self, data, whole, tmp_path, workers):
        disk = tmp_path / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], check=False).returncode:
            pytest.skip("mounting is not allowed here")
        try:
            with pytest.raises(StoreError, match="No space left on device"):
                build_cache([data], disk / "ecg.zarr", CONFIG, workers=workers)
            subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
            assert build_cache([data], disk / "ecg.zarr", CONFIG, workers=workers).n_resumed > 0
            assert contents(disk / "ecg.zarr") == whole
        finally:
            subprocess.run(["umount", disk], check=True)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_that_must_not_be_written(self, data, tmp_path):
        (tmp_path / "mine").mkdir(mode=0o500)
        with pytest.raises(StoreError, match="Permission denied"):
            build_cache([data], tmp_path / "mine" / "ecg.zarr", CONFIG)

    def test_an_error_that_says_what_to_do_stays_as_it_is(self, tmp_path):
        class Both(InputError, OSError):
            pass

        with pytest.raises(Both, match="already said"), told_what_to_do(tmp_path):
            raise Both("already said")


class TestTaskLock:
    """A worker of a build that was killed and one of the next build never write at once."""

    def test_a_task_of_another_build_does_not_begin(self, tmp_path):
        with pytest.raises(StoreError, match="no longer the folder of this build"), task_lock(tmp_path, "mine"):
            pass
        (tmp_path / PLAN_MARKER).write_text("another's")
        with pytest.raises(StoreError, match="no longer the folder of this build"), task_lock(tmp_path, "mine"):
            pass

    def test_tasks_may_work_together(self, tmp_path):
        (tmp_path / PLAN_MARKER).write_text("mine")
        with task_lock(tmp_path, "mine"), task_lock(tmp_path, "mine"):
            pass

    def test_a_build_waits_for_tasks_left_behind(self, tmp_path, caplog):
        (tmp_path / PLAN_MARKER).write_text("mine")
        code = (
            "import sys, time; from pathlib import Path; from ecg12.cache.writing.build_folder import task_lock\n"
            "with task_lock(Path(sys.argv[1]), 'mine'):\n print(flush=True)\n time.sleep(0.5)"
        )
        with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as left_behind:
            left_behind.stdout.readline()
            with no_task_at_work(tmp_path):
                assert left_behind.wait(10) == 0
        assert "waiting for the workers of an earlier build" in caplog.text

    def test_a_missing_file_inside_is_not_taken_for_a_lost_build(self, tmp_path):
        (tmp_path / PLAN_MARKER).write_text("mine")
        with pytest.raises(FileNotFoundError), task_lock(tmp_path, "mine"):
            (tmp_path / "nothing").read_text()

    def test_an_overtaken_task_stops_the_build(self, data, tmp_path, monkeypatch):
        ingest = partition._ingest

        def overtaken(job):
            done = ingest(job)
            (job.folder / PLAN_MARKER).write_text("another's")
            return done

        monkeypatch.setattr(partition, "_ingest", overtaken)
        with pytest.raises(StoreError, match="no longer the folder of this build"):
            build_cache([data], tmp_path / "ecg.zarr", CONFIG)


def test_the_whole_is_what_it_should_be(data, whole):
    assert Store(data.with_name("whole.zarr")).n_records == N_RECORDS
