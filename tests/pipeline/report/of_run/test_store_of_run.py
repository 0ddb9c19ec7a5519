"""The store of a run is found by its digest, wherever the run says that it was, and by nothing else."""

import json
import shutil
from pathlib import Path

import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.errors import StoreError
from ecg12.pipeline.report.of_run.store_of_run import find_run_store
from tests.cache.small_store import write_store


def write_run(folder: Path, digest: object, **environment: object) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"store_digest": digest}))
    (folder / "environment.json").write_text(json.dumps(environment))
    return folder


@pytest.fixture
def digest(simulated_store: Path) -> str:
    return Store(simulated_store).attributes["digest"]


def test_a_run_remembers_its_store(run: Path, simulated_store: Path) -> None:
    assert json.loads((run / "environment.json").read_text())["stores"] == [str(simulated_store.resolve())]
    store, why = find_run_store(run, [])
    assert store is not None
    assert store.path == simulated_store.resolve()
    assert why == ""


def test_a_run_that_does_not_remember_may_have_its_store_in_its_command(
    simulated_store: Path, digest: str, tmp_path: Path
) -> None:
    folder = write_run(tmp_path / "run", digest, command=["cli.py", "train", str(simulated_store), "--epochs", "3"])
    store, _ = find_run_store(folder, [])
    assert store is not None
    assert store.attributes["digest"] == digest


def test_the_default_store_is_looked_at(
    simulated_store: Path, digest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ecg.zarr").symlink_to(simulated_store)
    monkeypatch.chdir(tmp_path)
    store, _ = find_run_store(write_run(tmp_path / "run", digest), [])
    assert store is not None


def test_another_store_in_its_place_is_not_taken(digest: str, tmp_path: Path) -> None:
    write_store(tmp_path / "s.zarr")
    folder = write_run(tmp_path / "run", digest, stores=[str(tmp_path / "s.zarr")])
    store, why = find_run_store(folder, [])
    assert store is None
    assert f"digest {digest[:12]}…" in why
    assert f"looked at {tmp_path / 's.zarr'}" in why
    told, _ = find_run_store(folder, [tmp_path / "s.zarr"])
    assert told is not None


def test_a_damaged_store_in_its_place_is_not_taken(simulated_store: Path, digest: str, tmp_path: Path) -> None:
    shutil.copytree(simulated_store, tmp_path / "s.zarr")
    (tmp_path / "s.zarr" / "zarr.json").write_text("{")
    folder = write_run(tmp_path / "run", digest, stores=[str(tmp_path / "s.zarr")])
    assert find_run_store(folder, [])[0] is None
    with pytest.raises(StoreError):
        find_run_store(folder, [tmp_path / "s.zarr"])


@pytest.mark.parametrize("config", ["{}", "[]", "{", '{"store_digest": 3}'])
def test_a_run_that_names_no_store_wants_to_be_told(config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    store, why = find_run_store(tmp_path, [])
    assert store is None
    assert why == "the run does not say which store it was trained on; name it with --store"
