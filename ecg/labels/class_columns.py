"""Columns of predictions, a code each, against classes, of which equivalent codes are one.

The official evaluator's rule for its 24 classes (`ecg.scores.challenge_metric.merge_equivalents`), for any codes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.labels.snomed import SCORED_CLASSES, SCORED_CODES, representative


def merged_classes(codes: Sequence[str]) -> tuple[str, ...]:
    """The classes that the codes stand for, each once, scored ones first and in their official order."""
    kept = dict.fromkeys(map(representative, codes))
    scored = [code for code in SCORED_CLASSES if code in kept]
    return (*scored, *(code for code in kept if code not in SCORED_CLASSES))


def merge_labels(codes: Sequence[str], labels: NDArray[np.integer], classes: Sequence[str]) -> NDArray[np.uint8]:
    """Labels of classes: 1 where any of a class's codes is.

    Parameters
    ----------
    labels : 0 or 1, shape (record, code)

    Returns
    -------
    uint8 array, shape (record, class); 0 for a class without a code
    """
    merged = np.zeros((len(labels), len(classes)), np.uint8)
    for place, columns in enumerate(_columns_of(codes, classes)):
        if columns:
            merged[:, place] = labels[:, columns].any(axis=1)
    return merged


def merge_scores(codes: Sequence[str], scores: NDArray[np.floating], classes: Sequence[str]) -> NDArray[np.float64]:
    """Scores of classes: the mean over a class's codes; float64, shape (record, class), 0 for a class without one."""
    merged = np.zeros((len(scores), len(classes)))
    for place, columns in enumerate(_columns_of(codes, classes)):
        if columns:
            merged[:, place] = scores[:, columns].mean(axis=1)
    return merged


def _columns_of(codes: Sequence[str], classes: Sequence[str]) -> list[list[int]]:
    kept = [representative(code) for code in codes]
    return [[column for column, own in enumerate(kept) if own == code] for code in classes]


def prediction_columns(valid_classes: str, codes_of_store: Sequence[str]) -> tuple[str, ...]:
    """The codes that predictions have a column for: the 27 scored ones ("scored"), or with the store's ("dset")."""
    if valid_classes == "scored":
        return SCORED_CODES
    return (*SCORED_CODES, *(code for code in codes_of_store if code not in SCORED_CODES))
