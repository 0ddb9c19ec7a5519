"""Codes below others: a class that names a parent takes everything below it."""

from collections.abc import Mapping, Sequence

from ecg12.ecg.errors import ConfigError


def expand(code: str, hierarchy: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A code with all that lie below it, each once, itself first.

    Parameters
    ----------
    hierarchy : code → the codes right below it

    Raises
    ------
    ConfigError
        If a code lies below itself.
    """
    found: dict[str, None] = {}
    above: list[str] = []

    def visit(one: str) -> None:
        if one in above:
            raise ConfigError(f"hierarchy: {' > '.join([*above[above.index(one) :], one])}; expected no circle")
        if one in found:
            return
        found[one] = None
        above.append(one)
        for below in hierarchy.get(one, ()):
            visit(below)
        above.pop()

    try:
        visit(code)
    except RecursionError:
        raise ConfigError(f"hierarchy: too deep below {code}; expected fewer levels") from None
    return tuple(found)
