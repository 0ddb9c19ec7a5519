"""Which records a simulated corpus has: datasets, numbers, patients, findings and lengths, but no signal yet.

Record k of a dataset is the same whatever else is made: all chance comes from SHA-256 of (seed, dataset, number,
purpose). So a plan can be cut into parts, run in any order and in any process, and gives the same bytes, as far
as numpy's generators and elementary functions agree between machines.
"""

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from ecg12.ecg.datasets import DATASETS, Dataset
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.synthetic.prevalence import draw_codes, draw_findings, draw_lasting

LAYOUTS: Final = ("tarball", "release")
MIN_DURATION_S: Final = 5.0

_BY_NAME: Final[dict[str, Dataset]] = {dataset.name: dataset for dataset in DATASETS}
_RELEASE_FOLDERS: Final = {
    "cpsc": "cpsc_2018",
    "cpsc-extra": "cpsc_2018_extra",
    "georgia": "georgia",
    "incart": "st_petersburg_incart",
    "ptb": "ptb",
    "ptb-xl": "ptb-xl",
}
_GROUP_SIZE: Final = 1000
_RECORDS_PER_INCART: Final = 500

# Chance that a patient has 1, 2, 3 or 4 recordings, near what is known of each dataset.
_RECORDINGS: Final[dict[str, tuple[float, float, float, float]]] = {
    "cpsc": (0.94, 0.04, 0.01, 0.01),
    "cpsc-extra": (0.94, 0.04, 0.01, 0.01),
    "georgia": (0.76, 0.16, 0.05, 0.03),
    "incart": (0.30, 0.40, 0.20, 0.10),
    "ptb": (0.50, 0.30, 0.12, 0.08),
    "ptb-xl": (0.87, 0.09, 0.03, 0.01),
}
_BLOCK: Final = 8
_DUPLICATE_SHARE: Final = 0.008


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRecord:
    """All of a record that is known before its signal is made; `simulate_record` makes the rest.

    `index` counts the dataset's records from 0. `source_index` is the index whose signal this is: its own, or an
    earlier one for an exact duplicate under another name.
    """

    seed: int
    dataset: str
    index: int
    source_index: int
    record_name: str
    folder: str
    patient_id: str
    dx_codes: tuple[str, ...]
    fs: float
    n_samples: int


def stream(seed: int, *names: object) -> Generator:
    """A generator that depends on nothing but its arguments."""
    text = "/".join(str(part) for part in (seed, *names))
    return np.random.Generator(np.random.Philox(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16])))


def _record_number(dataset: str, index: int) -> int:
    """Number in the name of a dataset's record `index`; INCART, PTB and CPSC-Extra leave numbers out.

    The gaps are ours, but as many as in the published names: 3,453 names to Q3581, 516 to S0549, none I0036.
    """
    if dataset == "incart":
        return index + 1 if index < 35 else index + 2
    period = {"cpsc-extra": 28, "ptb": 17}.get(dataset)
    if period is None:
        return index + 1
    gap = {"cpsc-extra": 11, "ptb": 4}[dataset]
    whole, rest = divmod(index, period - 1)
    return whole * period + rest + (1 if rest + 1 < gap else 2)


def _length(dataset: str, rng: Generator) -> int:
    """Number of samples, distributed about as published: see each line."""
    if dataset == "cpsc":  # 6-144 s, mostly 10-20 s
        seconds = rng.uniform(6, 10) if rng.random() < 0.06 else 10 + rng.exponential(5.5)
        return int(500 * min(seconds, 144.0)) if rng.random() < 0.75 else 5000
    if dataset == "cpsc-extra":  # 8-98 s
        seconds = rng.uniform(8, 10) if rng.random() < 0.06 else 10 + rng.exponential(5.5)
        return int(500 * min(seconds, 98.0)) if rng.random() < 0.7 else 5000
    if dataset == "georgia":  # 10 s, a few from 5 s
        return int(rng.integers(2500, 5000)) if rng.random() < 0.02 else 5000
    if dataset == "incart":  # 30 minutes
        return 462_600
    if dataset == "ptb":  # 32-120 s
        return int(rng.choice([38_400, 115_200, 115_174, 120_012], p=[0.3, 0.4, 0.15, 0.15]))
    return 5000


def _patient_slot(seed: int, dataset: str, index: int) -> int:
    """Number of the patient of a record. Patients share a block of eight records, in random order."""
    block = index // _BLOCK
    rng = stream(seed, dataset, "patients", block)
    slots: list[int] = []
    while len(slots) < _BLOCK:
        recordings = int(rng.choice(4, p=_RECORDINGS[dataset])) + 1
        slots += [slots[-1] + 1 if slots else 0] * recordings
    return block * _BLOCK + int(rng.permutation(slots[:_BLOCK])[index % _BLOCK])


