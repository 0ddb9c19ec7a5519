"""Readers from outside this program: which there are, which of them claims a file, and reading it with one.

Those of installed packages take part unasked; others are named. Whatever a reader raises is said of the one file. It is
asked about a file only where none of our own kinds is sure of it.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from ecg12.ecg.errors import EcgError, PluginError, SignalError
from ecg12.ecg.plugin_names import REGISTERED, is_plugin_name
from ecg12.ecg.signals.recording import Recording
from ecg12.pipeline.files.foreign_readers import reading
from ecg12.pipeline.files.regular_files import open_regular
from ecg12.pipeline.formats.file_kinds import SNIFFED_BYTES, kind_of
from ecg12.pipeline.plugins.choosing import installed_names, spell_plugin
from ecg12.pipeline.plugins.consent import consent_to
from ecg12.pipeline.plugins.kinds import READER
from ecg12.pipeline.plugins.loading import load_plugin

if TYPE_CHECKING:
    from ecg12.pipeline.plugins.protocols import Reader

logger = logging.getLogger(__name__)

HIDDEN = "hidden file"
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
"""Suffixes that say for certain that a text is a table."""

_BETWEEN = "|"
"""Between the names of several readers that claim one file, as its kind."""


@dataclass(slots=True)
class PluginReaders:
    """Those that take part in a search, by the plugin's name.

    Attributes
    ----------
    passed_over : files, by reader, that one claims and a reader of our own takes
    failed : files, by reader, that it could not be asked about
    """

    readers: dict[str, "Reader"] = field(default_factory=dict)
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, list[str]] = field(default_factory=dict)

    def weigh(self, path: str | Path, kind: str, *, named: bool, reason: str) -> str:
        """The kind of a file, once plugins were asked: whichever of our own is sure of it goes first, a guess last.

        Parameters
        ----------
        kind : what our own readers take it for, or ""
        named : whether it is a table that names leads
        reason : what it is, where nothing of ours reads it; "" for what belongs to the record beside it
        """
        if kind == "wfdb" or (not kind and reason in ("", HIDDEN)) or not self.readers:
            return kind
        name = os.path.basename(path)
        claims = self._claims(path, name)
        if not claims or not (named or _is_sure(path, kind, name)):
            return _BETWEEN.join(claims) or kind
        for one in claims:
            self.passed_over.setdefault(one, []).append(name)
        return kind

    def tell(self) -> None:
        """Warn of what was passed over, and of readers that failed to tell, in a line for each."""
        for one, names in self.passed_over.items():
            logger.warning(
                "reader %s claims %s, which a reader of this program takes: it goes first", one, _count(names)
            )
        for one, names in self.failed.items():
            logger.warning("reader %s failed to tell whether it reads %s: not asked", one, _count(names))

    def _claims(self, path: str | Path, name: str) -> list[str]:
        head = _read_head(path)
        if head is None:
            return []
        found = []
        for one, reader in self.readers.items():
            try:
                if reader.sniff(head, name):
                    found.append(one)
            except (Exception, SystemExit) as error:  # other people's code: told of with the others
                reason = " ".join(str(error).split())
                self.failed.setdefault(one, []).append(f"{name} ({type(error).__name__}: {reason})")
        return found


def _is_sure(path: str | Path, kind: str, name: str) -> bool:
    """Whether a file is of a kind of ours by its bytes, or a table by its name."""
    return bool(kind) and kind_of(path).reader == kind and (kind != "table" or name.lower().endswith(TABLES))


def _count(names: Sequence[str]) -> str:
    return f"{names[0][:200]} and {len(names) - 1:,} more" if len(names) > 1 else names[0][:200]


def _read_head(path: str | Path) -> bytes | None:
    """The first bytes; None of what cannot be read, which is said where it is counted."""
    try:
        with open_regular(path) as file:
            return file.read(SNIFFED_BYTES)
    except (EcgError, OSError):
        return None


def find_readers(named: Sequence[str] = ()) -> PluginReaders:
    """The readers that are named, and those that are installed.

    An installed one that cannot be loaded is left out, with a warning; a named one is an error.

    Raises
    ------
    PluginError
        If one that is named is not there, or no reader.
    """
    asked = [spell_plugin(READER, name, ()) for name in dict.fromkeys(named)]
    for name in asked:
        if not is_plugin_name(name):
            there = ", ".join(installed_names(READER)) or "none"
            raise PluginError(f"reader {name!r}: expected package.module:Class, or an installed one (there: {there})")
    found = PluginReaders()
    for name in asked:
        found.readers[name] = _load(name)
    for name in (f"{REGISTERED}{one}" for one in installed_names(READER)):
        try:
            reader = _load(name)
        except PluginError as error:
            logger.warning("%s: left out", error)
            continue
        if name not in found.readers and type(reader) not in map(type, found.readers.values()):
            found.readers[name] = reader
    return found


@cache
def _load(name: str) -> "Reader":
    """The object that reads, made once; whoever calls this names it, or has it installed."""
    from ecg12.pipeline.plugins.forms import as_reader  # which knows torch, and a build's workers need not

    return as_reader(load_plugin(READER, name, consent_to(asked=[name])))


def is_plugin_kind(kind: str) -> bool:
    """Whether a file's kind is the name of a plugin, or those of several: those of our own have no colon."""
    return ":" in kind


def read_with_plugin(kind: str, path: Path) -> Recording:
    """The recording that the one reader that claims a file makes of it.

    Raises
    ------
    SignalError
        If several claim it, or the reader raises anything, or gives no recording.
    """
    if _BETWEEN in kind:
        _refuse(kind, path)
    reader = _load(kind)
    try:
        with reading(path, f"{reader.name} by reader {kind}"):
            recording = reader.read(path)
    except SystemExit as error:
        raise SignalError(
            f"{path.name}: reader {kind} wanted to end the program (SystemExit: {error}); expected a recording"
        ) from error
    if not isinstance(recording, Recording):
        raise SignalError(
            f"{path.name}: reader {kind} gives a {type(recording).__name__}; expected what make_recording makes"
        )
    if not np.isfinite(recording.signal_uv).all() or recording.signal_uv.dtype != np.float32:
        raise SignalError(
            f"{path.name}: reader {kind} gives samples in {recording.signal_uv.dtype}, or such as are no numbers; "
            "expected finite float32, as make_recording makes them"
        )
    return recording


def _refuse(kind: str, path: Path) -> NoReturn:
    who = " and ".join(kind.split(_BETWEEN))
    raise SignalError(f"{path.name}: claimed by the readers {who}; expected one: leave out or uninstall the others")
