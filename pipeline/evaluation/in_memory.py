"""Scores of predictions that lie in no folder: the same figures as of the files that they would be."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.storage.location import Location
from ecg12.ecg.errors import InputError
from ecg12.ecg.scores.challenge_metric import merge_equivalents
from ecg12.ecg.tasks.task import NUMBER, Task
from ecg12.pipeline.evaluation.answers import Answers
from ecg12.pipeline.evaluation.judging import EvaluateConfig, judge_answers
from ecg12.pipeline.evaluation.result import EvaluateSummary
from ecg12.pipeline.evaluation.truth import Chosen, is_store, read_truth


def evaluate_arrays(
    labels: Sequence[Location],
    names: Sequence[str],
    codes: Sequence[str],
    binary: NDArray[np.integer],
    scores: NDArray[np.float32],
    *,
    task: Task,
    only: Collection[str] | None = None,
    by: Sequence[str] = (),
    config: EvaluateConfig | None = None,
) -> EvaluateSummary:
    """Score predictions of one model as the official evaluator scores their files.

    Parameters
    ----------
    labels : folders of WFDB headers, or stores, which are read as one
    names : of the records
    codes : of the columns
    binary, scores : 0/1 and float32 arrays, shape (record, code); scores count as the decimals of a prediction file
    task : whose figures are wanted
    only : names of the records to score; None takes all that `labels` have
    by : columns of the store, for figures of each of their groups

    Raises
    ------
    InputError
        If there are no labels, or a record that has any has no prediction, naming the first.
    StoreError, ConfigError
        If stores cannot be read as one.
    """
    truth = read_truth(labels, task, Chosen(names=only, where="records"), by)
    row_of = {name: row for row, name in enumerate(names)}
    missing = [name for name in truth.names if name not in row_of]
    if missing:
        raise InputError(
            f"{', '.join(map(str, labels))}: {len(missing)} of {len(truth.names)} records have no prediction, the "
            f"first is {missing[0]}; expected one for each labelled record: predict them, or name the records to score"
        )
    rows = np.array([row_of[name] for name in truth.names], np.int64)
    decimals = scores[rows].astype(str).astype(np.float64)  # as format_scores writes them
    answers = _answers_of(task, codes, binary[rows], decimals)
    summary = judge_answers(truth, answers, config or EvaluateConfig(), from_stores=all(map(is_store, labels)))
    unlabelled = () if only is not None else tuple(sorted(row_of.keys() - {*truth.names, *truth.left_out}))
    return replace(summary, unlabelled_outputs=unlabelled, remarks=truth.remarks)


def _answers_of(task: Task, codes: Sequence[str], binary: NDArray[np.integer], scores: NDArray[np.float64]) -> Answers:
    if task.kind != NUMBER:
        return Answers(*merge_equivalents(codes, binary, scores, task.by_class))
    if task.codes[0] not in codes:
        raise InputError(f"predictions of {', '.join(codes)}; expected {task.codes[0]}, which task {task.name} tells")
    return Answers(np.zeros((len(scores), 1), np.uint8), scores[:, [list(codes).index(task.codes[0])]])
