"""Records of a store as a caller names them: by rows, by names, or by a bool for each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.errors import StoreError


def choose_rows(store: Store, records: Sequence[int] | Sequence[str] | NDArray | None) -> NDArray[np.int64]:
    """Rows of a store, int64, in the order given.

    Parameters
    ----------
    records : rows, names (see `Store.ids`), or a bool for each record of the store; None takes all

    Raises
    ------
    StoreError
        If one is of no record, or of several; or these are neither rows nor names.
    """
    if records is None:
        return np.arange(store.n_records)
    if isinstance(records, str):
        raise StoreError(f"{store.path}: records are {records!r}; expected a list of names, or of rows")
    given = np.asarray(records)
    if given.ndim != 1:
        raise StoreError(f"{store.path}: records of shape {given.shape}; expected one list of rows or names")
    if given.dtype.kind == "b":
        if len(given) != store.n_records:
            raise StoreError(
                f"{store.path}: {len(given)} truth values; expected {store.n_records}, one for each record"
            )
        return np.flatnonzero(given)
    if given.dtype.kind in "iu":
        wrong = given[(given < 0) | (given >= store.n_records)]
        if len(wrong):
            raise StoreError(f"{store.path}: row {wrong[0]}; expected 0 to {store.n_records - 1}")
        return given.astype(np.int64)
    names = given.tolist()
    if not all(isinstance(name, str) for name in names):
        raise StoreError(f"{store.path}: records of type {given.dtype}; expected rows (whole numbers) or names")
    return store.rows_of(names)
