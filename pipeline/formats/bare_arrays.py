"""NumPy's `.npy`, and `.mat` files without a header beside them: bare arrays, about which everything must be told.

One axis must be as long as there are leads; where both are, leads come first, as in the Challenge's `val`.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.recording import Recording, make_recording
from ecg12.pipeline.files.foreign_readers import reading
from ecg12.pipeline.formats.matlab import read_matlab_file
from ecg12.pipeline.formats.npy import read_npy_array
from ecg12.pipeline.formats.told_by_user import InputConfig, require_fs, require_leads, require_units

VARIABLE = "val"
"""Name of the array in the Challenge's `.mat` files."""

MOST_NAMED = 10
"""Variables of a file that are named where none is the one."""


def read_npy(path: Path, told: InputConfig) -> Recording:
    """The recording in an `.npy` file.

    Raises
    ------
    SignalError
        If it cannot be read, or what it does not say was not told.
    """
    with reading(path, "a NumPy array"):
        return _to_recording(path, read_npy_array(path), told)


def read_mat(path: Path, told: InputConfig) -> Recording:
    """The recording in a MATLAB file of version 4 to 7: its array `val`, or its only one (a single number is none).

    Raises
    ------
    SignalError
        If it cannot be read, or what it does not say was not told.
    """
    with reading(path, "a MATLAB file"):
        return _to_recording(path, _only_array(path), told)


def _only_array(path: Path) -> NDArray:
    held = read_matlab_file(path)
    arrays = {name: values for name, values in held.arrays.items() if values.ndim == 2 and values.size > 1}
    name = VARIABLE if VARIABLE in arrays else next(iter(arrays), None)
    if name is None or (name != VARIABLE and len(arrays) > 1):
        there = ", ".join([*held.arrays, *(f"{name} ({kind})" for name, kind in held.others.items())][:MOST_NAMED])
        raise SignalError(f"{path.name}: holds {there or 'nothing'}; expected one table of samples, or `val`")
    return arrays[name]


def _to_recording(path: Path, array: NDArray, told: InputConfig) -> Recording:
    name = path.stem
    if array.ndim != 2 or array.dtype.kind not in "iuf" or not array.size:
        raise SignalError(
            f"{name}: {array.dtype} of shape {array.shape}; expected numbers in two dimensions, leads and samples"
        )
    leads = told.lead_names
    if leads is not None and array.shape[0] != len(leads) and array.shape[1] == len(leads):
        array = array.T
    leads = require_leads(None, told, name, array.shape[0] if leads is not None else min(array.shape))
    fs, factor = require_fs(None, told, name), require_units(None, told, name)
    signal_uv = np.empty(array.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused, or missing
        for row, samples in enumerate(array):
            signal_uv[row] = samples.astype(np.float64) * factor
    return make_recording(name, signal_uv, leads, fs)
