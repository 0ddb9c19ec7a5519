"""The model card: a README.md that says what an exported model is, how to ask it, and what not to believe of it.

Everything in it is from the run folder, the store and the check; what is not known there is said to be unknown. The
form is that of model cards after Mitchell et al. 2019, with the front matter that model hubs read.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecg12.ecg.datasets import DATASETS, DATASETS_ADDED_2021, KNOWN_DATASETS
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.ecg.tasks.reading import parse_task
from ecg12.ecg.tasks.task import NUMBER, Task
from ecg12.pipeline.export.agreement_check import TOLERANCE, Agreement
from ecg12.pipeline.export.card_task import describe_limits, show_classes, what_it_gives
from ecg12.pipeline.export.card_usage import format_table, show_inputs, show_longer, show_use
from ecg12.pipeline.export.provenance import FIGURES, Provenance

MARK = "<!-- written by ecg12 export -->"
"""By this line a card is known."""

CITATIONS: Mapping[str, str] = {
    "CPSC2018": "Liu et al., Journal of Medical Imaging and Health Informatics 8 (2018) 1368",
    "CPSC-Extra": "Liu et al., Journal of Medical Imaging and Health Informatics 8 (2018) 1368",
    "INCART": "St Petersburg INCART 12-lead Arrhythmia Database, PhysioNet",
    "PTB": "Bousseljot et al., Biomedizinische Technik 40 (1995) S317; ODC-By 1.0",
    "PTB-XL": "Wagner et al., Scientific Data 7 (2020) 154",
    "Georgia": "Emory University, in Perez Alday et al. 2020",
    "Chapman-Shaoxing": "Zheng et al., Scientific Data 7 (2020) 48; CC BY 4.0",
    "Ningbo": "Zheng et al., Scientific Reports 10 (2020) 2898; CC BY 4.0",
}
"""By the datasets' titles."""

_CITE_2021 = """
What the Challenge 2021 added to it is under CC BY 4.0, too: cite Reyna et al., Computing in Cardiology 48 (2021),
doi 10.23919/CinC53138.2021.9662687, and Zheng et al., PhysioNet 2022, doi 10.13026/wgex-er52."""
_SAID: Mapping[str, str] = {
    "challenge_metric": "a challenge metric of",
    "auroc": "an AUROC of",
    "auprc": "an AUPRC of",
    "mae": "a mean absolute error of",
    "rmse": "a root mean square error of",
}


def format_card(
    file: str, metadata: Mapping[str, str], provenance: Provenance, agreement: Agreement, *, others: Sequence[str] = ()
) -> str:
    """The card as Markdown.

    Parameters
    ----------
    file : name of the exported model, which lies beside the card
    metadata : see `pipeline.export.metadata.describe_model`
    others : further files of the same export
    """
    facts = {name: _value(text) for name, text in metadata.items()}
    task = parse_task(metadata["task"], where=file) if "task" in metadata else named_task(CHALLENGE_2020)
    sections = [
        _head(file, facts, task),
        show_use(file, facts),
        show_inputs(facts),
        show_longer(facts),
        show_classes(facts, task),
        _data(provenance),
        _scores(provenance, facts, task),
        _intended(facts, task),
        _licence(provenance),
        _how_it_was_made(file, facts, agreement, others),
    ]
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


def is_card_of(path: Path, file: str) -> bool:
    """Whether the text at `path` is the card of a model called `file`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return MARK in text and f"\n# {file}: " in text


def _value(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text)
    except ValueError:
        return text


def _head(file: str, facts: Mapping[str, Any], task: Task) -> str:
    what = "recordings in windows" if facts["input"] == "recordings" else "windows"
    seconds = facts["window_samples"] / facts["fs_hz"]
    return f"""
---
tags: [ecg, electrocardiogram, 12-lead, time-series-classification]
library_name: {"onnx" if file.endswith(".onnx") else "pytorch"}
---

{MARK}

# {file}: {"a classifier of ECGs" if task.kind != NUMBER else f"{task.title or task.name} from ECGs"}

