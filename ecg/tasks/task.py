"""A task as plain values: what a model is to tell of records, and by what it is judged."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.class_columns import ClassColumns
from ecg12.ecg.labels.snomed import abbreviation_of, name_of

MANY, ONE, NUMBER = "many-of-many", "one-of-many", "number"
KINDS = (MANY, ONE, NUMBER)
VOCABULARIES = ("snomed-ct", "scp-ecg", "own")

CLASS_FIGURES = ("auroc", "auprc", "accuracy", "f_measure", "f_beta", "g_beta", "geom_mean")
METRIC = "challenge_metric"
BALANCED = "balanced_accuracy"
"""Of one-of-many: the mean of the classes' shares of records that are told right."""
NUMBER_FIGURES = ("mae", "rmse", "r2", "pearson")
LOSS = "valid_loss"
LESS_IS_BETTER = ("mae", "rmse", LOSS)

LABELLED = ("vocabulary", "class")
DOUBTFUL = ("negative", "unknown", "leave-out")
SEVERAL = ("leave-out", "first")
OBJECTIVES = ("metric", "f1", "f2", "youden", "none")
CLASS_WEIGHTS = ("none", "metric", "balanced")

LONGEST_NAME, LONGEST_TITLE = 200, 2_000
"""Characters."""

LARGEST = 1e12
"""Of what a network learns numbers around and by: beyond, float32 has too little of them left."""

_CLASS_TEXTS = ("code", "name", "abbreviation")


