"""The value of a header's Dx line: codes, what was mended to get them, and what is no code.

Most values are SNOMED CT codes between commas. Others have been through a spreadsheet or a program's list on their
way: `426783006.0`, `4.26783006E+08`, `['426783006']`, `426783006|164889003`. What they were is taken where it can be
proven: every SNOMED CT identifier ends in a check digit and says in its form that it is a concept's. Where digits are
lost (`4.27E+08`), or a number is neither a concept nor of a form that hospitals use for codes of their own, the value
is handed over as text: a wrong class is worse than none.

Source: SNOMED CT Technical Implementation Guide, "SCTID" (partition identifier, Verhoeff's check digit) and
"Compositional Grammar" (`code |term|`); what pandas, numpy, R and spreadsheets write for numbers and lists.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from decimal import Decimal

from ecg12.ecg.labels.snomed import CLASSES, TEXT_LABELS, is_concept_id

LARGEST_EXPONENT = 18
"""A SNOMED CT identifier has at most 18 digits; beyond it `1E+999999999` would be a gigabyte of zeros."""

SURE_DIGITS = 4
"""A code that ends in zeros (13640000 is written `1.364e+07` by R) needs so many of its own to be taken for itself."""

NOT_STATED = frozenset({"", "unknown", "unknows", "n/a", "na", "nan", "<na>", "#n/a", "null", "none", "nil"})
NOT_STATED |= {"-", "--", "?", ".", "no data", "not available", "not stated", "no value", "missing"}
"""In lower case. "Unknows" stands in CPSC's first issue (March 2020)."""

_PLAIN = re.compile(r"[1-9][0-9]{5,17}(?:,[ ]?[1-9][0-9]{5,17})*")
_SEPARATOR = re.compile(r"[,;|、\t\n]")
# Zero-width characters, marks of writing direction, soft hyphen, byte order mark.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
_SYSTEM = re.compile(
    r"(?:https?://)?snomed\.info/(?:sct|id)[/|#]\s*(?=\d)|\b(?:snomed(?:[\s_-]*ct)?|sct(?:id)?)\s*[:#=|]?\s*(?=\d)",
    re.I,
)
_TERM = re.compile(r"(?<=\d)\s*\|([^|]*[^\W\d_][^|]*)\|")
_CALL = re.compile(r"(?<!\w)[A-Za-z_][\w.]*\((?=[\s\[({'\"bu]*\d)|\bb(?=['\"]\d)")
_DTYPE = re.compile(r",?\s*dtype=[^,)\]]*")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d),(\d+[eE][+-]?\d)")
_COMMA_ZERO = re.compile(r"(?<=\d{6}),0+(?![\d.])")
_BETWEEN_CODES = re.compile(r"(?<=\d{6})\s*[/&+\-_]\s*(?=\d{6})")
_GROUPS = re.compile(r"[0-9]{1,3}(?:([., '’_])[0-9]{3})(?:\1[0-9]{3})+")
# A power of ten has a point or a sign; 8E43 is a code of ICD-11.
_FLOAT = re.compile(r"[+]?([0-9]+)(?:\.([0-9]*)(?:[eE]([+-]?[0-9]{1,9}))?|[eE]([+-][0-9]{1,9}))?")
_OWN_NUMBER = re.compile(r"[0-9]{1,5}(?:[.-][0-9]{1,4})*")
_DIGITS = re.compile(r"[0-9]{6,}")
_KINDS_OF_CONCEPT = ("finding", "disorder", "situation")
"""In parentheses behind a name of SNOMED CT's."""
_COLON = re.compile(r"(?<=\d{6})[:–-](?=\s*[^\W\d])")
_POINT = "\u066b"
"""Stands for a decimal comma while other commas part a line; Unicode's decimal separator, which `plain_text` leaves."""
LONGEST_OWN_CODE = 40
MOST_CODES = 1000
"""A record with more has no diagnoses but some other list, and each would be a column of every store's labels."""

_MARKS = " \t'\"`´‘’“”„«»[](){}#="
_FORBIDDEN = frozenset("'\"`‘’“”[](){}|=<>\\")


def plain_text(text: str) -> str:
    """`text` with letters and digits of full width, digits of other scripts and odd blanks as the usual ones."""
    if text.isascii():
        return text
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return "".join(str(unicodedata.decimal(letter)) if letter.isdecimal() else letter for letter in text)


def is_stated(value: str) -> bool:
    """Whether a value says something, instead of that nothing is known."""
    return value.strip().lower() not in NOT_STATED


