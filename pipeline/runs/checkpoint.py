"""Reading and writing what a run folder is made of: JSON, and weights that are data and nothing else."""

import errno
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ecg12.cache.storage.small_file import read_json as read_small_json
from ecg12.ecg.errors import RunFolderError
from ecg12.pipeline.runs.checkpoint_limits import check_checkpoint

CONFIG = "config.json"


def read_json(path: Path, *, nan: bool = False) -> Any:  # noqa: ANN401 - any JSON value
    """Read JSON; `nan` takes figures that are NaN or Infinity, too.

    Raises
    ------
    RunFolderError
        If the file is missing or is not JSON.
    """
    try:
        return read_small_json(path, nan=nan)
    except FileNotFoundError:
        raise RunFolderError(f"{path}: missing; expected a run folder made by train") from None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: cannot be read ({error}); expected the JSON that train wrote") from error


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint whole or not at all, and flush it to the disk.

    Raises
    ------
    OSError
        If it cannot be written, naming it; what was there stays.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:  # torch itself would say of a full disk that a position is unexpected
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def load_checkpoint(path: Path, *, allowed: Sequence[Any] = ()) -> dict[str, Any]:
    """Read a checkpoint: tensors, plain values, and what `allowed` lists beside them.

    Parameters
    ----------
    allowed : functions and types that unpickling may call, alone or with the name they are stored under

    Raises
    ------
    RunFolderError
        If it is missing, cannot be read, does not fit into memory, is damaged, or holds anything else, naming what
        that would call.
    """
    try:
        check_checkpoint(path)
        with torch.serialization.safe_globals(list(allowed)):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RunFolderError(f"{path}: missing; expected a run folder made by train") from None
    except Exception as error:  # torch's own unpickler raises whatever comes of what it was told, down to IndexError
        raise RunFolderError(f"{path}: {_describe(error, path.stat().st_size)}") from error
    if not isinstance(state, dict) or not isinstance(state.get("model"), dict):
        raise RunFolderError(
            f"{path}: not a checkpoint of this program; expected a dictionary with the model's weights"
        )
    return state


def _describe(error: Exception, n_bytes: int) -> str:
    """What stands in the way, and what to do: train again only where the file itself, of `n_bytes`, is at fault."""
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # EINVAL: damaged positions in the file
        return f"cannot be read ({error.strerror}); mend that and try again"
    is_lack = isinstance(error, MemoryError) or re.search("not enough memory|can't allocate memory", str(error))
    tried = re.search(r"tried to allocate (\d+) bytes", str(error))
    if is_lack and not (tried and int(tried[1]) > n_bytes):  # a file that states more than it holds is damaged
        return "its weights do not fit into the memory that is free; end other programs, or take a larger machine"
    return f"damaged or not a checkpoint ({_reason(error)}); train again"


def _reason(error: Exception) -> str:
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if refused:
        return f"it would call {refused[1]}, which is no weight"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def load_weights(network: nn.Module, path: Path) -> dict[str, Any]:
    """Load a checkpoint's weights into `network` and give back the whole checkpoint.

    Raises
    ------
    RunFolderError
        Also if the weights are those of another network.
    """
    state = load_checkpoint(path)
    fit_weights(network, state["model"], path)
    return state


def fit_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Put weights that were read from `path` into `network`.

    Raises
    ------
    RunFolderError
        If they are those of another network.
    """
    try:
        network.load_state_dict(weights, strict=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        detail = lines[1] if len(lines) > 1 else lines[0]
        raise RunFolderError(f"{path}: weights of another network than {CONFIG} describes ({detail})") from error
