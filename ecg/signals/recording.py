"""One recording in physical units, whatever kind of file it came from: what prediction and plots work on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.adc import interpolate_invalid
from ecg12.ecg.signals.leads import LEADS, canonical_lead, plan_leads
from ecg12.ecg.signals.quality import EINTHOVEN_LIMIT_UV, LeadFlag, describe_flags

LARGEST_UV = 1e9
"""A kilovolt is no ECG but a wrong gain or unit."""

LOWEST_FS, HIGHEST_FS = 10.0, 1e6
"""Hz. No ECG is sampled beyond; a slip of the point in a rate would ask for a thousand times the samples."""

USUAL_SCALE_UV = (5.0, 10_000.0)
"""Between these lies the amplitude of every plausible ECG, whether as a lead's standard deviation or as the scale of
`ecg.signals.quality.compute_scale`, which was 47 to 1,720 µV in 486 real ones. Volts taken for millivolts, or
millivolts for microvolts, are a thousand times off."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceSamples:
    """A recording's samples as its file has them, before they became microvolts.

    Attributes
    ----------
    adu : integer array, shape (n_leads, n_samples), leads as in the recording; in any order in memory
    limits : the lowest and the highest value that the file's format has, None where it has none
    """

    adu: NDArray[np.integer]
    limits: tuple[int, int] | None = None

    def rows(self, rows: Sequence[int]) -> "SourceSamples":
        """The same of some leads, in this order."""
        return replace(self, adu=self.adu[list(rows)])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Recording:
    """A recording ready for a filter.

    Attributes
    ----------
    name : what it is called
    signal_uv : float32 array, shape (n_leads, n_samples), µV, no NaN
    leads : standard lead names where the name is one of the twelve, else as stated
    fs : sampling frequency, Hz
    lead_flags : uint16 array, shape (n_leads,), sums of `ecg.signals.quality.LeadFlag`
    age : years, None when absent; 300 stands for "older than 89" in PTB-XL
    sex : "Female", "Male" or None
    dx_codes : diagnosis codes, empty where there are none
    derived : leads that were calculated from others
    zeroed : leads that were missing, and are zeros
    notes : what the reader took otherwise than the file says it, in words, for the user to see
    remarks : what a header states that is not understood, or was mended, as (kind, value)
    n_missing : samples of each lead that were missing and are interpolated; None where there are none
    source : samples in adu, where the file has whole numbers and somebody asked for them; else None
    """

    name: str
    signal_uv: NDArray[np.float32]
    leads: tuple[str, ...]
    fs: float
    lead_flags: NDArray[np.uint16]
    age: float | None = None
    sex: str | None = None
    dx_codes: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    zeroed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()
    n_missing: tuple[int, ...] | None = None
    source: SourceSamples | None = None

    def __post_init__(self) -> None:
        if self.signal_uv.ndim != 2 or self.signal_uv.shape[0] != len(self.leads) or not self.signal_uv.size:
            raise SignalError(
                f"{self.name}: signal of shape {self.signal_uv.shape}; expected at least one sample of each lead in "
                f"({len(self.leads)}, samples)"
            )
        if not LOWEST_FS <= self.fs <= HIGHEST_FS:
            raise SignalError(
                f"{self.name}: sampling frequency {self.fs:g} Hz; expected {LOWEST_FS:g} to {HIGHEST_FS:,g} Hz"
            )

    @property
    def n_samples(self) -> int:
        """Samples in each lead."""
        return self.signal_uv.shape[1]

    @property
    def duration_s(self) -> float:
        """How long it lasts, seconds."""
        return self.n_samples / self.fs

    @property
    def amplitude_uv(self) -> float:
        """The median over the recorded leads of their standard deviation, µV; 0 where there is none.

        A rough, quick relative of `ecg.signals.quality.compute_scale`, to see whether units are a thousand times off.
        """
        recorded = [row for row, lead in enumerate(self.leads) if lead not in self.zeroed]
        return float(np.median(self.signal_uv[recorded].std(axis=1))) if recorded else 0.0

    @property
    def is_flat(self) -> bool:
        """Whether no lead that was recorded varies."""
        recorded = [row for row, lead in enumerate(self.leads) if lead not in self.zeroed]
        signal = self.signal_uv[recorded]
        return bool((signal.min(axis=1) == signal.max(axis=1)).all()) if recorded else True

    def complete(self, wanted: Sequence[str] = LEADS, *, missing: str = "error") -> "Recording":
        """The recording with just these leads, in this order; limb leads that are missing are derived.

        Parameters
        ----------
        missing : "error", or "zero" for zeros in the place of a lead that cannot be had

        Raises
        ------
        LeadError
            If a lead cannot be had, naming the recording and the lead.
        """
        if tuple(map(canonical_lead, wanted)) == self.leads:
            return self
        try:
            plan = plan_leads(self.leads, wanted, missing=missing)
        except SignalError as error:
            error.args = (f"{self.name}: {error}",)
            raise
        signal = np.zeros((len(plan.sources), self.n_samples), np.float32)
        flags = np.zeros(len(plan.sources), np.uint16)
        for row, sources in enumerate(plan.sources):
            for source, weight in sources:
                signal[row] += np.float32(weight) * self.signal_uv[source]
                flags[row] |= self.lead_flags[source]
        leads = tuple(map(canonical_lead, wanted))
        return replace(
            self,
            signal_uv=signal,
            leads=leads,
            lead_flags=flags,
            derived=plan.derived + tuple(lead for lead in self.derived if lead in leads),
            zeroed=plan.zeroed + tuple(lead for lead in self.zeroed if lead in leads),
            n_missing=None,  # of other leads
            source=None,
        )

    def with_gain(self, gain: float) -> "Recording":
        """The recording with every sample times `gain`."""
        return replace(self, signal_uv=self.signal_uv * np.float32(gain))


