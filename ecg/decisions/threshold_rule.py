"""The rule of this program's own models: scores pooled over a record's windows, against a threshold for each class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.decisions.output_mapping import OutputMapping
from ecg12.ecg.decisions.reference_rules import STRATEGIES, Decided, pool_windows
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.class_columns import ClassColumns


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ThresholdRule:
    """Scores of windows → labels and scores of records.

    Equivalent codes have the same label and score (the mean of theirs), which any evaluator, merging or not, reads
    alike. Classes that the mapping lacks get 0.

    Attributes
    ----------
    mapping : what the outputs stand for
    correction : float64 (output,), see `ecg.decisions.reference_rules.compute_correction`
    thresholds : float64, one for each of `merged`; a label is 1 where score > threshold
    combination_strategy : "mean", "max" or "last"
    classes : columns of the outcome, codes
    by_class : the task's classes, and what codes stand for them
    """

    mapping: OutputMapping
    correction: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    classes: tuple[str, ...]
    by_class: ClassColumns
    combination_strategy: str = "mean"

    def __post_init__(self) -> None:
        if self.correction.shape != (self.mapping.n_outputs,):
            raise ConfigError(
                f"{self.correction.size} correction factors; expected {self.mapping.n_outputs}, one for each output"
            )
        if self.thresholds.shape != (len(self.merged),):
            raise ConfigError(f"{self.thresholds.size} thresholds; expected {len(self.merged)}, one for each class")
        if self.combination_strategy not in STRATEGIES:
            raise ConfigError(
                f"combination_strategy is {self.combination_strategy!r}; expected {', '.join(STRATEGIES)}"
            )

    @property
    def merged(self) -> tuple[str, ...]:
        """What `classes` stand for, each once."""
        return self.by_class.merged(self.classes)

    @property
    def stated_thresholds(self) -> tuple[float | None, ...]:
        """That of each of `classes`; None where a number is told, which is not decided."""
        stated = dict(zip(self.merged, map(float, self.thresholds), strict=True))
        of_classes = (stated[self.by_class.class_of(code)] for code in self.classes)
        return tuple(at if np.isfinite(at) else None for at in of_classes)

    def score(
        self, window_scores: NDArray[np.floating], record: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Records (int64, in order of appearance) and their scores, float64 (record, class), columns as `merged`."""
        rows, pooled = pool_windows(window_scores * self.correction, record, self.combination_strategy)
        return rows, self.by_class.merge_scores(self.mapping.codes, self.mapping.scores_of(pooled), self.merged)

    def decide(self, window_scores: NDArray[np.floating], record: NDArray[np.int64]) -> Decided:
        """Labels and scores of the records whose windows these are, the windows of a record together and in order."""
        rows, scores = self.score(window_scores, record)
        known = {self.by_class.class_of(code) for code in self.mapping.codes}
        labels = ((scores > self.thresholds) & [code in known for code in self.merged]).astype(np.uint8)
        place = {code: number for number, code in enumerate(self.merged)}
        columns = [place[self.by_class.class_of(code)] for code in self.classes]
        return Decided(rows, labels[:, columns], scores[:, columns])
