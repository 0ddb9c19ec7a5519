"""A whole net in half precision by torch's autocast, with the loss scaled where its gradients would vanish.

For nets of large matrix products; how a ResNet1d runs is decided by `pipeline.compute.float_precision`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from ecg12.ecg.errors import ConfigError

DTYPES: Mapping[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Autocast:
    """Runs forward passes in a precision, and steps of the optimiser that belong to it.

    Its state goes into the last state of a run, for the scale of fp16 follows from the steps before.

    Raises
    ------
    ConfigError
        If the device has not got the precision.
    """

    def __init__(self, precision: str, device: torch.device) -> None:
        if precision == "fp16" and device.type != "cuda":
            raise ConfigError("precision is 'fp16' on the CPU; expected fp32 or bf16, or --cuda with it")
        if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
            raise ConfigError("precision is 'bf16', which this GPU has not got; expected fp32 or fp16")
        self.device, self.dtype = device, DTYPES[precision]
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")

    def forward(self) -> torch.autocast:
        """What forward passes and losses run within."""
        # without half precision the type is not looked at
        return torch.autocast(self.device.type, self.dtype or torch.bfloat16, enabled=self.dtype is not None)

    def update(
        self,
        loss: Tensor,
        optimizer: Optimizer,
        parameters: Iterable[nn.Parameter],
        clip_value: float,
        bring_together: Callable[[Sequence[nn.Parameter]], None] = lambda parameters: None,
    ) -> None:
        """One step of the optimiser, the gradient's norm clipped.

        Parameters
        ----------
        bring_together : is called when the gradients are there, still scaled, so that what is no number for one of
            several processes is none for any
        """
        parameters = list(parameters)
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        bring_together(parameters)
        self.scaler.unscale_(optimizer)
        clip_grad_norm_(parameters, clip_value)
        self.scaler.step(optimizer)
        self.scaler.update()

    def state_dict(self) -> dict[str, object]:
        """Plain values."""
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Take them over again."""
        self.scaler.load_state_dict(state)
