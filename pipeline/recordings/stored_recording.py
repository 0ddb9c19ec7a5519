"""A store's record as a recording: what pictures and reports draw."""

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.schema import SEX_OF_CODE
from ecg12.ecg.signals.recording import Recording


def read_stored(store: Store, row: int, stored: NDArray[np.int16] | None = None) -> Recording:
    """A store's record as a recording, at the store's sampling frequency.

    Parameters
    ----------
    stored : int16 array, shape (lead, sample), µV: what `store.read_record` would give, if it is at hand
    """
    offset = store.column("record/offset")[row].astype(np.float32)
    samples = store.read_record(row) if stored is None else stored
    age = float(store.column("record/age")[row])
    return Recording(
        name=str(store.ids[row]),
        signal_uv=samples.astype(np.float32) + offset[:, None],
        leads=store.leads,
        fs=store.fs,
        lead_flags=store.column("record/lead_flags")[row],
        age=None if age != age else age,
        sex=SEX_OF_CODE[int(store.column("record/sex")[row])],
        dx_codes=store.dx_codes(row),
    )
