"""What the values of a store's tables may be: whoever uses them is not to meet what no record can have."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.schema import SEX_OF_CODE
from ecg12.ecg.errors import StoreError

_AGAIN = "build the store again"


def check_column(where: str, path: str, values: NDArray) -> None:
    """Raise StoreError if a value of a column is none that the format has, naming the first."""
    if path not in _ALLOWED:
        return
    what, holds = _ALLOWED[path]
    wrong = np.flatnonzero(~holds(values).reshape(len(values), -1).all(axis=1))
    if len(wrong):
        raise StoreError(f"{where}: row {wrong[0]} is {values[wrong[0]]}; expected {what}: {_AGAIN}")


def check_places(where: str, starts: NDArray[np.int64], lengths: NDArray[np.int64], n_columns: int) -> None:
    """Raise StoreError if records overlap or do not lie within the signal's columns."""
    order = np.argsort(starts, kind="stable")
    first, size = starts[order], lengths[order]
    # by differences: sums of what is stated could pass the largest integer
    if len(order) and (
        first[0] < 0 or (size < 1).any() or (size > n_columns - first).any() or (np.diff(first) < size[:-1]).any()
    ):
        raise StoreError(f"{where}/record/start: records overlap or lie outside the signal; {_AGAIN}")


def _at_least(least: int) -> tuple[str, Callable[[NDArray], NDArray[np.bool_]]]:
    return f"{least:,} or more", lambda values: np.isfinite(values) & (values >= least)


_ALLOWED: dict[str, tuple[str, Callable[[NDArray], NDArray[np.bool_]]]] = {
    "record/fs_source": ("more than 0 Hz", lambda values: np.isfinite(values) & (values > 0)),
    "record/n_samples_source": _at_least(0),
    "record/age": ("years, or NaN", lambda values: ~np.isinf(values)),
    "record/sex": ("-1, 0 or 1", lambda values: np.isin(values, list(SEX_OF_CODE))),
    "record/scale": _at_least(0),
    "record/n_invalid": _at_least(0),
    "record/n_clipped": _at_least(0),
    "label/likelihood": ("0 or more, or NaN", lambda values: np.isnan(values) | (np.isfinite(values) & (values >= 0))),
    "label/vocabulary": ("a name", lambda values: values != ""),
    "target/value": ("a number, or NaN", lambda values: ~np.isinf(values)),
}
