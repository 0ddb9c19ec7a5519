"""The Challenge's interface to prediction: what the organisers' driver imports from its path.

A model folder is a run folder, ours or the reference system's, or a folder of several, which then predict as one. Every
record gets a prediction, because the official evaluator takes a missing output for an error: one without deflection,
too, and a lead that is missing and cannot be derived is taken as zeros, which is said on standard error.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # last, so that the driver's own modules win

DEFAULT_MODEL = Path("mdl")
"""Where the first of the organisers' drivers, which had no argument for it, expected the model."""


def load_12ECG_model(model_folder: str | Path = DEFAULT_MODEL) -> Any:  # noqa: ANN401 - the Challenge's names
    """The model in a folder, ready for `run_12ECG_classifier`.

    Raises
    ------
    ecg.errors.RunFolderError
        If there is none, or it cannot be loaded.
    """
    from ecg12.pipeline.prediction.predict import make_predictor

    return make_predictor(Path(model_folder))


def run_12ECG_classifier(
    data: ArrayLike,
    header_lines: list[str],
    model: Any,  # noqa: ANN401
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[str]]:
    """Labels, scores and class names of one record.

    Parameters
    ----------
    data : samples as the file holds them, shape (lead, sample), adu
    header_lines : the lines of the record's header
    model : from `load_12ECG_model`

    Raises
    ------
    ecg.errors.EcgError
        If the header is not understood or does not fit the samples.
    """
    import torch

    from ecg12.pipeline.formats.wfdb.in_memory import read_lines

    recording = read_lines(np.asarray(data), header_lines).complete(model.leads, missing="zero")
    if recording.zeroed:
        print(f"{recording.name}: lead {', '.join(recording.zeroed)} missing, taken as zeros", file=sys.stderr)
    decided = model.predict([model.cut_recording(recording, 0)], torch.device("cpu"))
    return decided.labels[0].astype(np.int64), decided.scores[0], list(model.classes)
