"""Digital samples ⇄ physical ones: gains, baselines, invalid samples, and the store's microvolts.

The store keeps int16 microvolts (1000 adu/mV, ±32.767 mV), which is what all six Challenge datasets hold
already; rounding costs at most half a microvolt.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.datasets import TRUE_GAIN_ADU_PER_MV, Dataset
from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.voltage_units import spell_units

MICROVOLTS_PER_MV = 1000.0
STORE_LIMIT_UV = 32767
"""The largest magnitude the store can hold; -32768 stays free so that it cannot be taken for invalid."""

FLOAT32_EXACT_ADU = 2**23
"""A baseline up to here, less any 16-bit sample, is exact in float32."""

FINEST_ADU_PER_MV = 1e9
"""At which a 32-bit converter reaches 2 mV: beyond it every sample is zero microvolts, and no ECG."""

_UNITS_PER_MV = {"nV": 1e6, "uV": 1000.0, "mV": 1.0, "V": 0.001}

INVALID_SAMPLE_BY_FORMAT = {
    "80": -128,
    "508": -128,
    "310": -512,
    "311": -512,
    "212": -2048,
    "16": -32768,
    "61": -32768,
    "160": -32768,
    "516": -32768,
    "24": -8388608,
    "524": -8388608,
    "32": -2147483648,
    "8": -2147483648,
}
"""The value that stands for "no sample" in each WFDB format: its most negative one (signal(5)). Format 8 stores
differences and has no such value; its entry is one that they do not reach."""


def gain_per_mv(gain: float | None, units: str | None, *, where: str) -> float:
    """A stated gain in adu per unit as adu/mV; a missing unit means mV (header(5)).

    Raises
    ------
    SignalError
        If there is no gain (an uncalibrated lead), it is not a positive finite number or is too large
        for any ECG, or the unit is none of V, mV, uV and nV, however spelt.
    """
    if gain is None or gain == 0:
        raise SignalError(f"{where}: uncalibrated, the header states no gain; expected gain in adu/mV")
    if not (np.isfinite(gain) and gain > 0):
        raise SignalError(f"{where}: gain {gain:g} adu/{units or 'mV'}; expected a positive number")
    stated = units or "mV"
    per_mv = _UNITS_PER_MV.get(stated) or _UNITS_PER_MV.get(spell_units(stated) or "")
    if per_mv is None:
        raise SignalError(f"{where}: units {units!r} not understood; expected mV, uV or V")
    if gain * per_mv > FINEST_ADU_PER_MV:
        raise SignalError(f"{where}: gain {gain:g} adu/{units or 'mV'}; expected at most {FINEST_ADU_PER_MV:g} adu/mV")
    return gain * per_mv


def true_gain(dataset: Dataset | None, stated: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The gains to use (adu/mV) and which of the stated ones they correct.

    For a record of one of the six datasets of 2020 1000 adu/mV is the truth; elsewhere the header is
    trusted. See `ecg.datasets` for the source.
    """
    if dataset is None:
        return stated, np.zeros(stated.shape, bool)
    truth = np.full(stated.shape, TRUE_GAIN_ADU_PER_MV)
    return truth, stated != truth


def invalid_sample_of(fmt: str) -> int:
    """The adu value that means "no sample" in WFDB format `fmt`; 16-bit formats' one where unknown."""
    return INVALID_SAMPLE_BY_FORMAT.get(fmt, -32768)


def to_physical(
    signal: NDArray[np.integer],
    adc_gain: NDArray[np.float64],
    baseline: NDArray[np.int64],
    *,
    invalid_sample: int = -32768,
    leads: Sequence[str] | None = None,
) -> NDArray[np.float32]:
    """Convert digital samples to millivolts: (signal - baseline) / adc_gain.

    Parameters
    ----------
    signal : integer array, shape (n_leads, n_samples), adu
    adc_gain : float64 array, shape (n_leads,), adu/mV; must be positive and finite
    baseline : int array, shape (n_leads,), adu
    invalid_sample : adu value that becomes NaN
    leads : names for the error message

    Returns
    -------
    float32 array, shape (n_leads, n_samples), mV; NaN where signal is `invalid_sample`

    Raises
    ------
    SignalError
        If a gain is not a positive finite number, naming the lead.

    Source: WFDB header(5), "ADC gain" and "baseline".
    """
    return _scale(signal, adc_gain, baseline, 1.0, invalid_sample, leads)