def make_recording(
    name: str,
    signal_uv: NDArray[np.floating],
    leads: Sequence[str],
    fs: float,
    *,
    age: float | None = None,
    sex: str | None = None,
    dx_codes: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    keep: bool = False,
    source: SourceSamples | None = None,
) -> Recording:
    """A recording from samples in physical units, some of which may be missing.

    Parameters
    ----------
    signal_uv : float array, shape (n_leads, n_samples), µV; what is not finite is missing, and is interpolated
    leads : names as the file has them
    keep : the samples are the caller's to give away: mended in place where they are float32, for a long recording is
        twice its file already
    source : the samples as the file has them, to be kept with the recording

    Raises
    ------
    SignalError
        If there is no valid sample at all, or a voltage that no ECG has.
    """
    signal = np.array(signal_uv, np.float32, order="C", copy=None if keep else True)
    missing = ~np.isfinite(signal)
    signal[missing] = np.nan
    if missing.all():
        raise SignalError(f"{name}: no valid sample in any lead; expected numbers")
    names = tuple(map(canonical_lead, leads))
    for row in np.flatnonzero(np.array([np.fmax.reduce(np.abs(lead)) for lead in signal]) > LARGEST_UV)[:1]:
        largest = np.nanmax(np.abs(signal[row]))
        raise SignalError(f"{name} lead {names[row]}: {largest / 1e6:.3g} V; expected at most {LARGEST_UV / 1e6:g} V")
    n_missing = missing.sum(axis=1)
    flags = np.where(n_missing > 0, np.uint16(LeadFlag.INVALID), np.uint16(0)).astype(np.uint16)
    if n_missing.any():
        interpolate_invalid(signal)
    flags[signal.min(axis=1) == signal.max(axis=1)] |= np.uint16(LeadFlag.FLAT)
    flags[_against_einthoven(names, signal)] |= np.uint16(LeadFlag.EINTHOVEN)
    return Recording(
        name=name,
        signal_uv=signal,
        leads=names,
        fs=fs,
        lead_flags=flags,
        age=age,
        sex=sex,
        dx_codes=dx_codes,
        notes=notes,
        n_missing=tuple(n_missing.tolist()) if n_missing.any() else None,
        source=source,
    )


def whole_numbers(values: NDArray[np.floating]) -> NDArray[np.int64] | None:
    """The values as integers, None unless all of them are whole numbers of at most 53 bits."""
    if not (np.isfinite(values).all() and np.abs(values).max(initial=0) <= 2.0**53):
        return None
    whole = values.astype(np.int64)
    return whole if np.array_equal(whole, values) else None


def _against_einthoven(leads: tuple[str, ...], signal_uv: NDArray[np.float32]) -> list[int]:
    """Rows of I, II and III where II is not I + III; none where one is missing or there twice."""
    if any(leads.count(lead) != 1 for lead in LEADS[:3]):
        return []
    rows = [leads.index(lead) for lead in LEADS[:3]]
    one, two, three = (signal_uv[row] for row in rows)
    return rows if float(np.abs(one + three - two).mean()) > EINTHOVEN_LIMIT_UV else []


def doubt_amplitude(amplitude_uv: float) -> str:
    """Why a recording's amplitude makes one doubt its unit or gain, or "" if it does not.

    Parameters
    ----------
    amplitude_uv : `Recording.amplitude_uv`, or a stored record's scale
    """
    low, high = USUAL_SCALE_UV
    if amplitude_uv == 0 or low <= amplitude_uv <= high:
        return ""
    return f"typical amplitude {amplitude_uv:.3g} µV; expected {low:g} to {high:,.0f} µV: is the unit or gain right?"


def describe_quality(recording: Recording) -> str:
    """What is not as it should be, in words: "flat: V1 V2; derived: III aVR"; "" for nothing."""
    recorded = [row for row, lead in enumerate(recording.leads) if lead not in recording.zeroed]
    flags = describe_lead_flags([recording.leads[row] for row in recorded], recording.lead_flags[recorded])
    made = {"derived": recording.derived, "zeros": recording.zeroed}
    return "; ".join([flags] * bool(flags) + [f"{name}: {' '.join(leads)}" for name, leads in made.items() if leads])


def describe_lead_flags(leads: Sequence[str], lead_flags: NDArray[np.uint16]) -> str:
    """Flags with the leads that have them: "flat: V1 V2; invalid: I"; "" for none.

    The remark that no checksum was there to hold the samples against is left out: most formats have none.
    """
    leads_of: dict[str, list[str]] = {}
    told = lead_flags & ~np.uint16(LeadFlag.UNVERIFIED)
    for row in np.flatnonzero(told).tolist():
        for name in describe_flags(int(told[row])).split(", "):
            leads_of.setdefault(name, []).append(leads[row])
    return "; ".join(f"{name}: {' '.join(having)}" for name, having in sorted(leads_of.items()))
