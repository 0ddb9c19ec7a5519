"""A task's TOML text as a `Task`: every key is known or refused by its name, with where it stands.

    name = "conduction"
    vocabulary = "snomed-ct"
    [classes]
    LBBB = ["164909002", "733534002"]
    RBBB = ["59118001", "713427006"]

`docs/tasks.md` has every key.
"""

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import abbreviation_of, name_of
from ecg12.ecg.tasks.hierarchy import expand
from ecg12.ecg.tasks.task import (
    BALANCED,
    CLASS_FIGURES,
    MANY,
    METRIC,
    NUMBER,
    NUMBER_FIGURES,
    ONE,
    VOCABULARIES,
    Metric,
    NumberRange,
    Split,
    Task,
    TaskClass,
    Term,
)
from ecg12.ecg.tasks.weights import parse_weights

LONGEST = 2**22
"""Characters of a task: the largest that is built in has some 10,000."""

MOST_CLASSES, MOST_CODES = 2_000, 100_000

ReadBeside = Callable[[str], str]
"""From the name of a file beside the task's to its text."""

_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "title": str,
    "source": str,
    "kind": str,
    "vocabulary": (str, list),
    "classes": (dict, list),
    "columns": list,
    "hierarchy": dict,
    "labelled": str,
    "likelihood": (int, float),
    "doubtful": str,
    "several": str,
    "column": str,
    "select": str,
    "report": list,
    "metric": dict,
    "thresholds": str,
    "class_weights": str,
    "split": dict,
    "number": dict,
}
_CLASS_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "abbreviation": str,
    "code": str,
    "codes": (list, str),
    "rest": bool,
    "but": list,
    "without": list,
    "unknown": list,
    "values": list,
}
_SPLIT_KEYS: Mapping[str, type | tuple[type, ...]] = {"column": str, "train": list, "valid": list, "test": list}
_METRIC_KEYS: Mapping[str, type | tuple[type, ...]] = {"weights": (str, list), "normal": str}
_NUMBER_KEYS = dict.fromkeys(("least", "most", "centre", "scale"), (int, float)) | {"unit": str}


def parse_task(text: str, *, where: str, read_beside: ReadBeside | None = None) -> Task:
    """Read a task.

    Parameters
    ----------
    where : what the text is called in messages
    read_beside : reads files that it names; None refuses such names

    Raises
    ------
    ConfigError
        If it is no TOML, or says what is not understood, naming the key.
    """
    if len(text) > LONGEST:
        raise ConfigError(f"{where}: {len(text):,} characters; expected a task of at most {LONGEST:,}")
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            f"{where}: no TOML ({error or 'nested too deeply'}); expected a task, see docs/tasks.md"
        ) from None
    try:
        return _task_of(values, read_beside)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _task_of(values: dict[str, Any], read_beside: ReadBeside | None) -> Task:
    _check_keys(values, _KEYS, "task")
    name = values.get("name", "").strip()
    if not name:
        raise ConfigError(f"name is {name!r}; expected a name of the task")
    kind = values.get("kind", MANY)
    vocabularies = _vocabularies(values.get("vocabulary", "own"))
    hierarchy = {parent: _texts(f"hierarchy.{parent}", below) for parent, below in values.get("hierarchy", {}).items()}
    column = values.get("column")
    if "classes" not in values and not (kind == NUMBER and column):
        raise ConfigError('no classes; expected [classes] with a line NAME = ["code", …] for each')
    stated = values.get("classes", [column.rpartition(":")[2]] if column else [])
    classes = tuple(_classes(stated, vocabularies[0], hierarchy, by_value=column is not None and kind != NUMBER))
    columns = _texts("columns", values.get("columns", [one.code for one in classes]))
    class_of = _class_of(classes, columns)
    metric = _metric(values["metric"], classes, read_beside) if "metric" in values else None
    choices = {key: values[key] for key in ("title", "source", "labelled", "doubtful", "several") if key in values}
    figures = _figures_of(kind)
    default = METRIC if metric is not None else "mae" if kind == NUMBER else "auroc"
    return Task(
        name=name,
        kind=kind,
        vocabularies=vocabularies,
        classes=classes,
        columns=columns,
        class_of=class_of,
        likelihood=_number_of("likelihood", values.get("likelihood", 0)),
        column=column,
        select=values.get("select", default),
        report=_texts("report", values.get("report", [*([METRIC] if metric else []), *figures])),
        metric=metric,
        thresholds=values.get("thresholds", "metric" if metric else "f1" if kind == MANY else "none"),
        class_weights=values.get("class_weights", "none"),
        split=_split(values["split"]) if "split" in values else None,
        number=_number(values.get("number", {})) if kind == NUMBER else None,
        **choices,
    )


