"""What stands above the numbers of a text table, and how they are laid out: names, units, separator, comments.

A line of 0 to n-1, or 1 to n, above n columns is what pandas writes where columns have no names; it is none of the
samples. `# I,II,V1` above the numbers is what numpy.savetxt writes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.voltage_units import spell_units
from ecg12.pipeline.files.text_lines import mend
from ecg12.pipeline.formats.lead_names import find_lead, name_leads
from ecg12.pipeline.formats.text_tables.cells import SEPARATORS, begins_with_value, is_missing, is_number, split_cells
from ecg12.pipeline.formats.text_tables.comment_facts import clean_unit, fact_in, is_comment
from ecg12.pipeline.formats.text_tables.times import SECONDS, TIME_NAME, is_clock, is_time_or_counter

MOST_COLUMNS = 1000
"""A table with more has its samples side by side, or is none of samples."""

_LOOKED_AT = 8
"""Lines that are no comments by which the layout is told."""

_MOST_HEADS = 2
_CHEST_LEADS = 6
_NAME_AND_UNIT = re.compile(r"(.*?)\s*[(\[]([^()\[\]]*)[)\]]")
_WIDE_BLANKS = re.compile(r"\s{2,}|\t")
_NAME_THEN_UNIT = re.compile(r"(.*?)(?:\s*[/,_]\s*|\s+in\s+|\s+)([^\s/,_]+)", re.DOTALL)
"""I_mV, V1 / uV, `Zeit in ms`."""

_SEPARATOR_LINE = re.compile(r"\s*\"?sep=(.)\"?\s*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Head:
    """How a table is laid out.

    Attributes
    ----------
    separator : one of `SEPARATORS`
    n_columns : of every line of numbers
    trailing : whether every line ends with a separator, behind which there is no column
    heads : lines that are no comments above the numbers, `sep=;` included
    names : of the columns, without units; None where there are none
    units : of the columns as stated, "" for none; none at all where no line states them
    facts : what comments state, "fs" and "units"
    clocks : columns with times as clocks show them
    notes : what is taken otherwise than it seems
    """

    separator: str
    n_columns: int
    trailing: bool
    heads: int
    names: tuple[str, ...] | None
    units: tuple[str, ...]
    facts: dict[str, str] = field(default_factory=dict)
    clocks: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def spare(self) -> frozenset[int]:
        """Columns that are neither leads nor times, beside some that are leads: they may hold words."""
        if not set(self.names or ()) & set(LEADS):
            return frozenset()
        return frozenset(
            column for column, name in enumerate(self.names or ()) if name not in LEADS and not is_time_or_counter(name)
        )


@dataclass(frozen=True, slots=True)
class _Layout:
    """One way of cutting lines into cells: how many lines stand above the numbers, and how wide these are."""

    separator: str
    n_heads: int
    width: int
    n_fitting: int
    n_above: int

    @property
    def rank(self) -> tuple[bool, bool, int, bool]:
        """The more the better: as many names as columns, several columns, lines of numbers, nearly enough names."""
        return self.n_above == self.width, self.width > 1, self.n_fitting, abs(self.n_above - self.width) <= 1


def read_head(lines: Iterable[str], name: str) -> Head:
    """The layout of a table, from its first lines.

    Raises
    ------
    SignalError
        If it is empty, binary, or holds no line of numbers.
    """
    facts: dict[str, str] = {}
    content: list[str] = []
    above, stated, skipped = "", "", 0
    for line in lines:
        if "\0" in line:
            raise SignalError(f"{name}: bytes that are no text; expected a text table")
        if is_note(line):
            above = mend(line) if not content else above
            facts.update(filter(None, [fact_in(mend(line))]))
        elif not content and (match := _SEPARATOR_LINE.fullmatch(line.rstrip("\r\n"))):
            stated, skipped = match[1], 1
        elif line.strip():
            content.append(mend(line))
        if len(content) == _LOOKED_AT:
            break
    if not content:
        raise SignalError(f"{name}: empty; expected a line of lead names and one line a sample")
    layout = _lay_out(content, stated, name)
    return _name_columns(layout, content, above, facts, skipped, name)


def is_note(line: str) -> bool:
    """Whether a line is a comment."""
    return is_comment(line) and not begins_with_value(line)


def _is_sample(cells: Sequence[str]) -> bool:
    return bool(cells) and all(is_number(cell) or is_missing(cell) or is_clock(cell) for cell in cells)


def _lay_out(content: Sequence[str], stated: str, name: str) -> _Layout:
    """The way of cutting that makes numbers of most lines."""
    signs = [stated] if stated else SEPARATORS
    found = [way for separator in signs if (way := _try(content, separator))]
    found = found or [way for separator in signs if (way := _try_beside_words(content, separator))]
    if not found:
        if len(content) <= _MOST_HEADS:
            raise SignalError(f"{name}: no line of samples below the names")
        begin = " ".join(content[0].split())[:40]
        raise SignalError(
            f"{name}: no numbers in its first lines, which begin with {begin!r}; expected a line of lead names, or "
            "none, and one line a sample: remove what else stands above them"
        )
    best = max(found, key=lambda way: way.rank)  # the first of equals
    if best.width > MOST_COLUMNS:
        raise SignalError(f"{name}: {best.width:,} columns; expected one for each lead, and one line a sample")
    return best


def _try(content: Sequence[str], separator: str) -> _Layout | None:
    rows = [split_cells(line, separator) for line in content]
    heads = next((row for row in range(min(_MOST_HEADS + 1, len(rows))) if _is_sample(rows[row])), None)
    if heads is None:
        return None
    width = len(rows[heads])
    while heads and len(rows[heads - 1]) == width > 1 and 2 * sum(map(is_number, rows[heads - 1])) > width:
        heads -= 1  # a sample with a word in it, which must not pass for names or units and be lost
    fitting = sum(len(row) == width and _is_sample(row) for row in rows[heads:])
    above = [len(row) for row in rows[:heads]] or [width]
    if heads and width == 1 and any(sign in content[0] for sign in SEPARATORS[:-1]):
        above = [0]  # several names in one cell
    return _Layout(separator, heads, width, fitting, min(above, key=lambda n: abs(n - width)))


def _try_beside_words(content: Sequence[str], separator: str) -> _Layout | None:
    """A line of names, some of them leads', above lines with numbers there and anything elsewhere."""
    rows = [split_cells(line, separator) for line in content]
    leads = [column for column, name in enumerate(_split_names(rows[0])[0]) if name in LEADS]
    if not leads or len(rows) < 2 or not all(len(row) == len(rows[0]) for row in rows):
        return None
    fits = all(_is_sample([row[column] for column in leads]) for row in rows[1:])
    return _Layout(separator, 1, len(rows[0]), len(rows) - 1, len(rows[0])) if fits else None


