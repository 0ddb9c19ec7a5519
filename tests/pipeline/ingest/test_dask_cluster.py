"""Builds on a dask cluster that runs already: a scheduler and two workers as programs of their own."""

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import dask
import pytest
from distributed import Client

from ecg12.cache.schema import StoreConfig
from ecg12.cache.writing.build_folder import build_folder
from ecg12.ecg.errors import ClusterError, RemoteError
from ecg12.pipeline.ingest import dask_cluster as module
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.ingest.dask_cluster import Cluster
from tests.cache.small_store import contents
from tests.records import pulses_uv, write_record

ROOT = Path(__file__).resolve().parents[3]
CONFIG = StoreConfig(chunk_length=4096, fs=400)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster") / "data"
    for number in range(1, 60):
        write_record(folder, f"A{number:04d}", pulses_uv(3000 + 7 * number, seed=number))
    return folder


@pytest.fixture(scope="module")
def whole(data):
    build_cache([data], data.with_name("whole.zarr"), CONFIG)
    return contents(data.with_name("whole.zarr"))


class Programs:
    """`dask scheduler` and `dask worker` as one types them; ended at the end."""

    def __init__(self, folder):
        self.file, self.running = folder / "scheduler.json", []
        self.log = (folder / "log").open("w")

    def start(self, *words, program_path=ROOT):
        environment = {**os.environ, "PYTHONPATH": str(program_path), "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
        command = [sys.executable, "-m", "dask", *map(str, words)]
        process = subprocess.Popen(command, env=environment, cwd="/", stdout=self.log, stderr=self.log)
        self.running.append(process)
        return process

    def scheduler(self, **options):
        common = ("--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file", self.file)
        started = self.start("scheduler", *common, **options)
        limit = time.monotonic() + 60
        while not self.file.exists() or not self.file.read_text():
            assert started.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.05)
        return started, json.loads(self.file.read_text())["address"]

    def workers(self, n, **options):
        common = ("--scheduler-file", self.file, "--nthreads", 1, "--no-dashboard", "--no-nanny")
        return [self.start("worker", *common, **options) for _ in range(n)]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in reversed(self.running):
            process.kill()
            process.wait()
        self.log.close()


def test_a_running_cluster_gives_the_same_bytes(data, whole, tmp_path):
    """By address and by file; the second of two workers is there, too, when the first is killed."""
    with Programs(tmp_path) as programs:
        _, address = programs.scheduler()
        first, _ = programs.workers(2)
        with Client(address) as client:
            client.wait_for_workers(2, timeout=60)
        build_cache([data], tmp_path / "one.zarr", CONFIG, cluster=Cluster(scheduler=address))
        assert contents(tmp_path / "one.zarr") == whole
        first.kill()
        by_file = Cluster(scheduler_file=programs.file)
        build_cache([data], tmp_path / "two.zarr", CONFIG, cluster=by_file)
        assert contents(tmp_path / "two.zarr") == whole


def test_a_scheduler_that_dies_is_told_and_the_build_can_be_finished(data, whole, tmp_path):
    path = tmp_path / "ecg.zarr"
    with Programs(tmp_path) as programs:
        scheduler, address = programs.scheduler()
        programs.workers(1)

        class KillsTheScheduler:
            def __init__(self, label, total, unit):
                self.label = label

            def advance(self, n=1, **figures):
                if self.label == "build-cache" and n:
                    scheduler.kill()

            def __enter__(self):
                return self

            def __exit__(self, *error):
                pass

        with pytest.raises(ClusterError, match=r"the scheduler was lost .* what is finished is kept"):
            build_cache([data], path, CONFIG, cluster=Cluster(scheduler=address), progress=KillsTheScheduler)
    assert build_cache([data], path, CONFIG).n_resumed > 0
    assert contents(path) == whole


def test_a_scheduler_without_the_program_is_refused_before_the_first_task(data, tmp_path):
    """It does no work, but it unpacks tasks."""
    with Programs(tmp_path) as programs:
        programs.scheduler(program_path=tmp_path / "elsewhere")
        programs.workers(1)
        cluster = Cluster(scheduler_file=programs.file)
        message = r"scheduler tcp://127.*: cannot import this program \(ModuleNotFoundError: .*as its workers, with the"
        with pytest.raises(ClusterError, match=message):
            build_cache([data], tmp_path / "ecg.zarr", CONFIG, cluster=cluster)


def test_a_scheduler_of_another_version_is_refused():
    class Client:
        def run_on_scheduler(self, function, path):
            return function(path) | {"program version": "0.0.0"}

    with pytest.raises(ClusterError, match=r"scheduler tcp://s: program version 0\.0\.0; expected .* as here"):
        module._check_scheduler(Client(), "tcp://s")


def test_a_scheduler_that_is_lost_at_once_is_no_scheduler_without_the_program():
    class Client:
        def run_on_scheduler(self, function, path):
            raise ConnectionResetError("gone")

    with pytest.raises(ClusterError, match=r"scheduler tcp://s: was lost \(gone\); start it and run the build again"):
        module._check_scheduler(Client(), "tcp://s")


