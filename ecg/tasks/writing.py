"""A task as TOML text that needs nothing beside it: how a model carries its own."""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from ecg12.ecg.tasks.task import Task, TaskClass, Term


def format_task(task: Task) -> str:
    """The text that `ecg.tasks.reading.parse_task` reads back as the same task; weights stand in it as rows."""
    lines = [
        _line("name", task.name),
        *(_line(key, getattr(task, key)) for key in ("title", "source") if getattr(task, key)),
        _line("kind", task.kind),
        _line("vocabulary", task.vocabularies),
        _line("labelled", task.labelled),
        _line("likelihood", task.likelihood),
        _line("doubtful", task.doubtful),
        _line("several", task.several),
        *([_line("column", task.column)] if task.column is not None else []),
        _line("select", task.select),
        _line("report", task.report),
        _line("thresholds", task.thresholds),
        _line("class_weights", task.class_weights),
        _line("columns", task.columns),
    ]
    if task.split is not None:
        lines += ["", "[split]", _line("column", task.split.column)]
        lines += [_line(side, values) for side in ("train", "valid", "test") if (values := getattr(task.split, side))]
    if task.number is not None:
        stated = ((key, getattr(task.number, key)) for key in ("least", "most", "centre", "scale"))
        lines += ["", "[number]", _line("unit", task.number.unit)]
        lines += [_line(key, value) for key, value in stated if math.isfinite(value)]
    if task.metric is not None:
        lines += ["", "[metric]", _line("normal", task.codes[task.metric.normal_index]), "weights = ["]
        lines += [f"    {_value(row.tolist())}," for row in task.metric.weights]
        lines += ["]"]
    for one in task.classes:
        lines += ["", "[[classes]]", *_class_lines(one)]
    return "\n".join(lines) + "\n"


def _class_lines(one: TaskClass) -> list[str]:
    lines = [_line(key, getattr(one, key)) for key in ("code", "name", "abbreviation")]
    lines.append(_line("codes", _terms(one.codes)))
    lines += [_line(key, _terms(terms)) for key in ("but", "without", "unknown") if (terms := getattr(one, key))]
    return lines + [_line("rest", True)] * one.rest + [_line("values", one.values)] * bool(one.values)


def _terms(terms: Iterable[Term]) -> list[str]:
    return [str(term) for term in terms]


def _line(key: str, value: Any) -> str:  # noqa: ANN401 - any TOML value
    return f"{key} = {_value(value)}"


def _value(value: Any) -> str:  # noqa: ANN401 - any TOML value
    if isinstance(value, str):
        # what JSON escapes, TOML's basic strings escape alike, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_value, value))}]"
    return repr(float(value))
