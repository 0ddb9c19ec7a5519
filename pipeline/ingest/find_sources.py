"""What a build takes: recordings of any kind in local inputs, WFDB records behind URLs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecg12.cache.storage.location import Location, RemotePath
from ecg12.ecg.errors import InputError
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.find_headers import find_records, header_named
from ecg12.pipeline.recordings.find_recordings import FoundInput, find_inputs, path_without_suffix, stem_of
from ecg12.pipeline.recordings.path_patterns import PathPatterns
from ecg12.pipeline.recordings.set_aside import NotLookedAt

WFDB = "wfdb"


@dataclass(frozen=True, slots=True)
class Source:
    """A recording that was found, before anything of it is read.

    Attributes
    ----------
    path : of its file; of its header where it is a WFDB record
    relative : posix path below the input, without the suffix
    name : the last part of it
    suffix : of the file, with its dot, as it stands behind `name`
    source : name of the input, which stands for the dataset where the record tells none
    kind : as `pipeline.recordings.find_recordings.FoundInput` has it
    """

    path: Location
    relative: str
    name: str
    suffix: str
    source: str
    kind: str

    @property
    def found(self) -> FoundInput:
        """As a reader wants it, of a local one."""
        return FoundInput(str(self.path), self.relative + self.suffix, self.source, self.kind)


def find_sources(
    inputs: Sequence[Location],
    told: InputConfig,
    aside: list[NotLookedAt] | None = None,
    patterns: PathPatterns | None = None,
) -> list[Source]:
    """Every recording in or below the inputs, by (source, path); a file that is reached by two ways is taken once.

    Raises
    ------
    InputError
        If an input does not exist or holds no recording.
    RemoteError
        If one behind a URL cannot be listed.
    PluginError
        If a reader that was told is not there, or no reader.
    """
    patterns = patterns or PathPatterns()
    local = [given for given in inputs if isinstance(given, Path)]
    for given in local:
        if not given.exists() and header_named(given) is None:
            raise InputError(f"{given}: does not exist; expected a folder of recordings, a tarball, or a recording")
    found = [_of_input(one) for one in find_inputs(local, told, aside, patterns)] if local else []
    found += _find_remote([given for given in inputs if isinstance(given, RemotePath)], patterns)
    return sorted(found, key=lambda one: (one.source, one.relative, str(one.path)))


def _of_input(one: FoundInput) -> Source:
    path = one.path
    if one.kind == WFDB:
        return Source(path, one.relative[:-4], path.stem, one.relative[-4:], one.source, WFDB)
    whole, name = path_without_suffix(one), stem_of(one)
    return Source(path, whole, name, one.relative[len(whole) :], one.source, one.kind)


def _find_remote(inputs: Sequence[RemotePath], patterns: PathPatterns) -> list[Source]:
    if not inputs:
        return []
    records = [one for one in find_records(inputs) if patterns.takes(f"{one.relative}{one.path.suffix}")]
    if not records:
        raise InputError(f"{inputs[0]}: every record there is left out by --include or --exclude; expected one")
    return [Source(one.path, one.relative, one.path.stem, one.path.suffix, one.source, WFDB) for one in records]
