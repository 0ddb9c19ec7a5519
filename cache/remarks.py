"""What a store says of header values that could not be taken as stated, as the root attribute `remarks`.

An object: kind → `records` (that have one of the kind), `values` (how many different ones), and `such`, the most
frequent of them, each with its value, its number of records and the first of these. A thousand hospital phrases would
make the attribute longer than the tables; what is not listed is counted all the same.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecg12.cache.schema import RecordRow
from ecg12.ecg.errors import StoreError

REMARKS = "remarks"
"""Root attribute, where there are any."""

MOST_VALUES = 100
"""Listed of each kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remarked:
    """Remarks of one kind.

    Attributes
    ----------
    n_records : records that have one
    n_values : different values; of several stores at least so many
    such : value, records, and the first record by name; the most frequent first, at most `MOST_VALUES`
    """

    n_records: int
    n_values: int
    such: tuple[tuple[str, int, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """As in the attribute."""
        return {"records": self.n_records, "values": self.n_values, "such": [list(one) for one in self.such]}


def count_remarks(named: Iterable[tuple[str, Sequence[tuple[str, str]]]]) -> dict[str, Remarked]:
    """Remarks by kind.

    Parameters
    ----------
    named : the name of each record, in order, and its remarks as (kind, value)
    """
    records: Counter[str] = Counter()
    values: dict[str, Counter[str]] = {}
    first: dict[tuple[str, str], str] = {}
    for name, remarks in named:
        records.update({kind for kind, _ in remarks})
        for kind, value in dict.fromkeys(tuple(remark) for remark in remarks):
            values.setdefault(kind, Counter())[value] += 1
            first.setdefault((kind, value), name)
    return {
        kind: Remarked(
            n_records=records[kind],
            n_values=len(values[kind]),
            such=_most((value, n, first[kind, value]) for value, n in values[kind].items()),
        )
        for kind in sorted(values)
    }


def remarks_of_rows(rows: Sequence[RecordRow]) -> dict[str, Any]:
    """The attribute's value for rows in (dataset, name) order; empty where there is nothing to say."""
    found = count_remarks((f"{row.dataset}/{row.name}", row.remarks) for row in rows)
    return {kind: one.to_dict() for kind, one in found.items()}


def read_remarks(attributes: Sequence[Mapping[str, Any]], *, where: str) -> dict[str, Remarked]:
    """What the root attributes of one store or of several say.

    Raises
    ------
    StoreError
        If the attribute is not of the form that it is written in.
    """
    kinds: dict[str, list[Remarked]] = {}
    try:
        for one in attributes:
            for kind, values in one.get(REMARKS, {}).items():
                such = tuple((str(value), int(n), str(name)) for value, n, name in values["such"])
                found = Remarked(n_records=int(values["records"]), n_values=int(values["values"]), such=such)
                kinds.setdefault(str(kind), []).append(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{where}: attribute {REMARKS} changed ({type(error).__name__}: {error}); expected what build-cache wrote: "
            "build the store again"
        ) from error
    return {kind: _unite(found) for kind, found in sorted(kinds.items())}


def _unite(found: Sequence[Remarked]) -> Remarked:
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for value, n, name in (one for remarked in found for one in remarked.such):
        counts[value] += n
        first[value] = min(name, first.get(value, name))
    return Remarked(
        n_records=sum(one.n_records for one in found),
        n_values=max(len(counts), *(one.n_values for one in found)),
        such=_most((value, n, first[value]) for value, n in counts.items()),
    )


def _most(such: Iterable[tuple[str, int, str]]) -> tuple[tuple[str, int, str], ...]:
    return tuple(sorted(such, key=lambda one: (-one[1], one[0]))[:MOST_VALUES])
