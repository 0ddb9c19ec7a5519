"""Where windows are while an epoch lasts, and the choice among it by measured size."""

import torch

from ecg12.pipeline.runtime.machine import available_bytes
from ecg12.pipeline.runtime.option_names import check_residency

SHARE_OF_FREE = 0.5
"""Of the free memory that resident windows may take where the choice is ours; the rest is the training's."""


def choose_residency(wanted: str, n_bytes: int, device: torch.device) -> str:
    """`wanted`, or for "auto" the first of device (only a GPU), memory and stream that has the room.

    Parameters
    ----------
    n_bytes : of all windows as int16
    device : where batches go

    Raises
    ------
    ConfigError
        If there is no such residency.
    """
    check_residency(wanted)
    if wanted != "auto":
        return wanted
    if device.type == "cuda" and n_bytes <= SHARE_OF_FREE * torch.cuda.mem_get_info(device)[0]:
        return "device"
    return "memory" if n_bytes <= SHARE_OF_FREE * available_bytes() else "stream"
