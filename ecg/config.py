"""What every configuration can do: go to JSON and come back, refusing what it does not know."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Self

from ecg.errors import ConfigError


class Config:
    """Base of the frozen configuration dataclasses; a field may hold another `Config` or a tuple."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: tuples as lists, configurations within as objects."""
        return {entry.name: _to_json(getattr(self, entry.name)) for entry in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; absent keys take their defaults.

        Raises
        ------
        ConfigError
            If a key is unknown, naming it, or a value is out of its range.
        """
        known = {entry.name: entry for entry in fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f"{cls.__name__}: unknown {', '.join(unknown)}; expected {', '.join(known)}")
        converted = {}
        for name, value in values.items():
            within = known[name].default_factory
            if isinstance(value, Mapping) and within is not MISSING and issubclass(within, Config):  # type: ignore[arg-type]
                value = within.from_dict(value)  # type: ignore[attr-defined]
            converted[name] = tuple(value) if isinstance(value, list) else value
        try:
            return cls(**converted)
        except TypeError as error:
            raise ConfigError(f"{cls.__name__}: {error}; expected values of the right types") from error


def _to_json(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Config):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value
