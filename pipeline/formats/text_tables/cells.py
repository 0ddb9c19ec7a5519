"""Cells of text tables: what separates them, what stands for a missing value, and how numbers are written.

A comma or a point in front of three digits may group thousands or begin decimals. It is told by the other cells of the
table: 0,5 and 12,25 can only be decimals, 1.234,5 tells both signs at once. Where no cell tells, nothing is guessed.
"""

import csv
import re
from dataclasses import dataclass
from math import nan

from ecg12.ecg.errors import SignalError

SEPARATORS = ("\t", ";", "|", ",", " ")
"""In the order in which they are tried; the blank stands for any number of blanks."""

MISSING = frozenset(
    "|nan|+nan|-nan|nan(ind)|-nan(ind)|nan(snan)|na|n/a|n.a.|<na>|<nan>|null|(null)|none|nil|nat|missing|-|--|---|"
    "\\n|k.a.|k. a.|n/d|n.d.|s/d|nd|fehlt|manquant|"
    ".|..|...|?|*|inf|+inf|-inf|infinity|+infinity|-infinity|"
    "1.#qnan|-1.#qnan|1.#ind|-1.#ind|1.#inf|-1.#inf|1.#snan|-1.#snan".split("|")
)
"""What stands where there is no number, in small letters: by pandas, R, C's printf, Java, SQL (MySQL's \\N), WFDB's
rdsamp, SAS, and by hand in other languages."""

_SHEET_ERROR = re.compile(r"#(n/?[avd]|n/a n/a|getting_data|[^\s,;|#]{2,12}[!?])", re.IGNORECASE)
"""What Excel and others write where a formula has failed: #N/A, #NUM!, in German #NV and #ZAHL!."""

_FIRST_CELL = re.compile(r"[\s\"']*(#[^\t;|,\"']*)")
_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}([.,' ’])\d{3}(?:\1\d{3})*")
_GROUPED = re.compile(r"([+-]?[1-9]\d{0,2}(?:([.,' ’])\d{3})(?:\2\d{3})*)(?:([.,])(\d*)(e[+-]?\d+)?)?", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)
_ODD_SIGNS = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'"})


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.lower() in MISSING or (cell.startswith("#") and _SHEET_ERROR.fullmatch(cell) is not None)


def begins_with_value(line: str) -> bool:
    """Whether a line that begins with # is no comment: its first cell is #N/A or another such value, or a lone #."""
    first = _FIRST_CELL.match(line)
    if first is None:
        return False
    cell = first[1].strip()
    return is_missing(cell) or (cell == "#" and first.end() < len(line.rstrip()))


def split_cells(line: str, separator: str) -> list[str]:
    """A line's cells, without the blanks and quotes around them."""
    line = line.strip("\r\n")
    if separator == " ":
        return [cell.strip("\"'") for cell in re.findall(r"\"[^\"]*\"|'[^']*'|\S+", line)]
    if '"' in line or line.lstrip(" ").startswith("'") or f"{separator}'" in line:
        quote = '"' if '"' in line else "'"
        row = next(csv.reader([line], delimiter=separator, quotechar=quote, skipinitialspace=True), [])
        return [cell.strip().strip("\"'").strip() for cell in row]
    return [cell.strip() for cell in line.split(separator)]


@dataclass(slots=True)
class NumberStyle:
    """How a table writes numbers, as far as the cells that were looked at tell.

    Attributes
    ----------
    decimal : "." or ",", "" while no cell has told
    points, commas : the first cell in which the sign could be either, "" for none
    plain : whether any cell is a number without either sign
    """

    decimal: str = ""
    points: str = ""
    commas: str = ""
    plain: bool = False

    def learn(self, cell: str, where: str) -> None:
        """Look at a cell.

        Raises
        ------
        SignalError
            If it contradicts another.
        """
        if "." not in cell and "," not in cell:
            self.plain = True
            return
        told = _decimal_of(cell)
        if told:
            if self.decimal and told != self.decimal:
                raise SignalError(f"{where}: {cell[:20]!r} has a decimal {_NAMES[told]}; others have another sign")
            self.decimal = told
        elif "," in cell:
            self.commas = self.commas or cell
        else:
            self.points = self.points or cell

    def settle(self, separator: str, name: str) -> str:
        """The decimal sign.

        Raises
        ------
        SignalError
            If no cell tells it.
        """
        if self.decimal:
            return self.decimal
        if self.commas or (self.points and self.plain and separator != ","):
            cell, sign = (self.commas, ",") if self.commas else (self.points, ".")
            raise SignalError(
                f"{name}: {cell[:20]!r} may be thousands or have a decimal {_NAMES[sign]}, and no other number tells; "
                "write numbers without thousands' signs and with a decimal point"
            )
        return "."


_NAMES = {".": "point", ",": "comma"}


def _decimal_of(cell: str) -> str:
    """The decimal sign that a cell with a point or a comma shows; "" if it may be that of thousands."""
    last = max(cell.rfind("."), cell.rfind(","))
    sign = cell[last]
    other = "," if sign == "." else "."
    if other in cell:  # 1,234.5
        return sign
    if cell.count(sign) > 1:  # 1.234.567
        return other
    return "" if _GROUPS.fullmatch(cell.translate(_ODD_SIGNS)) else sign


def is_number(cell: str) -> bool:
    """Whether a cell is a number in any of the ways of writing one."""
    cell = cell.translate(_ODD_SIGNS)
    return _NUMBER.fullmatch(cell) is not None or _GROUPED.fullmatch(cell) is not None


def to_number(cell: str, decimal: str) -> float:
    """A cell's value, NaN where it is missing.

    Raises
    ------
    ValueError
        If it is no number that is written so.
    """
    if is_missing(cell):
        return nan
    text = cell.translate(_ODD_SIGNS)
    if grouped := _GROUPED.fullmatch(text):
        whole, sign, point, decimals, exponent = grouped.groups()
        if point == sign or (point and point != decimal):
            raise ValueError(cell)
        if sign != decimal:
            return float(f"{whole.replace(sign, '')}.{decimals or '0'}{exponent or ''}")
    if not _NUMBER.fullmatch(text) or (decimal == "." and "," in text) or (decimal == "," and "." in text):
        raise ValueError(cell)
    return float(text.replace(",", "."))
