"""What a run, or a cross-validation, says of records that it did not learn from, and what is true of them.

Records that were held out come first: nothing was chosen by them. Where there are none, or they are not predicted
yet, the validation records stand in, decided by thresholds that were fitted on other patients. What was predicted or
computed already is read; the network runs only where neither predictions nor logits.csv are there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.decisions.reference_rules import AprilRule, AugustRule
from ecg12.ecg.errors import ConfigError, InputError
from ecg12.ecg.labels.snomed import TEXT_LABELS
from ecg12.ecg.scores.challenge_metric import merge_equivalents
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.ecg.tasks.task import NUMBER, Task
from ecg12.ecg.tasks.truth import TaskLabels
from ecg12.pipeline.evaluation.answers import are_predicted, read_own, to_answers
from ecg12.pipeline.evaluation.finished_run import answer
from ecg12.pipeline.evaluation.held_out_testing import is_tested
from ecg12.pipeline.prediction.reference_model import ReferencePredictor
from ecg12.pipeline.runs.checkpoint import read_json
from ecg12.pipeline.runs.prediction_folders import (
    CROSS_VALIDATION,
    PREDICTIONS,
    TEST_IDS,
    read_cross_validation,
    read_test_ids,
)
from ecg12.pipeline.runs.reference_folder import ReferenceModel
from ecg12.pipeline.runs.run_folder import THRESHOLDS, VALID_IDS, load_model
from ecg12.pipeline.runtime.device import choose_device
from ecg12.pipeline.runtime.progress import Progress
from ecg12.pipeline.tasks.stored_labels import labels_of
from ecg12.pipeline.tasks.task_files import task_of_folder
from ecg12.pipeline.training.train_rows import rows_of
from ecg12.pipeline.training.validation import decide

BATCH_WINDOWS = 256


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RunAnswers:
    """Answers about records, and the truth; columns are the task's classes.

    Attributes
    ----------
    task : what the run was trained for
    population : what the records are: "held-out records", "validation records"
    decided_by : how labels were decided, in words
    rows : of the store, int64, shape (record,)
    truth, binary : 0 or 1, shape (record, class)
    scores : float64, same shape; the number that was told, of a task that tells one
    thresholds : of each class; None where another rule decides
    known : bool, same shape: labels that count; None for all
    number : float64 (record,), what is true of a task that tells a number; else None
    parts : of a cross-validation: name → places among `rows`
    remarks : what is to be known of them, a sentence each
    """

    population: str
    decided_by: str
    rows: NDArray[np.int64]
    truth: NDArray[np.uint8]
    binary: NDArray[np.uint8]
    scores: NDArray[np.float64]
    thresholds: tuple[float, ...] | None
    parts: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    task: Task = field(default_factory=lambda: named_task(CHALLENGE_2020))
    known: NDArray[np.bool_] | None = None
    number: NDArray[np.float64] | None = None

    def of_class(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]:
        """Truth, decisions and scores of a class, of the records where its label is known; each (record,)."""
        own = slice(None) if self.known is None else self.known[:, number]
        return self.truth[own, number], self.binary[own, number], self.scores[own, number]

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Records of which every label is known, shape (record,)."""
        return np.ones(len(self.truth), bool) if self.known is None else np.asarray(self.known.all(axis=1), bool)


def find_answers(
    folder: Path, store: Store, *, plugins: Sequence[str] = (), cuda: bool, progress: Progress
) -> RunAnswers:
    """The best there is to judge a run by; for `plugins` see `pipeline.runs.run_folder.load_model`.

    Raises
    ------
    ConfigError, RunFolderError, InputError, StoreError
        If there is nothing to judge by, or the store is not the run's.
    """
    if (folder / CROSS_VALIDATION).is_file():
        return _of_cross_validation(folder, store)
    ids = folder / TEST_IDS
    if ids.is_file() and is_tested(folder) and _is_predicted(folder / PREDICTIONS, read_test_ids(ids)):
        decided_by = f"the thresholds in {THRESHOLDS}" if (folder / THRESHOLDS).is_file() else "the model's rule"
        places = {folder / PREDICTIONS: read_test_ids(ids)}
        return _from_files(store, task_of_folder(folder), folder, places, decided_by)
    return _of_validation(folder, store, plugins, cuda=cuda, progress=progress)


def _of_validation(folder: Path, store: Store, plugins: Sequence[str], *, cuda: bool, progress: Progress) -> RunAnswers:
    model = load_model(folder, plugins)
    if isinstance(model, ReferenceModel) and isinstance(model.rule, AprilRule):
        return _of_april(folder, store, model, cuda=cuda, progress=progress)
    answered = answer(store, folder=folder, plugins=plugins, cuda=cuda, progress=progress)
    decided = decide(answered.logits, store, answered.targets, answered.rule, answered.output_layer)
    by_rank = isinstance(answered.rule, AugustRule)
    targets = answered.targets
    n_own = len(targets.task.classes)
    remarks = (
        ()
        if isinstance(model, ReferenceModel)
        else ("The epoch whose weights these are was chosen by these records, so the figures flatter it a little.",)
    )
    return RunAnswers(
        population="validation records",
        decided_by="the model's rule" if by_rank else "thresholds fitted on the other half of the patients",
        rows=decided.rows,
        task=targets.task,
        truth=targets.truth[decided.rows][:, :n_own],
        known=None if targets.known is None else targets.known[decided.rows][:, :n_own],
        number=None if targets.number is None else targets.number[decided.rows],
        binary=np.asarray(decided.binary[:, :n_own], np.uint8),
        scores=decided.scores[:, :n_own],
        thresholds=None if by_rank or targets.number is not None else tuple(map(float, decided.thresholds[:n_own])),
        remarks=remarks,
    )