def _name_columns(
    layout: _Layout, content: Sequence[str], above: str, facts: dict[str, str], skipped: int, name: str
) -> Head:
    """The names and units above the columns, wherever they stand."""
    separator, n_heads = layout.separator, layout.n_heads
    samples = [split_cells(line, separator) for line in content[n_heads:]]
    heads = [_cells_above(line, separator, layout.width) for line in content[:n_heads]]
    notes: list[str] = []
    if not n_heads and len(samples) > 1 and counts_columns(samples[0], samples[1:]):
        heads, samples, n_heads = samples[:1], samples[1:], 1
        notes.append(f"the line {','.join(heads[0][:4])},… above the columns is taken for names, not for a sample")
    elif not n_heads and above:
        told = _cells_above(above.lstrip("\"' #%/"), separator, layout.width)
        heads = [told] if len(told) == layout.width and set(_split_names(told)[0]) & set(LEADS) else []
    elif len(heads) == _MOST_HEADS and len(heads[0]) != layout.width == len(heads[1]):
        notes.append(f"the first line, {content[0].strip()[:40]!r}, is left out")
        heads = heads[1:]
    trailing = layout.width > 1 and all(not row[-1] for row in samples)
    trailing = trailing and (not heads or len(heads[0]) < layout.width or not heads[0][-1])
    width = layout.width - trailing
    names, units = _above_columns(heads, width, trailing, all(is_number(row[0]) for row in samples), name)
    if names is not None and (numbered := _numbers_of_r(names)):
        names = numbered
        notes.append("the names V1, V2, … above the columns are R's for columns without names, not leads")
    return Head(
        separator=separator,
        n_columns=width,
        trailing=trailing,
        heads=skipped + n_heads,
        names=names,
        units=units,
        facts=facts,
        clocks=tuple(column for column, cell in enumerate(samples[0][:width]) if is_clock(cell)),
        notes=tuple(notes),
    )


