"""How a training or a pretraining is opened: store, device, ranks, and a folder that nobody else may train in."""

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ecg12.cache.reader import Store
from ecg12.cache.several_stores import Locations, members_of, open_stores
from ecg12.cache.storage.location import Location
from ecg12.cache.verify import require_tables
from ecg12.pipeline.compute.ranks import Ranks, find_ranks, joined
from ecg12.pipeline.runs.environment import describe_environment
from ecg12.pipeline.runs.run_folder import new_run_folder
from ecg12.pipeline.runs.run_lock import run_lock
from ecg12.pipeline.runtime.device import choose_device


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Opened:
    """What a run works with, before it is known what it trains."""

    folder: Path
    store: Store
    device: torch.device
    ranks: Ranks


@contextmanager
def opened(stores: Locations, folder: Path | None, command: str, *, dated: bool, cuda: bool) -> Iterator[Opened]:
    """Open the stores, join the other ranks and hold the run folder for as long as the block lasts.

    Parameters
    ----------
    folder, dated : see `name_folder`
    command : who trains, for another process that would, too

    Raises
    ------
    StoreError
        If a store cannot be read, or two hold the same record.
    ConfigError
        If the stores do not go together, or there is no such device.
    RunFolderError
        If another process is training in the folder, or it cannot be written.
    """
    store = open_stores(stores)
    require_tables(store)
    device = choose_device(cuda=cuda)
    with joined(find_ranks(), cuda=cuda) as ranks:
        folder = ranks.share(name_folder(folder, dated=dated))
        with run_lock(folder, command, ranks):
            yield Opened(folder=folder, store=store, device=device, ranks=ranks)


def name_folder(folder: Path | None, *, dated: bool) -> Path:
    """The run folder: as it is called, or a new dated one in it, or in the current directory."""
    if folder is not None and not dated:
        return folder
    return new_run_folder(folder or Path.cwd(), datetime.datetime.now())


def describe_opened(
    store: Store, device: torch.device, ranks: Ranks, seconds_of_a_step: Mapping[str, float]
) -> dict[str, Any]:
    """What a run ran on and learned from, as JSON values: `pipeline.runs.environment`, device, ranks and stores."""
    return describe_environment() | {
        "device": str(device),
        "ranks": ranks.world_size,
        "seconds_of_a_step": dict(seconds_of_a_step),
        "store_digest": store.attributes["digest"],
        "stores": [_address(member.path) for member in members_of(store)],
        "store_digests": [member.attributes["digest"] for member in members_of(store)],
    }


def _address(place: Location) -> str:
    """Where a store is, from anywhere; a URL holds no credentials."""
    return str(place.resolve()) if isinstance(place, Path) else str(place)
