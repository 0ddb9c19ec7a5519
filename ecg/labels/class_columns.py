"""Columns of predictions, a code each, against classes, for which several codes may stand.

The official evaluator's rule for the Challenge's equivalent codes, for any classes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


class ClassColumns:
    """Classes in their order, and the codes that stand for them beside their own.

    Attributes
    ----------
    classes : a code each
    others : further code → the class that it stands for
    """

    def __init__(self, classes: Sequence[str] = (), others: Mapping[str, str] | None = None) -> None:
        self.classes = tuple(classes)
        self.others = dict(others or {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClassColumns) and (self.classes, self.others) == (other.classes, other.others)

    def __hash__(self) -> int:
        return hash((self.classes, tuple(sorted(self.others.items()))))

    def class_of(self, code: str) -> str:
        """What stands for a code: its class, or itself."""
        return self.others.get(code, code)

    def columns_of(self, wanted: str, codes: Sequence[str]) -> tuple[str, ...]:
        """Those of `codes` that stand for a class."""
        return tuple(code for code in codes if self.class_of(code) == wanted)

    def merged(self, codes: Sequence[str]) -> tuple[str, ...]:
        """What codes stand for, each once: `classes` first and in their order, then all others as they come."""
        kept = dict.fromkeys(map(self.class_of, codes))
        known = set(self.classes)
        return (*(code for code in self.classes if code in kept), *(code for code in kept if code not in known))

    def merge_labels(
        self, codes: Sequence[str], labels: NDArray[np.integer], classes: Sequence[str]
    ) -> NDArray[np.uint8]:
        """Labels of classes: 1 where any of a class's codes is.

        Parameters
        ----------
        labels : 0 or 1, shape (record, code)

        Returns
        -------
        uint8 array, shape (record, class); 0 for a class without a code
        """
        merged = np.zeros((len(labels), len(classes)), np.uint8)
        for place, columns in enumerate(self._columns_of(codes, classes)):
            if columns:
                merged[:, place] = labels[:, columns].any(axis=1)
        return merged

    def merge_scores(
        self, codes: Sequence[str], scores: NDArray[np.floating], classes: Sequence[str]
    ) -> NDArray[np.float64]:
        """Scores of classes: the mean over a class's codes; float64, (record, class), 0 for a class without one."""
        merged = np.zeros((len(scores), len(classes)))
        for place, columns in enumerate(self._columns_of(codes, classes)):
            if columns:
                merged[:, place] = scores[:, columns].mean(axis=1)
        return merged

    def _columns_of(self, codes: Sequence[str], classes: Sequence[str]) -> list[list[int]]:
        places: dict[str, list[int]] = {}
        for column, code in enumerate(codes):
            places.setdefault(self.class_of(code), []).append(column)
        return [places.get(code, []) for code in classes]
