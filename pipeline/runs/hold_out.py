"""What a training keeps for testing: a fold of a cross-validation, or a dataset."""

from dataclasses import dataclass

from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldOut(Config):
    """What is kept for testing: one of several folds, or a dataset; neither by default.

    Attributes
    ----------
    folds, fold : how many, and which of them, from 0
    leave_out : name of the dataset
    """

    folds: int | None = None
    fold: int | None = None
    leave_out: str | None = None

    def __post_init__(self) -> None:
        if self.folds is not None and self.leave_out is not None:
            raise ConfigError(f"folds {self.folds} and leave_out {self.leave_out}; expected one or the other")
        if self.folds is not None and self.folds < 2:
            raise ConfigError(f"folds is {self.folds}; expected at least 2")
        if (self.folds is None) != (self.fold is None):
            raise ConfigError(f"folds is {self.folds}, fold is {self.fold}; expected both: --folds 5 --fold 0")
        if self.folds is not None and self.fold is not None and not 0 <= self.fold < self.folds:
            raise ConfigError(f"fold is {self.fold}; expected 0 to {self.folds - 1}, or all")

    @property
    def tests(self) -> bool:
        """Whether anything is kept for testing."""
        return self.folds is not None or self.leave_out is not None