@dataclass(frozen=True, slots=True)
class Term:
    """A code of a vocabulary, as a store keeps it."""

    vocabulary: str
    code: str

    def __str__(self) -> str:
        return f"{self.vocabulary}:{self.code}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskClass:
    """A class, and which records are of it.

    Attributes
    ----------
    code : what predictions call it
    name, abbreviation : for people
    codes : a record that has one of these is of the class
    but : with `rest`, codes that do not make a record one of the class
    rest : whether any other code of the task's vocabularies makes a record one of the class
    without : codes that a record of the class does not have
    unknown : codes that leave it open whether a record is of the class
    values : of the task's column, for a task that has one
    """

    code: str
    name: str
    abbreviation: str
    codes: tuple[Term, ...] = ()
    rest: bool = False
    but: tuple[Term, ...] = ()
    without: tuple[Term, ...] = ()
    unknown: tuple[Term, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """The official sides: values of a column of the store, such as folds."""

    column: str
    train: tuple[str, ...]
    valid: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Metric:
    """The challenge metric of a task: float64 weights (class, class), rows labels; and the answer worth nothing."""

    weights: NDArray[np.float64]
    normal_index: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberRange:
    """The numbers of a task of kind "number".

    Attributes
    ----------
    unit : in words
    least, most : what lies beyond is not known
    centre, scale : the network learns (value - centre) / scale; NaN where the training records are to tell them
    """

    unit: str = ""
    least: float = -math.inf
    most: float = math.inf
    centre: float = math.nan
    scale: float = math.nan


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What a model is to tell, from which labels it learns, and by what it is judged.

    Attributes
    ----------
    name, title, source : for people; where its definition comes from
    kind : "many-of-many", each class for itself; "one-of-many"; or "number"
    vocabularies : of its codes; the first is that of codes that name none
    classes : in the order of a model's outcome; of a number the one that it is called by
    columns : codes that predictions have a column for, a class's code for all of its class
    labelled : records that count have any code of the "vocabulary", or one of a "class"; the others are left out
    likelihood : per cent from which a stated code is taken; one without a likelihood is certain
    doubtful : a code below: "negative", "unknown", or "leave-out" its record
    several : a record of several classes of one-of-many: "leave-out", or the "first" of the task's
    column : of the store, instead of codes: sex, age, site, device, dataset, fold, or target:NAME
    select : figure by which the best epoch is chosen
    report : figures, in the order in which they are shown
    metric : weights of the challenge metric; None for a task without
    thresholds : what they are fitted for: "metric", "f1", "f2", "youden"; "none" leaves them in the middle
    class_weights : of the loss: "none", by the "metric", or "balanced", a class as much as its negatives
    split : the official one; None where there is none
    number : of kind "number"
    """

    name: str
    title: str = ""
    source: str = ""
    kind: str = MANY
    vocabularies: tuple[str, ...] = ("own",)
    classes: tuple[TaskClass, ...] = ()
    columns: tuple[str, ...] = ()
    class_of: Mapping[str, str] = field(default_factory=dict)
    labelled: str = "vocabulary"
    likelihood: float = 0.0
    doubtful: str = "negative"
    several: str = "leave-out"
    column: str | None = None
    select: str = "auroc"
    report: tuple[str, ...] = CLASS_FIGURES
    metric: Metric | None = None
    thresholds: str = "f1"
    class_weights: str = "none"
    split: Split | None = None
    number: NumberRange | None = None

    def __post_init__(self) -> None:
        check_task(self)

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """What predictions call the classes."""
        return tuple(one.code for one in self.classes)

    @cached_property
    def by_class(self) -> ClassColumns:
        """The classes, and what other columns stand for them."""
        return ClassColumns(self.codes, dict(self.class_of))

    @property
    def is_by_code(self) -> bool:
        """Whether the columns of its predictions are codes as records have them: a class is any of them, no more."""
        return (
            self.column is None
            and not self.likelihood
            and self.kind == MANY
            and all(
                {term.code for term in one.codes} == set(self.by_class.columns_of(one.code, self.columns))
                and not (one.rest or one.without or one.unknown)
                for one in self.classes
            )
        )

    @property
    def figures(self) -> tuple[str, ...]:
        """All figures that it can be judged by."""
        if self.kind == NUMBER:
            return NUMBER_FIGURES
        own = (*CLASS_FIGURES, BALANCED) if self.kind == ONE else CLASS_FIGURES
        return (METRIC, *own) if self.metric is not None else own

    def name_of(self, code: str) -> str:
        """A column of its predictions in words."""
        return next((one.name for one in self.classes if one.code == code), None) or name_of(code)

    def abbreviation_of(self, code: str) -> str:
        """A column of its predictions in short."""
        return next((one.abbreviation for one in self.classes if one.code == code), None) or abbreviation_of(code)


def check_task(task: Task) -> None:
    """Raise ConfigError where the parts of a task do not fit each other."""
    for name, allowed in (
        ("kind", KINDS),
        ("labelled", LABELLED),
        ("doubtful", DOUBTFUL),
        ("several", SEVERAL),
        ("thresholds", OBJECTIVES),
        ("class_weights", CLASS_WEIGHTS),
    ):
        if getattr(task, name) not in allowed:
            raise ConfigError(f"task {task.name}: {name} is {getattr(task, name)!r}; expected {', '.join(allowed)}")
    codes = [one.code for one in task.classes]
    if not codes or len(set(codes)) < len(codes):
        raise ConfigError(f"task {task.name}: {len(codes)} classes; expected at least one, and each once")
    unwritable = next((code for code in (*codes, *task.columns) if set(code) & set("#,\n\r") or not code.strip()), None)
    if unwritable is not None:
        raise ConfigError(f"task {task.name}: class {unwritable!r}; expected a code without comma, # or line break")
    _check_texts(task)
    if task.kind == ONE and len(codes) < 2:
        raise ConfigError(f"task {task.name}: one class of one-of-many; expected at least two")
    if task.kind == NUMBER and (len(codes) != 1 or task.column is None):
        raise ConfigError(f"task {task.name}: a number has one class, and a column of the store; expected both")
    if not 0 <= task.likelihood <= 100:
        raise ConfigError(f"task {task.name}: likelihood is {task.likelihood:g}; expected per cent, 0 to 100")
    if task.number is not None:
        _check_number(task)
    _check_figures(task)


def _check_texts(task: Task) -> None:
    """Names go into tables, pages and terminals as they stand: they are short, and of one line."""
    texts = [("name", task.name), ("title", task.title), ("source", task.source), ("column", task.column or "")]
    texts += [(f"class {one.code[:40]!r}: {key}", getattr(one, key)) for one in task.classes for key in _CLASS_TEXTS]
    texts += [(f"class {one.code[:40]!r}: code", term.code) for one in task.classes for term in one.codes]
    texts += [("split: column", task.split.column)] if task.split is not None else []
    texts += [("number: unit", task.number.unit)] if task.number is not None else []
    for key, text in texts:
        most = LONGEST_TITLE if key in ("title", "source") else LONGEST_NAME
        if not text.isprintable() or len(text) > most:
            raise ConfigError(
                f"task {task.name[:40]!r}: {key} is {text[:40]!r}; expected one "
                f"line of at most {most} letters without control characters"
            )


def _check_number(task: Task) -> None:
    number = task.number or NumberRange()
    bounds, learned = (number.least, number.most), (number.centre, number.scale)
    usable = all(math.isnan(one) or abs(one) <= LARGEST for one in learned)
    if any(map(math.isnan, bounds)) or bounds[0] >= bounds[1] or not usable or number.scale < 1 / LARGEST:
        raise ConfigError(
            f"task {task.name}: number from {number.least:g} to {number.most:g}, centre {number.centre:g}, scale "
            f"{number.scale:g}; expected least below most, and a scale above 0, neither beyond {LARGEST:g}"
        )


def _check_figures(task: Task) -> None:
    if len(set(task.report)) < len(task.report):
        raise ConfigError(f"task {task.name}: report has a figure twice; expected each once")
    for figure in (*task.report, *([] if task.select == LOSS else [task.select])):
        if figure not in task.figures:
            of_weights = "; challenge_metric needs [metric] weights" if figure == METRIC else ""
            raise ConfigError(
                f"task {task.name}: figure {figure!r}; expected {', '.join(task.figures)}, or {LOSS} to select"
                f"{of_weights}"
            )
    if task.metric is None:
        for name in ("thresholds", "class_weights"):
            if getattr(task, name) == "metric":
                raise ConfigError(f"task {task.name}: {name} by the metric; expected [metric] with weights")
    elif task.metric.weights.shape != (len(task.classes),) * 2:
        raise ConfigError(
            f"task {task.name}: weights of shape {task.metric.weights.shape}; expected {len(task.classes)} rows and "
            "columns, one for each class"
        )
