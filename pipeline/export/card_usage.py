"""How an exported model is asked, for its card: scripts that run as they stand, and what to feed."""

from collections.abc import Mapping, Sequence
from typing import Any


def show_use(file: str, facts: Mapping[str, Any]) -> str:
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


def show_inputs(facts: Mapping[str, Any]) -> str:
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

{format_table(["input", "shape", "unit", "meaning", "needed"], rows)}

`scores` is float32 and `labels` int64, both (batch, {len(facts["classes"])}), columns as in the table of classes.

{kinds[facts["normalisation"]]} A sample that one lead alone lacks should be interpolated; NaN in one lead counts as 0.
"""


def show_longer(facts: Mapping[str, Any]) -> str:
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
        what = "number is" if "unit" in facts["classes"][0] else "score of a class is"
        how = f"A recording's {what} the {name} of its windows' scores"
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


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
