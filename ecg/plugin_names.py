"""How code from outside this program is named in a configuration, and how its own options stand there.

`package.module:Name` is an import path; `plugin:NAME` is what an installed distribution registered under that name. A
name without a colon is always this program's own, so that neither ever hides the other.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.json_text import parse_json

REGISTERED = "plugin:"
"""What stands before the name of an entry point."""

EXPECTED = "a plugin as package.module:Name or plugin:NAME"

_ENTRY_POINT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_LONGEST = 500


def is_plugin_name(text: str) -> bool:
    """Whether a text has the form of a plugin's name; nothing is looked for."""
    if text.startswith(REGISTERED):
        return _ENTRY_POINT.fullmatch(text.removeprefix(REGISTERED)) is not None
    module, colon, attribute = text.partition(":")
    return bool(colon) and len(text) <= _LONGEST and is_module_name(module) and attribute.isidentifier()


def is_module_name(text: str) -> bool:
    """Whether a text has the form of a module's name, with the packages that it lies in."""
    return all(part.isidentifier() for part in text.split("."))


def pack_options(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Options of a plugin as a configuration holds them: KEY=JSON, in the order of the keys.

    Raises
    ------
    ConfigError
        If a key is no name, or a value is nothing that JSON can hold.
    """
    packed = []
    for key, value in sorted(values.items()):
        try:
            packed.append(f"{key}={json.dumps(value, ensure_ascii=False, allow_nan=False)}")
        except (TypeError, ValueError) as error:
            raise ConfigError(f"model_options: {key} cannot be written as JSON ({error})") from None
    unpack_options(packed)
    return tuple(packed)


def unpack_options(packed: Sequence[str]) -> dict[str, Any]:
    """The inverse of `pack_options`.

    Raises
    ------
    ConfigError
        If one is not KEY=JSON, or a key stands there twice.
    """
    values: dict[str, Any] = {}
    for one in packed:
        key, equals, text = one.partition("=")
        if not equals or not key.isidentifier() or key in values:
            raise ConfigError(f"model_options: {one!r} not understood; expected KEY=VALUE, each key once")
        try:
            values[key] = parse_json(text)
        except ValueError as error:
            raise ConfigError(f"model_options: {key} is {text!r}, which is no JSON ({error})") from None
    return values


def parse_options(text: str) -> tuple[str, ...]:
    """Options as a person writes them: a JSON object, or KEY=VALUE with commas or blanks between.

    A value of the second form that is no JSON is text: `width=8,kind=wide`.

    Raises
    ------
    ConfigError
        If it is neither.
    """
    if text.lstrip().startswith("{"):
        try:
            return pack_options(parse_json(text))
        except ValueError as error:
            raise ConfigError(f"model_options: {text!r} is no JSON object ({error})") from None
    values: dict[str, Any] = {}
    for part in text.replace(",", " ").split():
        key, equals, value = part.partition("=")
        if not equals or key in values:
            raise ConfigError(f"model_options: {part!r} not understood; expected KEY=VALUE, each key once, or JSON")
        try:
            values[key] = parse_json(value)
        except ValueError:
            values[key] = value
    return pack_options(values)
