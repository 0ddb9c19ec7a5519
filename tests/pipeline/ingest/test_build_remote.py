"""Builds from and to places behind URLs: the bytes of a local build, whatever happens on the way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.cache.storage import location
from ecg12.cache.storage.location import RemotePath, file_sizes, in_parallel
from ecg12.cache.writing.build_folder import build_folder
from ecg12.ecg.errors import ClusterError, EcgError, InputError, RemoteError, StoreError
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.formats.wfdb.find_headers import find_records
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.ingest.dask_cluster import Cluster
from ecg12.pipeline.ingest.plan import plan_records
from ecg12.pipeline.recordings.remote_recordings import brought
from tests.cache.small_store import contents
from tests.records import checksum_of, pulses_uv, write_corpus, write_record
from tests.s3_server import KEY, SECRET, Fault

ROOT = Path(__file__).resolve().parents[3]
CONFIG = StoreConfig(chunk_length=4096)
STORE = RemotePath("s3://bucket/out/ecg.zarr")
DATA = RemotePath("s3://bucket/data")


def write_two_files(folder, name):
    """A record with its leads in two files, as PTB's originals have them, which wfdb reads."""
    signal = pulses_uv(1500, seed=3)
    lines = [f"{name} 12 500 1500"]
    for file, rows in ((f"{name}.dat", range(8)), (f"{name}.xyz", range(8, 12))):
        (folder / file).write_bytes(signal[list(rows)].T.astype("<i2").tobytes())
        lines += [f"{file} 16 1000/mV 16 0 {signal[row, 0]} {checksum_of(signal[row])} 0 {LEADS[row]}" for row in rows]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote") / "data"
    write_corpus(folder)
    (folder / "ward" / "bad.hea").write_text("bad 12\n")
    write_record(folder / "ward", "lost")
    (folder / "ward" / "lost.mat").unlink()
    write_two_files(folder / "ward", "raw")
    return folder


@pytest.fixture(scope="module")
def whole(data):
    build_cache([data], data.with_name("whole.zarr"), CONFIG)
    return contents(data.with_name("whole.zarr"))


def send(folder, place):
    names = list(file_sizes(folder))
    in_parallel(lambda name: (place / name).write_bytes((folder / name).read_bytes()), names)
    return place


@pytest.fixture
def sent(s3, data):
    """The records in the bucket."""
    send(data, DATA)
    s3.seen.clear()
    return s3


def fetched(place):
    names = list(place.files())
    return dict(zip(names, in_parallel(lambda name: (place / name).read_bytes(), names), strict=True))


def test_records_are_found_by_listing(in_memory, data):
    place = send(data, in_memory / "data")
    (place / ".hidden.hea").write_text("x")
    here, there = find_records([data]), find_records([place])
    assert [(found.relative, found.source) for found in here] == [(found.relative, found.source) for found in there]
    assert [str(found.path) for found in there] == [f"{place}/{found.relative}.hea" for found in here]
    single = find_records([place / "ward" / "X", place / "cpsc" / "g1" / "A0001.hea"])
    assert [(found.relative, found.source) for found in single] == [("A0001", "g1"), ("X", "ward")]
    assert len(find_records([place, place / "ward"])) == len(here)  # each file once
    with pytest.raises(InputError, match=r"memory://place/none: no WFDB record there; expected .hea files"):
        find_records([in_memory / "none"])


def test_a_record_reads_as_a_local_one(in_memory, data):
    place = send(data, in_memory / "data")
    for name in ("ward/X.hea", "ward/raw.hea", "georgia/E00001.hea", "incart/I0001.hea"):
        here, there = read_record(data / name), read_record(place / name)
        assert here.name == there.name
        assert np.array_equal(here.signal, there.signal)
        assert here.checksum == there.checksum


