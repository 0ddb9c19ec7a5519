"""The windows that a training or a pretraining goes through, as far as both choose them alike."""

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch

from ecg12.cache.chunk_reader import ChunkReader
from ecg12.cache.reader import Store
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.compute.ranks import Ranks
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.runs.pretrain_config import PretrainConfig
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.train_rows import Rows

Settings = TypeVar("Settings", TrainConfig, PretrainConfig)


def settle_residency(
    config: Settings, store: Store, rows: Rows, windows: WindowConfig, device: torch.device, ranks: Ranks
) -> Settings:
    """The configuration with the residency chosen, by the size of all windows: both sides are held together."""
    if config.residency != "auto":
        return config
    both = np.union1d(rows.train, rows.valid)
    chosen = WindowBatches(store, both, windows, batch_size=1, residency="auto", device=device).residency
    return replace(config, residency=ranks.share(chosen))


def shared_options(
    config: TrainConfig | PretrainConfig, store: Store, device: torch.device, ranks: Ranks
) -> dict[str, Any]:
    """Options of `WindowBatches` that training and validation windows have in common; one reader among them.

    Both look into the same chunks, and so each is checked once.
    """
    return {
        "residency": config.residency,
        "device": device,
        "reader": ChunkReader(store, check=config.check),
        "rank": ranks.rank,
        "world_size": ranks.world_size,
    }
