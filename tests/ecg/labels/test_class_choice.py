"""Classes by set, code, name and abbreviation, and the labels in their columns."""

import numpy as np
import pytest

from ecg12.ecg.errors import ConfigError, UnknownCodeError
from ecg12.ecg.labels.class_choice import choose_columns
from ecg12.ecg.labels.snomed import SCORED_CLASSES
from tests.ecg.scored_labels import scored_matrix

CODES = ("164889003", "17338001", "427172004", "OWN")
LABELS = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]], np.uint8)


def test_the_scored_classes_are_the_official_evaluators() -> None:
    codes, labels = choose_columns("scored", CODES, LABELS)
    assert codes == SCORED_CLASSES
    rows = [[code for code, label in zip(CODES, row, strict=True) if label] for row in LABELS]
    np.testing.assert_array_equal(labels, scored_matrix(rows))


def test_all_codes_stand_as_they_are() -> None:
    codes, labels = choose_columns("all", CODES, LABELS)
    assert codes == CODES
    np.testing.assert_array_equal(labels, LABELS)


def test_chosen_classes_in_the_order_given_equivalents_merged() -> None:
    codes, labels = choose_columns(["OWN", "ventricular premature beats", "AF", "sinus rhythm"], CODES, LABELS)
    assert codes == ("OWN", "427172004", "164889003", "426783006")
    assert labels.tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("classes", "error", "text"),
    [
        ("scores", ConfigError, "classes are 'scores'; expected 'scored' or 'all', or a list"),
        ([], ConfigError, "classes are none; expected at least one"),
        (["AF", "atrial fibrillation"], ConfigError, "expected at least one, and each once"),
        (["17338001", "427172004"], ConfigError, "each once"),
        (["afib"], UnknownCodeError, "nor does any record have such a code"),
    ],
)
def test_what_is_no_class_is_refused(classes, error, text: str) -> None:
    with pytest.raises(error, match=text):
        choose_columns(classes, CODES, LABELS)
