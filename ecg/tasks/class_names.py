"""What the columns of predictions are called, by the tasks of the models that they are from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import abbreviation_of, name_of
from ecg12.ecg.tasks.task import NUMBER, Task


@dataclass(frozen=True, eq=False)
class ClassNames:
    """Names of codes: those of the first task that has such a class, else those of the tables.

    Attributes
    ----------
    tasks : of one model, or of several that predict as one

    Raises
    ------
    ConfigError
        If some tell numbers and others classes, or other numbers: these have no mean.
    """

    tasks: tuple[Task, ...] = ()

    def __post_init__(self) -> None:
        told = {_number_of(task): task.name for task in self.tasks}
        if len(told) > 1:
            raise ConfigError(
                f"models of tasks {', '.join(told.values())} cannot predict as one: expected all for classes, or all "
                "for the same number in the same unit"
            )

    @cached_property
    def _stated(self) -> dict[str, tuple[str, str]]:
        classes = (one for task in reversed(self.tasks) for one in task.classes)
        return {one.code: (one.abbreviation, one.name) for one in classes}

    @property
    def unit(self) -> str | None:
        """Of the number that is told, "" for one without; None where it is classes."""
        number = self.tasks[0].number if self.tasks else None
        return None if number is None else number.unit

    def name_of(self, code: str) -> str:
        """A column in words."""
        return self._stated[code][1] if code in self._stated else name_of(code)

    def abbreviation_of(self, code: str) -> str:
        """A column in short."""
        return self._stated[code][0] if code in self._stated else abbreviation_of(code)

    def class_of(self, code: str) -> str:
        """The code of the class that a column stands for: its own, or another's."""
        return next((task.by_class.others[code] for task in self.tasks if code in task.by_class.others), code)

    def find(self, text: str, columns: Sequence[str]) -> str | None:
        """The one of some columns that is called so, by code, name or abbreviation in any case, its class before it.

        None if there is none.
        """
        key = text.strip().casefold()
        for call in (str, self.abbreviation_of, self.name_of):
            for code in columns:
                if call(code).casefold() == key:
                    own = self.class_of(code)
                    return own if own in columns else code
        return None

    def format_number(self, code: str, value: float) -> str:
        """A number that is told, in words: "age 61.3 years"."""
        return f"{self.name_of(code)} {value:.4g} {self.unit or ''}".rstrip()


def _number_of(task: Task) -> tuple[str, str] | None:
    if task.kind != NUMBER or task.number is None:
        return None
    return task.codes[0], task.number.unit
