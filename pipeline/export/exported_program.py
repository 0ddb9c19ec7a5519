"""What every exported program has in common: how it is called, and how it is made without noise."""

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError, PluginError
from ecg12.ecg.models.plugin_parts import GivenLayer
from ecg12.ecg.models.portable.whole_model import PortableModel

Answer = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Scores and labels, (record, class)."""

Runner = Callable[[Mapping[str, NDArray[np.float32]]], Answer]
"""Runs an exported program: inputs by name → what it answers."""


def require(packages: Sequence[str], what: str) -> None:
    """Raise ConfigError if packages are missing that only exporting needs."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{what} needs {', '.join(packages)}; {', '.join(missing)} not found: pip install "
            f'{" ".join(missing)}, or pip install ".[export]" for all'
        )


def example_inputs(portable: PortableModel) -> tuple[torch.Tensor, ...]:
    """Two records (of two windows, where it takes recordings), so that no size is taken for a constant."""
    sizes = {"batch": 2, "windows": 2}
    shapes = ([sizes[axis] if isinstance(axis, str) else axis for axis in one.shape] for one in portable.inputs)
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


def dynamic_axes(portable: PortableModel) -> tuple[Any, ...]:
    """For torch.export: which axes of the inputs are of any size; those after the signal, if any, are one tuple."""
    sizes = {name: torch.export.Dim(name) for name in ("batch", "windows")}
    of_inputs = [
        {number: sizes[axis] for number, axis in enumerate(one.shape) if isinstance(axis, str)}
        for one in portable.inputs
    ]
    return (of_inputs[0], *([tuple(of_inputs[1:])] if len(of_inputs) > 1 else []))


@contextlib.contextmanager
def following(portable: PortableModel, form: str) -> Iterator[None]:
    """Where a plugin's code cannot be exported, say so in a line; what goes wrong with our own is ours."""
    parts = [f"model {portable.config.model}"] if portable.config.is_plugin else []
    if isinstance(portable.output_layer, GivenLayer):
        parts.append(f"output layer {portable.output_layer.name}")
    if not parts:
        yield
        return
    try:
        # torch prints the whole program that it could not follow
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    except (OSError, MemoryError):
        raise
    except Exception as error:  # the exporters raise whatever their tracing runs into
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = f"{type(cause).__name__}: {' '.join(str(cause).split())[:160]}"
        other = "a file that ends in .pt2" if form == "onnx" else "a file that ends in .onnx"
        raise PluginError(
            f"{' and '.join(parts)} cannot be exported as {form}: torch cannot follow it ("
            f"{reason}); write it without branches on values, or try {other}"
        ) from error


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without the exporters' own talk, which is about packages and operators that nobody asked for."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
