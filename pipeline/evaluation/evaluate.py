"""Scores of a folder of predictions against the labels in headers or in a store, by a task, and how sure they are."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ecg12.cache.several_stores import Locations
from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.cache.storage.location import Location
from ecg12.ecg.errors import ConfigError, InputError
from ecg12.ecg.scores.challenge_csv_slips import GRAVE, MEANINGS, NOTHING
from ecg12.ecg.tasks.named import CHALLENGE_2020, NAMED_TASKS, named_task
from ecg12.ecg.tasks.task import NUMBER, Task
from ecg12.pipeline.evaluation.answers import Answers as Answers  # belongs to the surface
from ecg12.pipeline.evaluation.answers import check_complete, csv_files, read_answers
from ecg12.pipeline.evaluation.judging import EvaluateConfig as EvaluateConfig
from ecg12.pipeline.evaluation.judging import judge_answers as judge_answers
from ecg12.pipeline.evaluation.judging import score_part
from ecg12.pipeline.evaluation.judging import score_parts as score_parts
from ecg12.pipeline.evaluation.result import OFFICIAL_COLUMNS as OFFICIAL_COLUMNS
from ecg12.pipeline.evaluation.result import EvaluateSummary, GainScores, SlipCount
from ecg12.pipeline.evaluation.score_tables import format_class_scores, format_part_scores, format_scores, to_json
from ecg12.pipeline.evaluation.truth import Chosen, Truth, is_store, read_truth
from ecg12.pipeline.prediction.output_files import TABLE
from ecg12.pipeline.prediction.output_folder import is_interrupted
from ecg12.pipeline.runs.predicted_folder import open_predicted
from ecg12.pipeline.runs.prediction_folders import (
    CROSS_VALIDATION,
    PREDICTIONS,
    Outputs,
    find_outputs,
    read_cross_validation,
    read_test_ids,
)
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.tasks.task_files import TASK, task_of_folder
from ecg12.pipeline.training.given_sides import OFFICIAL, SIDES, TEST


@dataclass(frozen=True, kw_only=True, slots=True)
class WhichRecords:
    """Which of the labelled records are scored: all of them, or those on a list, or on a side of a split, or both.

    Attributes
    ----------
    records : a file with the names of records, separated by commas or line breaks
    split : see `pipeline.training.given_sides.given_sides`; or a side of the official split by its name
    side : of the split: "test", "valid" or "train"; "test" where None
    by : columns of the store, for figures of each of their groups
    """

    records: Path | None = None
    split: str | None = None
    side: str | None = None
    by: Sequence[str] = ()

    def chosen(self, held_out: Mapping[str, tuple[str, ...]] | None) -> Chosen:
        """These records, of those that a run held out.

        Raises
        ------
        ConfigError, InputError
            If the options do not go together, or the list is empty or names a record that was not held out.
        """
        names, where = None, "held-out records"
        if held_out is not None:
            names = [name for own in held_out.values() for name in own]
        if self.records is not None:
            listed, where = read_test_ids(self.records), f"records in {self.records}"
            if not listed:
                raise InputError(f"{self.records}: names no record; expected names between commas or line breaks")
            others = [] if names is None else sorted(set(listed) - set(names))
            if others:
                raise InputError(
                    f"{self.records}: {len(others)} of {len(listed)} records were not held out, the first is "
                    f"{others[0]}; expected records that the run was tested on"
                )
            names = list(listed)
        split, side = self.split, self.side
        if split in SIDES:
            if side not in (None, split):
                raise ConfigError(f"split {split} and side {side}; expected one of the two")
            split, side = OFFICIAL, split
        if side is not None and split is None:
            split = OFFICIAL
        if side not in (None, *SIDES):
            raise ConfigError(f"side is {side!r}; expected {', '.join(SIDES)}")
        return Chosen(names=names, split=split, side=side or TEST, where=where)


EVERY_RECORD = WhichRecords()


def evaluate(
    labels: Locations,
    outputs: Path,
    scores_path: Path | None = None,
    *,
    task: Task | None = None,
    which: WhichRecords = EVERY_RECORD,
    config: EvaluateConfig | None = None,
    json_path: Path | None = None,
    progress: Progress = silent,
) -> EvaluateSummary:
    """Score the predictions in `outputs` by a task, as its official evaluator does, and say how sure the figures are.

    Parameters
    ----------
    labels : folders of WFDB headers, or stores, which are read as one
    outputs : a folder with a Challenge CSV for each of these records, whoever wrote them, or with the table of
        `predict`; or what `predict --gain-sweep` wrote; or the folder of a training that held records out, whose
        records alone count
    scores_path : where to write the official line, and beside it tables per class and per dataset (and of the folds,
        gains or groups, if there are any); None writes nothing
    task : None for that of `outputs`, see `task_of_outputs`
    which : the records that are scored, and the columns whose groups are
    json_path : where to write everything; None writes nothing

    Raises
    ------
    InputError
        If there are no labels, a record has no prediction, or a store and a folder hold records of one name, naming
        the first.
    StoreError, ConfigError
        If stores cannot be read as one, they lack a column, or what is to be written would take the place of a
        prediction, or of another such file.
    """
    config = config or EvaluateConfig()
    found = find_outputs(outputs)
    task = task or task_of_outputs(outputs, found)
    places = [labels] if isinstance(labels, Location) else list(labels)
    truth = read_truth(places, task, which.chosen(found.held_out), which.by)
    folders = list(found.gains.values()) or [found.folder]
    for folder in folders:
        check_complete(truth, folder)
    _check_targets(truth, [outputs, *folders], _targets(scores_path, json_path, found, truth))
    slips: dict[str, dict[str, str]] = {}
    n_files = len(folders) * len(truth.names)
    with progress("evaluate", n_files, "records") as shown:
        answers = {
            folder: read_answers(truth, folder, shown, slips, prefix=f"{folder.name}/" if found.gains else "")
            for folder in folders
        }
    _check_task(truth, outputs, slips.get(NOTHING, {}), n_files)
    summary = judge_answers(truth, answers[found.folder], config, from_stores=all(map(is_store, places)))
    everyone = found.held_out is None and which.records is None and which.split is None and which.side is None
    summary = replace(
        summary,
        held_out=score_parts(truth, answers[found.folder], found.held_out or {}),
        gains=_of_gains(truth, answers, found),
        slips=tuple(
            SlipCount(kind=kind, meaning=meaning, grave=kind in GRAVE, files=slips[kind], n_read=n_files)
            for kind, meaning in MEANINGS.items()
            if kind in slips
        ),
        unlabelled_outputs=_unlabelled(truth, found) if everyone else (),
        remarks=truth.remarks,
        interrupted=any(map(is_interrupted, {outputs, *folders})),
    )
    return replace(summary, written=_write(summary, scores_path, json_path))


def _check_task(truth: Truth, outputs: Path, unread: Mapping[str, str], n_files: int) -> None:
    """Refuse predictions that say nothing of a task's classes; the Challenge's evaluators count them as negative."""
    if truth.task.metric is None and len(unread) == n_files:
        name, text = next(iter(unread.items()))
        raise InputError(
            f"{outputs}: none of the {n_files:,} files has a class of task {truth.task.name} ({name}: {text}); "
            "expected predictions by a model of that task: name theirs with --task"
        )


def task_of_outputs(outputs: Path, found: Outputs) -> Task:
    """The task that predictions carry, or a run above them, or that has the columns of their table.

    That of the Challenge of 2020 where nothing says another.

    Raises
    ------
    ConfigError
        If its file is damaged.
    InputError
        If the table cannot be read.
    """
    above = [found.folder.parent] if found.folder.name == PREDICTIONS or found.gains else []
    if (outputs / CROSS_VALIDATION).is_file():
        above += [outputs / name for name in read_cross_validation(outputs)["parts"][:1]]
    carries = next((one for one in (outputs, *above) if (one / TASK).is_file()), None)
    if carries is not None:
        return task_of_folder(carries)
    if not (found.folder / TABLE).is_file():
        return named_task(CHALLENGE_2020)
    of_table = [task.name for task in open_predicted(found.folder).names.tasks]
    return named_task(next((name for name in of_table if name in NAMED_TASKS), CHALLENGE_2020))


def _targets(scores_path: Path | None, json_path: Path | None, found: Outputs, truth: Truth) -> list[Path]:
    """Every file that is going to be written."""
    targets = []
    if scores_path is not None:
        tables = ["datasets"] if truth.task.kind == NUMBER else ["classes", "datasets"]
        tables += [*map(_of_column, truth.columns), *(["held-out"] if found.held_out else [])]
        tables += ["gains"] if found.gains else []
        targets = [scores_path, *(_beside(scores_path, name) for name in tables)]
    return targets if json_path is None else [*targets, json_path]


def _beside(scores_path: Path, name: str) -> Path:
    return scores_path.with_name(f"{scores_path.stem}-{name}.csv")


def _of_column(name: str) -> str:
    """What the table of a column's groups is called."""
    return f"by-{name.replace(':', '-').replace('/', '-')}"


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


