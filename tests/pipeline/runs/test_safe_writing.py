"""A run that is killed, or whose disk is full, at any moment at all goes on to the end that it would have had."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import RunFolderError
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.pretraining import pretrain as pretraining
from ecg12.pipeline.pretraining.pretrain import pretrain
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.run_lock import LOCK
from ecg12.pipeline.runs.safe_writing import JOURNAL, finish_writing
from ecg12.pipeline.training.train import Epochs, train
from tests.conftest import REPOSITORY
from tests.pipeline.stopped_between_files import contents, full_disk_at, same, take_snapshots
from tests.records import pulses_uv, write_record

TINIEST = {"net_filter_size": (2, 2), "net_seq_length": (64, 16), "dropout_rate": 0.0, "window_length": 256}
OPTIONS = {"epochs": 3, "seed": 5, "save_logits": True, "precision": "fp32", "residency": "memory", "schedule": "steps"}
METRIC = (0.2, 0.1, 0.3)
"""Of the epochs: the second one is not the best so far."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks of a few numbers, whose threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen records of a few seconds."""
    folder = tmp_path_factory.mktemp("saving")
    for number in range(12):
        codes = ("426783006", "164889003")[number % 2]
        write_record(folder / "in", f"A{number:04d}", pulses_uv(1000, seed=number), dx=codes)
    build_cache([folder / "in"], folder / "ecg.zarr", StoreConfig())
    return folder / "ecg.zarr"


@pytest.fixture(autouse=True, scope="module")
def given_metric() -> Iterator[None]:
    """Which epoch is best is given."""
    real = Epochs.run_one
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Epochs, "run_one", lambda self, epoch: real(self, epoch) | {"challenge_metric": METRIC[epoch]})
        yield


def run(store: Path, folder: Path, **options: Any) -> Any:
    return train(store, folder=folder, options=OPTIONS | options, model_options=TINIEST)


@pytest.fixture(scope="module")
def moments(store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[Path]]:
    """An uninterrupted run's files, and its folder at every moment in it."""
    folder = tmp_path_factory.mktemp("moments")
    made = take_snapshots(folder / "run", folder, lambda: run(store, folder / "run"))
    return contents(folder / "run"), made


def test_killed_at_any_moment_a_run_goes_on_to_the_same_files(
    store: Path, moments: tuple[dict[str, Any], list[Path]], tmp_path: Path
) -> None:
    expected, made = moments
    assert len(made) > 25
    for moment in made:
        folder = Path(shutil.copytree(moment, tmp_path / moment.name))
        run(store, folder)
        found = contents(folder)
        assert found.keys() == expected.keys(), moment
        different = [name for name in expected if not same(found[name], expected[name])]
        assert not different, (moment, different)


