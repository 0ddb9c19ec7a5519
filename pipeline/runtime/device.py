"""Where the arithmetic runs."""

import torch

from ecg12.ecg.errors import ConfigError


def choose_device(*, cuda: bool) -> torch.device:
    """The CPU, or the GPU if asked for.

    Raises
    ------
    ConfigError
        If a GPU is asked for and there is none to use; nothing falls back in silence.
    """
    if not cuda:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        built = torch.version.cuda
        reason = "this build of torch has no CUDA" if built is None else f"torch was built for CUDA {built}"
        raise ConfigError(f"--cuda: no usable GPU found ({reason}); leave --cuda out to run on the CPU")
    return torch.device("cuda")
