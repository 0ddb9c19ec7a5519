"""What a model says of some recordings, as arrays and as a table."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.schema import Reject
from ecg12.ecg.labels.snomed import name_of
from ecg12.ecg.scores.challenge_csv import Prediction
from ecg12.pipeline.prediction.output_files import RecordFacts
from ecg12.pipeline.prediction.output_folder import TABLE_COLUMNS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Predictions:
    """Labels and scores of recordings; `Model.predict` makes it.

    Attributes
    ----------
    names : of the recordings, in the order in which they were given; those of a store or folder in theirs
    classes : SNOMED CT codes of the columns
    scores : float32 array, shape (recording, class), 0 to 1
    labels : uint8 array, shape (recording, class), 1 where the model decides for the class
    thresholds : above which score each class's label is 1; None where another rule decides
    quality : of each recording what is not as it should be, in words; "" for nothing
    rejects : (name, reason) of each recording that has no prediction
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    scores: NDArray[np.float32]
    labels: NDArray[np.uint8]
    thresholds: tuple[float | None, ...]
    quality: tuple[str, ...]
    rejects: tuple[tuple[str, str], ...] = field(default=())

    def __len__(self) -> int:
        return len(self.names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in words."""
        return tuple(map(name_of, self.classes))

    def to_frame(self) -> "pd.DataFrame":
        """A row a recording and class, as in the command's `predictions.csv`.

        Columns: `record`, `class`, `name`, `score`, `label`, `threshold` (NaN where another rule decides), `quality`.
        """
        import pandas as pd

        n, width = len(self), len(self.classes)
        columns = (
            np.repeat(np.array(self.names, object), width),
            np.tile(np.array(self.classes, object), n),
            np.tile(np.array(self.class_names, object), n),
            self.scores.ravel(),
            self.labels.ravel(),
            np.tile(np.array([np.nan if at is None else at for at in self.thresholds]), n),
            np.repeat(np.array(self.quality, object), width),
        )
        return pd.DataFrame(dict(zip(TABLE_COLUMNS, columns, strict=True)))


def join_predictions(
    found: "list[tuple[str, Prediction, RecordFacts]]",
    classes: tuple[str, ...],
    thresholds: tuple[float | None, ...],
    rejects: list[Reject],
) -> Predictions:
    """Predictions of recordings, with the name of each, as arrays."""
    shape = (len(found), len(classes))
    return Predictions(
        names=tuple(name for name, _, _ in found),
        classes=classes,
        scores=np.array([one.scores for _, one, _ in found], np.float32).reshape(shape),
        labels=np.array([one.labels for _, one, _ in found], np.uint8).reshape(shape),
        thresholds=thresholds,
        quality=tuple(facts.quality for _, _, facts in found),
        rejects=tuple((reject.record, reject.reason) for reject in rejects),
    )