def _figures_of(kind: str) -> tuple[str, ...]:
    """What is reported of a task of a kind that does not say it."""
    if kind == NUMBER:
        return NUMBER_FIGURES
    first = ("accuracy", BALANCED) if kind == ONE else ()
    return (*first, *(figure for figure in CLASS_FIGURES if figure not in first))


def _check_keys(values: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}; expected {', '.join(known)}")
        kinds = known[key] if isinstance(known[key], tuple) else (known[key],)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            named = ({"dict": "table", "list": "list", "str": "text"}.get(k.__name__, "number") for k in kinds)
            names = " or ".join(dict.fromkeys(named))
            raise ConfigError(f"{where}: {key} is {value!r}; expected {'true or false' if bool in kinds else names}")


def _texts(key: str, values: Any) -> tuple[str, ...]:  # noqa: ANN401 - any TOML value
    if isinstance(values, str):
        values = [values]
    wrong = next((one for one in values if not isinstance(one, str)), None) if isinstance(values, list) else values
    if wrong is not None:
        raise ConfigError(f'{key}: {wrong!r}; expected a list of texts, each in quotes: ["164889003"], not [164889003]')
    return tuple(values)


def _vocabularies(stated: str | list[Any]) -> tuple[str, ...]:
    names = _texts("vocabulary", stated)
    unknown = next((name for name in names if name not in VOCABULARIES), None)
    if unknown is not None or not names:
        raise ConfigError(f"vocabulary is {unknown!r}; expected {', '.join(VOCABULARIES)}, or a list of them")
    return names


def _classes(
    stated: dict[str, Any] | list[Any], vocabulary: str, hierarchy: Mapping[str, Sequence[str]], *, by_value: bool
) -> list[TaskClass]:
    """Classes as a table of names with their codes, as a list of tables, or as a list of codes."""
    if isinstance(stated, dict):
        entries = [({"codes": one} if isinstance(one, str | list) else one, label) for label, one in stated.items()]
    else:
        entries = [(one, "") if isinstance(one, dict) else ({}, one) for one in stated]
    if len(entries) > MOST_CLASSES:
        raise ConfigError(f"{len(entries):,} classes; expected at most {MOST_CLASSES:,}")
    classes = []
    for values, label in entries:
        if not isinstance(values, dict) or not isinstance(label, str):
            raise ConfigError(f"class {label!r} is {values!r}; expected a code in quotes, a list of codes, or a table")
        classes.append(_class(values, label, vocabulary, hierarchy, by_value=by_value))
    twice = next((code for code, times in Counter(one.code for one in classes).items() if times > 1), None)
    if twice is not None:
        raise ConfigError(f"class {twice} twice; expected each once")
    n_codes = sum(len(one.codes) for one in classes)
    if n_codes > MOST_CODES:
        raise ConfigError(f"{n_codes:,} codes of classes; expected at most {MOST_CODES:,}: leave levels out")
    return classes


def _class(
    values: dict[str, Any], label: str, vocabulary: str, hierarchy: Mapping[str, Sequence[str]], *, by_value: bool
) -> TaskClass:
    named = label or str(values.get("code") or values.get("abbreviation") or values.get("name") or "")
    where = f"class {named}"
    _check_keys(values, _CLASS_KEYS, where)
    stated = _texts(f"{where}: codes", values.get("codes", [] if by_value or values.get("rest") else [named]))
    terms = _terms(stated, vocabulary, hierarchy)
    code = values.get("code") or label or (terms[0].code if terms else named)
    if by_value and "values" not in values:
        values = values | {"values": list(stated) or [code]}
    return TaskClass(
        code=code,
        name=values.get("name") or name_of(code),
        abbreviation=values.get("abbreviation") or label or abbreviation_of(code),
        codes=() if by_value else terms,
        rest=values.get("rest", False),
        values=_texts(f"{where}: values", values.get("values", [])),
        **{
            key: _terms(_texts(f"{where}: {key}", values.get(key, [])), vocabulary, hierarchy)
            for key in ("but", "without", "unknown")
        },
    )