def _source_index(seed: int, dataset: str, index: int) -> int:
    """The record whose signal this is: itself, or rarely the one before it."""
    while index and dataset != "incart":
        if stream(seed, dataset, "duplicate", index).random() >= _DUPLICATE_SHARE:
            break
        index -= 1
    return index


def _plan_record(seed: int, dataset: Dataset, index: int, layout: str, max_duration_s: float | None) -> PlannedRecord:
    name = dataset.name
    source = _source_index(seed, name, index)
    slot = _patient_slot(seed, name, source)
    rng = stream(seed, name, "findings", source)
    lasting = draw_lasting(name, stream(seed, name, "lasting", slot))
    dx_codes = draw_codes(name, draw_findings(name, lasting, rng), rng)
    n_samples = _length(name, stream(seed, name, "length", source))
    if max_duration_s is not None:
        n_samples = min(n_samples, int(max_duration_s * dataset.fs))
    group = f"training/{_RELEASE_FOLDERS[name]}/g{index // _GROUP_SIZE + 1}"
    return PlannedRecord(
        seed=seed,
        dataset=name,
        index=index,
        source_index=source,
        record_name=f"{dataset.prefix}{_record_number(name, index):0{dataset.digits}d}",
        folder=dataset.folder if layout == "tarball" else group,
        patient_id=f"{name}-{slot:05d}",
        dx_codes=dx_codes,
        fs=dataset.fs,
        n_samples=n_samples,
    )


def _chosen_datasets(datasets: Sequence[str] | None) -> list[Dataset]:
    names = list(_BY_NAME) if datasets is None else list(datasets)
    unknown = [name for name in names if name not in _BY_NAME]
    if unknown or not names or len(set(names)) < len(names):
        raise ConfigError(
            f"simulator: datasets {', '.join(map(str, names)) or 'none'}; expected some of {', '.join(_BY_NAME)}, "
            "each at most once; leave the option out for all six"
        )
    return [dataset for dataset in DATASETS if dataset.name in names]


def _share_records(n_records: int, datasets: Sequence[Dataset]) -> dict[str, int]:
    """How many records each dataset gives: in the published proportions (Webster's method), at least one each.

    Half-hour INCART records are at most one in 500, unless only INCART is asked for.
    """
    room = {d.name: d.n_records for d in datasets}
    if "incart" in room and len(room) > 1:
        room["incart"] = min(room["incart"], max(1, n_records // _RECORDS_PER_INCART))
    if not 1 <= n_records <= sum(room.values()):
        raise ConfigError(
            f"simulator: {n_records} records; expected 1 to {sum(room.values())} from "
            f"{', '.join(room)}; ask for fewer or for more datasets"
        )
    least = 1 if n_records >= len(datasets) else 0
    counts = dict.fromkeys(room, least)
    waiting = [(-d.n_records / (2 * least + 1), d.name) for d in datasets if room[d.name] > least]
    heapq.heapify(waiting)
    for _ in range(n_records - sum(counts.values())):
        _, name = heapq.heappop(waiting)
        counts[name] += 1
        if counts[name] < room[name]:
            heapq.heappush(waiting, (-_BY_NAME[name].n_records / (2 * counts[name] + 1), name))
    return counts


def plan_corpus(
    n_records: int,
    *,
    seed: int,
    layout: str = "tarball",
    datasets: Sequence[str] | None = None,
    max_duration_s: float | None = None,
) -> list[PlannedRecord]:
    """Decide on every record without making a signal: about 0.2 ms a record.

    Parameters
    ----------
    n_records : int
        Shared among the datasets in their published proportions, each at least one when there are enough;
        INCART at most max(1, n_records // 500).
    seed : int
    layout : "tarball" (flat folders of the 2020 tarballs) or "release" (groups of 1,000, as on PhysioNet)
    datasets : names in `ecg.datasets`, optional; all six when not given
    max_duration_s : float, s, at least 5, optional
        Longer records are made this long (they are not the start of the longer ones, so that a rare beat is
        still inside).

    Returns
    -------
    list of PlannedRecord, by dataset, then number

    Raises
    ------
    ConfigError
        If an argument is out of range.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"simulator: layout {layout!r}; expected {' or '.join(LAYOUTS)}; tarball is the flat one")
    if max_duration_s is not None and not max_duration_s >= MIN_DURATION_S:
        raise ConfigError(
            f"simulator: max_duration_s {max_duration_s:g}; expected at least {MIN_DURATION_S:g} s, since a "
            "rhythm shows only over several beats; raise it or leave it out"
        )
    chosen = _chosen_datasets(datasets)
    counts = _share_records(n_records, chosen)
    return [
        _plan_record(seed, dataset, index, layout, max_duration_s)
        for dataset in chosen
        for index in range(counts[dataset.name])
    ]
