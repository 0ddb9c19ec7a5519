"""Locks and the last step of a build where there are neither locks of a kernel nor renames."""

import json
import os
import subprocess
import sys

import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import Part
from ecg12.cache.storage.location import RemotePath
from ecg12.cache.verify import verify_store
from ecg12.cache.writing import remote_build
from ecg12.cache.writing.build_folder import PLAN_MARKER, build_folder, build_lock, task_lock, work_folder
from ecg12.cache.writing.finalise import is_settled, move_into_place, settle_replaced
from ecg12.cache.writing.writer import part_path, write_part
from ecg12.ecg.errors import RemoteError, StoreError
from tests.cache.small_store import record_row, write_store


@pytest.fixture
def store(in_memory):
    return in_memory / "ecg.zarr"


def test_the_lock_says_whose_it_is_and_goes(store):
    with build_lock(store) as folder:
        assert folder == RemotePath("memory://place/ecg.zarr.build")
        owner = json.loads((folder / "lock").read_text())
        assert owner["process"] == os.getpid()
        assert owner["since"].endswith("UTC")
        with (
            pytest.raises(
                StoreError,
                match=r"memory://place/ecg\.zarr: being built by process \d+ on .* since 20.* UTC; wait for it or "
                r"stop it\. "
                r"If it is dead, remove memory://place/ecg\.zarr\.build/lock and give the same command again",
            ),
            build_lock(store),
        ):
            pass
        assert json.loads((folder / "lock").read_text()) == owner
    assert folder.files() == {}


def test_a_lock_goes_with_an_error(store):
    with pytest.raises(ValueError, match="odd"), build_lock(store) as folder:
        raise ValueError("odd")
    assert folder.files() == {}


def put_lock(store, **changes):
    owner = remote_build._owner() | changes
    (build_folder(store) / "lock").write_text(json.dumps(owner))


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lock_of_a_dead_process_of_this_machine_is_taken_over(store, caplog):
    put_lock(store, process=ended_process())
    with build_lock(store) as folder:
        assert json.loads((folder / "lock").read_text())["process"] == os.getpid()
    assert "is dead; its lock is taken over" in caplog.text


@pytest.mark.parametrize(
    ("changes", "holder"),
    [
        ({"machine": "another one", "host": "node7"}, r"process \d+ on node7 since"),
        ({"process": 1, "host": "here"}, "process 1 on here since"),
        ({"process": "?"}, "an unknown process"),
    ],
)
def test_any_other_lock_holds(store, changes, holder):
    put_lock(store, **({"process": ended_process()} | changes))
    with pytest.raises(StoreError, match=f"being built by {holder}"), build_lock(store):
        pass
    assert (build_folder(store) / "lock").is_file()


def test_a_lock_that_is_no_lock(store):
    (build_folder(store) / "lock").write_text("[]")
    with pytest.raises(StoreError, match="being built by an unknown process"), build_lock(store):
        pass


def test_a_task_of_another_plan_is_refused(store):
    folder = build_folder(store)
    work = work_folder(folder, "f" * 64)
    assert work == folder / ("f" * 16)
    with pytest.raises(StoreError, match=f"{work}: no longer the folder of this build"), task_lock(work, "f" * 64):
        pass
    (folder / PLAN_MARKER).write_text("f" * 64)
    with task_lock(work, "f" * 64):
        part = Part(partition=3, rows=(record_row("A0001"),), rejects=(), chunk_digests={1: "ab"})
        write_part(work, part)
    assert Part.from_json(part_path(work, 3).read_bytes(), where="there") == part
    (folder / PLAN_MARKER).write_text("0" * 64)
    with pytest.raises(StoreError, match="another took its place"), task_lock(work, "f" * 64):
        pass


def copied(place):
    return {name: (place / name).read_bytes() for name in place.files()}


def test_a_finished_store_replaces_an_older_one_whole(store):
    folder = build_folder(store)
    write_store(store)
    (store / "left" / "over").write_bytes(b"1")
    write_store(folder / "0" / "store.zarr", {"A0001": {"age": 33.0}})
    wanted = copied(folder / "0" / "store.zarr")
    move_into_place(folder / "0" / "store.zarr", store)
    assert copied(store) == wanted
    assert verify_store(store) == ()
    assert folder.files() == {}


def test_wherever_it_is_interrupted_it_can_be_gone_on_with(store, monkeypatch):
    """Each request of the last step fails once, in a new try; readers meet the old, nothing, or the new store."""
    folder = build_folder(store)
    ask, n_tries = RemotePath._ask, 0
    for n_requests in range(0, 400, 5):
        n_tries += 1
        write_store(store)
        built = folder / "0" / "store.zarr"
        write_store(built, {"A0001": {"age": 33.0}})
        wanted = copied(built)
        left = [n_requests]

        def counted(self, done, what, left=left):
            if done in ("written", "copied", "removed", "cleared"):
                left[0] -= 1
                if left[0] < 0:
                    raise RemoteError("killed")
            return ask(self, done, what)

        monkeypatch.setattr(RemotePath, "_ask", counted)
        try:
            move_into_place(built, store)
        except RemoteError:
            monkeypatch.setattr(RemotePath, "_ask", ask)
            if json.loads((store / "zarr.json").read_text())["attributes"]["complete"]:
                assert float(Store(store).column("record/age")[0]) in (60.0, 33.0)
                assert verify_store(store) == ()
            else:
                assert not is_settled(store)
                with pytest.raises(StoreError, match="the store is incomplete; run build-cache again"):
                    Store(store)
            if is_settled(store):
                move_into_place(built, store) if (built / "zarr.json").is_file() else None
            else:
                settle_replaced(store)
            assert copied(store) == wanted
            assert folder.files() == {}
        else:
            monkeypatch.setattr(RemotePath, "_ask", ask)
            assert copied(store) == wanted
            break
    assert n_tries > 10
