"""What a model says of some recordings, as arrays and as a table."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.schema import Reject
from ecg12.ecg.scores.challenge_csv import Prediction
from ecg12.ecg.tasks.class_names import ClassNames
from ecg12.ecg.tasks.task import Task
from ecg12.pipeline.prediction.output_files import RecordFacts
from ecg12.pipeline.prediction.output_folder import NUMBER_COLUMNS, TABLE_COLUMNS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predictions:
    """Labels and scores of recordings; `Model.predict` makes it.

    Attributes
    ----------
    names : of the recordings, in the order in which they were given; those of a store or folder in theirs
    classes : codes of the columns, as the model's task has them
    class_names : the same in words
    scores : float32 array, shape (recording, class), 0 to 1; of a model that tells a number, the number
    labels : uint8 array, shape (recording, class), 1 where the model decides for the class; 0 of a number
    thresholds : above which score each class's label is 1; None where another rule decides
    unit : of a number, "" for one without; None where the columns are classes
    task : of the model, by which `evaluate` scores; None where several of other tasks predict as one
    quality : of each recording what is not as it should be, in words; "" for nothing
    rejects : (name, reason) of each recording that has no prediction
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    scores: NDArray[np.float32]
    labels: NDArray[np.uint8]
    thresholds: tuple[float | None, ...]
    quality: tuple[str, ...]
    rejects: tuple[tuple[str, str], ...] = field(default=())
    unit: str | None = None
    task: Task | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def to_frame(self) -> "pd.DataFrame":
        """A row a recording and class, as in the command's `predictions.csv`.

        Columns: `record`, `class`, `name`, `score`, `label`, `threshold` (NaN where another rule decides), `quality`;
        of a number `record`, `number`, `name`, `value`, `unit`, `quality`.
        """
        import pandas as pd

        n, width = len(self), len(self.classes)
        called = (
            np.repeat(np.array(self.names, object), width),
            np.tile(np.array(self.classes, object), n),
            np.tile(np.array(self.class_names, object), n),
            self.scores.ravel(),
        )
        quality = np.repeat(np.array(self.quality, object), width)
        if self.unit is not None:
            unit = np.repeat(np.array([self.unit], object), n * width)
            return pd.DataFrame(dict(zip(NUMBER_COLUMNS, (*called, unit, quality), strict=True)))
        thresholds = np.tile(np.array([np.nan if at is None else at for at in self.thresholds]), n)
        return pd.DataFrame(dict(zip(TABLE_COLUMNS, (*called, self.labels.ravel(), thresholds, quality), strict=True)))


def join_predictions(
    found: "list[tuple[str, Prediction, RecordFacts]]",
    classes: tuple[str, ...],
    thresholds: tuple[float | None, ...],
    rejects: list[Reject],
    called: ClassNames,
) -> Predictions:
    """Predictions of recordings, with the name of each, as arrays."""
    shape = (len(found), len(classes))
    return Predictions(
        names=tuple(name for name, _, _ in found),
        classes=classes,
        class_names=tuple(map(called.name_of, classes)),
        unit=called.unit,
        task=called.tasks[0] if len(called.tasks) == 1 else None,
        scores=np.array([one.scores for _, one, _ in found], np.float32).reshape(shape),
        labels=np.array([one.labels for _, one, _ in found], np.uint8).reshape(shape),
        thresholds=thresholds,
        quality=tuple(facts.quality for _, _, facts in found),
        rejects=tuple((reject.record, reject.reason) for reject in rejects),
    )
