"""Header text of a WFDB record in several segments → `Segments`: which records follow one another, and gaps.

Source: WFDB Applications Guide, header(5), "Multi-segment records".
"""

from dataclasses import dataclass

from ecg12.ecg.errors import HeaderError
from ecg12.ecg.headers.header import in_a_line, record_fields, split_lines

GAP = "~"
"""The name of a segment that is not there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segments:
    """The header of a record in several segments, as stated.

    Attributes
    ----------
    name : of the whole
    fs : Hz, of frames
    parts : (record name, frames) of each segment in order, `GAP` among them; of a record of variable layout also the
        first, which has no frames
    comments : as those of `ecg.headers.header.Header`
    """

    name: str
    n_leads: int
    fs: float | None
    parts: tuple[tuple[str, int], ...]
    comments: tuple[str, ...]

    @property
    def has_layout(self) -> bool:
        """Whether the first part is no segment but says which signals there may be."""
        return self.parts[0][1] == 0 and self.parts[0][0] != GAP

    @property
    def n_frames(self) -> int:
        """Frames of all segments and gaps."""
        return sum(length for _, length in self.parts)


def is_multi_segment(text: str) -> bool:
    """Whether a header's record line is that of a record in several segments: name/number of segments."""
    lines, _ = split_lines(text[:10_000])
    name, slash, number = lines[0][1].split()[0].rpartition("/") if lines else ("", "", "")
    return bool(slash and name) and number.isdecimal()


def parse_segments(text: str) -> Segments:
    """Read the text of the header of a record in several segments.

    Raises
    ------
    HeaderError
        If a line is malformed, there are not as many as stated, or a segment lies in another folder or is the record
        itself.
    """
    lines, comments = split_lines(text)
    place, *words = lines[0][1].split() if lines else [""]
    name, _, number = place.rpartition("/")
    try:
        record = record_fields(name, words)
        parts = tuple(_part(name, line) for _, line in lines[1:])
        stated = int(number) if len(number) < 10 else 10**9
        if not parts or len(parts) != stated:
            raise HeaderError(f"{len(parts):,} segments; expected {stated:,}, as the record line states")
    except HeaderError as error:
        raise HeaderError(in_a_line(f"{place}: {error}")) from None
    found = Segments(name=name, n_leads=record["n_leads"], fs=record["fs"], parts=parts, comments=tuple(comments))
    names = [part for part, _ in parts if part != GAP]
    if len(set(names)) < len(names):
        raise HeaderError(in_a_line(f"{place}: a segment that is named twice; expected each once"))
    n_frames = record["n_samples"]
    if n_frames and n_frames != found.n_frames:
        raise HeaderError(
            in_a_line(f"{place}: segments of {found.n_frames:,} samples together; the record line states {n_frames:,}")
        )
    return found


def _part(whole: str, line: str) -> tuple[str, int]:
    name, *words = line.split()
    if len(words) != 1 or not words[0].isdecimal() or len(words[0]) > 15:
        raise HeaderError(f"segment {line!r} not understood; expected its record name and number of samples")
    if "/" in name or "\\" in name or "\0" in name or name.startswith(".") or name == whole:
        raise HeaderError(f"segment {name!r}; expected the name of another record in the header's own folder")
    return name, int(words[0])
