"""Testing a run on the records that it held out, and several such runs as one cross-validation.

A run's own thresholds come from its validation records. Those of a cross-validation are fitted across its parts: the
held-out records of each are decided by thresholds that were fitted to the held-out records of the others, so that
nothing that is reported was fitted on itself.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import RunFolderError
from ecg12.ecg.scores.challenge_csv import Prediction, format_prediction, format_scores, to_scored_matrices
from ecg12.ecg.scores.fit_thresholds import DEFAULT_THRESHOLD
from ecg12.ecg.scores.task_thresholds import fit_task_thresholds
from ecg12.ecg.tasks.task import NUMBER, Task
from ecg12.ecg.tasks.truth import TaskLabels
from ecg12.pipeline.evaluation.answers import are_predicted, read_own
from ecg12.pipeline.prediction.ensemble import load_ensemble
from ecg12.pipeline.prediction.interface import Predictor
from ecg12.pipeline.prediction.output_files import PredictionFiles, replace_text
from ecg12.pipeline.prediction.output_folder import NUMBER_COLUMNS, TABLE, held_output
from ecg12.pipeline.prediction.own_model import OwnPredictor
from ecg12.pipeline.prediction.stream import predict_rows
from ecg12.pipeline.runs.prediction_folders import PREDICTIONS, TEST_IDS
from ecg12.pipeline.runs.run_folder import MODEL, write_json, write_thresholds
from ecg12.pipeline.runtime.device import choose_device
from ecg12.pipeline.runtime.progress import Progress
from ecg12.pipeline.runtime.workers import workers_for
from ecg12.pipeline.training.train_rows import rows_of

TESTED = "tested.json"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeldOut:
    """What a run said of the records that it held out.

    Attributes
    ----------
    name : of its folder
    thresholds : by which it decides, one for each class; None where another rule does
    """

    name: str
    predictions: tuple[Prediction, ...]
    thresholds: Mapping[str, float] | None


def predict_held_out(
    store: Store, folder: Path, *, plugins: Sequence[str] = (), cuda: bool, progress: Progress
) -> HeldOut:
    """Predict the records that a run held out, into its folder; what its model said already is read.

    For `plugins` see `pipeline.runs.run_folder.load_model`.

    Raises
    ------
    RunFolderError
        If the run held nothing out, or cannot be loaded.
    """
    if not (folder / TEST_IDS).is_file():
        raise RunFolderError(
            f"{folder / TEST_IDS}: missing; expected a run that holds records out: give --folds, or another --split"
        )
    rows = rows_of(store, folder / TEST_IDS)
    predictor = load_ensemble([folder], plugins=plugins)
    digest = _digest(folder / MODEL)
    names = [str(name) for name in store.ids[rows]]
    if not _is_tested(folder, digest) or not are_predicted(folder / PREDICTIONS, names):
        (folder / TESTED).unlink(missing_ok=True)
        _predict(store, rows, predictor, folder / PREDICTIONS, cuda=cuda, progress=progress)
        write_json(folder / TESTED, {"model_digest": digest, "n_records": len(rows)})
    found = read_own(folder / PREDICTIONS, names)
    return HeldOut(name=folder.name, predictions=tuple(found), thresholds=_thresholds_of(predictor))


def is_tested(folder: Path) -> bool:
    """Whether the predictions that lie in a run folder are of the model that lies there."""
    return (folder / MODEL).is_file() and _is_tested(folder, _digest(folder / MODEL))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_tested(folder: Path, digest: str) -> bool:
    try:
        return bool(json.loads((folder / TESTED).read_text(encoding="utf-8"))["model_digest"] == digest)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _predict(
    store: Store, rows: NDArray[np.int64], predictor: Predictor, output: Path, *, cuda: bool, progress: Progress
) -> None:
    device = choose_device(cuda=cuda)
    predictor.network.to(device)
    with (
        PredictionFiles(output, predictor.thresholds, names=predictor.names) as writer,
        progress("test", len(rows), "records") as task,
        workers_for(device) as workers,
    ):
        for found, unread in predict_rows(store, rows, predictor, device, workers=workers):
            if unread:
                raise RunFolderError(f"{output}: {unread[0].record} cannot be tested ({unread[0].reason})")
            for predicted in found:
                writer.write(*predicted)
                task.advance()
        writer.finish([])


def _thresholds_of(predictor: Predictor) -> dict[str, float] | None:
    if not isinstance(predictor, OwnPredictor) or not isinstance(predictor.model.rule, ThresholdRule):
        return None
    rule = predictor.model.rule
    return dict(zip(rule.merged, map(float, rule.thresholds), strict=True))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeldOutTruth:
    """What the records of a store are by a task, for thresholds; `row_of` gives the row of a record's name."""

    task: Task
    found: TaskLabels
    row_of: Mapping[str, int]