def test_signals_in_a_folder_and_in_other_capitals_are_found_as_local_ones(in_memory, tmp_path):
    for name, stated, lies in (
        ("A", "sub/A.mat", "sub/A.mat"), ("B", "sub/B.mat", "B.mat"), ("C", "C.mat", "C.MAT"),
        ("D", "sub/D.mat", "sub/D.MAT"), ("E", "deep/er/E.mat", "deep/er/E.mat"), ("F", "../F.mat", "F.mat"),
        ("G", "G.mat", "none/G.mat"),
    ):  # fmt: skip
        path = write_record(tmp_path, name, pulses_uv(700, seed=ord(name)))
        (tmp_path / lies).parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".mat").rename(tmp_path / lies)
        path.write_text(path.read_text().replace(f"{name}.mat", stated))
    (tmp_path / "E.hea").rename(tmp_path / "E.HEA")
    place = send(tmp_path, in_memory / "data")
    for name in ("A.hea", "B.hea", "C.hea", "D.hea", "E.HEA"):
        assert np.array_equal(read_record(place / name).signal, read_record(tmp_path / name).signal)
    for name in ("F.hea", "G.hea"):
        said = []
        for folder in (tmp_path, place):
            with pytest.raises(EcgError) as caught:
                read_record(folder / name)
            said.append(str(caught.value))
        assert said[0] == said[1]
    for name in ("C", "E", "E.HEA"):
        assert [found.relative for found in find_records([place / name])] == [name[0]]
        with brought([place / name], tmp_path / "work") as (header,):
            assert np.array_equal(read_record(header).signal, read_record(place / header.name).signal)
    for header in (*tmp_path.glob("*.hea"), tmp_path / "E.HEA"):  # the length is to be measured
        text = header.read_text().replace(" 500 700\n", " 500\n")
        header.write_text(text)
        (place / header.name).write_text(text)
    here, there = plan_records([tmp_path], CONFIG), plan_records([place], CONFIG)
    assert [record.name for record in here.records] == ["A", "B", "C", "D", "E"]
    assert [record.name for record in there.records] == [record.name for record in here.records]


def test_plans_are_the_same(in_memory, data):
    here, there = plan_records([data], CONFIG), plan_records([send(data, in_memory / "data")], CONFIG)
    assert here.digest(CONFIG) == there.digest(CONFIG)
    assert [reject.record for reject in there.rejects] == ["ward/bad"]
    assert here.rejects == there.rejects


@pytest.mark.parametrize("force", [False, True])
def test_a_build_in_memory_has_the_bytes_of_a_local_one(in_memory, data, whole, force):
    store = in_memory / "ecg.zarr"
    summary = build_cache([send(data, in_memory / "data")], store, CONFIG, force=force)
    assert fetched(store) == whole
    assert summary.description.n_bytes == sum(map(len, whole.values()))
    assert [(reject.record, reject.stage) for reject in summary.description.rejects] == [
        ("lost", "signal"), ("ward/bad", "header")
    ]  # fmt: skip
    assert build_folder(store).files() == {}
    again = build_cache([in_memory / "data"], store, CONFIG, force=force)
    assert again.already_complete != force
    assert fetched(store) == whole


def test_memory_is_for_this_process_alone(in_memory, data, tmp_path):
    for store, inputs in ((in_memory / "ecg.zarr", data), (tmp_path / "ecg.zarr", in_memory / "data")):
        for cluster in (Cluster(workers=2), Cluster(scheduler="tcp://127.0.0.1:1"), Cluster(dashboard=True)):
            with pytest.raises(
                ClusterError, match=r"memory://place/.*: is in the memory of this process, where worker"
            ):
                build_cache([inputs], store, CONFIG, cluster=cluster)


def test_another_store_is_not_replaced_unless_told(in_memory, data, whole):
    store = in_memory / "ecg.zarr"
    build_cache([data / "ward"], store, CONFIG)
    ward = fetched(store)
    with pytest.raises(StoreError, match=r"memory://place/ecg.zarr: built from other records"):
        build_cache([data], store, CONFIG)
    assert fetched(store) == ward
    build_cache([data], store, CONFIG, force=True)
    assert fetched(store) == whole
    (in_memory / "notes" / "text").write_text("mine")
    with pytest.raises(StoreError, match=r"memory://place/notes: not a store of this program"):
        build_cache([data], in_memory / "notes", CONFIG, force=True)
    assert (in_memory / "notes" / "text").read_text() == "mine"


