"""Labels over the Challenge's 24 classes, code by code: what whole tables are held against."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.labels.snomed import EQUIVALENTS, SCORED_CLASSES


def scored_matrix(records: Sequence[Sequence[str]]) -> NDArray[np.uint8]:
    """A row for each record's codes: 1 for each class that one of them is or counts as."""
    matrix = np.zeros((len(records), len(SCORED_CLASSES)), np.uint8)
    for row, codes in enumerate(records):
        for code in codes:
            if EQUIVALENTS.get(code, code) in SCORED_CLASSES:
                matrix[row, SCORED_CLASSES.index(EQUIVALENTS.get(code, code))] = 1
    return matrix
