"""Official scores of a folder of predictions against the labels in headers or in a store."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cache.reader import Store
from cache.writer import write_text_atomically
from ecg.annotations import parse_annotations
from ecg.errors import InputError
from ecg.metric import Scores, compute_scores
from ecg.prediction import parse_prediction, to_scored_matrices
from ecg.snomed import SCORED_CLASSES, abbreviation_of, name_of, scored_matrix
from pipeline.progress import Progress, silent
from pipeline.wfdb_io import find_records, name_records, read_header

OFFICIAL_COLUMNS: Mapping[str, str] = {
    "AUROC": "auroc",
    "AUPRC": "auprc",
    "Accuracy": "accuracy",
    "F-measure": "f_measure",
    "Fbeta-measure": "f_beta",
    "Gbeta-measure": "g_beta",
    "Challenge metric": "challenge_metric",
}
"""The official evaluator's columns, in its order, and our names for them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateSummary:
    """Scores of `n_records` predictions; `n_unlabelled` of them are records without any scored label."""

    scores: Scores
    n_records: int
    n_unlabelled: int
    written: tuple[Path, ...]


def evaluate(
    labels: Path, outputs: Path, scores_path: Path | None = None, *, progress: Progress = silent
) -> EvaluateSummary:
    """Score the predictions in `outputs` as the official evaluator does.

    Parameters
    ----------
    labels : a folder of WFDB headers, or a store
    outputs : a folder with a Challenge CSV for each of these records
    scores_path : where to write the official line, and beside it a table per class; None writes nothing

    Raises
    ------
    InputError
        If there are no labels, or a record has no output file, naming the first ones.
    """
    if not outputs.is_dir():
        raise InputError(f"{outputs}: no such folder; expected one Challenge CSV for each record: run predict")
    truth = _read_labels(labels)
    missing = [name for name in truth if not (outputs / f"{name}.csv").is_file()]
    if missing:
        raise InputError(
            f"{outputs}: {len(missing)} of {len(truth)} records have no output file, the first is {missing[0]}.csv; "
            "expected one for each labelled record: predict them, or name a smaller LABELS folder"
        )
    predictions = []
    with progress("evaluate", len(truth), "records") as task:
        for name in truth:
            text = (outputs / f"{name}.csv").read_text(encoding="utf-8", errors="replace")
            predictions.append(parse_prediction(text, where=f"{name}.csv"))
            task.advance()
    label_matrix = scored_matrix(list(truth.values()))
    binary, scores = to_scored_matrices(predictions)
    result = compute_scores(label_matrix, binary, scores)
    written: tuple[Path, ...] = ()
    if scores_path is not None:
        classes_path = scores_path.with_name(f"{scores_path.stem}-classes.csv")
        scores_path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(scores_path, format_scores(result))
        write_text_atomically(classes_path, format_class_scores(result))
        written = (scores_path, classes_path)
    return EvaluateSummary(
        scores=result,
        n_records=len(truth),
        n_unlabelled=int((label_matrix.sum(axis=1) == 0).sum()),
        written=written,
    )


def format_scores(scores: Scores) -> str:
    """The official evaluator's two lines, with every digit."""
    values = [repr(float(getattr(scores, name))) for name in OFFICIAL_COLUMNS.values()]
    return f"{','.join(OFFICIAL_COLUMNS)}\n{','.join(values)}\n"


def format_class_scores(scores: Scores) -> str:
    """A line for each scored class: code, abbreviation, name, positives, and its figures."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    figures = ("auroc", "auprc", "f_measure", "f_beta", "g_beta")
    writer.writerow(["code", "abbreviation", "name", "n_positive", *figures])
    for number, code in enumerate(SCORED_CLASSES):
        values = [getattr(scores, f"{name}_classes")[number] for name in figures]
        writer.writerow([code, abbreviation_of(code), name_of(code), scores.n_positive[number], *values])
    return text.getvalue()


def _read_labels(labels: Path) -> dict[str, tuple[str, ...]]:
    """Record name → diagnosis codes."""
    if (labels / "zarr.json").exists():
        store = Store(labels)
        return {name: store.dx_codes(row) for row, name in enumerate(store.ids)}
    return {
        name: parse_annotations(read_header(record.path).comments).dx_codes
        for name, record in name_records(find_records([labels])).items()
    }
