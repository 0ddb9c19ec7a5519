"""The diagnoses in one cell of a table: codes, and the likelihoods beside them.

PTB-XL has a dict of Python's in the cell, other tables a list of Python's, numpy's or JSON's, or codes with something
between them. SNOMED CT codes that a spreadsheet made numbers of are mended as those of headers are
(`ecg.labels.dx_values`); any other name is taken as it stands. What cannot be told apart is not taken at all.
"""

import ast
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ecg12.ecg.json_text import parse_json
from ecg12.ecg.labels.dx_values import is_stated, plain_text, read_dx
from ecg12.ecg.labels.snomed import TEXT_LABELS, is_concept_id
from ecg12.ecg.labels.statements import scp_statements
from ecg12.pipeline.formats.text_tables.cells import is_missing

LONGEST_CELL, LONGEST_CODE = 65_536, 80
"""Characters. A longer name is a sentence."""

Codes: TypeAlias = dict[str, float | None]
"""Code → likelihood in per cent, None where none is stated."""

_STRONG = re.compile(r"[,;|、\t\r\n]+")
_WEAK = re.compile(r"[\s+&]+")
_QUOTED_APART = re.compile(r"""[\[(]?\s*(?:'[^']*'|"[^"]*")(?:\s+(?:'[^']*'|"[^"]*"))+\s*[\])]?""")
_NUMBERS_APART = re.compile(r"\[\s*\d[\d.]*(?:\s+\d[\d.]*)*\s*\]")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_NUMPY_SCALAR = re.compile(r"\b(?:np|numpy)\.\w+\(([^()]*)\)")
_CALL = re.compile(r"^(?:(?:np|numpy|pd|pandas)\.)?(?:array|Index|Series|list|set|frozenset|tuple)\((.*)\)$", re.DOTALL)
_DTYPE = re.compile(r",\s*dtype=[^,)\]]*\s*$")
_WITH_LIKELIHOOD = re.compile(r"(.*[^\s:=])\s*[:=]\s*([0-9]+(?:\.[0-9]+)?)\s*%?")
_DIGITS = re.compile(r"[0-9]{6,}")
_CAPITALS = re.compile(r"[A-Z0-9]{1,10}(?: +[A-Z0-9]{1,10})*")
_WITH_MODIFIERS = re.compile(r"[A-Z]?[0-9]{1,4}(?:\+[A-Z]?[0-9]{1,4})+")
_NUMBER_LIKE = re.compile(r"[+]?[0-9][0-9.,eE+]*")


class CellCodes(NamedTuple):
    """What a cell states; `unread` are parts of it that are no codes. Without either it states nothing."""

    codes: Codes
    unread: tuple[str, ...] = ()


def read_codes(cell: str) -> CellCodes:
    """The codes of a cell, in its order."""
    text = plain_text(cell).strip() if not cell.isascii() else cell.strip()
    if not is_stated(text) or is_missing(text):
        return CellCodes({})
    if len(text) > LONGEST_CELL:
        return CellCodes({}, (text,))
    if text[0] in "[{(" or _CALL.match(text):
        return _read_literal(text)
    return _read_items(_split(text))


def read_column(cells: Iterable[str]) -> dict[str, CellCodes]:
    """The codes of each different cell of a column.

    Blanks part codes where the column shows that they do: all that it has are words in capitals, `RBBB TWC` as in
    Chapman's table, and of half of such cells each word stands alone in another one. `SINUS RHYTHM` stays one.
    """
    found = {cell: read_codes(cell) for cell in cells}
    names = {code for one in found.values() for code in one.codes if not is_concept_id(code)}
    several = [name.split() for name in names if " " in name]
    known = [words for words in several if names.issuperset(words)]
    if not several or 2 * len(known) < len(several) or not all(map(_CAPITALS.fullmatch, names)):
        return found
    return {cell: _parted(one) for cell, one in found.items()}


def _parted(cell: CellCodes) -> CellCodes:
    codes: Codes = {}
    for name, likelihood in cell.codes.items():
        for word in name.split():
            codes.setdefault(word, likelihood)
    return CellCodes(codes, cell.unread)


def read_name(name: str) -> str | None:
    """The code that the name of a column is; None if it is none."""
    found = _read_items([name])
    return next(iter(found.codes), None)


def _split(text: str) -> list[str]:
    words = set(re.split(r"\W+", text))
    if _DIGITS.search(text) and not words & TEXT_LABELS.keys():  # `426783006 |Sinus rhythm|` is not parted at its bars
        codes, texts, _ = read_dx([text])
        if codes and not texts and all(map(is_concept_id, codes)):
            return list(codes)
    items = [item for part in _STRONG.split(text) if (item := part.strip())]
    return [word for item in items for word in _split_weakly(item)]