def read_dx(lines: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Codes, texts and mended values of Dx lines.

    Returns
    -------
    codes : in order, of repeats the last (631 records of the Challenge repeat a code)
    texts : items that are no codes, in order without repeats
    mended : lines in which a code was written otherwise than as itself
    """
    codes: dict[str, None] = {}
    texts: dict[str, None] = {}
    mended: dict[str, None] = {}
    for line in lines:
        plain = _PLAIN.fullmatch(line) is not None  # as nearly all are
        found = line.replace(" ", "").split(",") if plain else list(_read_line(line, texts))
        for code in found:
            codes.pop(code, None)  # of a repeated code the last place counts
            codes[code] = None
        if not plain and not set(found) <= _as_written(line):
            mended[line] = None
    if len(codes) > MOST_CODES:
        return (), tuple(lines), ()
    return tuple(codes), tuple(texts), tuple(mended)


def proven_codes(text: str) -> tuple[str, ...]:
    """The codes of a text that may be words as well: all of it is SNOMED CT identifiers, or there are none."""
    texts: dict[str, None] = {}
    codes = tuple(_read_line(text, texts))
    return codes if codes and not texts and all(map(is_concept_id, codes)) else ()


def _as_written(line: str) -> set[str]:
    """What a line's codes are if nothing was mended."""
    return {TEXT_LABELS.get(word, word) for word in re.split(r"[,;\s]+", line)}


def _read_line(line: str, texts: dict[str, None]) -> Iterator[str]:
    """The codes of one line; what is no code goes to `texts`."""
    text = _BETWEEN_CODES.sub(",", _COMMA_ZERO.sub("", _DECIMAL_COMMA.sub(rf"\1{_POINT}\2", _without_syntax(line))))
    grouped = _join_groups(text.strip(_MARKS))
    if grouped:
        yield grouped
        return
    for item in _SEPARATOR.split(text):
        words = [word for part in _COLON.sub(" ", item).split() if (word := part.strip(_MARKS))]
        if not words or not is_stated(" ".join(words)):
            continue
        codes = _codes_of(words)
        if codes:
            yield from codes
        else:
            texts[item.strip(" \t'\"[]{}").replace(_POINT, ",")] = None


def _without_syntax(line: str) -> str:
    """A line without the names of code systems, `|terms|` and the calls that numpy and pandas print."""
    text = _TERM.sub(" , ", _SYSTEM.sub("", plain_text(line)))
    return _CALL.sub("", _DTYPE.sub("", text))


def _codes_of(words: list[str]) -> tuple[str, ...]:
    """The codes that one item's words are; none if it is text."""
    grouped = _join_groups(" ".join(words))
    if grouped:
        return (grouped,)
    # Several words are a phrase, except several numbers, which are codes a space apart.
    if len(words) == 1 or all(_FLOAT.fullmatch(word) for word in words):
        codes = tuple(code for code in map(_code_of, words) if code)
        return codes if len(codes) == len(words) else ()
    return _code_beside_its_name(words)


def _code_beside_its_name(words: list[str]) -> tuple[str, ...]:
    """`426783006 sinus rhythm`: a code of the class table with its own name, and nothing else that might negate it."""
    for code, rest in ((words[0], words[1:]), (words[-1], words[:-1])):
        info = CLASSES.get(code.strip(":-–()."))
        text = " ".join(word for word in rest if word not in _KINDS_OF_CONCEPT).strip(" :-–()").lower()
        if info is not None and text in (info.name.lower(), info.abbreviation.lower()):
            return (info.code,)
    return ()


def _code_of(word: str) -> str | None:
    """The code that a word is, mended if need be; None if it is none."""
    if word in TEXT_LABELS:
        return TEXT_LABELS[word]
    if word.isdecimal():
        bare = word.lstrip("0")
        return bare if bare != word and is_concept_id(bare) else word
    if _OWN_NUMBER.fullmatch(word):  # 427.31
        return word
    if number := _FLOAT.fullmatch(word.replace(_POINT, ".")):
        return _whole_number(number[1], number[2] or "", int(number[3] or number[4] or 0))
    is_own = len(word) <= LONGEST_OWN_CODE and any(map(str.isalpha, word)) and word.isprintable()
    is_own = is_own and not set(word) & _FORBIDDEN
    return word if is_own and not any(map(is_concept_id, _DIGITS.findall(word))) else None


def _whole_number(digits: str, decimals: str, power: int) -> str | None:
    """The identifier that a number written with a point or a power of ten is, if no digit of it can be lost."""
    if power > LARGEST_EXPONENT or len(digits) > LARGEST_EXPONENT:
        return None
    value = Decimal(f"{digits}.{decimals}0").scaleb(power)
    if value != value.to_integral_value():
        return None
    code = str(int(value))
    n_written = len((digits + decimals).lstrip("0"))
    if n_written < len(code):  # zeros are filled in: they are lost digits, or the code's own
        return code if code in CLASSES and n_written >= SURE_DIGITS and not _rounds_others(code, n_written) else None
    return code if is_concept_id(code) else None


def _rounds_others(code: str, n_digits: int) -> bool:
    """Whether another class's code would be written as this one with so many digits."""
    alike = (one for one in CLASSES if len(one) == len(code) and one[: n_digits - 1] == code[: n_digits - 1])
    return any(float(f"{float(one):.{n_digits - 1}e}") == float(code) for one in alike if one != code)


def _join_groups(text: str) -> str | None:
    """`426.783.006` and the like: an identifier in groups of three digits, none of which could be one itself."""
    if _GROUPS.fullmatch(text) is None:
        return None
    code = re.sub("[^0-9]", "", text)
    return code if is_concept_id(code) else None