def _unlabelled(truth: Truth, found: Outputs) -> tuple[str, ...]:
    """Names of output files that are of no record; `predict` leaves a table of them all beside them."""
    names = {*truth.names, *truth.left_out, TABLE.removesuffix(".csv")}
    return tuple(name for name in csv_files(found.folder) if name not in names)


def _of_gains(truth: Truth, answers: dict[Path, Answers], found: Outputs) -> tuple[GainScores, ...]:
    """Scores at each gain of a sweep, and how far they are from those at gain 1."""
    plain = answers[found.folder]
    everyone = np.arange(len(truth.names))
    return tuple(
        GainScores(
            gain=gain,
            part=score_part(folder.name, truth, answers[folder], everyone),
            n_labels_changed=int((answers[folder].binary != plain.binary).sum()),
            largest_change=float(np.abs(answers[folder].scores - plain.scores).max()),
        )
        for gain, folder in found.gains.items()
    )


def _write(summary: EvaluateSummary, scores_path: Path | None, json_path: Path | None) -> tuple[Path, ...]:
    texts: dict[Path, str] = {}
    if scores_path is not None:
        texts[scores_path] = format_scores(summary.scores)
        tables = {}
        if summary.task.kind != NUMBER:
            tables["classes"] = format_class_scores(summary)
        tables["datasets"] = format_part_scores(summary.datasets)
        tables |= {_of_column(name): format_part_scores(parts) for name, parts in summary.by.items()}
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
