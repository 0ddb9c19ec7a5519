"""Where a model comes from and what it is worth, as its run folder and its stores tell: for the card beside it."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecg12.cache.reader import Store
from ecg12.ecg.datasets import KNOWN_DATASETS
from ecg12.ecg.errors import EcgError
from ecg12.pipeline.evaluation.crossvalidate import SCORES_JSON, TEST_SCORES_JSON
from ecg12.pipeline.runs.checkpoint import CONFIG, read_json
from ecg12.pipeline.runs.prediction_folders import TEST_IDS
from ecg12.pipeline.runs.run_folder import HISTORY, PRETRAIN_TRAIN_IDS, TRAIN_IDS, VALID_IDS, read_history, read_ids

ROLES: Mapping[str, str] = {
    "training": TRAIN_IDS,
    "validation": VALID_IDS,
    "held out": TEST_IDS,
    "pretraining": PRETRAIN_TRAIN_IDS,
}
"""What records were for, and the file that names them."""

FIGURES: Mapping[str, str] = {
    "mae": "mean absolute error",
    "rmse": "root mean square error",
    "r2": "R², share of the variance that is told",
    "pearson": "Pearson's correlation",
    "challenge_metric": "Challenge metric",
    "auroc": "AUROC, macro",
    "auprc": "AUPRC, macro",
    "f_measure": "F-measure, macro",
    "f_beta": "F2, macro",
    "g_beta": "G2, macro",
    "geom_mean": "geometric mean of F2 and G2",
    "accuracy": "accuracy (all classes right)",
    "balanced_accuracy": "accuracy, mean of the classes'",
}
"""Figures that a card has, by their names in history.csv and in the JSON of an evaluation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordShare:
    """The records of one dataset in one role.

    Attributes
    ----------
    patients : None where no store says whose they are
    """

    role: str
    dataset: str
    records: int
    patients: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """What the card says of data and scores.

    Attributes
    ----------
    shares : records by role and dataset; empty where the run folder names none
    validation : figures of the epoch that the weights are from
    held_out : the JSON of an evaluation on records that nothing was chosen by; None where there is none
    held_out_part : of it, what is this model's own: figures, and how many records; None where all of it is
    """

    shares: tuple[RecordShare, ...] = ()
    validation: Mapping[str, float] = field(default_factory=dict)
    held_out: Mapping[str, Any] | None = None
    held_out_part: Mapping[str, Any] | None = None


def read_provenance(folder: Path, epoch: int, store: Store | None) -> Provenance:
    """What a run folder tells; `store` is the one it was trained on, for patients."""
    shares: list[RecordShare] = []
    for role, file in ROLES.items():
        if (folder / file).is_file():
            shares += count_records(role, read_ids(folder / file), store)
    whole, part = read_held_out(folder)
    return Provenance(
        shares=tuple(shares), validation=read_validation(folder, epoch), held_out=whole, held_out_part=part
    )


def is_trained_on(folder: Path, store: Store) -> bool:
    """Whether a run folder says that this is the store it was trained on."""
    try:
        stated = read_json(folder / CONFIG).get("store_digest")
    except (EcgError, AttributeError):
        return False
    return stated is not None and stated == store.attributes.get("digest")


def count_records(role: str, names: Sequence[str], store: Store | None) -> list[RecordShare]:
    """The shares of each dataset: by the store where it has all the records, else by the form of their names."""
    if store is not None:
        row_of = {str(name): row for row, name in enumerate(store.ids)}
        if all(name in row_of for name in names):
            rows = [row_of[name] for name in names]
            groups = store.column("record/group")[rows]
            titles = [_title_of(str(name)) for name in store.datasets[rows]]
            counts = Counter(titles)
            return [
                RecordShare(
                    role=role,
                    dataset=title,
                    records=n,
                    patients=len({group for group, own in zip(groups, titles, strict=True) if own == title}),
                )
                for title, n in _in_order(counts)
            ]
    return [RecordShare(role=role, dataset=title, records=n) for title, n in _in_order(Counter(map(_by_name, names)))]


def _in_order(counts: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: item[0].lower())


def _title_of(dataset: str) -> str:
    return next((one.title for one in KNOWN_DATASETS if one.name == dataset), dataset)


def _by_name(record: str) -> str:
    return next((one.title for one in KNOWN_DATASETS if one.matches(record.rpartition("/")[2])), "other")


def read_validation(folder: Path, epoch: int) -> dict[str, float]:
    """Figures of an epoch in history.csv; none where it has no such epoch, or cannot be read."""
    if not (folder / HISTORY).is_file():
        return {}
    rows = [row for row in read_history(folder / HISTORY) if row["epoch"] == epoch]
    own = rows[-1] if rows else {}
    return {name: own[name] for name in FIGURES if name in own and not math.isnan(own[name])}


def read_held_out(folder: Path) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The evaluation of a run on its held-out records, or of the cross-validation that the run is part of."""
    if (folder / TEST_SCORES_JSON).is_file():
        return read_json(folder / TEST_SCORES_JSON, nan=True), None
    whole = folder.resolve().parent / SCORES_JSON
    if (folder / TEST_IDS).is_file() and whole.is_file():
        found = read_json(whole, nan=True)
        parts = [part for part in found.get("held_out", ()) if part.get("name") == folder.resolve().name]
        return (found, parts[0]) if parts else (None, None)
    return None, None
