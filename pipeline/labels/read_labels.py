"""Tables of labels held against the records of a build: which row is whose, what it states, and what is left over.

A row that could be of two records, two rows of one record that differ, and two tables that do are errors: whichever
were taken, somebody would have another's labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ecg12.cache.schema import sha256_of_json
from ecg12.cache.storage.location import Location
from ecg12.ecg.errors import InputError
from ecg12.pipeline.labels.column_names import DATASET, RECORD, assign_roles, check_told, plain_name
from ecg12.pipeline.labels.column_values import TableColumns, learn_columns
from ecg12.pipeline.labels.label_table import LabelTable, open_table
from ecg12.pipeline.labels.merge_facts import merge_facts, name_difference
from ecg12.pipeline.labels.record_index import RecordIndex, RecordKey
from ecg12.pipeline.labels.row_facts import Facts, RowReader
from ecg12.pipeline.runtime.printable_names import in_one_line

MOST_NAMED = 10
"""Records and rows without each other that are named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedTable:
    """How a table was understood, in words for whoever gave it.

    Attributes
    ----------
    columns : role → columns
    unused : (column, why)
    n_rows, n_matched : rows, and those of a record of this build
    strangers : the first cells that name no record of it
    """

    path: Location
    columns: Mapping[str, tuple[str, ...]]
    unused: tuple[tuple[str, str], ...]
    n_rows: int
    n_matched: int
    strangers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """What tables state of the records of a build.

    Attributes
    ----------
    facts : (dataset, name) → what they state
    without_row : records that no table has, as dataset/name
    """

    facts: Mapping[tuple[str, str], Facts] = field(default_factory=dict)
    tables: tuple[UsedTable, ...] = ()
    without_row: tuple[str, ...] = ()

    def digest(self) -> str:
        """Of all that goes into the store: the same tables say the same."""
        facts = sorted([*key, facts.to_list()] for key, facts in self.facts.items())
        return sha256_of_json([facts, self.counts()])

    def counts(self) -> dict[str, int]:
        """The store's root attribute `label_tables`."""
        return {
            "records": len(self.facts),
            "records_without_row": len(self.without_row),
            "rows_without_record": sum(table.n_rows - table.n_matched for table in self.tables),
        }


def read_labels(paths: Sequence[Location], told: Mapping[str, Sequence[str]], records: Sequence[RecordKey]) -> Labels:
    """Read tables and find the records of their rows.

    Parameters
    ----------
    told : role → columns, where the user says more than their names (see `column_names.parse_told`)
    records : all of the build

    Raises
    ------
    InputError
        If a table cannot be read, has no column of records, or none of these records; if a row may be of several
        records; or if two rows of one record differ.
    ConfigError
        If a column that the user named is in no table.
    RemoteError
        If a table is remote and the server cannot be had.
    """
    tables = [open_table(path) for path in paths]
    check_told(told, [table.columns for table in tables])
    index = RecordIndex(records)
    facts: dict[int, tuple[Facts, str]] = {}
    used = []
    for table in tables:
        of_table, summary = _read_table(table, told, index)
        used.append(summary)
        for number, (found, where) in of_table.items():
            if before := facts.get(number):
                found = merge_facts(before, (found, where), index.full_name(number))
            facts[number] = found, where
    missing = tuple(index.full_name(number) for number in range(len(records)) if number not in facts)
    by_name = {(records[number].dataset, records[number].name): one for number, (one, _) in sorted(facts.items())}
    return Labels(facts=by_name, tables=tuple(used), without_row=missing)


