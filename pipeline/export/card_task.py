"""What a model's card says of its task: what its columns are, whose records it learned from, and its limits."""

from collections.abc import Mapping, Sequence
from typing import Any

from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import NUMBER, ONE, Task, TaskClass
from ecg12.pipeline.export.card_usage import format_table

KINDS: Mapping[str, str] = {
    "many-of-many": "each class for itself; a record may be of several, or of none",
    "one-of-many": "one of the classes, always",
    "number": "a number",
}
MOST_TERMS = 12
"""Codes of a class that are listed."""


def what_it_gives(facts: Mapping[str, Any], task: Task) -> str:
    """In a few words, and that it is no more than a model."""
    last = "It is a research model and no medical device."
    if task.kind == NUMBER:
        return f"{_number_in_words(task)} of each\nrecording. {last}"
    what = "diagnoses" if task.name == CHALLENGE_2020 else "classes"
    return f"a score and a label for each of\n{len(facts['classes'])} {what}. {last}"


def _number_in_words(task: Task) -> str:
    unit = task.number.unit if task.number is not None else ""
    return f"the {task.classes[0].name}" + (f" in {unit}" if unit else "")


def show_classes(facts: Mapping[str, Any], task: Task) -> str:
    """The section of the classes, or of the number."""
    if task.name == CHALLENGE_2020:
        note = f"{facts['decision']} Equivalent codes of the Challenge 2020 have the same score."
        table = format_table(["SNOMED CT", "abbreviation", "name", "threshold"], _rows(facts))
        return f"## Classes\n\n{note}\n\n{table}"
    if task.kind == NUMBER:
        return f"## Number\n\n{_about(task)}\n\n{facts['decision']}\n\n{_range(task)}"
    same = " Codes of one class have the same score." if task.class_of else ""
    header = ["code", "abbreviation", "name", "threshold", "a record is of it with"]
    meant = {one.code: _meaning(one) for one in task.classes}
    rows = [
        [*row, meant.get(one["code"]) or _stands_for(one["code"], task)]
        for row, one in zip(_rows(facts), facts["classes"], strict=True)
    ]
    return f"## Classes\n\n{_about(task)}\n\n{facts['decision']}{same}\n\n{format_table(header, rows)}"


def _rows(facts: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            one["code"],
            one["abbreviation"] or "–",
            one["name"] or "–",
            "–" if one["threshold"] is None else f"{one['threshold']:.4f}",
        ]
        for one in facts["classes"]
    ]


def _about(task: Task) -> str:
    """Name, kind, records, split and source of a task, a line each."""
    lines = [f"- Task `{task.name}`{f': {task.title}' if task.title else ''}; {KINDS[task.kind]}."]
    if task.column is not None:
        lines.append(f"- Learned from what records state as {task.column}; records without it were left out.")
    else:
        whose = "one of the classes" if task.labelled == "class" else f"any code of {', '.join(task.vocabularies)}"
        lines.append(f"- Records count that have {whose}.")
        if task.likelihood:
            lines.append(f"- A code counts from a likelihood of {task.likelihood:g} per cent; below: {task.doubtful}.")
    if task.split is not None:
        sides = {"training": task.split.train, "validation": task.split.valid, "test": task.split.test}
        said = "; ".join(f"{side} {', '.join(values)}" for side, values in sides.items() if values)
        lines.append(f"- Official split by {task.split.column}: {said}.")
    if task.source:
        lines.append(f"- Source: {task.source}.")
    return "\n".join(lines)


def _range(task: Task) -> str:
    number = task.number
    assert number is not None
    unit = f" {number.unit}" if number.unit else ""
    ends = [f"from {number.least:g}"] * (number.least > -float("inf"))
    ends += [f"to {number.most:g}"] * (number.most < float("inf"))
    learned = f" of records {' '.join(ends)}{unit}" if ends else ""
    return (
        f"The network's output is multiplied by {number.scale:g} and added to {number.centre:g}{unit}. It learned from "
        f"the numbers{learned}; what it says may lie outside."
    )


def _meaning(one: TaskClass) -> str:
    """Which records are of a class, in words."""
    if one.values:
        return ", ".join(one.values)
    parts = [_listed([str(term) for term in one.codes])] if one.codes else []
    if one.rest:
        parts.append("any other code" + (f" but {_listed([str(term) for term in one.but])}" if one.but else ""))
    text = " or ".join(parts)
    return text + (f", without {_listed([str(term) for term in one.without])}" if one.without else "")


def _listed(terms: Sequence[str]) -> str:
    beyond = f" and {len(terms) - MOST_TERMS} more" if len(terms) > MOST_TERMS else ""
    return ", ".join(terms[:MOST_TERMS]) + beyond


def _stands_for(code: str, task: Task) -> str:
    own = task.by_class.class_of(code)
    return f"as {task.abbreviation_of(own)}" if own != code else "that code"


def describe_limits(facts: Mapping[str, Any], task: Task) -> str:
    """What not to believe of a model of this task, as lines of a list."""
    far = (
        "- Recordings of other devices, hospitals, populations, lead placements or filters than those it was trained "
        "on may be\n  read much worse."
    )
    if task.kind == NUMBER:
        return f"""- It tells {_number_in_words(task)} of every recording, whether that can be told or not.
{far}
- Numbers are drawn towards the middle of those it was trained on: the lowest are told too high, the highest too low."""
    lines = []
    if task.kind == ONE:
        lines.append("- It knows the classes above and nothing else; every recording is given one of them.")
    else:
        lines.append(
            "- It knows the classes above and nothing else; a recording without any of them is not a healthy one."
        )
    lost = ""
    if task.metric is not None:
        lost = """ On the Challenge's public data, models that were tested on a dataset that they had not seen lost
  about half of their challenge metric."""
    lines.append(f"{far}{lost}")
    if task.column is None:
        lines.append(
            "- Some of the datasets were annotated with a few codes only, so that the absence of a label is no proof "
            "of absence."
            if task.name == CHALLENGE_2020
            else "- The absence of a label is no proof of absence where nobody looked for it."
        )
    if any(one["threshold"] is not None for one in facts["classes"]):
        lines.append(
            "- Thresholds were fitted to records like those it was trained on; where diseases are rarer or more "
            "frequent, fit them\n  anew. Scores are not calibrated probabilities."
        )
    else:
        lines.append("- Scores are not calibrated probabilities.")
    return "\n".join(lines)