def to_microvolts(
    signal: NDArray[np.integer],
    adc_gain: NDArray[np.float64],
    baseline: NDArray[np.int64],
    *,
    invalid_sample: int = -32768,
    leads: Sequence[str] | None = None,
) -> NDArray[np.float32]:
    """The same as `to_physical`, in microvolts: exact for 1000 adu/mV, where mV in float32 is not."""
    return _scale(signal, adc_gain, baseline, MICROVOLTS_PER_MV, invalid_sample, leads)


def are_microvolts(signal: NDArray[np.integer], adc_gain: NDArray[np.float64], baseline: NDArray[np.int64]) -> bool:
    """Whether 16-bit samples are microvolts as they are, at 1000 adu/mV above 0, as in all of the Challenge's records.

    Parameters as in `to_physical`.
    """
    return signal.dtype == np.int16 and not baseline.any() and bool((adc_gain == MICROVOLTS_PER_MV).all())


def to_digital(signal_uv: NDArray[np.floating]) -> tuple[NDArray[np.int16], int]:
    """Quantise microvolts to the store's int16 at 1000 adu/mV.

    Parameters
    ----------
    signal_uv : float array, any shape, µV; must hold no NaN

    Returns
    -------
    int16 array of the same shape, at most half a microvolt off within ±32,767 µV, and the number of samples
    that were clipped to that range

    Raises
    ------
    SignalError
        If a sample is NaN: interpolate first.
    """
    rounded = np.rint(signal_uv)
    if not rounded.size:
        return rounded.astype(np.int16), 0
    lowest, highest = rounded.min(), rounded.max()  # both NaN where one sample is
    if np.isnan(lowest):
        n_missing = int(np.isnan(rounded).sum())
        raise SignalError(f"{n_missing} samples are NaN; expected finite microvolts: interpolate first")
    n_clipped = 0
    if lowest < -STORE_LIMIT_UV or highest > STORE_LIMIT_UV:
        n_clipped = int((np.abs(rounded) > STORE_LIMIT_UV).sum())
        rounded = np.clip(rounded, -STORE_LIMIT_UV, STORE_LIMIT_UV)
    return rounded.astype(np.int16), n_clipped


def interpolate_invalid(signal: NDArray[np.float32]) -> int:
    """Replace NaN in place by the straight line between its neighbours, before any filter sees it.

    Ends take the nearest valid sample; a lead without any valid sample becomes zero.

    Parameters
    ----------
    signal : float32 array, shape (n_leads, n_samples); changed in place

    Returns
    -------
    number of samples replaced
    """
    n_replaced = 0
    for row in signal:
        invalid = np.isnan(row)
        n_invalid = int(invalid.sum())
        if n_invalid == row.size:
            row[:] = 0.0
        elif n_invalid:
            positions = np.arange(row.size)
            row[invalid] = np.interp(positions[invalid], positions[~invalid], row[~invalid])
        n_replaced += n_invalid
    return n_replaced


def _scale(
    signal: NDArray[np.integer],
    adc_gain: NDArray[np.float64],
    baseline: NDArray[np.int64],
    units_per_mv: float,
    invalid_sample: int,
    leads: Sequence[str] | None,
) -> NDArray[np.float32]:
    for row in np.flatnonzero(~(np.isfinite(adc_gain) & (adc_gain > 0)))[:1]:
        name = leads[row] if leads else str(row)
        raise SignalError(f"lead {name}: gain {adc_gain[row]:g} adu/mV; expected a positive number")
    # signal: (lead, sample); float32 holds 24 bits, so wider samples or baselines go through float64 first
    narrow = signal.dtype.itemsize <= 2 and (np.abs(baseline) <= FLOAT32_EXACT_ADU).all()
    scaled: NDArray[np.floating] = signal.astype(np.float32 if narrow else np.float64)
    if baseline.any():
        scaled = scaled - baseline[:, None].astype(scaled.dtype)
    factor = units_per_mv / adc_gain
    if (factor != 1.0).any():
        scaled = scaled * factor[:, None].astype(scaled.dtype)
    invalid = signal == invalid_sample
    if invalid.any():
        scaled[invalid] = np.nan
    return scaled.astype(np.float32, copy=False)