def _read_table(
    table: LabelTable, told: Mapping[str, Sequence[str]], index: RecordIndex
) -> tuple[dict[int, tuple[Facts, str]], UsedTable]:
    """Record → what its row states and where that stands; and how the table was understood."""
    roles = assign_roles(table.columns, told)
    if RECORD not in roles.by_role:
        if nameless := next((name for name in table.columns if index.find(name)), None):
            raise InputError(
                f"{table.path}: its first line has record {nameless} where the columns' names belong; expected them "
                "there: write a line such as record,label above it"
            )
        raise InputError(
            f"{table.path}: no column names the record: {', '.join(table.columns)}; expected one such as record, "
            "filename or ecg_id, or --label-columns record=COLUMN"
        )
    columns, names = learn_columns(table, roles)
    keys = _Keys(table, columns, names, index)
    reader = RowReader(columns, table.columns)
    facts: dict[int, tuple[Facts, str]] = {}
    n_rows = n_matched = 0
    strangers: list[str] = []
    for line, cells in table.rows():
        n_rows += 1
        found = keys.records_of(line, cells)
        n_matched += bool(found)
        if not found:
            strangers += [keys.shown(cells)] if len(strangers) < MOST_NAMED else []
            continue
        stated, where = reader.read(cells), f"{table.path} {table.unit} {line}"
        for number in found:
            before = facts.setdefault(number, (stated, where))
            if before[0] != stated:
                raise InputError(
                    f"{where}: record {index.full_name(number)} has another {name_difference(before[0], stated)} than "
                    f"in {table.unit} {before[1].rpartition(' ')[2]}; expected one row a record, with all of its "
                    "codes in it"
                )
    if not facts:
        raise InputError(
            f"{table.path}: names none of the {len(index.records)} records, in column {keys.described}: "
            f"{', '.join(strangers[:3]) or 'no row'}; expected names such as {index.full_name(0)} or "
            f"{index.records[0].name}"
        )
    return facts, UsedTable(
        path=table.path,
        columns=_described(table, columns, keys),
        unused=columns.unused,
        n_rows=n_rows,
        n_matched=n_matched,
        strangers=tuple(strangers),
    )


class _Keys:
    """The columns of a table that name its records: the one that finds the most, or all of PTB-XL's own."""

    def __init__(
        self, table: LabelTable, columns: TableColumns, values: Mapping[int, set[str]], index: RecordIndex
    ) -> None:
        self._where, self._index = f"{table.path} {table.unit}", index
        self._dataset = columns.roles.first(DATASET)
        places = columns.roles.by_role[RECORD]
        self._numbers: int | None = None
        if columns.roles.is_ptbxl and not columns.roles.told & set(places):
            named = {plain_name(table.columns[place]): place for place in places}
            self._numbers = named.pop("ecg_id", None)
            self.places = [place for name, place in named.items() if name.startswith("filename")]
        else:
            n_found = {place: sum(bool(index.find(cell)) for cell in values[place]) for place in places}
            self.places = [max(places, key=lambda place: n_found[place])]
            number = next((place for place in places if plain_name(table.columns[place]) == "ecg_id"), None)
            if number is not None and not any(n_found.values()):  # tables about PTB-XL, as PTB-XL+ has them
                self.places, self._numbers = [], number
        shown = [*self.places, *([] if self._numbers is None else [self._numbers])]
        self.described = ", ".join(table.columns[place] for place in shown)
        self._shown = shown

    def records_of(self, line: int, cells: Sequence[str]) -> list[int]:
        """The records of a row; several where one recording is there in more than one form."""
        found: dict[int, None] = {}
        for cell in self._cells(cells):
            one = self._find(cell, cells)
            if len(one) > 1:
                names = " or ".join(map(self._index.full_name, one[:3]))
                raise InputError(
                    f"{self._where} {line}: record {in_one_line(cell)} may be {names}; expected one: write "
                    "DATASET/NAME or the path of its file"
                )
            found.update(dict.fromkeys(one))
        return list(found)

    def shown(self, cells: Sequence[str]) -> str:
        """What a row calls its record."""
        return next((in_one_line(cells[place]) for place in self._shown if cells[place]), "no name")

    def _cells(self, cells: Sequence[str]) -> list[str]:
        names = [cells[place] for place in self.places]
        if self._numbers is not None:
            number = cells[self._numbers].removesuffix(".0").removesuffix(",0")
            if number.isdecimal() and len(number) < 10:
                stem = f"{int(number):05d}"
                names += [f"HR{stem}"] if self.places else [f"HR{stem}", f"{stem}_hr", f"{stem}_lr"]
        return names

    def _find(self, cell: str, cells: Sequence[str]) -> Sequence[int]:
        if self._dataset is not None and cell and cells[self._dataset]:
            return self._index.find(f"{cells[self._dataset]}/{cell}")
        return self._index.find(cell)


def _described(table: LabelTable, columns: TableColumns, keys: _Keys) -> dict[str, tuple[str, ...]]:
    roles = {role: tuple(table.columns[place] for place in places) for role, places in columns.roles.by_role.items()}
    roles[RECORD] = tuple(keys.described.split(", "))
    roles["labels"] = tuple(columns.labels.values())
    roles["target"] = tuple(table.columns[place] for place in columns.targets)
    return {role: names for role, names in roles.items() if names and role != "ignore"}