It takes {what} of {facts["window_samples"]:,} samples ({seconds:g} s at {facts["fs_hz"]:g} Hz) of
{len(facts["leads"])} leads ({", ".join(facts["leads"])}) in millivolts, and gives {what_it_gives(facts, task)}
"""


def _data(provenance: Provenance) -> str:
    if not provenance.shares:
        return "## Data\n\nThe run folder does not say which records the model was trained on."
    known = any(share.patients is not None for share in provenance.shares)
    rows = [
        (share.role, share.dataset, f"{share.records:,}")
        + ((f"{share.patients:,}" if share.patients is not None else "–",) if known else ())
        for share in provenance.shares
    ]
    note = (
        "Patients are counted by the store's groups; where a dataset does not publish who is who, each recording "
        "counts as one."
        if known
        else "How many patients these are was not at hand when the model was exported."
    )
    note += " Datasets are told by the names of records."
    header = ["used for", "dataset", "records", *(["patients"] if known else [])]
    return f"## Data\n\n{format_table(header, rows)}\n\n{note}"


def _scores(provenance: Provenance, facts: Mapping[str, Any], task: Task) -> str:
    parts = ["## Scores"]
    if provenance.held_out is not None:
        parts.append(_held_out(provenance.held_out, provenance.held_out_part, task))
    if provenance.validation:
        rows = [(title_of(name, task), _figure(value)) for name, value in provenance.validation.items()]
        said = "On the validation records, by which the epoch was chosen"
        if any(one["threshold"] is not None for one in facts["classes"]):
            figures = "the challenge metric" if task.metric is not None else "figures of labels"
            said += f" and to which the thresholds were fitted ({figures} across halves of them)"
        parts.append(f"{said}; expect less on other records:\n\n" + format_table(["figure", "validation"], rows))
    if len(parts) == 1:
        parts.append("The run folder has no scores. Judge the model on records that it has not seen before it is used.")
    return "\n\n".join(parts)


def _held_out(whole: Mapping[str, Any], part: Mapping[str, Any] | None, task: Task) -> str:
    own = whole if part is None else part
    intervals = whole.get("intervals", {}).get("macro", {}) if part is None else {}
    rows = []
    for name in FIGURES:
        if isinstance(own["scores"].get(name), float):
            low, high = intervals.get(name) or (None, None)
            ends = f"{_figure(low)} to {_figure(high)}" if low is not None else "–"
            rows.append((title_of(name, task), _figure(own["scores"][name]), ends))
    text = (
        f"On {own['n_records']:,} held-out records, by which nothing was chosen:\n\n"
        f"{format_table(['figure', 'held out', '95 % interval'], rows)}"
    )
    if part is not None:
        shown = [name for name in FIGURES if isinstance(whole["scores"].get(name), float)][:2]
        said = " and ".join(
            f"{_SAID.get(name, title_of(name, task))} {_figure(whole['scores'][name])}" for name in shown
        )
        text += (
            f"\n\nThe model is one of a cross-validation, whose held-out records together "
            f"({whole['n_records']:,}) give {said or 'no figure'}."
        )
    return text


def title_of(figure: str, task: Task) -> str:
    """A figure in words; an error of a number with its unit."""
    unit = task.number.unit if task.number is not None and figure in ("mae", "rmse") else ""
    return FIGURES[figure] + (f", {unit}" if unit else "")


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "–"


def _intended(facts: Mapping[str, Any], task: Task) -> str:
    limits = describe_limits(facts, task)
    gain = (
        "" if facts["normalisation"] == "record" else "\n- Scores depend on the gain; a wrong one makes them worthless."
    )
    return f"""
## Intended use

Research on the automatic reading of resting 12-lead ECGs, comparison with other methods, and teaching; sorting of
recordings that a physician reads anyway.

Not intended for diagnosis, for treatment, or for any decision about a person that nobody qualified looks at. It was
not tested in clinical use, and it has no approval as a medical device anywhere.

## Limits

{limits}
- Wrong lead order, swapped electrodes, wrong units and flat or saturated leads are not noticed by the model;
  `ecg12 predict` reports what it can tell of them.{gain}
"""


def _licence(provenance: Provenance) -> str:
    used = {share.dataset for share in provenance.shares}
    named = DATASETS if not used or used == {"other"} else [one for one in KNOWN_DATASETS if one.title in used]
    rows = [(one.title, CITATIONS[one.title]) for one in named]
    own = sorted(used - {one.title for one in KNOWN_DATASETS})
    later = _CITE_2021 if used & {one.title for one in DATASETS_ADDED_2021} else ""
    other = f"\n\nOther records ({', '.join(own)}) are under the terms of whoever holds them." if own else ""
    if not rows:
        return f"## Licence of the data{other}\n\nThe licence of these weights is for whoever publishes them to say."
    return f"""
## Licence of the data

The training data of the PhysioNet/Computing in Cardiology Challenge 2020 is under CC BY 4.0: cite Perez Alday et al.,
Physiological Measurement 41 (2020) 124003, and PhysioNet, Goldberger et al., Circulation 101 (2000) e215.{later}
Its sources:

{format_table(["dataset", "source"], rows)}{other}

The licence of these weights is for whoever publishes them to say.
"""


def _how_it_was_made(file: str, facts: Mapping[str, Any], agreement: Agreement, others: Sequence[str]) -> str:
    model = facts["model"]
    kind = model["model"] if not model["eval_transformer"] else "mlp"
    stage = model["stage"]["pretrain_model"] if model["stage"] else "none"
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    beside = f"\n- Beside it: {', '.join(f'`{name}`' for name in others)}." if others else ""
    return f"""
## How it was made

- `{file}` is the run `{facts["run"]}`, epoch {facts["epoch"] + 1}, trained by {facts["trained_by"]}; SHA-256 of its
  `model.pth`: `{facts["weights_sha256"]}`.
- Network {kind}, pretrained stage {stage}, head {model["pred_stage_type"]}; the whole configuration is in the file's
  metadata under `model`.
- Checked when it was exported on {agreement.n_records} records ({agreement.n_windows} windows) of {agreement.source}:
  scores differ from the run's own by at most {agreement.difference:.1g} (allowed: {TOLERANCE:g}), and
  {agreement.n_labels_apart or "none"} of {agreement.n_labels:,} labels.
- Versions: {versions}.{beside}
"""
