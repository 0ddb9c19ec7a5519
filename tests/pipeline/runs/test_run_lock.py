"""One training at a time in a folder, and a folder that cannot be written found before anything is computed."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ecg12.ecg.errors import RunFolderError
from ecg12.pipeline.evaluation.crossvalidate import TrainOptions, cross_validate
from ecg12.pipeline.pretraining.pretrain import pretrain
from ecg12.pipeline.runs.run_lock import LOCK, run_lock
from ecg12.pipeline.runtime import folder_lock as claim
from ecg12.pipeline.training import train as training
from ecg12.pipeline.training.train import train
from tests.conftest import REPOSITORY, TINY

HOLDER = """
import sys
from pathlib import Path
from ecg12.cache.storage.lock import hold
path = Path(sys.argv[1])
with hold(path) as held:
    path.write_text('{"command": "train", "process": 4711, "host": "lab"}')
    print(held, flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process has the folder."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", HOLDER, str(folder / LOCK)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_run_in_a_folder_is_refused_until_the_first_is_dead(simulated_store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    said = r"run: train \(process 4711 of lab\) is writing into it; wait for it or stop it, or choose another --folder"
    with held_elsewhere(folder) as process:
        with pytest.raises(RunFolderError, match=said):
            train(simulated_store, folder=folder, options={"epochs": 1}, model_options=TINY)
        with pytest.raises(RunFolderError, match=said):
            pretrain(simulated_store, folder=folder, options={"epochs": 1})
        with pytest.raises(RunFolderError, match=said):
            cross_validate(simulated_store, folder, TrainOptions(), folds=2)
        assert [path.name for path in folder.iterdir()] == [LOCK]
        process.send_signal(signal.SIGKILL)
        process.wait()
    train(simulated_store, folder=folder, options={"epochs": 1}, model_options=TINY)
    assert not (folder / LOCK).exists()


def test_a_holder_that_says_nothing_is_another_process(tmp_path: Path) -> None:
    with run_lock(tmp_path, "train"):
        said = json.loads((tmp_path / LOCK).read_text())
        assert (said["command"], said["process"]) == ("train", os.getpid())
        (tmp_path / LOCK).write_text("")
        with pytest.raises(RunFolderError, match="another process is writing into it"), run_lock(tmp_path, "pretrain"):
            pass
    with run_lock(tmp_path, "train"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_made_in_vain_goes_again(tmp_path: Path) -> None:
    with run_lock(tmp_path / "run", "train"):
        assert (tmp_path / "run").is_dir()
    assert not (tmp_path / "run").exists()
    with run_lock(tmp_path / "run", "train"):
        (tmp_path / "run" / "config.json").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]


def test_half_written_files_of_a_killed_run_go(tmp_path: Path) -> None:
    (tmp_path / "model.pth.partial").touch()
    (tmp_path / "history.csv.4711.partial").touch()
    (tmp_path / "notes.txt").touch()
    with run_lock(tmp_path, "train"):
        assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", LOCK}


def test_of_several_ranks_only_the_first_locks_and_all_are_told(tmp_path: Path) -> None:
    class Second:
        writes = False

        def share(self, problem: str) -> str:
            return "the folder is another's" if problem == "" else problem

    with pytest.raises(RunFolderError, match="the folder is another's"), run_lock(tmp_path / "r", "train", Second()):  # type: ignore[arg-type]
        pass
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("below", ["", "run"])
def test_a_file_in_the_folders_place_is_said_before_anything_is_computed(
    simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    def prepare(*_: Any) -> None:
        raise AssertionError("computed")

    monkeypatch.setattr(training, "prepare_run", prepare)
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match=r"file.*: cannot be written \(.*\); expected a folder for a run: choose"):
        train(simulated_store, folder=tmp_path / "file" / below, model_options=TINY)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def write_text(self: Path, _text: str, **_: object) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "write_text", write_text)
    with pytest.raises(
        RunFolderError, match=rf"\.lock: cannot be written \({os.strerror(number)}\); expected a folder"
    ):
        with run_lock(tmp_path, "train"):
            pass


def test_without_locks_a_run_is_warned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @contextmanager
    def hold(_path: Path) -> Iterator[bool]:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        yield

    monkeypatch.setattr(claim, "hold", hold)
    with run_lock(tmp_path, "train"):
        pass
    assert "its file system has no locks; let nothing else write there meanwhile" in caplog.text
