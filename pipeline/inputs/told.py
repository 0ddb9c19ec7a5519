"""What a user tells about recordings whose files do not say it, and what to do about recordings that lack something."""

from dataclasses import dataclass

import numpy as np

from ecg.adc import MICROVOLTS_PER_MV, gain_per_mv
from ecg.config import Config
from ecg.errors import ConfigError, SignalError
from ecg.leads import LEADS, MISSING_LEADS, canonical_lead

STANDARD = ("standard",)
"""Stands for the twelve leads in their standard order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputConfig(Config):
    """What files do not say themselves.

    Attributes
    ----------
    fs : sampling frequency, Hz, of files that do not state one
    units : of samples whose files do not state them: V, mV or uV
    leads : names of the columns, in order, of files that do not name them; `STANDARD` for the twelve
    missing_leads : "error", or "zero" for zeros in the place of a lead that can neither be found nor derived
    keep_flat : predict on recordings without any deflection, too
    """

    fs: float | None = None
    units: str | None = None
    leads: tuple[str, ...] | None = None
    missing_leads: str = "error"
    keep_flat: bool = False

    def __post_init__(self) -> None:
        if self.fs is not None and not (np.isfinite(self.fs) and self.fs > 0):
            raise ConfigError(f"fs is {self.fs}; expected a positive number of Hz")
        if self.units is not None:
            microvolts_in(self.units, where="told")
        if self.leads is not None and self.leads != STANDARD:
            names = [canonical_lead(lead) for lead in self.leads]
            if not set(names) & set(LEADS):
                raise ConfigError(f"leads are {', '.join(names)}; expected some of {', '.join(LEADS)}, or standard")
        if self.missing_leads not in MISSING_LEADS:
            raise ConfigError(f"missing_leads is {self.missing_leads!r}; expected {' or '.join(MISSING_LEADS)}")

    @property
    def lead_names(self) -> tuple[str, ...] | None:
        """`leads`, the standard ones spelt out."""
        return LEADS if self.leads == STANDARD else self.leads


def microvolts_in(units: str, *, where: str) -> float:
    """Microvolts in one `units`.

    Raises
    ------
    ConfigError
        If the unit is none of V, mV and uV.
    """
    try:
        return MICROVOLTS_PER_MV / gain_per_mv(1.0, units, where=where)
    except SignalError as error:
        raise ConfigError(str(error)) from None


def require_fs(stated: float | None, told: InputConfig, name: str) -> float:
    """The file's sampling frequency, else the one that was told.

    Raises
    ------
    SignalError
        If there is neither.
    """
    fs = told.fs if stated is None else stated
    if fs is None:
        raise SignalError(f"{name}: states no sampling frequency; tell it with --fs")
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
            f"{name}: does not name its {n_columns} leads; tell them with --leads, such as --leads I,II,V1, or "
            "--leads standard for the twelve in their usual order"
        )
    if len(names) != n_columns:
        raise SignalError(f"{name}: {n_columns} columns; expected {len(names)}, for leads {', '.join(names)}")
    return names


def require_units(stated: str | None, told: InputConfig, name: str) -> float:
    """Microvolts in one of the file's units, else in one of those that were told.

    Raises
    ------
    SignalError
        If there are neither, or they are not understood.
    """
    units = stated or told.units
    if units is None:
        raise SignalError(f"{name}: states no units; tell them with --units mV, uV or V")
    try:
        return microvolts_in(units, where=name)
    except ConfigError as error:
        raise SignalError(str(error)) from None
