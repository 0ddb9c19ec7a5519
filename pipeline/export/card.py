"""The model card: a README.md that says what an exported model is, how to ask it, and what not to believe of it.

Everything in it is from the run folder, the store and the check; what is not known there is said to be unknown. The
form is that of model cards after Mitchell et al. 2019, with the front matter that model hubs read.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecg12.ecg.datasets import DATASETS
from ecg12.pipeline.export.agreement_check import TOLERANCE, Agreement
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
}
"""By the datasets' titles."""


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
    sections = [
        _head(file, facts),
        _use(file, facts),
        _inputs(facts),
        _longer(facts),
        _classes(facts),
        _data(provenance),
        _scores(provenance),
        _intended(facts),
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


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _head(file: str, facts: Mapping[str, Any]) -> str:
    what = "recordings in windows" if facts["input"] == "recordings" else "windows"
    seconds = facts["window_samples"] / facts["fs_hz"]
    return f"""
---
tags: [ecg, electrocardiogram, 12-lead, time-series-classification]
library_name: {"onnx" if file.endswith(".onnx") else "pytorch"}
---

{MARK}

# {file}: a classifier of ECGs

It takes {what} of {facts["window_samples"]:,} samples ({seconds:g} s at {facts["fs_hz"]:g} Hz) of
{len(facts["leads"])} leads ({", ".join(facts["leads"])}) in millivolts, and gives a score and a label for each of
{len(facts["classes"])} diagnoses. It is a research model and no medical device.
"""


def _use(file: str, facts: Mapping[str, Any]) -> str:
    return "## How to ask it\n\n" + (_onnx_script if file.endswith(".onnx") else _torch_script)(file, facts)


def _onnx_script(file: str, facts: Mapping[str, Any]) -> str:
    leads, length, fs = len(facts["leads"]), facts["window_samples"], facts["fs_hz"]
    shape = f"(1, 1, {leads}, {length})" if facts["input"] == "recordings" else f"(1, {leads}, {length})"
    place = "window[0, 0]" if facts["input"] == "recordings" else "window[0]"
    return f"""```python
import json
import numpy as np
import onnxruntime

onnxruntime.set_default_logger_severity(3)  # it would note that there are inputs with defaults
model = onnxruntime.InferenceSession("{file}")
classes = json.loads(model.get_modelmeta().custom_metadata_map["classes"])
signal = np.load("signal.npy")  # ({leads}, samples) in mV at {fs:g} Hz, leads in the order above
window = np.full({shape}, np.nan, np.float32)  # NaN: nothing was recorded
n = min(signal.shape[1], {length})
skip, pad = (signal.shape[1] - n) // 2, ({length} - n) // 2
{place}[:, pad : pad + n] = signal[:, skip : skip + n]  # the middle of what is longer, see below
scores, labels = model.run(None, {{"signal": window}})
for one, score, label in zip(classes, scores[0], labels[0]):
    print(one["code"], one["name"], f"{{score:.3f}}", label)
```

{_resampling(facts)} It runs on any number of records at once."""


def _torch_script(file: str, facts: Mapping[str, Any]) -> str:
    others = [one for one in facts["inputs"] if not one["needed"]]
    defaults = "".join(f', torch.full((1,), float("{one["default"]}"))' for one in others)
    shape = [1, *([1] if facts["input"] == "recordings" else []), len(facts["leads"]), facts["window_samples"]]
    return f"""```python
import json
import torch

extra = {{"ecg12.json": ""}}
model = torch.export.load("{file}", extra_files=extra).module()
classes = json.loads(json.loads(extra["ecg12.json"])["classes"])
window = torch.full({tuple(shape)}, torch.nan)  # mV; NaN: nothing was recorded
# … put the samples into the middle of it …
scores, labels = model(window{defaults})
```

{_resampling(facts)}"""


def _resampling(facts: Mapping[str, Any]) -> str:
    text = (
        f"A recording at another sampling frequency is resampled first, as `predict` does, with "
        f"`scipy.signal.resample_poly(signal, {facts['fs_hz']:g}, fs, axis=1)`"
    )
    if facts["trained_by"] != "ecg12":
        text += " (where fs is a multiple of that, with `scipy.signal.decimate(signal, factor, ftype='iir', axis=1)`)"
    stated = {"a high-pass filter": facts["highpass_hz"], "a notch filter": facts["notch_hz"]}
    used = [f"{name} at {hz:g} Hz" for name, hz in stated.items() if hz is not None]
    if used:
        text += (
            f", and then passes {' and '.join(used)}, forwards and backwards, as in training (`ecg.signals.filters`)"
        )
    return f"{text}."


def _inputs(facts: Mapping[str, Any]) -> str:
    rows = [
        (
            f"`{one['name']}`",
            f"{one['dtype']} ({', '.join(map(str, one['shape']))})",
            one["unit"] or "–",
            one["meaning"],
            "yes" if one["needed"] else f"no: {one['default']}",
        )
        for one in facts["inputs"]
    ]
    kinds = {
        "record": "Normalisation is part of the model: each lead's mean over what was recorded is taken off, and the "
        "result divided by the recording's amplitude (per lead the median taken off, then the root mean square of "
        "the samples between the 1st and the 99th percentile of all leads). So scores do not depend on the gain.",
        "none": "The model sees millivolts as they are, without normalisation: **its scores depend on the gain**, so "
        "the unit must be right.",
    }
    return f"""
## Input and output

{_table(["input", "shape", "unit", "meaning", "needed"], rows)}

`scores` is float32 and `labels` int64, both (batch, {len(facts["classes"])}), columns as in the table of classes.

{kinds[facts["normalisation"]]} A sample that one lead alone lacks should be interpolated; NaN in one lead counts as 0.
"""


def _longer(facts: Mapping[str, Any]) -> str:
    length, rest, pooling = facts["window_samples"], facts["smallest_rest"], facts["pooling"]
    cut = (
        f"`predict` cuts a recording of n samples into n // {length} windows, and one more if the rest is above "
        f"{rest}; at least one. What the windows leave over is left out in equal parts at both ends; a shorter "
        "recording, or the last piece, stands in the middle of NaN."
    )
    if facts["input"] == "recordings":
        how = (
            "Give all windows of a recording along the second axis, in order; where a recording has fewer than "
            f"another of the batch, windows of NaN follow. The model pools them itself ({pooling})."
        )
        if facts["normalisation"] == "record":
            how += (
                " Its amplitude is that of its windows, unless `scale` says that of the whole recording, which differs "
                "in the third digit or so where the windows leave something out."
            )
        return f"## Recordings longer than a window\n\n{cut}\n\n{how}"
    recurrent = facts["model"]["pred_stage_type"] != "linear" and not facts["model"]["eval_transformer"]
    if recurrent:
        how = (
            "This model has a recurrent head, which carries its state from a recording's window to the next. This "
            "file takes every window for a recording of its own, which is exact for recordings of one window; for "
            "longer ones export it with `--recordings`."
        )
    elif facts["pools_scores"]:
        name = {"mean": "mean", "max": "largest", "last": "last"}[pooling]
        how = f"A recording's score of a class is the {name} of its windows' scores"
        how += ", and its label is 1 where that is above the threshold." if _has_thresholds(facts) else "."
        if facts["normalisation"] == "record":
            how += (
                " For the same scores as `predict`'s, give each window the `scale` of the whole recording: without "
                "it a window is normalised by its own amplitude."
            )
        how += " `export --recordings` makes a model that does the pooling itself."
    else:
        how = (
            f"`predict` pools ({pooling}) what the network gives, before it makes scores of classes of it, and that is "
            "not the same as pooling these scores: for recordings of more than one window export it with "
            "`--recordings`."
        )
    return f"## Recordings longer than a window\n\n{cut}\n\n{how}"


def _has_thresholds(facts: Mapping[str, Any]) -> bool:
    return any(one["threshold"] is not None for one in facts["classes"])


def _classes(facts: Mapping[str, Any]) -> str:
    rows = [
        (
            one["code"],
            one["abbreviation"] or "–",
            one["name"] or "–",
            "–" if one["threshold"] is None else f"{one['threshold']:.4f}",
        )
        for one in facts["classes"]
    ]
    return f"""
## Classes

{facts["decision"]} Equivalent codes of the Challenge 2020 have the same score.

{_table(["SNOMED CT", "abbreviation", "name", "threshold"], rows)}
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
    return f"## Data\n\n{_table(header, rows)}\n\n{note}"


def _scores(provenance: Provenance) -> str:
    parts = ["## Scores"]
    if provenance.held_out is not None:
        parts.append(_held_out(provenance.held_out, provenance.held_out_part))
    if provenance.validation:
        rows = [(FIGURES[name], _figure(value)) for name, value in provenance.validation.items()]
        parts.append(
            "On the validation records, by which the epoch was chosen and to which the thresholds were fitted "
            "(the challenge metric across halves of them); expect less on other records:\n\n"
            + _table(["figure", "validation"], rows)
        )
    if len(parts) == 1:
        parts.append("The run folder has no scores. Judge the model on records that it has not seen before it is used.")
    return "\n\n".join(parts)


def _held_out(whole: Mapping[str, Any], part: Mapping[str, Any] | None) -> str:
    own = whole if part is None else part
    intervals = whole.get("intervals", {}).get("macro", {}) if part is None else {}
    rows = []
    for name, title in FIGURES.items():
        if isinstance(own["scores"].get(name), float):
            low, high = intervals.get(name) or (None, None)
            rows.append((title, _figure(own["scores"][name]), f"{_figure(low)} to {_figure(high)}" if low else "–"))
    text = (
        f"On {own['n_records']:,} held-out records, by which nothing was chosen:\n\n"
        f"{_table(['figure', 'held out', '95 % interval'], rows)}"
    )
    if part is not None:
        text += (
            f"\n\nThe model is one of a cross-validation, whose held-out records together "
            f"({whole['n_records']:,}) give a challenge metric of "
            f"{_figure(whole['scores']['challenge_metric'])} and an AUROC of {_figure(whole['scores']['auroc'])}."
        )
    return text


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "–"


def _intended(facts: Mapping[str, Any]) -> str:
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

- It knows the classes above and nothing else; a recording without any of them is not a healthy one.
- Recordings of other devices, hospitals, populations, lead placements or filters than those it was trained on may be
  read much worse. On the Challenge's public data, models that were tested on a dataset that they had not seen lost
  about half of their challenge metric.
- Some of the datasets were annotated with a few codes only, so that the absence of a label is no proof of absence.
- Thresholds were fitted to records like those it was trained on; where diseases are rarer or more frequent, fit them
  anew. Scores are not calibrated probabilities.
- Wrong lead order, swapped electrodes, wrong units and flat or saturated leads are not noticed by the model;
  `ecg12 predict` reports what it can tell of them.{gain}
"""


def _licence(provenance: Provenance) -> str:
    used = {share.dataset for share in provenance.shares}
    rows = [(one.title, CITATIONS[one.title]) for one in DATASETS if one.title in used or not used or used == {"other"}]
    own = sorted(used - {one.title for one in DATASETS})
    other = f"\n\nOther records ({', '.join(own)}) are under the terms of whoever holds them." if own else ""
    return f"""
## Licence of the data

The training data of the PhysioNet/Computing in Cardiology Challenge 2020 is under CC BY 4.0: cite Perez Alday et al.,
Physiological Measurement 41 (2020) 124003, and PhysioNet, Goldberger et al., Circulation 101 (2000) e215. Its sources:

{_table(["dataset", "source"], rows)}{other}

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
