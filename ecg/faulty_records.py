"""Public records that are known to be faulty, by name: what is wrong with each, and the sign by which it is seen.

A name alone condemns nothing: the same name lies in several releases, and files are mended. So each entry has a sign,
in the header's text or the signal's digest, and a copy without it is taken. Left out are names that stand in somebody's
list without a reason, records with samples that say "no value" (about 68 of Ningbo; they are interpolated and flagged)
and records with flat leads (flagged): they can be read and are judged like everybody else's.
"""

import re
from dataclasses import dataclass
from typing import Final

_GAIN_IN_RECORD_LINE = re.compile(r"[0-9]/mV\s")


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultyRecord:
    """One header as it lies in one release.

    Attributes
    ----------
    name : of the header's file, without .hea
    release : in which it is so
    fault, remedy : what is wrong, and what to do, in words
    source : who found it
    line_lost : sign: the record line holds a gain, as only a signal line does
    stated_name : sign: the record line calls it so, `signal_file`: and the signal lines name this file alone
    signal_sha256 : sign: `name`.mat beside the header has this digest
    """

    name: str
    release: str
    fault: str
    remedy: str
    source: str
    line_lost: bool = False
    stated_name: str | None = None
    signal_file: str | None = None
    signal_sha256: str | None = None

    @property
    def reason(self) -> str:
        """What is told of a record that is rejected for it."""
        return f"{self.name}: known to be faulty in {self.release}: {self.fault}; {self.remedy}"

    def is_in_header(self, text: str) -> bool:
        """Whether this header has the fault, as far as headers show it."""
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        if not lines:
            return False
        if self.line_lost and _GAIN_IN_RECORD_LINE.search(lines[0]):
            return True
        if self.stated_name is None or lines[0].split()[0] != self.stated_name:
            return False
        return self.signal_file is None or {line.split()[0] for line in lines[1:]} == {self.signal_file}


_LINE_LOST: Final = (
    "its record line has lost its end, so that the first signal line is part of it and lead I is missing"
)
_FETCH_2021: Final = "take the record from challenge-2021 1.0.3, or mend the line"

FAULTY_RECORDS: Final[tuple[FaultyRecord, ...]] = (
    FaultyRecord(
        name="JS01052",
        release="ecg-arrhythmia 1.0.0",
        fault=_LINE_LOST,
        remedy=_FETCH_2021,
        source="its first line as quoted by three readers of the release: 'JS01052 12 500 500000/mV 16 0 15 31255 0 I'",
        line_lost=True,
    ),
    FaultyRecord(
        name="JS23074",
        release="ecg-arrhythmia 1.0.0",
        fault=f"{_LINE_LOST}; and it calls itself S23074, which is of no dataset",
        remedy="mend both to take it",
        source="the same; 'S23074 12 500 5000 JS23074.mat 16+24 1000/mV 16 0 54 12431 0 I'",
        line_lost=True,
        stated_name="S23074",  # as it stays where the line alone was mended
    ),
    FaultyRecord(
        name="S23074",
        release="challenge-2021 1.0.3",
        fault="it is Ningbo's JS23074 under another name, which is of no dataset, beside a signal JS23074.mat",
        remedy="call the header JS23074, in its name and its first line, to take it",
        source="SHA256SUMS.txt of the release: training/ningbo/g13/S23074.hea and JS23074.mat, without JS23074.hea",
        stated_name="S23074",
        signal_file="JS23074.mat",
    ),
    FaultyRecord(
        name="JS13118",
        release="challenge-2021 1.0.3",
        fault="JS13118.mat is not what was published: it has SHA-256 bbd5fe83…, the list of the release de32699c…",
        remedy="fetch it from another place",
        source="two audits of training/ningbo/g3/JS13118.mat against SHA256SUMS.txt, one of which fetched it twice",
        signal_sha256="bbd5fe831ad2ce60dc62588a9f8eeccc2ea37564cf0bfb4d7a8d49c6a9eafdfd",
    ),
)

FAULTY_BY_NAME: Final = {record.name: record for record in FAULTY_RECORDS}
