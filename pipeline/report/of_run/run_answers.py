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
from ecg12.ecg.labels.snomed import SCORED_CLASSES, TEXT_LABELS
from ecg12.ecg.scores.challenge_csv import to_scored_matrices
from ecg12.ecg.scores.challenge_metric import merge_equivalents
from ecg12.pipeline.evaluation.finished_run import answer
from ecg12.pipeline.evaluation.held_out_testing import is_tested
from ecg12.pipeline.prediction.reference_model import ReferencePredictor
from ecg12.pipeline.runs.challenge_csv_files import read_prediction
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
from ecg12.pipeline.training.train_rows import rows_of
from ecg12.pipeline.training.validation import decide

BATCH_WINDOWS = 256


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RunAnswers:
    """Answers about records, and the truth; columns are the 24 scored classes.

    Attributes
    ----------
    population : what the records are: "held-out records", "validation records"
    decided_by : how labels were decided, in words
    rows : of the store, int64, shape (record,)
    truth, binary : 0 or 1, shape (record, class)
    scores : float64, same shape
    thresholds : of each class; None where another rule decides
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
        names = read_test_ids(ids)
        decided_by = f"the thresholds in {THRESHOLDS}" if (folder / THRESHOLDS).is_file() else "the model's rule"
        return _from_files(store, folder, [folder / PREDICTIONS] * len(names), names, decided_by)
    return _of_validation(folder, store, plugins, cuda=cuda, progress=progress)


def _of_validation(folder: Path, store: Store, plugins: Sequence[str], *, cuda: bool, progress: Progress) -> RunAnswers:
    model = load_model(folder, plugins)
    if isinstance(model, ReferenceModel) and isinstance(model.rule, AprilRule):
        return _of_april(folder, store, model, cuda=cuda, progress=progress)
    answered = answer(store, folder=folder, plugins=plugins, cuda=cuda, progress=progress)
    decided = decide(answered.logits, store, answered.targets, answered.rule, answered.output_layer)
    by_rank = isinstance(answered.rule, AugustRule)
    n_own = len(answered.targets.task.classes)
    remarks = (
        ()
        if isinstance(model, ReferenceModel)
        else ("The epoch whose weights these are was chosen by these records, so the figures flatter it a little.",)
    )
    return RunAnswers(
        population="validation records",
        decided_by="the model's rule" if by_rank else "thresholds fitted on the other half of the patients",
        rows=decided.rows,
        truth=answered.targets.truth[decided.rows][:, :n_own],
        binary=np.asarray(decided.binary[:, :n_own], np.uint8),
        scores=decided.scores[:, :n_own],
        thresholds=None if by_rank else tuple(map(float, decided.thresholds[:n_own])),
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
    with progress("judge", len(rows), "records") as task:
        decided = predictor.predict(predictor.cut_windows(store, rows, BATCH_WINDOWS), device)
        task.advance(len(rows))
    codes = [TEXT_LABELS[name] for name in predictor.classes]
    binary, scores = merge_equivalents(codes, decided.labels, decided.scores)
    return RunAnswers(
        population="validation records",
        decided_by="the thresholds among its weights",
        rows=decided.record,
        truth=store.column("label/scored")[decided.record],
        binary=binary,
        scores=scores,
        thresholds=None,
        remarks=("Its nine findings are judged as scored classes; of the other classes it says nothing.",),
    )


def _of_cross_validation(folder: Path, store: Store) -> RunAnswers:
    values = read_cross_validation(folder)
    ids = {name: folder / name / TEST_IDS for name in values["parts"]}
    held_out = {name: read_test_ids(path) for name, path in ids.items() if path.is_file()}
    everyone = [name for names in held_out.values() for name in names]
    remarks: tuple[str, ...] = ()
    if "decided_by" in values and len(held_out) == len(ids) and _is_predicted(folder / PREDICTIONS, everyone):
        folders = [folder / PREDICTIONS] * len(everyone)
        decided_by = str(values["decided_by"])
    else:
        held_out = {
            name: names
            for name, names in held_out.items()
            if is_tested(folder / name) and _is_predicted(folder / name / PREDICTIONS, names)
        }
        if not held_out:
            raise InputError(f"{folder}: no part of the cross-validation is finished; expected one at least")
        folders = [folder / part / PREDICTIONS for part, names in held_out.items() for _ in names]
        everyone = [name for names in held_out.values() for name in names]
        decided_by = "the thresholds of each run's validation records"
        remarks = (f"{len(held_out)} of {len(ids)} parts are finished; these are theirs.",)
    ends = np.cumsum([0, *map(len, held_out.values())])
    parts = {name: np.arange(ends[place], ends[place + 1]) for place, name in enumerate(held_out)}
    return _from_files(store, folder, folders, everyone, decided_by, parts, remarks)


def _from_files(
    store: Store,
    folder: Path,
    folders: Sequence[Path],
    names: Sequence[str],
    decided_by: str,
    parts: Mapping[str, NDArray[np.int64]] | None = None,
    remarks: tuple[str, ...] = (),
) -> RunAnswers:
    rows = store.rows_of(names)
    binary, scores = to_scored_matrices(
        [read_prediction(place / f"{name}.csv") for place, name in zip(folders, names, strict=True)]
    )
    return RunAnswers(
        population="held-out records",
        decided_by=decided_by,
        rows=rows,
        truth=store.column("label/scored")[rows],
        binary=binary,
        scores=scores,
        thresholds=_read_thresholds(folder),
        parts=parts or {},
        remarks=remarks,
    )


def _read_thresholds(folder: Path) -> tuple[float, ...] | None:
    """Those of the 24 classes, where the folder has them all."""
    path = folder / THRESHOLDS
    values: Any = read_json(path) if path.is_file() else {}
    if not isinstance(values, dict) or any(not isinstance(values.get(code), int | float) for code in SCORED_CLASSES):
        return None
    return tuple(float(values[code]) for code in SCORED_CLASSES)


def _is_predicted(folder: Path, names: Sequence[str]) -> bool:
    return bool(names) and all((folder / f"{name}.csv").is_file() for name in names)
