"""What an exported model says of itself: texts by name, lists and tables as JSON, the same in every format."""

import hashlib
import json
import math
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from ecg12.ecg.decisions.joint_rules import AnyRule, pooling_of
from ecg12.ecg.decisions.reference_rules import AprilRule, AugustRule
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.models.portable.whole_model import OUTPUTS, PortableInput, PortableModel
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import NUMBER, ONE
from ecg12.ecg.tasks.writing import format_task
from ecg12.ecg.version import __version__
from ecg12.pipeline.prediction.ensemble import Member
from ecg12.pipeline.runs.reference_folder import MODEL, ReferenceModel
from ecg12.pipeline.runs.run_folder import TrainedModel

METADATA_VERSION = "1"
"""Raised when a name here changes its meaning."""


def describe_model(member: Member, portable: PortableModel) -> dict[str, str]:
    """Everything that a program needs to feed the model and to read its answer.

    Keys: `ecg12_metadata` (version of this list), `classes` (code, abbreviation, name, threshold or null, of a number
    its unit, too; in the order of the columns), `task` (its file's text; none for the Challenge of 2020), `decision`,
    `pooling`, `pools_scores` (whether scores of windows may be pooled outside), `fs_hz`, `leads`, `window_samples`,
    `smallest_rest` (see `ecg.signals.window`), `units`, `normalisation`, `highpass_hz`, `notch_hz`, `input` ("windows"
    or "recordings"), `inputs`, `outputs`, `model` (configuration), `run`, `epoch`, `trained_by`, `weights_sha256` (of
    the run folder's model.pth), `versions`.
    """
    model, config = member.model, member.config
    values: dict[str, Any] = {
        "ecg12_metadata": METADATA_VERSION,
        "classes": describe_classes(member),
        **({} if member.task.name == CHALLENGE_2020 else {"task": format_task(member.task)}),
        "decision": describe_decision(member.rule, member.task.kind),
        "pooling": pooling_of(member.rule),
        "pools_scores": pools_scores(member.rule),
        "fs_hz": config.fs,
        "leads": list(config.leads),
        "window_samples": config.window_length,
        "smallest_rest": member.windows.longest_dropped_rest,
        "units": "mV",
        "normalisation": config.normalisation,
        "highpass_hz": config.highpass,
        "notch_hz": config.notch,
        "input": "recordings" if portable.recordings else "windows",
        "inputs": [describe_input(one) for one in portable.inputs],
        "outputs": list(OUTPUTS),
        "model": config.to_dict(),
        "run": model.folder.resolve().name,
        "epoch": model.epoch,
        "trained_by": describe_origin(model),
        "weights_sha256": file_digest(model.folder / MODEL),
        "versions": {"ecg12": __version__, "torch": metadata.version("torch")},
    }
    return {name: value if isinstance(value, str) else to_json(value) for name, value in values.items()}


def to_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """On one line."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def describe_classes(member: Member) -> list[dict[str, Any]]:
    """Code, abbreviation, name and threshold of each column; and the unit of a number."""
    names = member.names
    unit = {} if names.unit is None else {"unit": names.unit}
    return [
        {"code": code, "abbreviation": names.abbreviation_of(code), "name": names.name_of(code), "threshold": threshold}
        | unit
        for code, threshold in zip(member.classes, member.thresholds, strict=True)
    ]


def describe_input(one: PortableInput) -> dict[str, Any]:
    """An input as JSON values, a default that is not a number as "nan"."""
    is_nan = one.default is not None and math.isnan(one.default)
    return {
        "name": one.name,
        "dtype": "float32",
        "shape": list(one.shape),
        "unit": one.unit,
        "meaning": one.meaning,
        "needed": one.default is None,
        "default": "nan" if is_nan else one.default,
    }


def describe_origin(model: TrainedModel | ReferenceModel) -> str:
    """Which program trained it."""
    if isinstance(model, ReferenceModel):
        return f"physionet-12ecg-classification, {model.generation.capitalize()} 2020"
    return "ecg12"


def describe_decision(rule: AnyRule, kind: str) -> str:
    """How labels follow from scores, in a sentence; `kind` is the task's."""
    if kind == NUMBER:
        return "The score is the number itself; nothing is decided, so that the label is always 0."
    if kind == ONE and isinstance(rule, AugustRule) and _takes_the_largest(rule):
        return "The label of the class with the largest score is 1, that of every other is 0."
    if isinstance(rule, ThresholdRule):
        return "A label is 1 where the score is above the class's threshold."
    if isinstance(rule, AprilRule):
        return "A label is 1 where the score is above the class's threshold; Normal is what has none of the others."
    each = "each window alone, and a label that any window has counts" if rule.predict_before_collapse else "records"
    factors = ", ".join(f"{factor:g}" for factor in rule.scale_by_n_predictions)
    return (
        f"Labels are decided by rank on {each}: a row's largest score is multiplied by the first of the factors "
        f"{factors}, the next by the second, and so on, and what is then above one half, or the largest of its "
        "softmax, is a label. Scores are those before that."
    )


def _takes_the_largest(rule: AugustRule) -> bool:
    """Whether the rule is nothing but the largest of one softmax over classes."""
    parts = rule.mapping.parts
    one_is_taken = len(parts) == 1 and not parts[0].decides_each and rule.mapping.targets[0].null is None
    return (
        one_is_taken
        and not rule.predict_before_collapse
        and set(rule.scale_by_n_predictions) == {1.0}
        and bool((rule.correction == 1).all())
    )


def pools_scores(rule: AnyRule) -> bool:
    """Whether pooling a record's class scores is the same as what the rule does, which pools outputs."""
    if isinstance(rule, AprilRule):
        return False  # Normal is a product
    strategy, mapping = rule.combination_strategy, rule.mapping
    if strategy == "last":
        return True
    if len(mapping.pairs) != len(mapping.codes):
        return False  # a class of several targets is a product
    if strategy == "mean":
        return True
    nulls = any(pair.value == mapping.targets[pair.target].null for pair in mapping.pairs)
    merges = isinstance(rule, ThresholdRule) and len(rule.merged) < len(mapping.codes)
    return not (nulls or merges)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as sha256sum prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_versions(values: Mapping[str, str], *packages: str) -> dict[str, str]:
    """The same with the versions of further packages that wrote the file."""
    versions = json.loads(values["versions"]) | {name: metadata.version(name) for name in packages}
    return dict(values) | {"versions": to_json(versions)}
