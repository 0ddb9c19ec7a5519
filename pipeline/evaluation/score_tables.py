"""Scores as files: the official evaluator's line, tables by class and by dataset, and all of it as JSON."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ecg12.ecg.labels.snomed import SCORED_CLASSES, abbreviation_of, name_of
from ecg12.ecg.scores.bootstrap import CLASS_FIGURES, MACRO_FIGURES, Intervals
from ecg12.ecg.scores.challenge_metric import Scores
from ecg12.pipeline.evaluation.result import OFFICIAL_COLUMNS, EvaluateSummary, PartScores


def format_scores(scores: Scores) -> str:
    """The official evaluator's two lines, with every digit."""
    values = [repr(float(getattr(scores, name))) for name in OFFICIAL_COLUMNS.values()]
    return f"{','.join(OFFICIAL_COLUMNS)}\n{','.join(values)}\n"


def format_class_scores(
    scores: Scores, calibration: Sequence[float] | None = None, intervals: Intervals | None = None
) -> str:
    """A line for each scored class: code, abbreviation, name, positives, its figures, calibration error, intervals."""
    header = ["code", "abbreviation", "name", "n_positive", *CLASS_FIGURES]
    header += [] if calibration is None else ["calibration_error"]
    header += [] if intervals is None else [f"{name}_{end}" for name in CLASS_FIGURES for end in ("low", "high")]
    rows: list[list[Any]] = []
    for number, code in enumerate(SCORED_CLASSES):
        row: list[Any] = [code, abbreviation_of(code), name_of(code), scores.n_positive[number]]
        row += [getattr(scores, f"{name}_classes")[number] for name in CLASS_FIGURES]
        row += [] if calibration is None else [calibration[number]]
        row += [] if intervals is None else [end for name in CLASS_FIGURES for end in intervals.classes[name][number]]
        rows.append(row)
    return _format_table(header, rows)


def format_part_scores(parts: Sequence[PartScores]) -> str:
    """A line for each part of the records, such as a dataset: its name, records, and official figures."""
    rows = [
        [part.name, part.n_records, part.n_unlabelled, *(getattr(part.scores, name) for name in MACRO_FIGURES)]
        for part in parts
    ]
    return _format_table(["part", "n_records", "n_unlabelled", *MACRO_FIGURES], rows)


def _format_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def to_json(summary: EvaluateSummary) -> dict[str, Any]:
    """Everything an evaluation found, as plain JSON values; what is undefined is null."""
    found: dict[str, Any] = {
        "n_records": summary.n_records,
        "n_unlabelled": summary.n_unlabelled,
        "scores": summary.scores.to_dict(),
        "calibration": {
            "error": "expected calibration error",
            "bins": f"{summary.n_bins} of equal width over 0 to 1",
            "macro": _plain(summary.calibration),
            "classes": _plain(summary.calibration_classes),
        },
        "datasets": [_part(part) for part in summary.datasets],
    }
    if summary.intervals is not None:
        found["intervals"] = {
            "level": summary.intervals.level,
            "n_replicates": summary.intervals.n_replicates,
            "units": f"{summary.intervals.n_units} {summary.units}",
            "seed": summary.seed,
            "macro": _plain(summary.intervals.macro),
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
