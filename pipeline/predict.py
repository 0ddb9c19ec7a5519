"""Predictions in the Challenge's form, from a store or straight from WFDB records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cache.reader import Store
from cache.schema import Reject
from cache.writer import write_text_atomically
from ecg.decisions import Decided
from ecg.errors import EcgError, InputError
from ecg.prediction import Prediction, format_prediction
from pipeline.allocator import keep_freed_memory
from pipeline.batch import Batch, join_batches
from pipeline.device import choose_device
from pipeline.predictor import OwnPredictor, Predictor
from pipeline.progress import Progress, Task, silent
from pipeline.reference_folder import ReferenceModel
from pipeline.reference_predictor import ReferencePredictor
from pipeline.run_folder import load_model
from pipeline.wfdb_io import FoundRecord, find_records, name_records

BATCH_WINDOWS = 64

GROUP_SAMPLES = 4_000_000
"""Records of a store are predicted in groups of about so many samples, a thousand windows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictSummary:
    """What was predicted: `rejects` names every record that was not, and why."""

    output: Path
    model: Path
    n_records: int
    rejects: tuple[Reject, ...]


def predict(
    inputs: Sequence[Path],
    output: Path,
    model: Path,
    *,
    cuda: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> PredictSummary:
    """Write one Challenge CSV for each record.

    Parameters
    ----------
    inputs : stores, folders of WFDB records, or single records
    output : folder for NAME.csv; made if it is not there
    model : run folder, ours or the reference system's
    force : write into a folder that holds predictions already

    Raises
    ------
    InputError
        If there is nothing to predict on, or `output` holds CSV files.
    RunFolderError
        If the model cannot be loaded.
    ConfigError
        If a store's leads or sampling frequency are not the model's.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; expected a folder for the predictions")
    if not force and output.is_dir() and any(output.glob("*.csv")):
        raise InputError(f"{output}: holds CSV files already; choose another --output, or --force to write into it")
    keep_freed_memory()
    device = choose_device(cuda=cuda)
    predictor = make_predictor(model)
    predictor.network.to(device)
    stores = [Store(path) for path in inputs if (path / "zarr.json").exists()]
    for store in stores:
        predictor.check_store(store)
    folders = [path for path in inputs if not (path / "zarr.json").exists()]
    found = name_records(find_records(folders)) if folders else {}
    output.mkdir(parents=True, exist_ok=True)
    rejects: list[Reject] = []
    n_records = sum(store.n_records for store in stores) + len(found)
    with progress("predict", n_records, "records") as task:
        for store in stores:
            for prediction in _predict_store(store, predictor, device, task):
                _write(output, prediction)
        for prediction in _predict_found(found, predictor, device, rejects, task):
            _write(output, prediction)
    return PredictSummary(output=output, model=model, n_records=n_records - len(rejects), rejects=tuple(rejects))


def make_predictor(folder: Path) -> Predictor:
    """The model in a run folder, ours or the reference system's, ready to predict.

    Raises
    ------
    RunFolderError
        If it cannot be loaded.
    """
    model = load_model(folder)
    return ReferencePredictor(model) if isinstance(model, ReferenceModel) else OwnPredictor(model)


def _write(output: Path, prediction: Prediction) -> None:
    path = output / f"{prediction.record_name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, format_prediction(prediction))


def _predict_store(store: Store, predictor: Predictor, device: torch.device, task: Task) -> Iterator[Prediction]:
    """Predictions of all of a store's records, a few chunks' worth at a time."""
    order = np.argsort(store.starts)
    # a group ends where the samples before a record pass another multiple of GROUP_SAMPLES
    before = np.cumsum(store.lengths[order]) - store.lengths[order]
    for rows in np.split(order, np.flatnonzero(np.diff(before // GROUP_SAMPLES)) + 1):
        decided = predictor.predict(predictor.cut_windows(store, rows, BATCH_WINDOWS), device)
        for prediction in _to_predictions(decided, store.ids, predictor):
            yield prediction
            task.advance()


def _predict_found(
    found: Mapping[str, FoundRecord],
    predictor: Predictor,
    device: torch.device,
    rejects: list[Reject],
    task: Task,
) -> Iterator[Prediction]:
    """Predictions of WFDB records; one that cannot be read goes to `rejects`."""
    names: list[str] = []
    pending: list[Batch] = []
    n_pending = 0
    for position, (name, record) in enumerate(found.items()):
        try:
            windows = predictor.read_windows(record.path, len(names))
        except EcgError as error:
            rejects.append(Reject(dataset=record.source, record=name, stage="read", reason=str(error)))
            task.advance()
        else:
            names.append(name)
            pending.append(windows)
            n_pending += len(windows)
        if pending and (n_pending >= BATCH_WINDOWS or position == len(found) - 1):
            decided = predictor.predict(_rebatch(pending), device)
            for prediction in _to_predictions(decided, names, predictor):
                yield prediction
                task.advance()
            names, pending, n_pending = [], [], 0


def _rebatch(batches: Sequence[Batch]) -> Iterator[Batch]:
    """The same windows in batches of at most `BATCH_WINDOWS`."""
    joined = join_batches(batches)
    for first in range(0, len(joined), BATCH_WINDOWS):
        yield joined[first : first + BATCH_WINDOWS]


def _to_predictions(
    decided: Decided, names: Sequence[str] | NDArray[np.object_], predictor: Predictor
) -> Iterator[Prediction]:
    """One prediction for each record that was decided; `names` by its row."""
    for row, labels, scores in zip(decided.record, decided.labels, decided.scores, strict=True):
        yield Prediction(
            record_name=str(names[row]),
            codes=predictor.classes,
            labels=tuple(map(int, labels)),
            scores=tuple(map(float, scores)),
        )
