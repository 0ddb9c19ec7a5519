"""Official scores of a folder of predictions against the labels in headers or in a store, and how sure they are."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.several_stores import Locations
from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.cache.storage.location import Location
from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError, InputError
from ecg12.ecg.scores.bootstrap import bootstrap_scores
from ecg12.ecg.scores.calibration import N_BINS, compute_calibration_error, compute_reliability
from ecg12.ecg.scores.challenge_csv import to_scored_matrices
from ecg12.ecg.scores.challenge_csv_slips import GRAVE, MEANINGS, read_outputs
from ecg12.ecg.scores.challenge_metric import compute_scores, macro_mean
from ecg12.pipeline.evaluation.result import OFFICIAL_COLUMNS as OFFICIAL_COLUMNS  # belongs to the surface
from ecg12.pipeline.evaluation.result import EvaluateSummary, GainScores, PartScores, SlipCount
from ecg12.pipeline.evaluation.score_tables import format_class_scores, format_part_scores, format_scores, to_json
from ecg12.pipeline.evaluation.truth import Truth, is_store, read_truth
from ecg12.pipeline.prediction.output_files import TABLE
from ecg12.pipeline.prediction.output_folder import is_interrupted
from ecg12.pipeline.runs.challenge_csv_files import read_prediction_bytes, what_instead
from ecg12.pipeline.runs.prediction_folders import Outputs, find_outputs
from ecg12.pipeline.runtime.progress import Progress, Task, silent

MOST_REPLICATES = 1_000_000
MOST_BINS = 100_000
"""Beyond these, figures would come after days, or need more memory than there is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig(Config):
    """How to judge beyond the official figures.

    Attributes
    ----------
    n_bootstrap : replicates for the intervals; 0 leaves them out
    seed : of the replicates
    level : share of the replicates within an interval
    n_bins : of equal width, for calibration
    """

    n_bootstrap: int = 1000
    seed: int = 2
    level: float = 0.95
    n_bins: int = N_BINS

    def __post_init__(self) -> None:
        if not 0 <= self.n_bootstrap <= MOST_REPLICATES:
            raise ConfigError(
                f"n_bootstrap is {self.n_bootstrap}; expected 0 (no intervals) to {MOST_REPLICATES}, such as 1000"
            )
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; expected 0 or more")
        if not 0 < self.level < 1:
            raise ConfigError(f"level is {self.level}; expected a share between 0 and 1")
        if not 1 <= self.n_bins <= MOST_BINS:
            raise ConfigError(f"n_bins is {self.n_bins}; expected 1 to {MOST_BINS}")


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Predictions over the 24 scored classes: 0/1 and scores, shape (record, class)."""

    binary: NDArray[np.uint8]
    scores: NDArray[np.float64]


def evaluate(
    labels: Locations,
    outputs: Path,
    scores_path: Path | None = None,
    *,
    config: EvaluateConfig | None = None,
    json_path: Path | None = None,
    progress: Progress = silent,
) -> EvaluateSummary:
    """Score the predictions in `outputs` as the official evaluator does, and say how sure the figures are.

    Parameters
    ----------
    labels : folders of WFDB headers, or stores, which are read as one
    outputs : a folder with a Challenge CSV for each of these records, whoever wrote them; or what
        `predict --gain-sweep` wrote; or the folder of a training that held records out, whose records alone count
    scores_path : where to write the official line, and beside it tables per class and per dataset (and of the folds
        or gains, if there are any); None writes nothing
    json_path : where to write everything; None writes nothing

    Raises
    ------
    InputError
        If there are no labels, a record has no output file, or a store and a folder hold records of one name, naming
        the first.
    StoreError, ConfigError
        If stores cannot be read as one, or what is to be written would take the place of a prediction, or of another
        such file.
    """
    config = config or EvaluateConfig()
    found = find_outputs(outputs)
    held_out = found.held_out
    only = None if held_out is None else [name for names in held_out.values() for name in names]
    places = [labels] if isinstance(labels, Location) else list(labels)
    truth = read_truth(places, only)
    folders = list(found.gains.values()) or [found.folder]
    for folder in folders:
        _check_complete(truth, folder)
    _check_targets(truth, [outputs, *folders], _targets(scores_path, json_path, found))
    slips: dict[str, dict[str, str]] = {}
    n_files = len(folders) * len(truth.names)
    with progress("evaluate", n_files, "records") as task:
        answers = {
            folder: _read_answers(truth, folder, task, slips, prefix=f"{folder.name}/" if found.gains else "")
            for folder in folders
        }
    summary = judge_answers(truth, answers[found.folder], config, from_stores=all(map(is_store, places)))
    summary = replace(
        summary,
        held_out=score_parts(truth, answers[found.folder], held_out or {}),
        gains=_of_gains(truth, answers, found),
        slips=tuple(
            SlipCount(kind=kind, meaning=meaning, grave=kind in GRAVE, files=slips[kind], n_read=n_files)
            for kind, meaning in MEANINGS.items()
            if kind in slips
        ),
        unlabelled_outputs=_unlabelled(truth, found) if only is None else (),
        remarks=truth.remarks,
        interrupted=any(map(is_interrupted, {outputs, *folders})),
    )
    return replace(summary, written=_write(summary, scores_path, json_path))


def _check_complete(truth: Truth, folder: Path) -> None:
    """Refuse a folder that the official evaluator would refuse, saying what is there instead."""
    missing = [name for name in truth.names if not (folder / f"{name}.csv").is_file()]
    if not missing:
        return
    instead = what_instead(folder / f"{missing[0]}.csv")
    said = f" (it is {instead})" if instead != "missing" else _near(folder, missing[0])
    if len(missing) == len(truth.names) and instead == "missing" and not said:
        there = _csv_files(folder)
        said = f"; there are {len(there)} others, the first is {there[0]}.csv" if there else "; there is no .csv file"
    raise InputError(
        f"{folder}: {len(missing)} of {len(truth.names)} records have no output file, the first is "
        f"{missing[0]}.csv{said}; expected one for each labelled record: predict them, or name a smaller LABELS folder"
    )


def _targets(scores_path: Path | None, json_path: Path | None, found: Outputs) -> list[Path]:
    """Every file that is going to be written."""
    targets = []
    if scores_path is not None:
        tables = ["classes", "datasets", *(["held-out"] if found.held_out else []), *(["gains"] if found.gains else [])]
        targets = [scores_path, *(_beside(scores_path, name) for name in tables)]
    return targets if json_path is None else [*targets, json_path]


def _beside(scores_path: Path, name: str) -> Path:
    return scores_path.with_name(f"{scores_path.stem}-{name}.csv")


def _check_targets(truth: Truth, folders: Sequence[Path], targets: Sequence[Path]) -> None:
    """Refuse to write one file over another, or over a prediction that is scored."""
    seen: set[str] = set()
    places = {os.path.realpath(folder) for folder in folders}
    for target in targets:
        real = os.path.realpath(target)
        if real in seen:
            raise ConfigError(f"{target}: two files would have this name; expected another one for the JSON")
        seen.add(real)
        for place in places:
            name = os.path.relpath(real, place).replace(os.sep, "/")
            if name == TABLE or (name.endswith(".csv") and name.removesuffix(".csv") in truth.names):
                raise ConfigError(f"{target}: is a file of predictions; expected another name for scores")


def _near(folder: Path, name: str) -> str:
    """What may have been meant for a missing file; the official evaluator compares names letter by letter."""
    place = (folder / name).parent
    wanted = f"{(folder / name).name}.csv".lower()
    there = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    if os.path.islink(folder / f"{name}.csv"):
        return " (it is a link to what is not there)"
    return next((f" (there is {other}: rename it)" for other in there if other.lower() == wanted), "")


def _csv_files(folder: Path) -> list[str]:
    """Names of the prediction files in or below a folder, as records are called."""
    return sorted(
        os.path.relpath(os.path.join(root, name), folder).replace(os.sep, "/").removesuffix(".csv")
        for root, _, names in os.walk(folder)
        for name in names
        if name.endswith(".csv") and not name.startswith(".")
    )


def _read_answers(
    truth: Truth, folder: Path, task: Task, slips: dict[str, dict[str, str]], *, prefix: str = ""
) -> Answers:
    """The predictions of all records; adds to `slips` what was lost, by kind and file."""
    predictions = []
    for name in truth.names:
        prediction, found = read_outputs(read_prediction_bytes(folder / f"{name}.csv"), name)
        predictions.append(prediction)
        for slip in found:
            slips.setdefault(slip.kind, {})[f"{prefix}{name}.csv"] = slip.text
        task.advance()
    return Answers(*to_scored_matrices(predictions))


def _unlabelled(truth: Truth, found: Outputs) -> tuple[str, ...]:
    """Names of output files that are of no record; `predict` leaves a table of them all beside them."""
    names = {*truth.names, TABLE.removesuffix(".csv")}
    return tuple(name for name in _csv_files(found.folder) if name not in names)


def judge_answers(truth: Truth, answers: Answers, config: EvaluateConfig, *, from_stores: bool) -> EvaluateSummary:
    """All figures of one folder."""
    whole = _score_part("all", truth, answers, np.arange(len(truth.names)))
    intervals = None
    if config.n_bootstrap:
        intervals = bootstrap_scores(
            truth.labels,
            answers.binary,
            answers.scores,
            truth.units,
            n_replicates=config.n_bootstrap,
            seed=config.seed,
            level=config.level,
        )
    errors = compute_calibration_error(compute_reliability(truth.labels, answers.scores, n_bins=config.n_bins))
    return EvaluateSummary(
        scores=whole.scores,
        n_records=whole.n_records,
        n_unlabelled=whole.n_unlabelled,
        intervals=intervals,
        units="groups" if from_stores else "records",
        seed=config.seed,
        calibration=macro_mean(errors[truth.labels.any(axis=0)]),
        calibration_classes=tuple(errors.tolist()),
        n_bins=config.n_bins,
        datasets=tuple(
            _score_part(str(name), truth, answers, np.flatnonzero(truth.datasets == name))
            for name in np.unique(truth.datasets.astype(str))
        ),
    )


def _score_part(name: str, truth: Truth, answers: Answers, rows: NDArray[np.integer]) -> PartScores:
    labels = truth.labels[rows]
    return PartScores(
        name=name,
        n_records=len(rows),
        n_unlabelled=int((labels.sum(axis=1) == 0).sum()),
        scores=compute_scores(labels, answers.binary[rows], answers.scores[rows]),
    )


def score_parts(truth: Truth, answers: Answers, parts: Mapping[str, tuple[str, ...]]) -> tuple[PartScores, ...]:
    """Scores of each part of a cross-validation."""
    row = {name: number for number, name in enumerate(truth.names)}
    return tuple(
        _score_part(part, truth, answers, np.array([row[name] for name in names])) for part, names in parts.items()
    )


def _of_gains(truth: Truth, answers: dict[Path, Answers], found: Outputs) -> tuple[GainScores, ...]:
    """Scores at each gain of a sweep, and how far they are from those at gain 1."""
    plain = answers[found.folder]
    everyone = np.arange(len(truth.names))
    return tuple(
        GainScores(
            gain=gain,
            part=_score_part(folder.name, truth, answers[folder], everyone),
            n_labels_changed=int((answers[folder].binary != plain.binary).sum()),
            largest_change=float(np.abs(answers[folder].scores - plain.scores).max()),
        )
        for gain, folder in found.gains.items()
    )


def _write(summary: EvaluateSummary, scores_path: Path | None, json_path: Path | None) -> tuple[Path, ...]:
    texts: dict[Path, str] = {}
    if scores_path is not None:
        texts[scores_path] = format_scores(summary.scores)
        tables = {
            "classes": format_class_scores(summary.scores, summary.calibration_classes, summary.intervals),
            "datasets": format_part_scores(summary.datasets),
        }
        if summary.held_out:
            tables["held-out"] = format_part_scores(summary.held_out)
        if summary.gains:
            tables["gains"] = format_part_scores([gain.part for gain in summary.gains])
        texts |= {_beside(scores_path, name): text for name, text in tables.items()}
    if json_path is not None:
        texts[json_path] = json.dumps(to_json(summary), indent="\t", ensure_ascii=False) + "\n"
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, text)
    return tuple(texts)
