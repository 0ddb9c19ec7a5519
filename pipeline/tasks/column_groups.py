"""A column of the records as groups of them: by sex, by site, by decades of age."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError

UNKNOWN = "unknown"
_OLDEST = 90


def groups_of(name: str, values: NDArray) -> Mapping[str, NDArray[np.int64]]:
    """Rows of each group of a column, in the groups' order; those without a value come last, as "unknown".

    Parameters
    ----------
    name : of the column, as `pipeline.tasks.stored_labels.column_of` has it; age goes by decades
    values : texts, or numbers, shape (record,)

    Raises
    ------
    ConfigError
        If it holds numbers that are no ages.
    """
    if name == "age":
        texts = np.array([_decade(float(age)) for age in values], object)
    elif values.dtype.kind in "fiu":
        raise ConfigError(f"column {name} holds numbers; expected one of names to make groups of, or age")
    else:
        texts = np.array([str(value) or UNKNOWN for value in values], object)
    order = sorted(set(texts), key=lambda text: (text == UNKNOWN, *_by_number(text)))
    return {text: np.flatnonzero(texts == text) for text in order}


def _decade(age: float) -> str:
    """The decade of an age; PTB-XL's mark for the oldest, 300, is among them."""
    if not age >= 0:
        return UNKNOWN
    first = int(age // 10) * 10
    return f"{_OLDEST} or older" if first >= _OLDEST else f"{first} to {first + 9}"


def _by_number(text: str) -> tuple[float, str]:
    """Folds and decades in the order of their numbers, names after them."""
    first = text.split()[0] if text.split() else ""
    return (float(first) if first.isdecimal() else np.inf, text)
