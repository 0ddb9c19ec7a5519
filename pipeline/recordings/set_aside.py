"""Files in folders that are no recordings, or not of a kind that is read: counted, so that nothing vanishes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MOST_KINDS, MOST_NAMED = 6, 3
"""How many kinds, and how many files, a summary names."""


@dataclass(frozen=True, slots=True)
class NotLookedAt:
    """A file in an input that is passed over.

    Attributes
    ----------
    file : with its folder
    relative : posix path below the input
    source : name of the input
    reason : what it is, such as "PDF" or "XML file (GE MUSE)"
    """

    file: str
    relative: str
    source: str
    reason: str


def describe_aside(aside: Sequence[NotLookedAt]) -> str:
    """In a line: "9 files not looked at: 8 XML file (GE MUSE), 1 PDF (the first are a.xml, b.xml, c.pdf)"; or ""."""
    if not aside:
        return ""
    kinds = Counter(one.reason for one in aside).most_common()
    named = [f"{number:,} {kind}" for kind, number in kinds[:MOST_KINDS]]
    if len(kinds) > MOST_KINDS:
        named.append(f"{sum(number for _, number in kinds[MOST_KINDS:]):,} of other kinds")
    first = ", ".join(one.relative for one in aside[:MOST_NAMED])
    begin = "the first are " if len(aside) > MOST_NAMED else ""
    return f"{len(aside):,} file{'s' * (len(aside) > 1)} not looked at: {', '.join(named)} ({begin}{first})"
