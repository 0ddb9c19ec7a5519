"""What a user tells about recordings whose files do not say it, and what to do about recordings that lack something."""

from dataclasses import dataclass

import numpy as np

from ecg12.cache.schema import CHECKSUM_POLICIES
from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError, SignalError
from ecg12.ecg.signals.leads import LEADS, MISSING_LEADS, canonical_lead
from ecg12.ecg.signals.voltage_units import spell_units

STANDARD = ("standard",)
"""Stands for the twelve leads in their standard order."""

_MICROVOLTS = {"nV": 1e-3, "uV": 1.0, "mV": 1e3, "V": 1e6}


@dataclass(frozen=True, kw_only=True, slots=True)
class InputConfig(Config):
    """What files do not say themselves.

    Attributes
    ----------
    fs : sampling frequency, Hz, of files that do not state one
    units : of samples: V, mV or uV; instead of what a file states, which is then said
    leads : names of the columns, in order, of files that do not name them; `STANDARD` for the twelve
    missing_leads : "error", or "zero" for zeros in the place of a lead that can neither be found nor derived
    keep_flat : predict on recordings without any deflection, too
    bad_checksum : "reject" a record whose samples do not match its header's checksum, or "flag" it
    readers : plugins that read further formats, by import path; those that are installed need not be named
    prefix : what stands before these names among the options of the command that asks, for messages
    with_source : keep the samples as the file has them beside the physical ones, which a store's digest is made of
    """

    unsaid = frozenset({"readers", "prefix", "with_source"})

    fs: float | None = None
    units: str | None = None
    leads: tuple[str, ...] | None = None
    missing_leads: str = "error"
    keep_flat: bool = False
    bad_checksum: str = "reject"
    readers: tuple[str, ...] = ()
    prefix: str = ""
    with_source: bool = False

    def __post_init__(self) -> None:
        if self.fs is not None and not (np.isfinite(self.fs) and self.fs > 0):
            raise ConfigError(f"{self.prefix}fs is {self.fs}; expected a positive number of Hz")
        if self.units is not None:
            microvolts_in(self.units, where="told")
        if self.leads is not None and self.leads != STANDARD:
            names = [canonical_lead(lead) for lead in self.leads]
            if not set(names) & set(LEADS):
                raise ConfigError(
                    f"{self.prefix}leads are {', '.join(names)}; expected some of {', '.join(LEADS)}, or standard"
                )
        if self.bad_checksum not in CHECKSUM_POLICIES:
            raise ConfigError(f"bad_checksum is {self.bad_checksum!r}; expected {' or '.join(CHECKSUM_POLICIES)}")
        if self.missing_leads not in MISSING_LEADS:
            raise ConfigError(f"missing_leads is {self.missing_leads!r}; expected {' or '.join(MISSING_LEADS)}")

    def option(self, field: str) -> str:
        """What the option of a field is called where it is asked for."""
        return f"--{self.prefix}{field}"

    @property
    def tells_of_samples(self) -> bool:
        """Whether anything is told that changes how samples are understood."""
        return (self.fs, self.units, self.leads) != (None, None, None)

    @property
    def lead_names(self) -> tuple[str, ...] | None:
        """`leads`, the standard ones spelt out."""
        return LEADS if self.leads == STANDARD else self.leads


def microvolts_in(units: str, *, where: str) -> float:
    """Microvolts in one `units`.

    Raises
    ------
    ConfigError
        If the unit is none of V, mV, uV and nV, however spelt.
    """
    spelt = spell_units(units)
    if spelt is None:
        raise ConfigError(f"{where}: units {units!r} not understood; expected mV, uV or V")
    return _MICROVOLTS[spelt]


def require_fs(stated: float | None, told: InputConfig, name: str) -> float:
    """The file's sampling frequency, else the one that was told.

    Raises
    ------
    SignalError
        If there is neither.
    """
    fs = told.fs if stated is None else stated
    if fs is None:
        raise SignalError(f"{name}: states no sampling frequency; tell it with {told.option('fs')}")
    return fs


def require_leads(stated: tuple[str, ...] | None, told: InputConfig, name: str, n_columns: int) -> tuple[str, ...]:
    """The file's lead names, else those that were told.

    Raises
    ------
    SignalError
        If there are neither, or not as many as columns.
    """
    names = told.lead_names if stated is None else stated
    if names is None:
        raise SignalError(
            f"{name}: does not name its {n_columns} leads; tell them with {told.option('leads')}, such as "
            f"{told.option('leads')} I,II,V1, or {told.option('leads')} standard for the twelve in their usual order"
        )
    if len(names) != n_columns:
        raise SignalError(f"{name}: {n_columns} columns; expected {len(names)}, for leads {', '.join(names)}")
    return names


def require_units(stated: str | None, told: InputConfig, name: str) -> float:
    """Microvolts in one of the units that were told, else in one of the file's.

    Raises
    ------
    SignalError
        If there are neither, or they are not understood.
    """
    return weigh_units(stated, told, name)[0]


def weigh_units(stated: str | None, told: InputConfig, name: str) -> tuple[float, str | None]:
    """Microvolts in one of the units, and what is to be said about them: who tells units knows better than the file.

    Returns
    -------
    the factor, and a note for `Recording.notes` where the units that were told are not those of the file; the note
    does not name the lead, so that one is enough for all

    Raises
    ------
    SignalError
        If there are neither, or they are not understood.
    """
    stated = (stated or "").rstrip("\0").strip() or None
    units = told.units or stated
    if units is None:
        raise SignalError(f"{name}: states no units; tell them with {told.option('units')} mV, uV or V")
    spelt = spell_units(units)
    if spelt is None:
        raise SignalError(
            f"{name}: units {units!r} not understood; expected mV, uV or V, which {told.option('units')} can tell"
        )
    factor = _MICROVOLTS[spelt]
    if told.units is None or stated is None or spell_units(stated) == spelt:
        return factor, None
    return factor, f"units taken as {spelt}, as told; the file states {stated!r}"
