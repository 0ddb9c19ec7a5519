"""Several ranks: who is who, what is brought together, and the curve of one rank with larger batches."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.compute.ranks import ALONE, Ranks, find_ranks
from ecg12.pipeline.compute.window_logits import WindowLogits
from ecg12.pipeline.runs import run_folder as files
from tests.conftest import REPOSITORY

SCRIPT = "tests.pipeline.compute.one_rank"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start(
    store: Path, folder: Path, batch_size: int, head: str = "linear", *, ranks: int
) -> list[subprocess.Popen[str]]:
    """Processes that train together, with the environment that torchrun gives them."""
    command = [sys.executable, "-m", SCRIPT, str(store), str(folder), str(batch_size), head]
    own = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | own | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(ranks)
    ]


def finish(processes: list[subprocess.Popen[str]]) -> None:
    """Wait for them; where one fails the others would wait for it for ever."""
    try:
        for process in processes:
            output, _ = process.communicate(timeout=240)
            assert process.returncode == 0, output[-3000:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.parametrize("head", ["linear", "lstm"])
def test_two_ranks_give_the_curve_of_one_with_twice_the_batch(simulated_store: Path, tmp_path: Path, head: str) -> None:
    """With a recurrent head, too, whose rows are then half on each rank."""
    two = start(simulated_store, tmp_path / "two", 4, head, ranks=2)
    finish(two + start(simulated_store, tmp_path / "one", 8, head, ranks=1))
    two, one = (files.read_history(tmp_path / name / files.HISTORY) for name in ("two", "one"))
    for name in ("train_loss", "valid_loss", "lr", "auroc", "challenge_metric"):
        np.testing.assert_allclose([row[name] for row in two], [row[name] for row in one], rtol=1e-5, atol=1e-5)
    assert two[-1]["train_loss"] < 0.98 * two[0]["train_loss"]
    weights = [files.load_checkpoint(tmp_path / name / files.MODEL)["model"] for name in ("two", "one")]
    for key, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][key], rtol=1e-4, atol=1e-5)
    # the windows are no multiple of the batches, nor of the ranks: a repeat was there, and did not count
    n_train = len(files.read_ids(tmp_path / "two" / files.TRAIN_IDS))
    assert n_train % 2 == 1


class TestWhoIsWho:
    def test_alone_without_torchrun(self) -> None:
        assert find_ranks({}) == ALONE
        assert ALONE.writes

    def test_as_torchrun_says(self) -> None:
        ranks = find_ranks({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"})
        assert ranks == Ranks(rank=3, world_size=8, local_rank=1)
        assert not ranks.writes

    @pytest.mark.parametrize(
        ("environment", "message"),
        [
            ({"RANK": "0"}, "RANK and WORLD_SIZE are '0' and None; expected both as torchrun sets them, or neither"),
            ({"RANK": "x", "WORLD_SIZE": "2"}, "RANK and WORLD_SIZE are 'x' and '2'"),
            ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK is 2; expected 0 to 1, below WORLD_SIZE"),
        ],
    )
    def test_nonsense_is_refused(self, environment: dict[str, str], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            find_ranks(environment)


class TestAlone:
    def test_nothing_is_waited_for_and_nothing_changed(self) -> None:
        ALONE.wait()
        value = object()
        assert ALONE.share(value) is value
        found = WindowLogits(torch.zeros(2, 3), torch.zeros(2), torch.zeros(2))
        assert ALONE.gather(found) is found
