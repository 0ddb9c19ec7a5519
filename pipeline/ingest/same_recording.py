"""One recording that lies in an input twice: at two rates, as PTB-XL has it, or in two formats; asked about, not taken.

Names say what may be the same (00001_lr and 00001_hr, one name in two folders, one name with two suffixes), equal
duration at another rate or in another format makes it likely, and the samples of a few decide. So two wards that both
number their recordings from 1 are left in peace.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from ecg12.cache.storage.location import RemotePath
from ecg12.ecg.errors import EcgError, InputError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.recording import Recording
from ecg12.ecg.signals.resample import resample
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.formats.wfdb.remote_records import at_hand
from ecg12.pipeline.ingest.measure import Candidate
from ecg12.pipeline.recordings.reader_registry import read_input

MOST_READ = 3
"""Pairs of two folders that are read; all of them must agree."""

LONGEST_READ_S = 3600.0
"""Recordings that last longer are not read for it."""

_ALIKE = 0.9
"""Correlation of a lead at the lower rate; of 116,000 pairs of real ECGs no two that differ reached 0.79."""

_DURATION = 0.02
_RATE_SUFFIX = re.compile(r"_[lh]r$")
_OTHER_RATE = {"_lr": "_hr", "_hr": "_lr"}


def refuse_twice(candidates: Sequence[Candidate], told: InputConfig) -> None:
    """Raise InputError where an input has the same recordings twice, naming where, and what decides.

    Recordings of one name, but for `_lr` and `_hr` at its end, that last equally long and differ in rate or format are
    read, a few for each two places; where all of them are the same ECG, somebody has to say which is meant.
    """
    for (first, second), pairs in _likely(candidates).items():
        if all(_is_same(*pair, told) for pair in pairs[:MOST_READ]):
            raise InputError(_question(first, second, pairs))


def _likely(candidates: Sequence[Candidate]) -> dict[tuple[str, str], list[tuple[Candidate, Candidate]]]:
    """Pairs that may be one recording, by the two places where they lie."""
    named: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for one in candidates:
        named[one.source.source, _RATE_SUFFIX.sub("", one.source.name)].append(one)
    found: dict[tuple[str, str], list[tuple[Candidate, Candidate]]] = defaultdict(list)
    for alike in named.values():
        for one, other in combinations(alike, 2) if 1 < len(alike) < 10 else ():
            if _may_be_same(one, other):
                found[_place_of(one, other), _place_of(other, one)].append((one, other))
    return found


def _may_be_same(one: Candidate, other: Candidate) -> bool:
    names = one.source.name, other.source.name
    ends = [match[0] if (match := _RATE_SUFFIX.search(name)) else "" for name in names]
    if names[0] != names[1] and _OTHER_RATE.get(ends[0]) != ends[1]:
        return False
    if (one.fs, one.source.kind) == (other.fs, other.source.kind):
        return False  # exact copies become one group by their digests
    return abs(one.duration_s - other.duration_s) <= _DURATION * one.duration_s


def _place_of(one: Candidate, other: Candidate) -> str:
    """What tells a recording's place from another's: the folders down to the first that differs, or else the end."""
    mine, others = (source.source.relative.split("/")[:-1] for source in (one, other))
    for depth, (folder, another) in enumerate(zip(mine, others, strict=False), start=1):
        if folder != another:
            return "/".join(mine[:depth])
    if len(mine) != len(others):
        return "/".join(mine) or "."
    end = _RATE_SUFFIX.search(one.source.name)
    return f"*{end[0]}{one.source.suffix}" if end else f"*{one.source.suffix}"


def _is_same(one: Candidate, other: Candidate, told: InputConfig) -> bool:
    """Whether two recordings' first common lead is the same but for its rate and its scale."""
    if one.duration_s > LONGEST_READ_S:
        return False
    try:
        first, second = _read(one, told), _read(other, told)
    except EcgError:
        return False  # which is said where it is converted
    shared = [lead for lead in LEADS if lead in first.leads and lead in second.leads]
    return any(_correlate(first, second, lead) > _ALIKE for lead in shared[:2])


def _read(entry: Candidate, told: InputConfig) -> Recording:
    path = entry.source.path
    if isinstance(path, RemotePath):
        with at_hand(path) as local:
            return read_wfdb(local, told)
    return read_input(entry.source.found, told, entry.source.name)


def _correlate(one: Recording, other: Recording, lead: str) -> float:
    fs = min(one.fs, other.fs)
    rows = [resample(each.signal_uv[[each.leads.index(lead)]], each.fs, fs)[0] for each in (one, other)]
    length = min(map(len, rows))
    centred = [row[:length].astype(np.float64) - row[:length].mean(dtype=np.float64) for row in rows]
    energy = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / energy if energy else 0.0


def _question(first: str, second: str, pairs: Sequence[tuple[Candidate, Candidate]]) -> str:
    one, other = pairs[0]
    what = " and ".join(_describe(entry) for entry in (one, other))
    ways = " or ".join(_ways(first, second))
    return (
        f"{one.source.source}: {len(pairs):,} recordings are there twice, in {first} and in {second} ({what} are the "
        f"same ECG); expected each once: say which with {ways}"
    )


def _describe(entry: Candidate) -> str:
    return f"{entry.source.relative}{entry.source.suffix} at {entry.fs:g} Hz"


def _ways(first: str, second: str) -> Iterator[str]:
    """Options that decide; where one of the two lies in the root, only the other can be named."""
    for place in (first, second):
        if place != ".":
            yield f"--exclude '{place}'" if "*" in place or " " in place else f"--exclude {place}"