def _split_weakly(item: str) -> Sequence[str]:
    """What blanks, `+` and `&` part, where each part is a known code: `Old MI` is one, and so is `AFIB/AFLT`.

    So are the AHA's statements and their modifiers, `60+310`.
    """
    words = [word for word in _WEAK.split(item) if word]
    if _WITH_MODIFIERS.fullmatch(item):
        return words
    known = scp_statements()
    return words if len(words) > 1 and all(word in known or is_concept_id(word) for word in words) else [item]


def _read_items(items: Sequence[str]) -> CellCodes:
    codes: Codes = {}
    unread = []
    for item in items:
        name, likelihood = item.strip().strip("'\"").strip(), None
        if found := _WITH_LIKELIHOOD.fullmatch(name):
            name, likelihood = found[1].strip("'\" "), float(found[2])
        if not is_stated(name):
            continue
        for code in (read := _read_code(name)):
            codes.setdefault(code, likelihood)
        if not read:
            unread.append(item)
    return CellCodes(codes, tuple(unread))


def _read_code(name: str) -> tuple[str, ...]:
    """A name as a code; empty if it is none."""
    if _NUMBER_LIKE.fullmatch(name) or _DIGITS.search(name):
        codes, texts, _ = read_dx([name])
        return () if texts or any(len(code) > LONGEST_CODE for code in codes) else codes
    own = len(name) <= LONGEST_CODE and name.isprintable() and any(map(str.isalnum, name))
    return (name,) if own and not set(name) & set("{}[]<>\\") else ()


def _read_literal(text: str) -> CellCodes:
    """A list, dict or set as Python, numpy or JSON prints it."""
    plain = _NUMPY_SCALAR.sub(r"\1", text)
    if call := _CALL.match(plain):
        plain = _DTYPE.sub("", call[1]).strip() or "[]"
    if "..." in plain or "…" in plain:  # numpy leaves out the middle of a long one
        return CellCodes({}, (text,))
    if _QUOTED_APART.fullmatch(plain):  # which Python would join into one text
        return _read_items([first or second for first, second in _QUOTED.findall(plain)])
    if _NUMBERS_APART.fullmatch(plain):
        return _read_items(plain.strip("[] \t\n").split())
    try:
        return _read_value(_evaluate(plain), text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        bare = plain.strip("[](){} ")
        simple = not set(bare) & set("[](){}:") and bare != ""
        return _read_items(_split(bare)) if simple else CellCodes({}, (text,))  # [NORM, SR]


def _evaluate(text: str) -> Any:  # noqa: ANN401 - any literal
    try:
        return parse_json(text, nan=True)
    except ValueError:
        return ast.literal_eval(text)


def _read_value(value: Any, text: str) -> CellCodes:  # noqa: ANN401 - any literal
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        pairs = [one if _is_pair(one) else (one, True) for one in _in_order(value)]
    else:
        pairs = [(value, True)]
    found = CellCodes({})
    unread = []
    for key, stated in pairs:
        likelihood = _likelihood(stated)
        if stated is False:
            continue
        one = _read_items([str(key)]) if _is_name(key) else CellCodes({}, ("",))
        if one.unread or likelihood is None or (not one.codes and is_stated(str(key))):
            unread.append(str(key))
            continue
        for code in one.codes:
            found.codes.setdefault(code, None if math.isnan(likelihood) else likelihood)
    return CellCodes(found.codes, tuple(unread) if found.codes or not unread else (text,))


def _in_order(values: Iterable[Any]) -> Iterable[Any]:
    """Those of a set, which has no order of its own, by their text: a set may hold numbers beside names."""
    return sorted(values, key=str) if isinstance(values, (set, frozenset)) else values


def _is_name(value: Any) -> bool:  # noqa: ANN401 - any literal
    """Whether it may be a code: a text or a number, which True and infinity are not."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _is_pair(value: Any) -> bool:  # noqa: ANN401 - any literal
    """Whether it is a code and its likelihood, as `list(dict.items())` has them."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and not isinstance(value[1], str)


def _likelihood(value: Any) -> float | None:  # noqa: ANN401 - any literal
    """Per cent; NaN where the code is stated without any; None if it is no likelihood."""
    if value is None or isinstance(value, bool):
        return math.nan
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isnan(number) or 0 <= number < math.inf else None
