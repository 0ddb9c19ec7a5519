"""What was loaded, held to the form of its kind before anything is done with it, and made ready to be called."""

import inspect
from collections.abc import Sequence
from typing import Any, cast

from torch import nn

from ecg12.ecg.errors import PluginError
from ecg12.ecg.models.plugin_parts import ChangeWindows, GivenLayer, GivenLoss, MakeNetwork, calling
from ecg12.pipeline.plugins.loading import Plugin
from ecg12.pipeline.plugins.protocols import Codes, Reader

PAGE = "see docs/extending.md"


def as_model(plugin: Plugin, options: Sequence[str] = ()) -> MakeNetwork:
    """The class of a plugin's network.

    Parameters
    ----------
    options : names of its own options

    Raises
    ------
    PluginError
        If it is no class of `torch.nn.Module`, or does not take what it would be given.
    """
    value = plugin.value
    if not isinstance(value, type) or not issubclass(value, nn.Module):
        raise _unfit(plugin, "a subclass of torch.nn.Module")
    _check_call(plugin, value, (), ("n_channels", "n_outputs", "window_length", "fs", *options))
    return cast(MakeNetwork, value)


def as_augmentation(plugin: Plugin) -> ChangeWindows:
    """What changes windows: the function, or an object of the class."""
    change = _made(plugin) if isinstance(plugin.value, type) else plugin.value
    _check_call(plugin, change, ("signal",), ("fs", "generator"))
    return cast(ChangeWindows, change)


def as_loss(plugin: Plugin, codes: Codes) -> GivenLoss:
    """What gives the loss: the function, or an object of the class, which gets `codes` where it asks for them."""
    loss = plugin.value
    if isinstance(loss, type):
        asks = "codes" in _parameters(loss)
        loss = _made(plugin, codes=tuple(codes)) if asks else _made(plugin)
    _check_call(plugin, loss, ("logits", "labels"), ())
    return cast(GivenLoss, loss)


def as_output_layer(plugin: Plugin, n_outputs: int) -> GivenLayer:
    """The output layer over so many outputs."""
    _check_class(plugin, ("compute_loss", "compute_scores"))
    return GivenLayer(plugin.name, _made(plugin, n_outputs=n_outputs))


def as_reader(plugin: Plugin) -> Reader:
    """An object of a reader's class."""
    _check_class(plugin, ("sniff", "read"))
    reader = _made(plugin)
    if not isinstance(getattr(reader, "name", None), str) or not reader.name:
        raise PluginError(f"{_named(plugin)} has no name; expected what its format is called, as text ({PAGE})")
    return cast(Reader, reader)


def _made(plugin: Plugin, **arguments: Any) -> Any:  # noqa: ANN401 - an object of the plugin's class
    _check_call(plugin, plugin.value, (), tuple(arguments))
    with calling(_named(plugin)):
        return plugin.value(**arguments)


def _check_class(plugin: Plugin, methods: Sequence[str]) -> None:
    value = plugin.value
    if not isinstance(value, type) or not all(callable(getattr(value, name, None)) for name in methods):
        raise _unfit(plugin, f"a class with {' and '.join(methods)}")


def _check_call(plugin: Plugin, function: Any, places: Sequence[str], names: Sequence[str]) -> None:  # noqa: ANN401
    """Raise PluginError if something cannot be called so; what has no signature to be had is believed."""
    expected = f"{', '.join((*places, *(f'{name}=…' for name in names)))}"
    if not callable(function):
        raise _unfit(plugin, f"something to be called with ({expected})")
    try:
        inspect.signature(function).bind(*places, **dict.fromkeys(names))
    except TypeError as error:
        raise PluginError(f"{_named(plugin)} does not take ({expected}): {error} ({PAGE})") from None
    except ValueError:
        return


def _parameters(function: Any) -> frozenset[str]:  # noqa: ANN401 - a class
    try:
        return frozenset(inspect.signature(function).parameters)
    except ValueError:
        return frozenset()


def _unfit(plugin: Plugin, expected: str) -> PluginError:
    value = plugin.value
    found = f"the class {value.__qualname__}" if isinstance(value, type) else f"a {type(value).__name__}"
    return PluginError(f"{_named(plugin)} is {found}; expected {expected} ({PAGE})")


def _named(plugin: Plugin) -> str:
    return f"{plugin.kind.word} {plugin.name}"
