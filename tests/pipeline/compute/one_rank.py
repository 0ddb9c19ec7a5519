"""A process that trains with batch norm in eval mode, for `test_distributed_run`: STORE FOLDER BATCH_SIZE HEAD."""

import sys
from pathlib import Path

import torch

from ecg12.ecg.models.networks.convolution import BatchNorm
from ecg12.pipeline.training.train import train

TINY = {"net_filter_size": (4, 6), "net_seq_length": (256, 16), "dropout_rate": 0.0}
"""That of `tests.conftest`, whose imports would take longer than all the rest."""

OPTIONS = {"epochs": 3, "seed": 5, "lr": 0.01, "residency": "memory", "precision": "fp32", "n_total": 47}
WINDOW = {"linear": 4096, "lstm": 1024}
"""Samples; records have several windows where something is carried from one to the next."""


def never_train(module: BatchNorm, mode: bool = True) -> BatchNorm:
    """Statistics of a batch depend on its size, which is what differs here."""
    return torch.nn.Module.train(module, False)


if __name__ == "__main__":
    torch.set_num_threads(1)
    BatchNorm.train = never_train
    store, folder, batch_size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    options = OPTIONS | {"batch_size": batch_size}
    model_options = TINY | {"pred_stage_type": sys.argv[4], "pred_stage_hidd": 5, "window_length": WINDOW[sys.argv[4]]}
    summary = train(store, folder=folder, options=options, model_options=model_options)
    assert len(summary.history) == 3