def test_killed_at_any_moment_a_pretraining_goes_on_to_the_same_files(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = [3.0, 4.0, 2.0]
    real = pretraining._run_epoch
    monkeypatch.setattr(pretraining, "_run_epoch", lambda *given: real(*given) | {"valid_loss": losses[given[3]]})
    options = {
        "epochs": 3,
        "seed": 5,
        "batch_size": 8,
        "pretrain_model": "gru",
        "hidden_size_rnn": 4,
        "k_steps_ahead": (1,),
    }
    options |= {"precision": "fp32", "residency": "memory", "window_length": 64, "max_windows_per_record": 1}

    def run_in(folder: Path) -> None:
        pretrain(store, folder=folder, options=options)

    made = take_snapshots(tmp_path / "run", tmp_path / "moments", lambda: run_in(tmp_path / "run"))
    expected = contents(tmp_path / "run")
    assert len(made) > 15
    for moment in made:
        folder = Path(shutil.copytree(moment, tmp_path / moment.name))
        run_in(folder)
        found = contents(folder)
        assert found.keys() == expected.keys(), moment
        different = [name for name in expected if not same(found[name], expected[name])]
        assert not different, (moment, different)


def test_at_no_moment_a_model_stands_beside_thresholds_or_logits_of_another(
    moments: tuple[dict[str, Any], list[Path]],
) -> None:
    _, made = moments
    of_epoch: dict[int, set[bytes]] = {}
    seen = {"no thresholds": 0, "no model": 0}
    for moment in made:
        if not (moment / "model.pth").exists():
            with pytest.raises(RunFolderError, match=r"(model\.pth|config\.json|classes\.json|\.txt): "):
                files.load_model(moment)
            seen["no model"] += 1
            continue
        model = files.load_model(moment)
        own = files.load_checkpoint(moment / "model.pth")["thresholds"]
        assert dict(zip(model.rule.merged, model.rule.thresholds, strict=True)) == own
        seen["no thresholds"] += not (moment / "thresholds.json").exists()
        if (moment / "logits.csv").exists():
            of_epoch.setdefault(model.epoch, set()).add((moment / "logits.csv").read_bytes())
    assert all(seen.values()), seen
    assert of_epoch.keys() == {0, 2}
    assert [len(texts) for texts in of_epoch.values()] == [1, 1]
    assert of_epoch[0] != of_epoch[2]


def test_a_full_disk_at_any_file_stops_in_a_line_and_leaves_what_a_kill_would(store: Path, tmp_path: Path) -> None:
    moments = take_snapshots(tmp_path / "run", tmp_path / "moments", lambda: run(store, tmp_path / "run", epochs=1))
    whole_files = [moment for moment in moments if list(moment.glob("*.partial"))]
    for number, moment in enumerate(whole_files):
        folder = tmp_path / f"full-{number}"
        with (
            full_disk_at(number),
            pytest.raises(RunFolderError, match=r"cannot be written \(No space left on device\); make room and give"),
        ):
            run(store, folder, epochs=1)
        left = {path.name for path in folder.iterdir()} if folder.exists() else set()
        assert left == {path.name for path in moment.iterdir() if path.suffix != ".partial"} - {LOCK}
    assert len(whole_files) == 14
    assert not folder.joinpath("history.csv").exists()
    run(store, folder, epochs=1)
    assert same(contents(folder), contents(tmp_path / "run"))


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.pipeline.runs import test_safe_writing as tests

real = Path.replace
def replace(self, target):
    if target.name == "model.pth":
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, target)
Path.replace = replace
tests.run(Path(sys.argv[1]), Path(sys.argv[2]), epochs=1)
"""


def test_a_run_killed_as_it_saves_its_first_model_is_gone_on_with(store: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(store), str(tmp_path / "killed")]
    killed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = {path.name for path in (tmp_path / "killed").iterdir()}
    assert left >= {LOCK, "last_state.pth", "model.pth.partial"}
    assert "model.pth" not in left
    with pytest.raises(RunFolderError, match=r"model\.pth: missing; train was stopped as it saved: give the same"):
        files.load_model(tmp_path / "killed")
    run(store, tmp_path / "killed", epochs=1)
    run(store, tmp_path / "whole", epochs=1)
    assert contents(tmp_path / "killed").keys() == contents(tmp_path / "whole").keys()
    assert (tmp_path / "killed" / "thresholds.json").read_bytes() == (tmp_path / "whole/thresholds.json").read_bytes()


def test_thresholds_changed_by_hand_are_the_ones_that_count(store: Path, tmp_path: Path) -> None:
    run(store, tmp_path / "run", epochs=1)
    path = tmp_path / "run" / "thresholds.json"
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), 0.25)))
    assert set(files.load_model(tmp_path / "run").rule.thresholds) == {0.25}
    run(store, tmp_path / "run", epochs=1)  # nothing left to do, and nothing done
    assert set(files.load_model(tmp_path / "run").rule.thresholds) == {0.25}


def test_a_journal_that_is_none_is_named(tmp_path: Path) -> None:
    for text in ("{", '{"../config.json": ""}', "[1]", '{"config.json": 1}'):
        (tmp_path / JOURNAL).write_text(text)
        with pytest.raises(RunFolderError, match=r"\.beginning\.json: damaged"):
            finish_writing(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL]


def test_an_epoch_that_does_not_fit_the_disk_is_refused_before_the_first(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: used._replace(free=2**20))
    with pytest.raises(
        RunFolderError, match=r"1\.0 MB are free on its disk, and an epoch of this network takes 1\.\d MB"
    ):
        run(store, tmp_path / "run")
    assert not (tmp_path / "run" / "last_state.pth").exists()
