"""Predictions in the Challenge's form, from a store or straight from WFDB records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cache.reader import Store
from cache.schema import Reject
from cache.writer import write_text_atomically
from ecg.errors import ConfigError, EcgError, InputError
from ecg.prediction import Prediction, format_prediction
from ecg.quality import compute_scale
from ecg.resample import resample
from ecg.snomed import EQUIVALENTS, SCORED_CODES
from ecg.window import WindowConfig, cut_window, plan_windows
from pipeline.batches import Batch, WindowBatches
from pipeline.convert import check_checksum, to_clean_microvolts
from pipeline.device import choose_device
from pipeline.inference import compute_logits, pool_scores
from pipeline.progress import Progress, Task, silent
from pipeline.run_folder import TrainedModel, load_model
from pipeline.wfdb_io import FoundRecord, find_records, name_records, read_record

BATCH_WINDOWS = 64


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
    model : run folder
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
    device = choose_device(cuda=cuda)
    trained = load_model(model)
    trained.network.to(device)
    stores = [Store(path) for path in inputs if (path / "zarr.json").exists()]
    for store in stores:
        _check_fit(store, trained)
    folders = [path for path in inputs if not (path / "zarr.json").exists()]
    found = name_records(find_records(folders)) if folders else {}
    output.mkdir(parents=True, exist_ok=True)
    rejects: list[Reject] = []
    n_records = sum(store.n_records for store in stores) + len(found)
    with progress("predict", n_records, "records") as task:
        for store in stores:
            for prediction in _predict_store(store, trained, device, task):
                _write(output, prediction)
        for prediction in _predict_found(found, trained, device, rejects, task):
            _write(output, prediction)
    return PredictSummary(output=output, model=model, n_records=n_records - len(rejects), rejects=tuple(rejects))


def _check_fit(store: Store, trained: TrainedModel) -> None:
    config = trained.config
    if (store.fs, store.leads) != (config.fs, config.leads):
        raise ConfigError(
            f"{store.path}: {', '.join(store.leads)} at {store.fs:g} Hz; the model expects "
            f"{', '.join(config.leads)} at {config.fs:g} Hz: build such a store, or predict on the records themselves"
        )


def _write(output: Path, prediction: Prediction) -> None:
    path = output / f"{prediction.record_name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, format_prediction(prediction))


def _predict_store(store: Store, trained: TrainedModel, device: torch.device, task: Task) -> Iterator[Prediction]:
    """Predictions of all of a store's records, a few chunks' worth at a time."""
    order = np.argsort(store.starts)
    for rows in np.array_split(order, max(1, -(-store.n_records // 512))):
        batches = WindowBatches(
            store,
            rows,
            WindowConfig(window_length=trained.config.window_length),
            batch_size=BATCH_WINDOWS,
        )
        logits, record = compute_logits(
            trained.network, batches, normalisation=trained.config.normalisation, device=device
        )
        for row, scores in zip(*pool_scores(logits, record), strict=True):
            yield to_prediction(store.ids[row], scores, trained)
            task.advance()


def _predict_found(
    found: Mapping[str, FoundRecord],
    trained: TrainedModel,
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
            windows = _read_windows(record.path, trained, len(names))
        except EcgError as error:
            rejects.append(Reject(dataset=record.source, record=name, stage="read", reason=str(error)))
            task.advance()
        else:
            names.append(name)
            pending.append(windows)
            n_pending += len(windows)
        if pending and (n_pending >= BATCH_WINDOWS or position == len(found) - 1):
            batches = _rebatch(pending)
            logits, rows = compute_logits(
                trained.network, batches, normalisation=trained.config.normalisation, device=device
            )
            for row, scores in zip(*pool_scores(logits, rows), strict=True):
                yield to_prediction(names[row], scores, trained)
                task.advance()
            names, pending, n_pending = [], [], 0


def _read_windows(path: Path, trained: TrainedModel, row: int) -> Batch:
    """All windows of one record, as the store would give them but for the rounding to whole microvolts."""
    record = read_record(path, trained.config.leads)
    check_checksum(record)
    signal_uv, _, _ = to_clean_microvolts(record)
    signal_uv = resample(signal_uv, record.fs, trained.config.fs)
    plan = plan_windows(np.array([signal_uv.shape[1]]), WindowConfig(window_length=trained.config.window_length))
    windows: NDArray[np.float32] = np.empty((len(plan), len(signal_uv), plan.window_length), np.float32)
    for number in range(len(plan)):
        cut_window(signal_uv, plan.start[number], plan.valid[number], plan.pad[number], windows[number])
    return Batch(
        signal=torch.from_numpy(windows),
        valid=torch.from_numpy(plan.valid),
        pad=torch.from_numpy(plan.pad),
        scale=torch.full((len(plan),), float(compute_scale(signal_uv))),
        record=torch.full((len(plan),), row),
        number=torch.from_numpy(plan.number),
    )


def _rebatch(batches: Sequence[Batch]) -> Iterator[Batch]:
    """The same windows in batches of at most `BATCH_WINDOWS`."""

    def joined(name: str) -> Tensor:
        return torch.cat([getattr(batch, name) for batch in batches])

    columns = {name: joined(name) for name in ("signal", "valid", "pad", "scale", "record", "number")}
    for first in range(0, len(columns["signal"]), BATCH_WINDOWS):
        yield Batch(**{name: values[first : first + BATCH_WINDOWS] for name, values in columns.items()})


def to_prediction(name: str, scores: NDArray[np.float64], trained: TrainedModel) -> Prediction:
    """Labels and scores in the 27 scored codes, equivalent ones alike, as the official evaluator reads them."""
    column = {code: number for number, code in enumerate(trained.codes)}
    numbers = [column.get(EQUIVALENTS.get(code, code)) for code in SCORED_CODES]
    return Prediction(
        record_name=name,
        codes=SCORED_CODES,
        labels=tuple(0 if n is None else int(scores[n] > trained.thresholds[n]) for n in numbers),
        scores=tuple(0.0 if n is None else float(scores[n]) for n in numbers),
    )
