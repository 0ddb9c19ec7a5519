"""JSON that somebody else wrote: values that this program can hold, or one reason why not.

Python's own reader takes more than JSON (NaN), more than any array holds (integers of thousands of digits), and raises
other things than it says where text is nested deep. What comes out of `parse_json` can be converted, compared, printed
and written again without a second thought.
"""

import json
import math
from typing import Any, NoReturn

MOST_NESTED = 64
"""Levels of lists and objects; what this program writes has six."""

_SHORT = 18
"""Digits, or a sign and one less, that always fit into 64 bits."""
_LEAST_INTEGER, _MOST_INTEGER = -(2**63), 2**64 - 1


def parse_json(text: str | bytes, *, nan: bool = False) -> Any:  # noqa: ANN401 - any JSON value
    """Read JSON, as text or in UTF-8, with or without a byte order mark.

    Parameters
    ----------
    nan : take NaN and Infinity, which are no JSON but what Python writes of figures that there are not

    Raises
    ------
    ValueError
        If it is no JSON, or holds what no value here can be: NaN or Infinity, a number beyond 64 bits or beyond
        float64, text that is not Unicode, or more than `MOST_NESTED` levels.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        values = json.loads(
            text.removeprefix("\ufeff"), parse_int=_integer, parse_constant=float if nan else _no_number
        )
    except RecursionError:
        raise ValueError(f"nested too deep; expected at most {MOST_NESTED} levels") from None
    _check(values, nan=nan)
    return values


def _integer(digits: str) -> int:
    if len(digits) <= _SHORT:
        return int(digits)
    if len(digits) > 20 or not _LEAST_INTEGER <= int(digits) <= _MOST_INTEGER:
        raise ValueError(f"an integer of {len(digits)} digits; expected one of at most 64 bits")
    return int(digits)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in JSON")


def _check(values: Any, *, nan: bool) -> None:  # noqa: ANN401 - any JSON value
    """Look at every value, level by level: without recursion, for that is what is to be ruled out."""
    level = [values]
    for _ in range(MOST_NESTED + 1):
        below: list[Any] = []
        for value in level:
            kind = type(value)  # the reader makes no subclasses, and `is` takes a third of isinstance
            if kind is str:
                _check_text(value)
            elif kind is list:
                below += value
            elif kind is dict:
                below += value  # the names
                below += value.values()
            elif kind is float and not nan and not math.isfinite(value):
                raise ValueError("a number beyond what float64 holds")
        if not below:
            return
        level = below
    raise ValueError(f"nested too deep; expected at most {MOST_NESTED} levels")


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{text[:40]!a} is not Unicode: half of a surrogate pair") from None
