"""Scores as files: the official evaluator's line, tables by class and by dataset, and all of it as JSON."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ecg12.ecg.scores.scores import OF_CLASSES, Scores, TaskScores
from ecg12.pipeline.evaluation.result import TITLES, EvaluateSummary, PartScores


def format_scores(scores: TaskScores) -> str:
    """The official evaluator's two lines, with every digit; of another task its own figures."""
    values = [repr(float(getattr(scores, name))) for name in scores.shown]
    return f"{','.join(TITLES[name] for name in scores.shown)}\n{','.join(values)}\n"


def format_class_scores(summary: EvaluateSummary) -> str:
    """A line for each class: code, abbreviation, name, positives, its figures, calibration error, intervals."""
    scores, intervals, task = summary.scores, summary.intervals, summary.task
    assert isinstance(scores, Scores)
    header = ["code", "abbreviation", "name", "n_positive", *OF_CLASSES, "calibration_error"]
    header += [] if intervals is None else [f"{name}_{end}" for name in OF_CLASSES for end in ("low", "high")]
    rows: list[list[Any]] = []
    for number, code in enumerate(scores.classes):
        row: list[Any] = [code, task.abbreviation_of(code), task.name_of(code), scores.n_positive[number]]
        row += [getattr(scores, f"{name}_classes")[number] for name in OF_CLASSES]
        row.append(summary.calibration_classes[number])
        row += [] if intervals is None else [end for name in OF_CLASSES for end in intervals.classes[name][number]]
        rows.append(row)
    return _format_table(header, rows)


def format_part_scores(parts: Sequence[PartScores]) -> str:
    """A line for each part of the records, such as a dataset: its name, records, and the task's figures."""
    shown = parts[0].scores.shown
    rows = [
        [part.name, part.n_records, part.n_unlabelled, *(getattr(part.scores, name) for name in shown)]
        for part in parts
    ]
    return _format_table(["part", "n_records", "n_unlabelled", *shown], rows)


def _format_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def to_json(summary: EvaluateSummary) -> dict[str, Any]:
    """Everything an evaluation found, as plain JSON values; what is undefined is null."""
    found: dict[str, Any] = {
        "task": summary.task.name,
        "n_records": summary.n_records,
        "n_unlabelled": summary.n_unlabelled,
        "n_left_out": summary.n_left_out,
        "scores": summary.scores.to_dict(),
        "calibration": {
            "error": "expected calibration error",
            "bins": f"{summary.n_bins} of equal width over 0 to 1",
            "macro": _plain(summary.calibration),
            "classes": _plain(summary.calibration_classes),
        },
        "datasets": [_part(part) for part in summary.datasets],
    }
    if not summary.calibration_classes:
        del found["calibration"]
    if summary.by:
        found["by"] = {name: [_part(part) for part in parts] for name, parts in summary.by.items()}
    if summary.intervals is not None:
        found["intervals"] = {
            "level": summary.intervals.level,
            "n_replicates": summary.intervals.n_replicates,
            "units": f"{summary.intervals.n_units} {summary.units}",
            "seed": summary.seed,
            "macro": _plain({name: summary.intervals.macro[name] for name in summary.scores.shown}),
            "classes": _plain(summary.intervals.classes),
        }
    if summary.slips:
        found["files"] = [
            {"kind": slip.kind, "meaning": slip.meaning, "n_files": len(slip.files), "of": slip.n_read}
            | {"files": dict(slip.files)}
            for slip in summary.slips
        ]
    if summary.interrupted:
        found["outputs_interrupted"] = True
    if summary.unlabelled_outputs:
        found["outputs_without_labels"] = list(summary.unlabelled_outputs)
    if summary.remarks:
        found["remarks"] = {kind: remarked.to_dict() for kind, remarked in summary.remarks.items()}
    if summary.held_out:
        found["held_out"] = [_part(part) for part in summary.held_out]
        found["held_out_mean"] = _plain(summary.mean_of_parts(summary.held_out))
    if summary.gains:
        found["gains"] = [
            _part(gain.part)
            | {"gain": gain.gain, "n_labels_changed": gain.n_labels_changed, "largest_change": gain.largest_change}
            for gain in summary.gains
        ]
    return found


def _part(part: PartScores) -> dict[str, Any]:
    return {
        "name": part.name,
        "n_records": part.n_records,
        "n_unlabelled": part.n_unlabelled,
        "scores": part.scores.to_dict(),
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """NaN as None, tuples as lists, all the way down."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
