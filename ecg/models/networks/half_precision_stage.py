"""Pretrained stages in half precision: what they give is float32, whatever they compute in."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")


class HasPrecision:
    """Mixed into modules that can run in half precision, so that whoever chooses one need not know which they are.

    Attributes
    ----------
    dtype : bfloat16 or float16 to run large products in that; None for float32
    """

    dtype: torch.dtype | None = None


class HalfStage(HasPrecision):
    """Has a precision; mixed into modules whose methods are `in_half`."""


S = TypeVar("S", bound=HalfStage)


def in_half(method: Callable[Concatenate[S, Tensor, P], T]) -> Callable[Concatenate[S, Tensor, P], T]:
    """A method that takes a signal and gives a tensor, or a tuple whose first is one, run in its module's precision."""

    @wraps(method)
    def run(self: S, x: Tensor, *args: P.args, **kwargs: P.kwargs) -> T:
        if self.dtype is None:
            return method(self, x, *args, **kwargs)
        with torch.autocast(x.device.type, self.dtype):
            found: Any = method(self, x, *args, **kwargs)
        whole: Any = (found[0].float(), *found[1:]) if isinstance(found, tuple) else found.float()
        return whole

    return run