def _terms(codes: Sequence[str], vocabulary: str, hierarchy: Mapping[str, Sequence[str]]) -> tuple[Term, ...]:
    """Codes with their vocabulary, those below them in the hierarchy included."""
    terms = []
    for stated in codes:
        before, colon, after = stated.partition(":")
        of, code = (before, after) if colon and before in VOCABULARIES else (vocabulary, stated)
        terms += [Term(of, one.strip()) for one in expand(code, hierarchy)]
    if not all(term.code for term in terms):
        raise ConfigError(f"codes {', '.join(map(repr, codes[:5]))}: one is empty; expected codes")
    return tuple(dict.fromkeys(terms))


def _class_of(classes: Sequence[TaskClass], columns: Sequence[str]) -> dict[str, str]:
    """Columns that are called by a code instead of by a class → the class that they stand for."""
    own = {one.code for one in classes}
    known: dict[str, list[str]] = {}
    for one in classes:
        for code in dict.fromkeys(term.code for term in one.codes):
            known.setdefault(code, []).append(one.code)
    others = {code: known.get(code, []) for code in columns if code not in own}
    wrong = next((code for code, of in others.items() if len(of) != 1), None)
    if wrong is not None or len(set(columns)) < len(columns):
        raise ConfigError(f"columns: {wrong or 'a code twice'}; expected codes of one class, each once")
    class_of = {code: of[0] for code, of in others.items()}
    bare = next(iter(own.difference(columns, class_of.values())), None)
    if bare is not None:
        raise ConfigError(f"columns: none of class {bare}; expected at least one of each class")
    return class_of


def _metric(values: dict[str, Any], classes: Sequence[TaskClass], read_beside: ReadBeside | None) -> Metric:
    _check_keys(values, _METRIC_KEYS, "metric")
    codes = [one.code for one in classes]
    normal = values.get("normal", "")
    if normal not in codes or "weights" not in values:
        raise ConfigError(
            f"metric: normal is {normal!r}; expected weights, and the class that the inactive answer names"
        )
    return Metric(weights=_weights(values["weights"], classes, read_beside), normal_index=codes.index(normal))


def _weights(
    stated: str | list[Any], classes: Sequence[TaskClass], read_beside: ReadBeside | None
) -> NDArray[np.float64]:
    if isinstance(stated, str):
        if read_beside is None:
            raise ConfigError(f"metric: weights in the file {stated!r}; expected them here, as a list of rows")
        return parse_weights(read_beside(stated), [tuple(term.code for term in one.codes) for one in classes], stated)
    try:
        weights = np.array(stated, np.float64)
        if np.array(stated).dtype.kind not in "iuf":
            raise ValueError("texts among them")
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"metric: weights are no rows of numbers ({error}); expected one for each class") from None
    if weights.ndim != 2 or not np.isfinite(weights).all():
        raise ConfigError(
            f"metric: weights of shape {weights.shape}; expected rows of finite numbers, one for each class"
        )
    return weights


def _split(values: dict[str, Any]) -> Split:
    _check_keys(values, _SPLIT_KEYS, "split")
    sides = {side: _texts(f"split: {side}", values.get(side, [])) for side in ("train", "valid", "test")}
    everyone = [one for side in sides.values() for one in side]
    if "column" not in values or not sides["train"] or len(set(everyone)) < len(everyone):
        raise ConfigError(
            'split: expected column, and which of its values train, valid and test, each value once: train = ["1"]'
        )
    return Split(column=values["column"], **sides)


def _number(values: dict[str, Any]) -> NumberRange:
    _check_keys(values, _NUMBER_KEYS, "number")
    numbers = {key: _number_of(key, values[key]) for key in ("least", "most", "centre", "scale") if key in values}
    return NumberRange(unit=values.get("unit", ""), **numbers)


def _number_of(key: str, value: float) -> float:
    """A number of TOML, whose integers have no end."""
    try:
        return float(value)
    except OverflowError:
        raise ConfigError(f"{key} is beyond any number that can be held; expected a smaller one") from None
