"""What is shown of answers: curves close to the whole ones, the worst errors as a search over all finds them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.labels.snomed import SCORED_CLASSES
from ecg12.ecg.scores.challenge_metric import compute_areas
from ecg12.ecg.scores.curves import count_outcomes
from ecg12.ecg.tasks.named import named_task
from ecg12.ecg.tasks.task import METRIC
from ecg12.pipeline.report.of_run.class_cards import (
    MOST_STEPS,
    ROC_TOLERANCE,
    operating_point,
    recall_steps,
    roc_points,
)
from ecg12.pipeline.report.of_run.learning import best_epoch, curves_of, show_learning, show_several
from ecg12.pipeline.report.of_run.run_answers import RunAnswers
from ecg12.pipeline.report.of_run.worst_records import find_worst, show_worst
from ecg12.pipeline.runtime.progress import silent
from tests.cache.small_store import flip_byte
from tests.pipeline.report.page_reader import PageReader

N = len(SCORED_CLASSES)


def make_answers(thresholds: tuple[float, ...] | None, n: int = 40) -> RunAnswers:
    generator = np.random.default_rng(5)
    truth = (generator.random((n, N)) < 0.1).astype(np.uint8)
    scores = np.clip(generator.random((n, N)) * 0.6 + 0.3 * truth, 0, 1)
    binary = (scores > np.array(thresholds or (0.5,) * N)).astype(np.uint8)
    return RunAnswers(
        population="held-out records",
        decided_by="x",
        rows=np.arange(n),
        truth=truth,
        binary=binary,
        scores=scores,
        thresholds=thresholds,
    )


@pytest.mark.parametrize("n", [12, 3000])
def test_drawn_curves_have_nearly_the_official_areas(n: int) -> None:
    generator = np.random.default_rng(n)
    labels = generator.random(n) < 0.3
    labels[:2] = True, False
    scores = np.round(generator.random(n) + 0.4 * labels, 2)
    found = count_outcomes(labels, scores)
    (auroc,), (auprc,) = compute_areas(labels[:, None], scores[:, None])
    x, y = roc_points(found)
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(auroc, abs=ROC_TOLERANCE)
    recall, precision = recall_steps(found)
    assert len(recall) <= MOST_STEPS + 1
    assert (np.diff(recall) * precision[1:]).sum() == pytest.approx(auprc, abs=0.01)


def test_all_steps_are_drawn_where_there_are_few() -> None:
    labels = np.array([1, 0, 1, 1, 0], bool)
    recall, precision = recall_steps(count_outcomes(labels, np.array([0.9, 0.8, 0.7, 0.6, 0.1])))
    assert recall.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert precision.tolist() == pytest.approx([1, 1, 2 / 3, 3 / 4])


def test_an_operating_point_counts() -> None:
    point = operating_point(np.array([1, 1, 0, 0, 0]), np.array([1, 0, 1, 0, 0]))
    assert (point.true_positives, point.false_positives, point.false_negatives, point.true_negatives) == (1, 1, 1, 2)
    assert (point.sensitivity, point.specificity, point.precision) == (0.5, pytest.approx(2 / 3), 0.5)
    nothing = operating_point(np.zeros(3, int), np.zeros(3, int))
    assert np.isnan([nothing.sensitivity, nothing.precision]).all()


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("thresholds", [None, tuple(np.linspace(0.1, 0.9, N))])
def test_the_worst_are_those_that_a_search_finds(thresholds: tuple[float, ...] | None, positive: bool) -> None:
    answers = make_answers(thresholds)
    limits = thresholds or (0.5,) * N
    wrong = []
    for place in range(len(answers.rows)):
        for number, limit in enumerate(limits):
            score = answers.scores[place, number]
            if positive and answers.binary[place, number] and not answers.truth[place, number]:
                wrong.append(((score - limit) / (1 - limit), place, number))
            if not positive and not answers.binary[place, number] and answers.truth[place, number]:
                wrong.append(((limit - score) / limit, place, number))
    best: dict[int, tuple[float, int]] = {}
    for margin, place, number in sorted(wrong, reverse=True):
        best.setdefault(place, (margin, number))
    found = find_worst(answers, 7, positive=positive)
    expected = sorted(best.items(), key=lambda item: -item[1][0])[:7]
    assert [(one.place, one.number) for one in found] == [(place, number) for place, (_, number) in expected]
    assert [one.margin for one in found] == pytest.approx([margin for _, (margin, _) in expected])


def test_where_nothing_is_wrong_nothing_is_found() -> None:
    answers = make_answers(None)
    right = RunAnswers(
        population="x",
        decided_by="x",
        rows=answers.rows,
        truth=answers.truth,
        binary=answers.truth,
        scores=answers.scores,
        thresholds=None,
    )
    assert find_worst(right, 5, positive=True) == find_worst(right, 5, positive=False) == []


def row(epoch: int, metric: float, **more: float) -> dict[str, float]:
    return {"epoch": epoch, "train_loss": 1.0 / (epoch + 1), "challenge_metric": metric, **more}


def test_the_best_epoch_is_the_first_of_the_highest() -> None:
    assert best_epoch([row(0, 0.1), row(1, 0.3), row(2, 0.3)]) == 1
    assert best_epoch([row(0, float("nan"))]) is None
    assert best_epoch([{"epoch": 0, "train_loss": 1.0}]) is None


def test_histories_of_every_kind_can_be_shown() -> None:
    task = named_task("challenge2020")
    rows = [row(0, 0.1, lr=0.001, valid_loss=2.0), row(1, 0.3, lr=0.002, valid_loss=1.0)]
    whole = PageReader(show_learning(rows, task, METRIC))
    assert whole.figures == ["Loss", "Figures", "Learning rate"]
    assert PageReader(show_learning([row(0, 0.1)], task, METRIC)).figures == ["Loss", "Figures"]
    assert PageReader(show_learning([row(0, float("nan"))], task, METRIC)).figures == ["Loss"]  # nobody to validate on
    several = PageReader(show_several({"fold-0": [row(0, 0.1), row(1, 0.2)], "fold-1": [row(0, 0.3)]}, METRIC))
    assert several.figures == ["Challenge metric", "Training loss"]
    (table,) = several.tables.values()
    assert [line[:4] for line in table[1:]] == [["fold-0", "2", "2", "0.200"], ["fold-1", "1", "1", "0.300"]]


def test_errors_of_numbers_are_the_better_the_smaller() -> None:
    rows = [
        {"epoch": epoch, "train_loss": 1.0, "mae": mae, "pearson": 0.5} for epoch, mae in enumerate((9.0, 7.0, 8.0))
    ]
    assert best_epoch(rows, "mae") == 1
    found = PageReader(show_learning(rows, named_task("age"), "mae"))
    assert found.figures == ["Loss", "Errors", "R² and correlation"]


def test_a_figure_that_was_asked_for_is_among_the_curves() -> None:
    task = named_task("sex")
    assert curves_of(task, "f_beta")[0] == "f_beta"
    assert curves_of(task, "valid_loss") == curves_of(task, "auroc")
    assert len(curves_of(task, "geom_mean")) == 5


def test_a_damaged_chunk_costs_the_pictures_of_its_records_and_no_others(simulated_store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(simulated_store, tmp_path / "s.zarr"))
    answers = make_answers((0.3,) * N, n=Store(path).n_records)
    whole = str(show_worst(answers, Store(path), 8, silent))
    flip_byte(path / "signal" / "c" / "0" / "0")
    page = str(show_worst(answers, Store(path), 8, silent))
    lost = page.count("cannot be drawn (")
    assert 0 < lost < whole.count("<figure")
    assert page.count("<figure") == whole.count("<figure") - lost
