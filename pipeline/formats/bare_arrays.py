"""NumPy's `.npy`, and `.mat` files without a header beside them: bare arrays, about which everything must be told.

One axis must be as long as there are leads; where both are, leads come first, as in the Challenge's `val`.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.recording import Recording, SourceSamples, make_recording, whole_numbers
from ecg12.pipeline.files.foreign_readers import reading
from ecg12.pipeline.formats.matlab import read_matlab_file
from ecg12.pipeline.formats.npy import read_npy_array, read_npy_shape
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


def measure_npy(path: Path, told: InputConfig) -> tuple[float, int, str]:
    """Sampling frequency (Hz) as told, length (samples) and text of the header of an `.npy` file.

    Raises
    ------
    SignalError
        As `read_npy`, for what the header tells.
    """
    with reading(path, "a NumPy array"):
        stored, shape, header = read_npy_shape(path)
        _, turned = _name_leads(path.stem, stored, shape, told)
        return require_fs(None, told, path.stem), shape[0 if turned else 1], header


def _name_leads(name: str, stored: np.dtype, shape: tuple[int, ...], told: InputConfig) -> tuple[tuple[str, ...], bool]:
    """The leads as told, and whether an array has them in its columns."""
    if len(shape) != 2 or stored.kind not in "iuf" or 0 in shape:
        raise SignalError(f"{name}: {stored} of shape {shape}; expected numbers in two dimensions, leads and samples")
    leads = told.lead_names
    turned = leads is not None and shape[0] != len(leads) and shape[1] == len(leads)
    n_leads = min(shape) if leads is None else shape[turned]
    return require_leads(None, told, name, n_leads), turned


def _to_recording(path: Path, array: NDArray, told: InputConfig) -> Recording:
    name = path.stem
    leads, turned = _name_leads(name, array.dtype, array.shape, told)
    array = array.T if turned else array
    fs, factor = require_fs(None, told, name), require_units(None, told, name)
    source = _source_of(array) if told.with_source else None
    signal_uv = np.empty(array.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused, or missing
        for row, samples in enumerate(array):
            signal_uv[row] = samples.astype(np.float64) * factor
    return make_recording(name, signal_uv, leads, fs, source=source)


def _source_of(array: NDArray) -> SourceSamples | None:
    """The samples, where they are whole numbers; MATLAB keeps those as doubles, which have no limit of a converter."""
    if array.dtype.kind == "f":
        adu = whole_numbers(array)
        return None if adu is None else SourceSamples(adu)
    span = np.iinfo(array.dtype)
    return SourceSamples(array, (int(span.min), int(span.max)))
