"""What a column of a table of labels is, where its name does not tell: by all of its values.

Only 0 and 1, or true and false, make a label, called by the column's name; numbers make a measurement. Words are not
guessed at: such a column is named as one that was left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ecg12.ecg.errors import InputError, SignalError
from ecg12.ecg.labels.snomed import is_concept_id
from ecg12.ecg.labels.statements import scp_statements
from ecg12.pipeline.formats.text_tables.cells import NumberStyle, is_missing, is_number
from ecg12.pipeline.labels.code_cells import CellCodes, read_codes, read_column, read_name
from ecg12.pipeline.labels.column_names import (
    CODES,
    DATE,
    IGNORE,
    LABELS,
    RECORD,
    TARGET,
    ColumnRoles,
    is_identifier,
    plain_name,
)
from ecg12.pipeline.labels.dates import order_of
from ecg12.pipeline.labels.label_table import LabelTable

YES, NO = frozenset({"1", "1.0", "1,0", "true"}), frozenset({"0", "0.0", "0,0", "false"})
"""In small letters, what a label's column has where the record has the label, or has it not; with a point or a comma
where gaps made numbers with decimals of it."""

MOST_OWN_CODES = 1000
"""Of a column. A column with more of them holds sentences."""

MOST_NUMBERS_OF_TEN = 9
"""Of ten different values so many must be numbers for a column to be a measurement."""

_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class TableColumns:
    """All that is known of a table's columns before its rows are read.

    Attributes
    ----------
    labels : place → code, of the columns that are a label each
    targets : place → decimal sign, of the measurements
    codes : place → cell → what it states
    scp : codes that are SCP-ECG's statements
    date_order : see `dates`
    unused : (column, why)
    """

    roles: ColumnRoles
    labels: Mapping[int, str]
    targets: Mapping[int, str]
    codes: Mapping[int, Mapping[str, CellCodes]]
    scp: frozenset[str]
    date_order: str
    unused: tuple[tuple[str, str], ...]


def learn_columns(table: LabelTable, roles: ColumnRoles) -> tuple[TableColumns, dict[int, set[str]]]:
    """Read a table through once.

    Returns
    -------
    its columns, and the different cells of those that may name the record

    Raises
    ------
    InputError
        If a line is damaged, a column of codes holds sentences, or numbers cannot be told from thousands.
    """
    values = _different_values(table)
    labels = {place: table.columns[place] for place in roles.by_role.get(LABELS, ())}
    targets = list(roles.by_role.get(TARGET, ()))
    code_places = list(roles.by_role.get(CODES, ()))
    unused = list(roles.unused)
    for place in roles.open:
        name = table.columns[place]
        kind = _kind_of(name, values[place])
        if kind == LABELS:
            labels[place] = name
        elif kind == TARGET:
            targets.append(place)
        elif kind == CODES:
            code_places.append(place)
        else:
            unused.append((name, kind))
    names = {place: read_name(name) for place, name in labels.items()}
    for place in [place for place, code in names.items() if code is None]:
        unused.append((table.columns[place], "its name is no code"))
        del names[place]
    codes = {place: read_column(values[place]) for place in code_places}
    for place, cells in codes.items():
        _check_codes(table, place, cells)
    first = roles.first(DATE)
    columns = TableColumns(
        roles=roles,
        labels={place: code for place, code in sorted(names.items()) if code is not None},
        targets={place: _decimal_sign(table, place, values[place]) for place in sorted(targets)},
        codes=codes,
        scp=frozenset().union(_scp_of(names.values()), *(_scp_of_column(table, *one) for one in codes.items())),
        date_order=order_of(values[first] if first is not None else ()),
        unused=tuple(dict.fromkeys(unused)),
    )
    return columns, {place: values[place] for place in roles.by_role.get(RECORD, ())}


def _different_values(table: LabelTable) -> list[set[str]]:
    values: list[set[str]] = [set() for _ in table.columns]
    block: list[list[str]] = []
    for _, cells in table.rows():
        block.append(cells)
        if len(block) == _AT_ONCE:
            _add(values, block)
    _add(values, block)
    return values


def _add(values: Sequence[set[str]], block: list[list[str]]) -> None:
    for seen, column in zip(values, zip(*block, strict=True), strict=False):
        seen.update(column)
    block.clear()


def _kind_of(name: str, values: set[str]) -> str:
    """`LABELS`, `TARGET`, or in words why it is neither."""
    stated = [value for value in values if not is_missing(value)]
    if not stated:
        return "empty"
    if is_identifier(name):
        return "an identifier"
    if all(map(_is_concepts, stated)):
        return CODES
    if {value.lower() for value in stated} <= YES | NO:
        return LABELS
    if 10 * sum(map(is_number, stated)) >= MOST_NUMBERS_OF_TEN * len(stated):
        return TARGET
    return "text"


def _is_concepts(value: str) -> bool:
    """Whether a cell has nothing but concepts of SNOMED CT, whose check digits tell them from other numbers."""
    found = read_codes(value)
    return bool(found.codes) and not found.unread and all(map(is_concept_id, found.codes))


def _decimal_sign(table: LabelTable, place: int, values: Iterable[str]) -> str:
    where, style = f"{table.path}, column {table.columns[place]}", NumberStyle()
    try:
        for value in sorted(values):
            if is_number(value):
                style.learn(value, where)
        return style.settle(table.separator, where)
    except SignalError as error:
        raise InputError(
            f"{error}, or leave the column out: --label-columns {IGNORE}={table.columns[place]}"
        ) from error


def _check_codes(table: LabelTable, place: int, cells: Mapping[str, CellCodes]) -> None:
    own = {code for found in cells.values() for code in found.codes if not is_concept_id(code)}
    if len(own) > MOST_OWN_CODES:
        name = table.columns[place]
        raise InputError(
            f"{table.path}, column {name}: {len(own):,} different codes, such as {min(own)!r}; expected at most "
            f"{MOST_OWN_CODES:,}: if it holds sentences, leave it out with --label-columns {IGNORE}={name}"
        )


def _scp_of_column(table: LabelTable, place: int, cells: Mapping[str, CellCodes]) -> frozenset[str]:
    codes = {code for found in cells.values() for code in found.codes}
    if plain_name(table.columns[place]).startswith("scp"):
        return frozenset(codes & set(scp_statements()))
    return _scp_of(codes)


def _scp_of(codes: Iterable[str | None]) -> frozenset[str]:
    """Of codes that stand together: SCP-ECG's, if all that are not SNOMED CT's are. AF, NORM and LVH are many's."""
    others = frozenset(code for code in codes if code is not None and not is_concept_id(code))
    return others if others <= frozenset(scp_statements()) else frozenset()
