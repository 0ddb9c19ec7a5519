"""Single recordings in memory: read from any kind of file, taken out of a store, or made of an array."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError, EcgError, InputError, SignalError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.recording import Recording as Held
from ecg12.ecg.signals.recording import describe_quality, make_recording
from ecg12.places import PathLike, to_place

if TYPE_CHECKING:
    from ecg12.cache.reader import Store
    from ecg12.pipeline.formats.told_by_user import InputConfig

UNITS_UV = {"mV": 1e3, "uV": 1.0, "V": 1e6}


class Recording:
    """One recording, in millivolts.

    Parameters
    ----------
    signal : array of numbers, shape (lead, sample); NaN where nothing was recorded, which is interpolated
    fs : sampling frequency, Hz
    leads : names of the rows; None for the twelve in their standard order
    units : of `signal`: "mV", "uV" or "V"
    name : what it is called
    age : years; None if unknown
    sex : "Female", "Male" or None

    Attributes
    ----------
    name, fs, leads, age, sex : as above; the twelve leads by their standard names
    codes : diagnosis codes (SNOMED CT) that its file or store has
    quality : what is not as it should be, in words; "" for nothing
    notes : what its reader took otherwise than the file says it

    Raises
    ------
    SignalError
        If the signal is no such array, has no valid sample, or voltages or a rate that no ECG has.
    ConfigError
        If the units are none of these.
    """

    __slots__ = ("_held", "_signal", "_stored")

    def __init__(
        self,
        signal: npt.ArrayLike,
        fs: float,
        *,
        leads: Sequence[str] | None = None,
        units: str = "mV",
        name: str = "recording",
        age: float | None = None,
        sex: str | None = None,
    ) -> None:
        if units not in UNITS_UV:
            raise ConfigError(f"{name}: units {units!r}; expected {', '.join(UNITS_UV)}")
        if sex not in (None, "Female", "Male"):
            raise ConfigError(f"{name}: sex {sex!r}; expected 'Female', 'Male' or None")
        samples = _to_samples(name, signal, LEADS if leads is None else tuple(leads))
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused, or missing
            signal_uv = (samples.astype(np.float64) * UNITS_UV[units]).astype(np.float32)
        self._held = make_recording(
            name, signal_uv, LEADS if leads is None else tuple(leads), float(fs), age=age, sex=sex, keep=True
        )
        self._stored: tuple[Store, int] | None = None
        self._signal: NDArray[np.float32] | None = None

    @classmethod
    def _of(cls, held: Held, stored: "tuple[Store, int] | None" = None) -> Self:
        """One that was read; `stored` is the row that it is of a store."""
        made = cls.__new__(cls)
        made._held, made._stored, made._signal = held, stored, None
        return made

    @property
    def signal(self) -> NDArray[np.float32]:
        """Float32 array, shape (lead, sample), mV."""
        if self._signal is None:
            self._signal = self._held.signal_uv / np.float32(1000)
        return self._signal

    @property
    def name(self) -> str:
        """What it is called."""
        return self._held.name

    @property
    def leads(self) -> tuple[str, ...]:
        """Names of the rows of `signal`."""
        return self._held.leads

    @property
    def fs(self) -> float:
        """Sampling frequency, Hz."""
        return self._held.fs

    @property
    def n_samples(self) -> int:
        """Samples in each lead."""
        return self._held.n_samples

    @property
    def duration_s(self) -> float:
        """How long it lasts, seconds."""
        return self._held.duration_s

    @property
    def age(self) -> float | None:
        """Years; 300 stands for "older than 89" in PTB-XL."""
        return self._held.age

    @property
    def sex(self) -> str | None:
        """ "Female", "Male", or None if unknown."""
        return self._held.sex

    @property
    def codes(self) -> tuple[str, ...]:
        """Diagnosis codes (SNOMED CT), sorted if it is from a store, else in the file's order."""
        return self._held.dx_codes

    @property
    def quality(self) -> str:
        """What is not as it should be, in words; "" for nothing."""
        return describe_quality(self._held)

    @property
    def notes(self) -> tuple[str, ...]:
        """What its reader took otherwise than the file says it."""
        return self._held.notes

    def __repr__(self) -> str:
        return f"Recording({self.name!r}, {len(self.leads)} leads, {self.duration_s:g} s at {self.fs:g} Hz)"


def _to_samples(name: str, signal: npt.ArrayLike, leads: tuple[str, ...]) -> NDArray:
    samples = np.asarray(signal)
    if samples.ndim != 2 or samples.dtype.kind not in "iuf" or not samples.size:
        raise SignalError(
            f"{name}: {samples.dtype} of shape {samples.shape}; expected numbers in two dimensions, (lead, sample)"
        )
    if len(samples) != len(leads):
        advice = ": transpose it" if samples.shape[1] == len(leads) else ", or other leads"
        raise SignalError(
            f"{name}: array of shape {samples.shape}; expected ({len(leads)}, samples) for leads "
            f"{', '.join(leads)}{advice}"
        )
    return samples


def read_recording(
    path: PathLike,
    *,
    fs: float | None = None,
    leads: Sequence[str] | None = None,
    units: str | None = None,
    bad_checksum: str = "reject",
    readers: Sequence[str] = (),
) -> Recording:
    """Read one recording of any kind that `predict` reads: WFDB, EDF, BDF, DICOM, CSV, .npy, .mat.

    Parameters
    ----------
    path : the file, or its header, or its name without a suffix; here or behind a URL
    fs : sampling frequency, Hz, of a file that does not state one
    leads : names of the columns of a file that does not name them; ("standard",) for the twelve in their usual order
    units : "mV", "uV" or "V": instead of what the file states
    bad_checksum : "reject" samples that do not match their header's checksum, or "flag" them
    readers : classes of yours that read further formats, as "package.module:Class"

    Returns
    -------
    Recording with whatever leads there are, at the file's own rate

    Raises
    ------
    InputError
        If there is nothing, or a folder or store.
    SignalError, HeaderError, LeadError, ChecksumError
        If it cannot be read, or lacks what was not told either.
    ConfigError
        If what is told makes no sense.
    """
    from ecg12.pipeline.formats.told_by_user import InputConfig
    from ecg12.pipeline.recordings.remote_recordings import brought

    told = InputConfig(
        fs=fs,
        leads=None if leads is None else tuple(leads),
        units=units,
        bad_checksum=bad_checksum,
        readers=tuple(readers),
    )
    with TemporaryDirectory(prefix="ecg12-") as work, brought([to_place(path)], Path(work)) as [local]:
        return Recording._of(_read(local, told))


def _read(path: Path, told: "InputConfig") -> Held:
    from ecg12.pipeline.recordings.find_recordings import find_inputs, is_tarball, name_inputs
    from ecg12.pipeline.recordings.reader_registry import read_input
    from ecg12.pipeline.runtime.record_fence import FENCED, reason_of

    if path.is_dir() or is_tarball(path):
        kind = "a store: take open_store" if (path / "zarr.json").exists() else "several recordings: name one of them"
        raise InputError(f"{path}: {kind}; expected the path of one recording")
    ((name, found),) = name_inputs(find_inputs([path], told))
    try:
        return read_input(found, told, name)
    except EcgError:
        raise
    except FENCED as error:  # bytes that no reader has foreseen
        raise SignalError(f"{path}: {reason_of(error)}") from error
