"""Who belongs together: patients, and recordings that are the same samples under different names.

A split that separates the members of a group leaks. Ids are hashed, so that a store can be passed on.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ecg12.cache.schema import RecordRow, sha256_of_texts
from ecg12.cache.storage.location import Location
from ecg12.cache.storage.small_file import read_small
from ecg12.ecg.datasets import PTBXL_TABLE_NAME
from ecg12.ecg.errors import EcgError, InputError
from ecg12.ecg.signals.duplicates import duplicates_of, unite_groups
from ecg12.pipeline.files.text_lines import decode_text
from ecg12.pipeline.formats.text_tables.cells import is_missing

GROUP_DIGITS = 16


def patient_group(dataset: str, patient_id: str) -> str:
    """The group of a patient; ids are only unique within a dataset."""
    return sha256_of_texts(("patient", dataset, patient_id))[:GROUP_DIGITS]


def record_group(dataset: str, name: str) -> str:
    """The group of a record whose patient is unknown."""
    return sha256_of_texts(("record", dataset, name))[:GROUP_DIGITS]


def find_tables(inputs: Sequence[Location]) -> tuple[Location, ...]:
    """PTB-XL's own table in the root of each input folder that has it, where a download lays it."""
    return tuple(given / PTBXL_TABLE_NAME for given in inputs if (given / PTBXL_TABLE_NAME).is_file())


def read_patients(*paths: Location) -> dict[str, str]:
    """Record name → patient id, from CSVs with columns record and patient_id, or PTB-XL's own table.

    PTB-XL's `ptbxl_database.csv` has ecg_id instead of record: record HR00001 is its ecg_id 1. In PTB-XL's own release
    the same recording is called 00001_hr and 00001_lr, as its columns filename_hr and filename_lr say. A cell that says
    that nothing is known (empty, nan, NA, …) is no patient: else all such records would be one patient's.

    Raises
    ------
    InputError
        If a file cannot be read, lacks the columns, or one record has two patients, in one file or in several.
    """
    patients: dict[str, str] = {}
    for path in paths:
        _add_patients(patients, path)
    return patients


def _add_patients(patients: dict[str, str], path: Location) -> None:
    try:
        text = decode_text(read_small(path))
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter_of(text))
        columns = table.fieldnames = [name.strip().lower() for name in table.fieldnames or []]
        key = next((name for name in ("record", "ecg_id") if name in columns), None)
        if key is None or "patient_id" not in columns:
            raise InputError(
                f"{path}: columns {', '.join(columns) or 'none'}; expected record (or ecg_id) and patient_id"
            )
        for row in table:
            name, patient = (row[key] or "").strip(), (row["patient_id"] or "").strip()
            if not name or is_missing(patient):
                continue
            patient = patient.removesuffix(".0")  # PTB-XL's table writes its ids as 15709.0
            for record in _ptbxl_names(row) if key == "ecg_id" else (name,):
                if patients.setdefault(record, patient) != patient:
                    raise InputError(
                        f"{path} line {table.line_num}: record {record} has patient {patient}, and "
                        f"{patients[record]} elsewhere; expected one"
                    )
    except EcgError:
        raise
    except (OSError, csv.Error, ValueError, OverflowError) as error:
        raise InputError(f"{path}: cannot be read as a table of patients ({error})") from error


def _delimiter_of(text: str) -> str:
    """What is between the columns of the first line: a semicolon where a comma is the decimal sign."""
    first = text.partition("\n")[0]
    return "," if "," in first else next((sign for sign in ";\t" if sign in first), ",")


def _ptbxl_names(row: Mapping[str, str]) -> Iterator[str]:
    """What the recording in a row of PTB-XL's table is called in the Challenge and in PTB-XL's own release."""
    yield f"HR{int(float(row['ecg_id'])):05d}"
    for column in ("filename_lr", "filename_hr"):
        if row.get(column):
            yield row[column].strip().rpartition("/")[2]


def merge_groups(rows: Sequence[RecordRow]) -> list[RecordRow]:
    """The rows with the groups of exact duplicates made one: the alphabetically first of them."""
    becomes = _merged(rows)
    return [replace(row, group=becomes.get(row.group, row.group)) for row in rows]


def merged_patients(rows: Sequence[RecordRow]) -> dict[str, str]:
    """Patient's group → the group that `merge_groups` makes of it, where that is another.

    A store of other recordings of that patient does not know of the merger, so the two can only be read as one if it
    is written down. A single record's own group cannot occur elsewhere.
    """
    alone = {record_group(row.dataset, row.name) for row in rows}
    return {group: becomes for group, becomes in sorted(_merged(rows).items()) if group not in alone}


def _merged(rows: Sequence[RecordRow]) -> dict[str, str]:
    group_of = {f"{row.dataset}/{row.name}": row.group for row in rows}
    same = duplicates_of(list(group_of), [row.digest for row in rows], [row.lead_flags for row in rows])
    return unite_groups([group_of[name] for name in names] for names in same)
