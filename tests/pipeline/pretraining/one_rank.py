"""A process that pretrains without anything drawn, for `test_pretrain_ranks`: STORE FOLDER BATCH_SIZE."""

import sys
from pathlib import Path

import torch

from ecg12.pipeline.pretraining.pretrain import pretrain

OPTIONS = {"pretrain_model": "gru", "hidden_size_rnn": 6, "k_steps_ahead": (4, 9), "window_length": 512, "n_total": 23}
OPTIONS |= {"epochs": 3, "seed": 5, "lr": 0.01, "residency": "memory", "max_windows_per_record": 3}

if __name__ == "__main__":
    torch.set_num_threads(1)
    store, folder, batch_size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    summary = pretrain(store, folder=folder, options=OPTIONS | {"batch_size": batch_size})
    assert len(summary.history) == 3
