"""What is predicted on, brought together: a store that fits the model, recordings in files, recordings in memory."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.schema import Reject
from ecg12.ecg.errors import InputError
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.ecg.signals.recording import Recording
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.prediction.interface import Predictor
from ecg12.pipeline.prediction.output_folder import TABLE
from ecg12.pipeline.prediction.stream import Predicted, predict_files, predict_rows
from ecg12.pipeline.recordings.find_recordings import FoundInput
from ecg12.pipeline.runtime.progress import Task
from ecg12.pipeline.runtime.workers import Workers


def check_names(store: Store | None, named: Mapping[str, FoundInput]) -> None:
    """Refuse to write two predictions into one file, or one over the table of all."""
    both = sorted(set(store.ids) & named.keys()) if store else []
    if both and store:
        raise InputError(
            f"{named[both[0]].file}: a record {both[0]} is in {store.path}, too; expected each of the {len(both)} such "
            "records once: predict them into two folders"
        )
    table = TABLE.removesuffix(".csv")
    if table in named or (store and table in store.ids):
        raise InputError(f"a record called {table}, whose file would be the table of all; give it another name")


def predict_all(
    store: Store | None,
    named: Mapping[str, FoundInput | Recording],
    predictor: Predictor,
    told: InputConfig,
    device: torch.device,
    rejects: list[Reject],
    task: Task,
    gain: float,
    workers: Workers | None,
    *,
    rows: NDArray[np.integer] | None = None,
) -> Iterator[Predicted]:
    """Predictions of a store's records, then of recordings; what has none goes to `rejects`.

    Parameters
    ----------
    store : one that was made for the model; None for none
    named : recordings in files or in memory by what they are called
    rows : of the store; None takes all
    """
    if store:
        chosen = np.arange(store.n_records) if rows is None else rows
        flat = _flat_rows(store)[chosen] if not told.keep_flat else np.zeros(len(chosen), bool)
        rejects.extend(_reject_flat(store, int(row)) for row in chosen[flat])
        task.advance(int(flat.sum()))
        for found, unread in predict_rows(store, chosen[~flat], predictor, device, gain=gain, workers=workers):
            rejects.extend(unread)
            task.advance(len(unread))
            yield from found
    change = None if gain == 1 else lambda recording: recording.with_gain(gain)
    for predicted, unread in predict_files(named.items(), predictor, told, device, change=change, workers=workers):
        rejects.extend(unread)
        task.advance(len(unread))
        yield from predicted


def _flat_rows(store: Store) -> NDArray[np.bool_]:
    """Whether no lead of a record varies, bool (record,)."""
    return ((store.column("record/lead_flags") & LeadFlag.FLAT) != 0).all(axis=1)


def _reject_flat(store: Store, row: int) -> Reject:
    reason = f"{store.ids[row]}: no deflection in any lead; there is nothing to tell from it (--keep-flat predicts)"
    return Reject(dataset=str(store.datasets[row]), record=str(store.ids[row]), stage="read", reason=reason)