def pool(parts: Sequence[HeldOut], truth: HeldOutTruth, folder: Path, *, across: bool) -> str:
    """Write the held-out predictions of all parts into one folder, and say how their labels were decided.

    Parameters
    ----------
    across : decide by thresholds that were fitted to the other parts' held-out records, where thresholds decide at
        all; `folder` then gets thresholds that were fitted to all, for its models together
    """
    decided_by = "the thresholds of each run's validation records"
    if truth.task.kind == NUMBER:
        decided_by = "nothing: numbers are as each run tells them"
    elif any(part.thresholds is None for part in parts):
        decided_by = "the rule of each run's model"
    elif across:
        decided_by = "thresholds fitted to the held-out records of the other parts"
        parts = _decide_across(parts, truth)
        _write_thresholds(parts, truth, folder)
    _write_predictions([one for part in parts for one in part.predictions], truth.task, folder / PREDICTIONS)
    return decided_by


def _write_predictions(predictions: Sequence[Prediction], task: Task, output: Path) -> None:
    """A Challenge CSV for each record; numbers, which have no labels, as one table."""
    with held_output(output, force=True) as held:
        held.begin()
        if task.kind == NUMBER:
            replace_text(output / TABLE, _format_table(predictions, task), os.fspath(held.work / "record.partial"))
        for prediction in () if task.kind == NUMBER else predictions:
            path = held.path_of(prediction.record_name)
            path.parent.mkdir(parents=True, exist_ok=True)  # a name may be DATASET/NAME
            replace_text(path, format_prediction(prediction), os.fspath(held.work / "record.partial"))
        held.finish()


def _format_table(predictions: Sequence[Prediction], task: Task) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(NUMBER_COLUMNS)
    unit = "" if task.number is None else task.number.unit
    for one in predictions:
        for code, value in zip(one.codes, format_scores(one), strict=True):
            table.writerow([one.record_name, code, task.name_of(code), value, unit, ""])
    return text.getvalue()


def _decide_across(parts: Sequence[HeldOut], truth: HeldOutTruth) -> list[HeldOut]:
    """The parts with their labels decided by thresholds of the others."""
    decided = []
    for part in parts:
        others = [other for other in parts if other is not part]
        thresholds = _fit(others, truth) if others else np.full(len(truth.task.classes), DEFAULT_THRESHOLD)
        by_code = dict(zip(truth.task.codes, thresholds, strict=True))
        decided.append(replace(part, predictions=tuple(_decide(one, by_code, truth.task) for one in part.predictions)))
    return decided


def _fit(parts: Sequence[HeldOut], truth: HeldOutTruth) -> NDArray[np.float64]:
    predictions = [prediction for part in parts for prediction in part.predictions]
    _, scores = to_scored_matrices(predictions, truth.task.by_class)
    rows = np.array([truth.row_of[one.record_name] for one in predictions], np.int64)
    known = None if truth.found.known is None else truth.found.known[rows]
    return fit_task_thresholds(truth.task, truth.found.matrix[rows], scores, known)


def _decide(prediction: Prediction, thresholds: Mapping[str, float], task: Task) -> Prediction:
    """The prediction with labels of the task's classes by `thresholds`; those of other classes stay."""
    class_of = task.by_class.class_of
    entries = zip(prediction.codes, prediction.labels, prediction.scores, strict=True)
    labels = tuple(
        int(score > thresholds[class_of(code)]) if class_of(code) in thresholds else label
        for code, label, score in entries
    )
    return replace(prediction, labels=labels)


def _write_thresholds(parts: Sequence[HeldOut], truth: HeldOutTruth, folder: Path) -> None:
    """For all models together: fitted to all held-out records; of classes beyond the task's the runs' mean."""
    stated = dict(zip(truth.task.codes, _fit(parts, truth), strict=True))
    classes = truth.task.by_class.merged(parts[0].predictions[0].codes)
    of_runs = {
        code: float(np.mean([part.thresholds[code] for part in parts if part.thresholds is not None]))
        for code in classes
        if code not in stated
    }
    values = [stated[code] if code in stated else of_runs[code] for code in classes]
    write_thresholds(folder, classes, np.array(values))
