"""Who belongs together: patients, and recordings that are the same samples under different names.

A split that separates the members of a group leaks. Ids are hashed, so that a store can be passed on.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cache.schema import RecordRow, sha256_of_texts
from ecg.errors import InputError
from ecg.quality import LeadFlag

GROUP_DIGITS = 16


def patient_group(dataset: str, patient_id: str) -> str:
    """The group of a patient; ids are only unique within a dataset."""
    return sha256_of_texts(("patient", dataset, patient_id))[:GROUP_DIGITS]


def record_group(dataset: str, name: str) -> str:
    """The group of a record whose patient is unknown."""
    return sha256_of_texts(("record", dataset, name))[:GROUP_DIGITS]


def read_patients(*paths: Path) -> dict[str, str]:
    """Record name → patient id, from CSVs with columns record and patient_id, or PTB-XL's own table.

    PTB-XL's `ptbxl_database.csv` has ecg_id instead of record: record HR00001 is its ecg_id 1.

    Raises
    ------
    InputError
        If a file cannot be read, lacks the columns, or one record has two patients, in one file or in several.
    """
    patients: dict[str, str] = {}
    for path in paths:
        _add_patients(patients, path)
    return patients


def _add_patients(patients: dict[str, str], path: Path) -> None:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            columns = table.fieldnames or []
            key = next((name for name in ("record", "ecg_id") if name in columns), None)
            if key is None or "patient_id" not in columns:
                raise InputError(
                    f"{path}: columns {', '.join(columns) or 'none'}; expected record (or ecg_id) and patient_id"
                )
            for row in table:
                name, patient = (row[key] or "").strip(), (row["patient_id"] or "").strip()
                if not name or not patient:
                    continue
                if key == "ecg_id":
                    name = f"HR{int(float(name)):05d}"
                patient = patient.removesuffix(".0")  # PTB-XL's table writes its ids as 15709.0
                if patients.setdefault(name, patient) != patient:
                    raise InputError(
                        f"{path} line {table.line_num}: record {name} has patient {patient}, and {patients[name]} "
                        "elsewhere; expected one"
                    )
    except InputError:
        raise
    except (OSError, csv.Error, ValueError, OverflowError) as error:
        raise InputError(f"{path}: cannot be read as a table of patients ({error})") from error


def duplicates_of(
    names: Iterable[str], digests: Iterable[str], lead_flags: Iterable[Sequence[int]] | NDArray[np.uint16]
) -> tuple[tuple[str, ...], ...]:
    """Recordings with the same samples: each tuple names them in order; all-flat ones never count."""
    by_digest: dict[str, list[str]] = defaultdict(list)
    for name, digest, flags in sorted(zip(names, digests, lead_flags, strict=True), key=lambda entry: entry[0]):
        if not all(flag & LeadFlag.FLAT for flag in flags):
            by_digest[digest].append(name)
    return tuple(tuple(same) for same in by_digest.values() if len(same) > 1)


def merge_groups(rows: Sequence[RecordRow]) -> list[RecordRow]:
    """The rows with the groups of exact duplicates made one: the alphabetically first of them."""
    leader: dict[str, str] = {}

    def find(group: str) -> str:
        while leader.get(group, group) != group:
            group = leader[group]
        return group

    group_of = {f"{row.dataset}/{row.name}": row.group for row in rows}
    for same in duplicates_of(list(group_of), [row.digest for row in rows], [row.lead_flags for row in rows]):
        first, *others = sorted({find(group_of[name]) for name in same})
        for group in others:
            leader[group] = first
    return [replace(row, group=find(row.group)) for row in rows]
