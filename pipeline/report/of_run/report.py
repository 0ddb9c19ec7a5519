"""The report of a run or a cross-validation: everything that can be said of it, each part where it can be had."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.storage.location import Location
from ecg12.ecg.errors import EcgError, RunFolderError
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import LOSS, Task
from ecg12.pipeline.evaluation.answers import Answers
from ecg12.pipeline.evaluation.judging import EvaluateConfig, judge_answers, score_parts
from ecg12.pipeline.evaluation.result import EvaluateSummary
from ecg12.pipeline.evaluation.truth import Truth
from ecg12.pipeline.report.drawing.page import Page, ReportSummary, Section, Tile, write_page
from ecg12.pipeline.report.of_run.learning import FIGURES, History, best_epoch, curves_of, show_learning, show_several
from ecg12.pipeline.report.of_run.number_sections import show_furthest
from ecg12.pipeline.report.of_run.run_answers import RunAnswers, find_answers
from ecg12.pipeline.report.of_run.run_records import find_sides, show_data, show_quality
from ecg12.pipeline.report.of_run.score_sections import make_tiles
from ecg12.pipeline.report.of_run.scores import make_scored_sections, show_recorded_scores
from ecg12.pipeline.report.of_run.setup_sections import KINDS, show_configuration, show_environment, show_task
from ecg12.pipeline.report.of_run.store_of_run import find_run_store
from ecg12.pipeline.report.of_run.worst_records import show_worst
from ecg12.pipeline.runs.checkpoint import CONFIG, read_json
from ecg12.pipeline.runs.prediction_folders import CROSS_VALIDATION, TEST_IDS, read_cross_validation
from ecg12.pipeline.runs.run_folder import ENVIRONMENT, HISTORY, TRAIN_IDS, VALID_IDS, read_history, read_ids
from ecg12.pipeline.runtime.device import choose_device
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.tasks.stored_labels import column_of
from ecg12.pipeline.tasks.task_files import task_of_folder

RECORDED = ("scores.json", "test_scores.json")
"""What an evaluation of held-out records left, of a cross-validation and of a run."""
SUBGROUPS = ("age", "sex", "site", "device")
"""Columns of a store by which figures are shown, beside the dataset."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Known:
    """What was found of a run.

    Attributes
    ----------
    runs : name → folder, those of a cross-validation that were begun, or the one
    missing : what could not be had, and why
    task, select : what it was trained for, and the figure by which its weights were chosen
    """

    folder: Path
    runs: Mapping[str, Path]
    is_cross_validation: bool
    store: Store | None
    answers: RunAnswers | None
    summary: EvaluateSummary | None
    missing: tuple[str, ...]
    task: Task
    select: str


def report_run(
    folder: Path,
    output: Path,
    *,
    stores: Sequence[Location] = (),
    n_examples: int = 3,
    plugins: Sequence[str] = (),
    cuda: bool = False,
    progress: Progress = silent,
) -> ReportSummary:
    """Write the report of a run folder, ours or the reference system's, or of a cross-validation.

    Scores, curves and errors need the store that the run was trained on; without it the report has what the folder
    alone can tell, and says so.

    Parameters
    ----------
    stores : the run's, where they are not where they were
    n_examples : false positives, and false negatives, that are drawn
    plugins : see `pipeline.runs.run_folder.load_model`

    Raises
    ------
    RunFolderError
        If `folder` is no run folder, or one that is damaged.
    StoreError, ConfigError
        If the stores that were told cannot be read as one, or `cuda` is asked for and not there.
    """
    runs, is_cross_validation = find_runs(folder)
    choose_device(cuda=cuda)  # a GPU that is asked for and not there is an error, not a section that is left out
    known = _find_out(folder, runs, stores, is_cross_validation, plugins=plugins, cuda=cuda, progress=progress)
    kind = "Cross-validation" if is_cross_validation else "Training run"
    sections, missing = _make_sections(known, n_examples, progress)
    page = Page(
        kind=kind,
        title=folder.resolve().name,
        lead=_lead(known),
        tiles=_tiles(known),
        missing=(*known.missing, *missing),
        sections=sections,
    )
    return write_page(output, page)


