"""What the challenge metric loses adds up to what it lacks."""

import numpy as np
import pytest

from ecg12.ecg.labels.snomed import NORMAL_INDEX, SCORED_CLASSES, WEIGHTS
from ecg12.ecg.scores.challenge_metric import compute_challenge_metric
from ecg12.ecg.scores.lost_score_by_class import compute_lost_score


def test_losses_add_up_to_what_the_metric_lacks() -> None:
    generator = np.random.default_rng(3)
    labels, outputs = generator.random((2, 60, len(SCORED_CLASSES))) < 0.08
    lost = compute_lost_score(labels, outputs)
    assert lost.sum() == pytest.approx(1 - compute_challenge_metric(labels, outputs))


def test_one_wrong_record_is_its_own_row() -> None:
    labels = np.zeros((3, len(SCORED_CLASSES)), bool)
    labels[0, 1] = labels[1, 2] = labels[2, NORMAL_INDEX] = True
    outputs = labels.copy()
    outputs[0] = False
    outputs[0, 3] = True  # another answer, alone: half of the pair's weight, for two classes are in the union
    lost = compute_lost_score(labels, outputs)
    room = 2 - (WEIGHTS[1, NORMAL_INDEX] + WEIGHTS[2, NORMAL_INDEX]) / 2
    assert lost[1] == pytest.approx((1 - WEIGHTS[1, 3] / 2) / room)
    assert np.count_nonzero(np.abs(lost) > 1e-12) == 1


def test_nothing_can_be_lost_where_the_metric_is_not_defined() -> None:
    labels = np.zeros((2, len(SCORED_CLASSES)), bool)
    labels[:, NORMAL_INDEX] = True
    assert np.isnan(compute_lost_score(labels, labels)).all()
