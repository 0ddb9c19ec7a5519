"""A process that trains with batch norm in eval mode, for `test_distributed_run`: STORE FOLDER BATCH_SIZE."""

import sys
from pathlib import Path

import torch

from ecg.models.convolution import BatchNorm
from pipeline.train import train
from tests.conftest import TINY

OPTIONS = {"epochs": 3, "seed": 5, "lr": 0.01, "residency": "memory", "precision": "fp32", "n_total": 47}


def never_train(module: BatchNorm, mode: bool = True) -> BatchNorm:
    """Statistics of a batch depend on its size, which is what differs here."""
    return torch.nn.Module.train(module, False)


if __name__ == "__main__":
    torch.set_num_threads(1)
    BatchNorm.train = never_train
    store, folder, batch_size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    summary = train(store, folder=folder, options=OPTIONS | {"batch_size": batch_size}, model_options=TINY)
    assert len(summary.history) == 3