def find_runs(folder: Path) -> tuple[dict[str, Path], bool]:
    """The run folders that there are in a cross-validation, or the one; and whether it is a cross-validation.

    Raises
    ------
    RunFolderError
        If it is neither, or a cross-validation whose first part has not begun.
    """
    if (folder / CROSS_VALIDATION).is_file():
        parts = {str(name): folder / str(name) for name in read_cross_validation(folder)["parts"]}
        begun = {name: path for name, path in parts.items() if (path / HISTORY).is_file()}
        if not begun:
            raise RunFolderError(f"{folder}: no part of this cross-validation has finished an epoch; wait for one")
        return begun, True
    if not (folder / CONFIG).is_file():
        raise RunFolderError(
            f"{folder}: neither a run folder nor a store (no {CONFIG}, {CROSS_VALIDATION} or zarr.json in it); "
            "expected what train or build-cache wrote"
        )
    return {folder.resolve().name: folder}, False


def _find_out(
    folder: Path,
    runs: Mapping[str, Path],
    stores: Sequence[Location],
    is_cross_validation: bool,
    *,
    plugins: Sequence[str],
    cuda: bool,
    progress: Progress,
) -> _Known:
    store, why = find_run_store(next(iter(runs.values())), stores)
    answers, summary, missing = None, None, []
    if store is None:
        missing.append(f"scores by class and dataset, curves, calibration, confusion, errors, records: {why}")
    else:
        try:
            answers = find_answers(folder, store, plugins=plugins, cuda=cuda, progress=progress)
            summary = judge(answers, store)
        except EcgError as error:
            notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
            missing.append(f"scores, curves, calibration, confusion, errors: {error}{notes}")
    task = task_of_folder(next(iter(runs.values())))
    return _Known(
        task=task,
        select=selected_by(next(iter(runs.values())), task),
        folder=folder,
        runs=runs,
        is_cross_validation=is_cross_validation,
        store=store,
        answers=answers,
        summary=summary,
        missing=tuple(missing),
    )


def judge(answers: RunAnswers, store: Store) -> EvaluateSummary:
    """The official figures of answers, with intervals, as `evaluate` gives them."""
    truth = Truth(
        names=tuple(map(str, store.ids[answers.rows])),
        datasets=store.datasets[answers.rows],
        units=store.column("record/group")[answers.rows],
        labels=answers.truth,
        task=answers.task,
        known=answers.known,
        number=answers.number,
        columns=_subgroups(store, answers),
    )
    said = Answers(answers.binary, answers.scores)
    summary = judge_answers(truth, said, EvaluateConfig(), from_stores=True)
    parts = {name: tuple(truth.names[place] for place in places) for name, places in answers.parts.items()}
    return replace(summary, held_out=score_parts(truth, said, parts))


def _subgroups(store: Store, answers: RunAnswers) -> dict[str, NDArray]:
    """Columns that part the records: those of `SUBGROUPS` of which some record states anything."""
    found = {name: column_of(store, name) for name in SUBGROUPS}
    return {name: values[answers.rows] for name, values in found.items() if values is not None and any_stated(values)}


def any_stated(values: NDArray) -> bool:
    """Whether a column says anything of any record."""
    return bool(np.isfinite(values).any() if values.dtype.kind == "f" else any(values))


def selected_by(folder: Path, task: Task) -> str:
    """The figure by which a run chose its weights: as its configuration has it, else the task's."""
    values = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    options = values.get("train") if isinstance(values, dict) else None
    asked = options.get("select_by") if isinstance(options, dict) else None
    return asked if asked in (LOSS, *task.figures) else task.select


def _make_sections(known: _Known, n_examples: int, progress: Progress) -> tuple[tuple[Section, ...], list[str]]:
    """All sections in their order, and what else is missing."""
    missing: list[str] = []
    sections = [*_learning(known, missing)]
    if known.answers is not None and known.summary is not None and known.store is not None:
        sections += make_scored_sections(known.answers, known.summary)
        of_numbers = known.answers.number is not None
        show = show_furthest if of_numbers else show_worst
        worst = show(known.answers, known.store, n_examples, progress)
        what = "numbers are furthest off" if of_numbers else "scores are furthest on the wrong side"
        lead = f"Records whose {what}; some of them are errors of their labels."
        sections.append(Section(title="Worst errors", lead=lead, body=worst))
    else:
        sections += _recorded(known)
    sections += _records(known, missing)
    sections += _setup(known)
    return tuple(sections), missing


def _learning(known: _Known, missing: list[str]) -> list[Section]:
    histories, without = {}, []
    for name, path in known.runs.items():
        history = _history(path)
        if history:
            histories[name] = history
        else:
            without.append(name)
    if without:
        missing.append(f"learning curves: no {HISTORY} with epochs in {', '.join(without)}")
    if not histories:
        return []
    if known.is_cross_validation:
        lead = "Each run on its own validation records, by which its epoch was chosen."
        return [Section(title="Learning", lead=lead, body=show_several(histories, known.select))]
    (history,) = histories.values()
    best = best_epoch(history, known.select)
    lead = f"{len(history)} epochs" + (f"; the dotted line is the best, epoch {best + 1}." if best is not None else ".")
    return [Section(title="Learning", lead=lead, body=show_learning(history, known.task, known.select))]


