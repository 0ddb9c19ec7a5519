"""What tables of labels gave a store beside labels: folds, sites, devices, dates, notes on quality, and numbers."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.pipeline.report.drawing.markup import Markup, element, join
from ecg12.pipeline.report.drawing.page import Section
from ecg12.pipeline.report.drawing.tables import make_table
from ecg12.pipeline.report.of_store.counts import ByDataset, spread_of
from ecg12.pipeline.report.of_store.sections import SPREAD, bars_of, side_by_side, spread_cells

COLUMNS = {"fold": "Folds and sides", "site": "Sites", "device": "Devices"}
MOST_VALUES = 20
"""Of a column that are drawn and listed, the most frequent."""
MOST_NOTES = 15


def given_sections(store: Store, by: ByDataset) -> list[Section]:
    """A section for what a store has of these; nothing for one of headers alone."""
    parts = [
        part
        for name, title in COLUMNS.items()
        if (values := store.optional(f"record/{name}")) is not None and (part := _column(title, values, by)) is not None
    ]
    dates, notes = store.optional("record/date"), store.optional("record/quality_note")
    parts += [_dates(dates)] if dates is not None and any(dates) else []
    parts += [_notes(notes)] if notes is not None and any(notes) else []
    found = []
    if parts:
        lead = "As tables of labels state them; a split should hold for all records of a patient."
        found.append(Section(title="Splits and sites", lead=lead, body=join(*parts)))
    names, values = store.optional("target/name"), store.optional("target/value")
    if names is not None and values is not None and len(names):
        lead = "Numbers that tables of labels give; a task names one as target:NAME."
        found.append(Section(title="Numbers", lead=lead, body=_targets(names, values)))
    return found


def _column(title: str, values: NDArray, by: ByDataset) -> Markup | None:
    """Records of each value; None where no record has one."""
    texts = values.astype(str)
    counts = Counter(text for text in texts.tolist() if text)
    if not counts:
        return None
    shown = [text for text, _ in counts.most_common(MOST_VALUES)]
    if all(text.isdecimal() for text in shown):
        shown.sort(key=int)
    rows: list[list[Any]] = [
        [text, counts[text], *(n or None for n in by.count(np.asarray(texts == text, bool)))] for text in shown
    ]
    beyond = len(counts) - len(shown)
    foot = (
        [["others", sum(counts.values()) - sum(counts[text] for text in shown), *[None] * len(by.names)]]
        if beyond
        else []
    )
    foot.append(["not stated", int((texts == "").sum()), *(n or None for n in by.count(np.asarray(texts == "", bool)))])
    table = make_table(f"{title}: records", ["value", "all", *by.names], rows, foot=foot)
    bars = bars_of(title, shown, [counts[text] for text in shown], "records")
    return join(element("h3", title), side_by_side(bars, table))


def _dates(values: NDArray) -> Markup:
    """From when to when, and the records of each year."""
    stated = sorted(text for text in values.astype(str).tolist() if text)
    years = Counter(text[:4] for text in stated)
    rows = [[year, n] for year, n in sorted(years.items())]
    table = make_table(f"Dates, {stated[0][:10]} to {stated[-1][:10]}: records", ["year", "records"], rows)
    return join(element("h3", "Dates"), table)


def _notes(values: NDArray) -> Markup:
    counts = Counter(text for text in values.astype(str).tolist() if text)
    rows = [[text, n] for text, n in counts.most_common(MOST_NOTES)]
    beyond = len(counts) - len(rows)
    more = f"; {beyond:,} further ones are not listed" if beyond else ""
    caption = f"The source's notes on quality, {sum(counts.values()):,} records{more}"
    return join(element("h3", "Notes on quality"), make_table(caption, ["note", "records"], rows))


def _targets(names: NDArray, values: NDArray[np.float64]) -> Markup:
    rows: list[list[Any]] = []
    for place, name in enumerate(map(str, names)):
        spread = spread_of(values[:, place])
        rows.append([name, spread.n, len(values) - spread.n, *spread_cells(spread)])
    return make_table("Numbers: records", ["name", "known", "unknown", *SPREAD], rows)
