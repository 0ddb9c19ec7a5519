"""One recording in memory: digital samples with what is needed to read them, and what the header says."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.leads import LEADS, canonical_lead, select_leads


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Record:
    """A recording as its files hold it.

    Attributes
    ----------
    name : record name, as the header states it without a trailing `.mat`
    signal : integer array, shape (n_leads, n_samples), adu; in any order in memory
    leads : standard lead names where the name is one of the twelve, else as stated
    fs : sampling frequency, Hz
    adc_gain : float64 array, shape (n_leads,), adu/mV
    baseline : int64 array, shape (n_leads,), adu
    invalid_sample : the adu value that means "no sample" in this record's format
    checksum : stated 16-bit checksum of each lead's samples, None where the header has none
    sums : of the samples that the checksums were made of, where these are others than `signal`: skew keeps some of
        them out of it; else None
    notes : what was taken otherwise than the files say it, in words
    dx_codes : diagnosis codes without repeats, in the header's order; empty means unlabelled
    age : years, None when absent; 300 stands for "older than 89" in PTB-XL
    sex : "Female", "Male" or None
    states_none : the header states of a label that it is not the record's
    remarks : values of the header that were mended or are not understood, as (kind, value)
    stated_gain : the header's own gains where `adc_gain` corrects them, else None
    """

    name: str
    signal: NDArray[np.integer]
    leads: tuple[str, ...]
    fs: float
    adc_gain: NDArray[np.float64]
    baseline: NDArray[np.int64]
    invalid_sample: int
    checksum: tuple[int | None, ...]
    dx_codes: tuple[str, ...] = ()
    age: float | None = None
    sex: str | None = None
    stated_gain: NDArray[np.float64] | None = None
    remarks: tuple[tuple[str, str], ...] = ()
    sums: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    states_none: bool = False

    def __post_init__(self) -> None:
        n_leads = len(self.leads)
        if self.signal.ndim != 2 or self.signal.shape[0] != n_leads:
            raise SignalError(
                f"{self.name}: signal of shape {self.signal.shape}; expected ({n_leads}, samples) "
                f"for leads {', '.join(self.leads)}"
            )
        if not self.signal.size:
            raise SignalError(f"{self.name}: {n_leads} leads of {self.n_samples} samples; expected at least one each")
        if self.signal.dtype.kind != "i":
            raise SignalError(
                f"{self.name}: samples of type {self.signal.dtype}; expected integers in adu, "
                "with adc_gain and baseline beside them"
            )
        for field in ("adc_gain", "baseline", "stated_gain"):
            values = getattr(self, field)
            if values is not None and values.shape != (n_leads,):
                raise SignalError(f"{self.name}: {field} of shape {values.shape}; expected ({n_leads},)")
        if len(self.checksum) != n_leads or (self.sums is not None and len(self.sums) != n_leads):
            raise SignalError(f"{self.name}: {len(self.checksum)} checksums; expected {n_leads}, one for each lead")

    @property
    def n_samples(self) -> int:
        """Samples in each lead."""
        return self.signal.shape[1]

    def by_lead(self) -> "Record":
        """The record with the samples of each lead together in memory, where most work is quickest."""
        return self if self.signal.flags.c_contiguous else replace(self, signal=np.ascontiguousarray(self.signal))

    def select(self, leads: Sequence[str] = LEADS) -> "Record":
        """The record with just these leads, in this order.

        Raises
        ------
        LeadError
            If a wanted lead is missing or occurs twice, naming the record and the lead.
        """
        if tuple(map(canonical_lead, leads)) == self.leads:
            return self
        try:
            rows = select_leads(self.leads, leads)
        except SignalError as error:
            error.args = (f"{self.name}: {error}",)
            raise
        return replace(
            self,
            signal=self.signal[rows],
            leads=tuple(self.leads[row] for row in rows),
            adc_gain=self.adc_gain[rows],
            baseline=self.baseline[rows],
            checksum=tuple(self.checksum[row] for row in rows),
            sums=None if self.sums is None else tuple(self.sums[row] for row in rows),
            stated_gain=None if self.stated_gain is None else self.stated_gain[rows],
        )