def _history(path: Path) -> History:
    return read_history(path / HISTORY) if (path / HISTORY).is_file() else []


def _recorded(known: _Known) -> list[Section]:
    """What an evaluation left in the folder, where nothing can be computed anew."""
    for name in RECORDED:
        if (known.folder / name).is_file():
            body = show_recorded_scores(read_json(known.folder / name, nan=True), known.task)
            lead = f"As {name} has them, from when the training ended."
            return [Section(title="Scores", lead=lead, body=body)]
    return []


def _records(known: _Known, missing: list[str]) -> list[Section]:
    if known.store is None:
        return []
    try:
        sides = find_sides(known.folder, known.store)
    except EcgError as error:
        missing.append(f"records: {error}")
        return []
    found = []
    if sides or (known.answers is not None and known.answers.parts):
        lead = "How many records of each kind the run learned from, and was judged by."
        body = show_data(known.store, known.task, sides, known.answers)
        found.append(Section(title="Records", lead=lead, body=body))
    if known.answers is not None:
        lead = "What the conversion noted about the signals of these records; a flag removes no record."
        found.append(Section(title="Quality", lead=lead, body=show_quality(known.store, known.answers)))
    return found


def _setup(known: _Known) -> list[Section]:
    name, path = next(iter(known.runs.items()))
    of = f" Of {name}, the first of {len(known.runs)}." if known.is_cross_validation else ""
    found = []
    if known.task.name != CHALLENGE_2020:
        lead = known.task.title or f"Task {known.task.name}."
        found.append(Section(title="Task", lead=lead, body=show_task(known.task)))
    if (path / CONFIG).is_file():
        body = show_configuration(_object(path / CONFIG))
        found.append(Section(title="Configuration", lead=f"How the network was trained.{of}", body=body))
    if (path / ENVIRONMENT).is_file():
        body = show_environment(_object(path / ENVIRONMENT))
        found.append(Section(title="Environment", lead=f"What it was trained on.{of}", body=body))
    return found


def _object(path: Path) -> Mapping[str, Any]:
    values = read_json(path)
    if not isinstance(values, dict):
        raise RunFolderError(f"{path}: {type(values).__name__}; expected an object: restore the file")
    return values


def _tiles(known: _Known) -> tuple[Tile, ...]:
    if known.summary is not None:
        return make_tiles(known.summary)
    histories = [_history(path) for path in known.runs.values()]
    if known.is_cross_validation or not histories[0]:
        return ()
    (history,) = histories
    best = best_epoch(history, known.select)
    row = history[-1 if best is None else best]
    remark = f"validation, epoch {(len(history) - 1 if best is None else best) + 1}"
    values = {FIGURES[name]: float(row.get(name, math.nan)) for name in curves_of(known.task, known.select)}
    return tuple(
        Tile(name=title[:1].upper() + title[1:], value=f"{value:.3f}", remark=remark)
        for title, value in values.items()
        if not math.isnan(value)
    )


def _lead(known: _Known) -> str:
    task = known.task
    sentences = [] if task.name == CHALLENGE_2020 else [f"Task {task.name}: {task.title or KINDS[task.kind]}."]
    if known.answers is not None and known.store is not None:
        answers, store = known.answers, known.store
        n_groups = len(set(store.column("record/group")[answers.rows]))
        n_datasets = len(np.unique(store.datasets[answers.rows].astype(str)))
        sentences.append(
            f"Judged by {len(answers.rows):,} {answers.population} of {n_groups:,} patients in {n_datasets} "
            f"{'dataset' if n_datasets == 1 else 'datasets'}"
            + ("." if answers.number is not None else f"; labels decided by {answers.decided_by}.")
        )
        sentences += answers.remarks
    if not known.is_cross_validation:
        counts = {"to train on": TRAIN_IDS, "to validate on": VALID_IDS, "held out": TEST_IDS}
        there = {what: known.folder / name for what, name in counts.items() if (known.folder / name).is_file()}
        if there:
            said = ", ".join(f"{len(read_ids(path)):,} {what}" for what, path in there.items())
            sentences.append(f"Records: {said}.")
    elif known.answers is None:
        sentences.append(f"Runs: {', '.join(known.runs)}.")
    return " ".join(sentences)
