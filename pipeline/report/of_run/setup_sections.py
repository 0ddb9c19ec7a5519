"""How a run was made: its configuration beside the defaults, and the machine that it ran on."""

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.tasks.task import MANY, NUMBER, ONE, Task, TaskClass
from ecg12.pipeline.report.drawing.markup import Markup, element, join
from ecg12.pipeline.report.drawing.tables import make_facts, make_table
from ecg12.pipeline.runs.train_config import TrainConfig

KINDS: Mapping[str, str] = {MANY: "each class for itself", ONE: "one of the classes", NUMBER: "a number"}


def show_task(task: Task) -> Markup:
    """What a run was trained for."""
    facts: list[tuple[str, Any]] = [("name", task.name), ("tells", KINDS[task.kind])]
    if task.column is not None:
        facts.append(("learned from", f"column {task.column}"))
    else:
        facts.append(("vocabulary", ", ".join(task.vocabularies)))
        facts.append(("records with", "one of the classes" if task.labelled == "class" else "any code of these"))
    if task.likelihood:
        facts.append(("likelihood", f"from {task.likelihood:g} %; below: {task.doubtful}"))
    facts += [("weights chosen by", task.select), ("thresholds for", task.thresholds)]
    if task.split is not None:
        sides = {"training": task.split.train, "validation": task.split.valid, "test": task.split.test}
        said = "; ".join(f"{side} {', '.join(values)}" for side, values in sides.items() if values)
        facts.append(("official split", f"by {task.split.column}: {said}"))
    if task.number is not None and task.number.unit:
        facts.append(("unit", task.number.unit))
    if task.source:
        facts.append(("source", task.source))
    rows = [[one.code, one.abbreviation, one.name, _records_of(one)] for one in task.classes]
    header = ["code", "abbreviation", "name", "records with"]
    return make_facts(facts) if task.kind == NUMBER else join(make_facts(facts), make_table("Classes", header, rows))


def _records_of(one: TaskClass) -> str:
    """Which records are of a class."""
    if one.values:
        return ", ".join(one.values)
    parts = [", ".join(map(str, one.codes))] if one.codes else []
    if one.rest:
        parts.append("any other code" + (f" but {', '.join(map(str, one.but))}" if one.but else ""))
    return " or ".join(parts) + (f", without {', '.join(map(str, one.without))}" if one.without else "")


def show_configuration(values: Mapping[str, Any]) -> Markup:
    """What differs from the defaults, and everything in a table that is folded away.

    Parameters
    ----------
    values : a config.json, ours or the reference system's
    """
    if "model" not in values:  # the reference system's
        return make_table("config.json", ["option", "value"], [[name, _show(value)] for name, value in values.items()])
    rows = [
        [name, _show(value), _show(default)]
        for part, config in (("train", TrainConfig), ("model", ModelConfig))
        for name, value, default in _beside_defaults(values.get(part), config)
    ]
    changed = [row for row in rows if row[1] != row[2]]
    header = ["option", "value", "default"]
    everything = element("details", element("summary", "Every option"), make_table("config.json", header, rows))
    caption = "Options that differ from the defaults, or had none"
    said = make_table(caption, header, changed) if changed else element("p", "Every option has its default.")
    return join(said, everything)


def _beside_defaults(values: object, config: type[Any]) -> list[tuple[str, Any, Any]]:
    if not isinstance(values, dict):
        return []
    defaults = {one.name: _default(one) for one in dataclasses.fields(config)}
    return [(name, value, defaults.get(name)) for name, value in values.items()]


def _default(one: dataclasses.Field) -> Any:  # noqa: ANN401 - fields have any type
    if one.default is not dataclasses.MISSING:
        return one.default
    return one.default_factory() if one.default_factory is not dataclasses.MISSING else None


def _show(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, list | tuple):
        return ", ".join(map(_show, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_show(item)}" for key, item in value.items())
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def show_environment(values: Mapping[str, Any]) -> Markup:
    """What a run ran on, as environment.json has it."""
    facts: list[tuple[str, Any]] = []
    for name, value in values.items():
        if name == "command" and isinstance(value, list):
            facts.append((name, element("code", shlex.join(map(str, value)))))
        elif name == "memory_bytes" and isinstance(value, int):
            facts.append(("memory", f"{value / 1e9:.1f} GB"))
        elif name == "packages" and isinstance(value, dict):
            facts.append((name, ", ".join(f"{package} {version}" for package, version in value.items())))
        else:
            facts.append((name.replace("_", " "), _show(value)))
    return make_facts(facts)