def test_workers_that_cannot_work_are_refused_before_the_first_task(data, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CONNECT_S", 3.0)
    with Programs(tmp_path) as programs:
        _, address = programs.scheduler()
        cluster = Cluster(scheduler=address)
        with pytest.raises(ClusterError, match=r"has no worker after 3 s; start some with `dask worker tcp://127"):
            build_cache([data], tmp_path / "ecg.zarr", CONFIG, cluster=cluster)
        programs.workers(1, program_path=tmp_path / "elsewhere")
        monkeypatch.setattr(module, "CONNECT_S", 60.0)
        with pytest.raises(ClusterError, match=r"cannot import this program .*with the program's folder in PYTHONPATH"):
            build_cache([data], tmp_path / "ecg.zarr", CONFIG, cluster=cluster)
    assert not list(build_folder(tmp_path / "ecg.zarr").glob("seen-by-workers*"))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"Python": "2.7"}, r"worker tcp://w: Python 2\.7; expected 3\.\d+ as here: start it in the same environment"),
        ({"sees the build's folder": False}, "worker tcp://w: does not see .*expected a file system that all workers"),
    ],
)
def test_a_worker_unlike_this_process_is_refused(tmp_path, answer, message):
    class Client:
        def run(self, function, path, on_error):
            return {"tcp://gone": OSError("closed"), "tcp://w": function(path) | answer}

    with pytest.raises(ClusterError, match=message):
        module._check_workers(Client(), "tcp://s", tmp_path)


def test_workers_are_asked_whether_they_reach_a_url(in_memory):
    class Client:
        def __init__(self, answer):
            self.answer = answer

        def run(self, function, path, on_error):
            assert path.startswith("memory://place/build/seen-by-workers.")
            return {"tcp://w": self.answer or function(path)}

    module._check_workers(Client(None), "tcp://s", in_memory / "build")
    assert in_memory.files() == {}  # nothing is left of it, and no folder is needed
    denied = RemoteError("s3://b/x: cannot be looked up: access denied")
    with pytest.raises(ClusterError, match=r"worker tcp://w: s3://b/x: cannot be looked up: .* the credentials there"):
        module._check_workers(Client(denied), "tcp://s", in_memory / "build")
    with pytest.raises(ClusterError, match="worker tcp://w: does not see memory://place/build"):
        module._check_workers(Client(module.describe_worker("memory://nowhere")), "tcp://s", in_memory / "build")


def test_workers_that_went_away_are_told(tmp_path):
    class Client:
        def run(self, function, path, on_error):
            return {"tcp://gone": OSError("closed")}

    with pytest.raises(ClusterError, match="scheduler tcp://s: its workers are gone; start some with `dask worker"):
        module._check_workers(Client(), "tcp://s", tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_scheduler_there(data, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CONNECT_S", 0.5)
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        with pytest.raises(ClusterError, match=f"scheduler {address}: does not answer within 0.5 s"):
            build_cache([data], tmp_path / "ecg.zarr", CONFIG, cluster=Cluster(scheduler=address))


@pytest.mark.parametrize("text", [None, "{}", "no JSON", "[]"])
def test_a_file_that_is_no_schedulers(data, tmp_path, text):
    file = tmp_path / "scheduler.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ClusterError, match=r"scheduler\.json: no scheduler's address there .*dask scheduler --sched"):
        build_cache([data], tmp_path / "ecg.zarr", CONFIG, cluster=Cluster(scheduler_file=file))


class TestDashboard:
    def test_without_bokeh_is_told(self, data, tmp_path, monkeypatch):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
        with pytest.raises(ClusterError, match="the package bokeh is not installed; pip install bokeh, or leave it"):
            build_cache([data], tmp_path / "ecg.zarr", CONFIG, cluster=Cluster(dashboard=True))

    def test_says_where_it_is(self, tmp_path, monkeypatch):
        monkeypatch.setattr(module, "find_spec", lambda name: name)

        class Client:
            dashboard_link = "http://127.0.0.1:8787/status"

            def __enter__(self):
                return self

            def __exit__(self, *error):
                pass

        asked = []
        for link, text in ((Client.dashboard_link, "dashboard: http://127.0.0.1:8787/status"), (None, "has none")):
            monkeypatch.setattr(Client, "dashboard_link", link)
            monkeypatch.setattr(module, "local_client", lambda *given, **options: asked.append(options) or Client())
            said = []
            with module.open_client(Cluster(workers=2, dashboard=True), tmp_path, 9, said.append):
                assert text in said[0]
        assert asked == [{"watched": True}] * 2


def test_many_jobs_wait_their_turn(data, whole, tmp_path, monkeypatch):
    from ecg12.pipeline.ingest import partition

    monkeypatch.setattr(partition, "TASKS_AT_ONCE", 2)
    shutil.rmtree(tmp_path / "ecg.zarr", ignore_errors=True)
    build_cache([data], tmp_path / "ecg.zarr", CONFIG, cluster=Cluster(workers=2))
    assert contents(tmp_path / "ecg.zarr") == whole


@pytest.mark.parametrize("watched", [False, True])
def test_a_cluster_that_nobody_watches_does_nothing_but_our_work(watched, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    key = "distributed.worker.profile.enabled"
    with module.local_client(1, watched=watched) as client:
        assert list(client.run(dask.config.get, key).values()) == [watched]
        assert list(client.run(os.environ.get, "OMP_NUM_THREADS").values()) == ["1"]
        there = client.run(getattr, logging.getLogger("distributed.worker"), "level")
        assert list(there.values()) == [logging.CRITICAL]
    assert dask.config.get(key) is True