FAULTS = [
    Fault(kind="503", path="data.*A0001.hea"),
    Fault(kind="500", path="data.*A0002.mat"),
    Fault(kind="reset", path="data.*E00001.mat"),
    Fault(kind="503", path="list-type"),
    Fault(kind="reset", method="PUT", path="signal/c/0/1"),
    Fault(kind="500", method="PUT", path=r"part-\d"),
    Fault(kind="503", method="PUT", path="record/age/c/0"),
    Fault(kind="503", method="PUT", path=r"out/ecg\.zarr/signal/c/0/0"),
    Fault(kind="500", method="PUT", path=r"store\.zarr/zarr\.json"),
    Fault(kind="reset", method="PUT", path="lock"),
]


def test_errors_that_pass_leave_no_trace(sent, whole):
    """Of the headers, the samples, the listing, chunks, the journal, tables, the last step and the lock."""
    sent.faults = [Fault(kind=fault.kind, method=fault.method, path=fault.path, times=2) for fault in FAULTS]
    build_cache([DATA], STORE, CONFIG)
    assert sum(sent.injected.values()) == 2 * len(FAULTS)
    assert fetched(STORE) == whole
    assert build_folder(STORE).files() == {}
    everything = b"".join(whole.values())
    for secret in (KEY, SECRET, sent.url, "s3://"):
        assert secret.encode() not in everything


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(kind="403", path="A0002.mat", times=99), "A0002.mat: cannot be read: access denied"),
        (Fault(kind="403", path="A0002.hea", times=99), "A0002.hea: cannot be read: access denied"),
        (Fault(kind="403", path="list-type", times=99), "s3://bucket/data: cannot be listed: access denied"),
        (Fault(kind="403", method="PUT", path="lock", times=99), "lock: cannot be written: access denied"),
        (Fault(kind="403", method="PUT", path="signal/c/0/2", times=99), "c/0/2: cannot be written: access denied"),
    ],
)
def test_access_denied_stops_the_build_by_name(sent, fault, message):
    """No record is rejected for it."""
    sent.faults = [fault]
    with pytest.raises(RemoteError, match=message) as caught:
        build_cache([DATA], STORE, CONFIG)
    assert 1 <= sent.injected["403"] <= 2  # some drivers look twice before they list
    sent.faults = []
    assert not STORE.exists()
    told = str(caught.value) + "".join(getattr(caught.value, "__notes__", ()))
    assert KEY not in told
    assert SECRET not in told


def test_a_server_that_stays_away_is_told_after_some_tries(sent, monkeypatch):
    monkeypatch.setattr(location, "TRIES", 2)
    sent.faults = [Fault(kind="500", path="A0003.mat", times=99)]
    with pytest.raises(RemoteError, match=r"data/cpsc/g1/A0003.mat: cannot be read after 2 tries"):
        build_cache([DATA], STORE, CONFIG)
    assert sent.injected["500"] == 2


def program(*words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "cli.py"), *map(str, words)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_build_that_is_killed_is_finished_by_the_same_command(s3, tmp_path):
    """Killed at its third journal entry; the second run finds the lock's holder dead and does what is missing."""
    for number in range(1, 40):
        write_record(tmp_path / "data", f"A{number:04d}", pulses_uv(50_000, seed=number))
    command = ("build-cache", tmp_path / "data", "--output", STORE, "--workers", 1)
    running = program(*command)
    limit = time.monotonic() + 60
    while sum("part-" in path and method == "PUT" for method, path in s3.seen) < 3:
        assert running.poll() is None, running.communicate()[0]
        assert time.monotonic() < limit
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.stdout.close()
    assert (build_folder(STORE) / "lock").is_file()
    assert not STORE.exists()
    with pytest.raises(StoreError, match=r"no store there; s3://bucket/out/ecg\.zarr\.build holds an unfinished build"):
        Store(STORE)
    summary = build_cache([tmp_path / "data"], STORE, StoreConfig())
    assert summary.n_resumed >= 2
    build_cache([tmp_path / "data"], tmp_path / "ecg.zarr", StoreConfig())
    assert fetched(STORE) == contents(tmp_path / "ecg.zarr")
    assert build_folder(STORE).files() == {}


def test_two_worker_processes(sent, whole):
    build_cache([DATA], STORE, CONFIG, workers=2)
    assert fetched(STORE) == whole
