"""What every configuration can do: go to JSON and come back, refusing what it does not know."""

from collections.abc import Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

from ecg12.ecg.errors import ConfigError


class Config:
    """Base of the frozen configuration dataclasses.

    A field holds a number, a text, a truth value, a tuple of these, or another `Config`; any of them may be None
    where its type says so.

    Attributes
    ----------
    unsaid : fields that are not written while they have their default, so that what was written before they were there
        and what is written without them are the same
    """

    __slots__ = ()

    unsaid: ClassVar[frozenset[str]] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: tuples as lists, configurations within as objects."""
        entries = [(entry, getattr(self, entry.name)) for entry in fields(self)]  # type: ignore[arg-type]
        return {
            entry.name: _to_json(value)
            for entry, value in entries
            if entry.name not in self.unsaid or value != entry.default
        }

    def to_whole_dict(self) -> dict[str, Any]:
        """The same with what is unsaid, too."""
        return {entry.name: _to_json(getattr(self, entry.name), whole=True) for entry in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; absent keys take their defaults, and 400 will do for 400.0.

        Raises
        ------
        ConfigError
            If a key is unknown or missing, a value is of another type than its field, or out of its range; it
            names the key.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"{cls.__name__} is {values!r}; expected an object")
        known = [entry.name for entry in fields(cls)]  # type: ignore[arg-type]
        unknown = sorted(str(name) for name in values if name not in known)
        if unknown:
            raise ConfigError(f"{cls.__name__}: unknown {', '.join(unknown)}; expected {', '.join(known)}")
        hints = get_type_hints(cls)
        converted = {name: _from_json(value, hints[name], f"{cls.__name__}: {name}") for name, value in values.items()}
        try:
            return cls(**converted)
        except TypeError as error:
            raise ConfigError(f"{cls.__name__}: {error}; expected values of the right types") from error


def _to_json(value: Any, *, whole: bool = False) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Config):
        return value.to_whole_dict() if whole else value.to_dict()
    return [_to_json(item, whole=whole) for item in value] if isinstance(value, tuple) else value


def _from_json(value: Any, hint: Any, where: str) -> Any:  # noqa: ANN401 - any JSON value, any type
    """`value` as a field of type `hint` holds it: lists as tuples, objects as configurations."""
    if get_origin(hint) is UnionType:
        if value is None and NoneType in get_args(hint):
            return None
        (hint,) = (kind for kind in get_args(hint) if kind is not NoneType)
    if get_origin(hint) is tuple and isinstance(value, list | tuple):
        return tuple(_from_json(item, get_args(hint)[0], where) for item in value)
    expected = get_origin(hint) or hint
    if issubclass(expected, Config) and not isinstance(value, Config):
        return expected.from_dict(value)
    if expected is float and type(value) is int:
        return float(value)
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise ConfigError(f"{where} is {value!r}; expected {hint.__name__ if hint is expected else hint}")
    return value