def _of_april(folder: Path, store: Store, model: ReferenceModel, *, cuda: bool, progress: Progress) -> RunAnswers:
    """Its nine findings as scored classes; what it cannot say has score 0."""
    path = folder / VALID_IDS
    if not path.is_file():
        raise ConfigError(f"{folder}: no {VALID_IDS}, so nobody knows what it was not trained on; expected that file")
    rows, predictor = rows_of(store, path), ReferencePredictor(model)
    predictor.check_store(store)
    device = choose_device(cuda=cuda)
    predictor.network.to(device)
    with progress("judge", len(rows), "records") as shown:
        decided = predictor.predict(predictor.cut_windows(store, rows, BATCH_WINDOWS), device)
        shown.advance(len(rows))
    codes = [TEXT_LABELS[name] for name in predictor.classes]
    task = named_task(CHALLENGE_2020)
    binary, scores = merge_equivalents(codes, decided.labels, decided.scores, task.by_class)
    return RunAnswers(
        population="validation records",
        decided_by="the thresholds among its weights",
        rows=decided.record,
        truth=labels_of(store, task).matrix[decided.record],
        binary=binary,
        scores=scores,
        thresholds=None,
        remarks=("Its nine findings are judged as scored classes; of the other classes it says nothing.",),
    )


def _of_cross_validation(folder: Path, store: Store) -> RunAnswers:
    values = read_cross_validation(folder)
    task = task_of_folder(folder / str(values["parts"][0]))
    ids = {name: folder / name / TEST_IDS for name in values["parts"]}
    held_out = {name: read_test_ids(path) for name, path in ids.items() if path.is_file()}
    everyone = [name for names in held_out.values() for name in names]
    remarks: tuple[str, ...] = ()
    if "decided_by" in values and len(held_out) == len(ids) and _is_predicted(folder / PREDICTIONS, everyone):
        places = {folder / PREDICTIONS: tuple(everyone)}
        decided_by = str(values["decided_by"])
    else:
        held_out = {
            name: names
            for name, names in held_out.items()
            if is_tested(folder / name) and _is_predicted(folder / name / PREDICTIONS, names)
        }
        if not held_out:
            raise InputError(f"{folder}: no part of the cross-validation is finished; expected one at least")
        places = {folder / part / PREDICTIONS: names for part, names in held_out.items()}
        decided_by = "the thresholds of each run's validation records"
        remarks = (f"{len(held_out)} of {len(ids)} parts are finished; these are theirs.",)
    return _from_files(store, task, folder, places, decided_by, held_out, remarks)


def _from_files(
    store: Store,
    task: Task,
    folder: Path,
    places: Mapping[Path, Sequence[str]],
    decided_by: str,
    parts: Mapping[str, Sequence[str]] | None = None,
    remarks: tuple[str, ...] = (),
) -> RunAnswers:
    """What was predicted of records: folder → their names; `parts` of a cross-validation are names, too."""
    names = [name for own in places.values() for name in own]
    rows, found = store.rows_of(names), labels_of(store, task)
    counted = _counted(store, task, found)[rows]
    said = to_answers([one for place, own in places.items() for one in read_own(place, own)], task)
    kept = [name for name, counts in zip(names, counted, strict=True) if counts]
    if not kept:
        raise InputError(f"{folder}: none of its {len(names)} held-out records has a label of task {task.name}")
    rows, place_of = rows[counted], {name: place for place, name in enumerate(kept)}
    return RunAnswers(
        population="held-out records",
        decided_by=decided_by,
        rows=rows,
        task=task,
        truth=found.matrix[rows] if task.kind != NUMBER else np.zeros((len(rows), 1), np.uint8),
        known=None if found.known is None else found.known[rows],
        number=None if found.number is None else found.number[rows],
        binary=said.binary[counted],
        scores=said.scores[counted],
        thresholds=_read_thresholds(folder, task),
        parts={
            part: np.array([place_of[name] for name in own if name in place_of], np.int64)
            for part, own in (parts or {}).items()
        },
        remarks=remarks,
    )


def _counted(store: Store, task: Task, found: TaskLabels) -> NDArray[np.bool_]:
    """The records that figures are of: those of the task; for the official ones, all whose headers are read."""
    everyone = task.metric is not None and task.labelled == "vocabulary" and store.optional("label/vocabulary") is None
    return np.ones(store.n_records, bool) if everyone else found.labelled


def _read_thresholds(folder: Path, task: Task) -> tuple[float, ...] | None:
    """Those of the task's classes, where the folder has them all."""
    path = folder / THRESHOLDS
    values: Any = read_json(path) if path.is_file() else {}
    if not isinstance(values, dict) or any(not isinstance(values.get(code), int | float) for code in task.codes):
        return None
    return tuple(float(values[code]) for code in task.codes)


def _is_predicted(folder: Path, names: Sequence[str]) -> bool:
    return bool(names) and are_predicted(folder, names)
