"""A store's record as a recording: what pictures and reports draw."""

from ecg12.cache.reader import Store
from ecg12.cache.schema import SEX_OF_CODE
from ecg12.ecg.signals.recording import Recording


def read_stored(store: Store, row: int) -> Recording:
    """A store's record as a recording, at the store's sampling frequency."""
    age = float(store.column("record/age")[row])
    return Recording(
        name=str(store.ids[row]),
        signal_uv=store.read_microvolts(row),
        leads=store.leads,
        fs=store.fs,
        lead_flags=store.column("record/lead_flags")[row],
        age=None if age != age else age,
        sex=SEX_OF_CODE[int(store.column("record/sex")[row])],
        dx_codes=store.dx_codes(row),
    )
