"""One door to all readers: a found file becomes a recording with the leads that are wanted."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from ecg12.ecg.errors import LeadError, SignalError
from ecg12.ecg.signals.recording import Recording
from ecg12.pipeline.formats.file_kinds import READ, kind_of
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.recordings.find_recordings import OTHER, FoundInput
from ecg12.pipeline.recordings.plugin_readers import is_plugin_kind, read_with_plugin

_MOST_NAMED = 24
_READERS = {
    "edf": "ecg12.pipeline.formats.edf.reading:read_edf",
    "dicom": "ecg12.pipeline.formats.dicom.reading:read_dicom",
    "table": "ecg12.pipeline.formats.text_tables.reading:read_table",
    "npy": "ecg12.pipeline.formats.bare_arrays:read_npy",
    "mat": "ecg12.pipeline.formats.bare_arrays:read_mat",
}
"""Module and function of each kind but WFDB's, imported with the first file of it: nobody has all kinds at once."""


@cache
def _reader(kind: str) -> Callable[[Path, InputConfig], Recording]:
    if kind == "wfdb":
        return read_wfdb
    if kind == OTHER:
        return _refuse
    module, _, name = _READERS[kind].partition(":")
    return getattr(import_module(module), name)


def _refuse(path: Path, told: InputConfig) -> NoReturn:
    words = kind_of(path).words or "of an unknown kind"
    raise SignalError(f"{path.name}: {words}; not read: expected {READ}")


def read_input(found: FoundInput, told: InputConfig, name: str) -> Recording:
    """A recording as its file has it: whatever leads there are.

    Raises
    ------
    ChecksumError, HeaderError, LeadError, SignalError
        If it cannot be read, or lacks what was not told either.
    """
    if is_plugin_kind(found.kind):
        return replace(read_with_plugin(found.kind, found.path), name=name)
    return replace(_reader(found.kind)(found.path, told), name=name)


def read_complete(found: FoundInput, leads: Sequence[str], told: InputConfig, name: str) -> Recording:
    """A recording with just these leads, in this order.

    Raises
    ------
    ChecksumError, HeaderError, LeadError, SignalError
        As `read_input`; and if a lead cannot be had, or no lead has any deflection, unless told otherwise.
    """
    return complete_as_told(read_input(found, told, name), leads, told)


def complete_as_told(read: Recording, leads: Sequence[str], told: InputConfig) -> Recording:
    """A recording that is in memory with just these leads, in this order.

    Raises
    ------
    LeadError, SignalError
        If a lead cannot be had, or no lead has any deflection, unless told otherwise.
    """
    try:
        recording = read.complete(leads, missing=told.missing_leads)
    except LeadError as error:
        if read.notes:  # they may tell where the lead is
            error.args = (f"{error} ({'; '.join(read.notes)})",)
        raise
    if set(recording.zeroed) == set(recording.leads):
        there = ", ".join(read.leads[:_MOST_NAMED]) + ", …" * (len(read.leads) > _MOST_NAMED)
        raise LeadError(f"{read.name}: leads {there}; expected at least one of {', '.join(leads)}, or two limb leads")
    if recording.is_flat and not told.keep_flat:
        text = "no deflection in any lead; there is nothing to tell from it (--keep-flat predicts)"
        raise SignalError(f"{read.name}: {text}")
    return recording