def _numbers_of_r(names: Sequence[str]) -> tuple[str, ...]:
    """The columns' numbers, where names are what R gives to columns without any: V1 to V12; () for any other names.

    With V7 and no limb lead they cannot be chest leads. Up to V6 they can, and are taken for them.
    """
    first = next((at for at, name in enumerate(names) if name == "V1"), len(names))
    rest = names[first:]
    if len(rest) <= _CHEST_LEADS or set(names[:first]) & set(LEADS):
        return ()
    numbered = all(name.upper() == f"V{number}" for number, name in enumerate(rest, start=1))
    return (*names[:first], *map(str, range(1, len(rest) + 1))) if numbered else ()


def _cells_above(line: str, separator: str, width: int) -> list[str]:
    """Cells of a line above the numbers, which may have a separator of its own."""
    rows = [split_cells(line, sign) for sign in (separator, *SEPARATORS)]
    rows.append(_WIDE_BLANKS.split(line.strip()))  # "Elapsed time    I    II" above blank-separated numbers
    return next((row for row in rows if len(row) == width), rows[0])


def counts_columns(cells: Sequence[str], below: Sequence[Sequence[str]] = ()) -> bool:
    """Whether cells are 0 to n-1 or 1 to n, behind an empty one if there is an index.

    A single one counts only if what is `below` has decimals, and it has none.
    """
    numbers = [cell.removesuffix(".0") for cell in (cells[1:] if cells and not cells[0] else cells)]
    if len(numbers) < 2:
        return numbers in (["0"], ["1"]) and bool(below) and all(set(row[-1]) & {".", ","} for row in below)
    return (
        all(number.isdecimal() for number in numbers)
        and numbers[0] in ("0", "1")
        and all(int(one) + 1 == int(next_one) for one, next_one in pairwise(numbers))
    )


def _above_columns(
    heads: Sequence[Sequence[str]], width: int, trailing: bool, indexed: bool, name: str
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Names and units of columns, from the one or two lines above them."""
    if not heads:
        return None, ()
    lines = [list(cells[:width] if trailing else cells) for cells in heads]
    if indexed and len(lines[0]) == width - 1:  # R's names of rows have no name
        lines = [["", *cells] if len(cells) == width - 1 else cells for cells in lines]
    names, units = _split_names(lines[0])
    if len(names) != width:
        raise SignalError(f"{name}: {len(names)} names above {width} columns; expected one for each")
    if len(lines) > 1:
        below = [clean_unit(cell) for cell in lines[1]] + [""] * width
        units = [unit or other for unit, other in zip(units, below, strict=False)]
    return tuple(names), tuple(units)


def _split_names(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names above columns, and the units in parentheses, or after a sign, behind them ("" for none)."""
    pairs = [_split_name(cell) for cell in cells]
    # "II (Einthoven)" is a name with a remark, not a unit
    return name_leads([name for name, _ in pairs]), [unit for _, unit in pairs]


def _split_name(cell: str) -> tuple[str, str]:
    """A name and its unit, "" for none."""
    if match := _NAME_AND_UNIT.fullmatch(cell):
        return match[1], match[2].strip()
    match = _NAME_THEN_UNIT.fullmatch(cell)
    if match is None or find_lead(cell):  # aVR has no unit, nor has "lead V"
        return cell, ""
    of_lead = find_lead(match[1]) and spell_units(match[2])
    of_time = TIME_NAME.fullmatch(match[1].strip().lower()) and match[2].lower() in SECONDS
    return (match[1], match[2]) if of_lead or of_time else (cell, "")
