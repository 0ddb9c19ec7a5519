"""Sections of a store's report about its recordings: datasets, lengths, patients and heart rates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.datasets import KNOWN_DATASETS
from ecg12.pipeline.report.drawing.charts import Bars, bar_chart, heat_map, histogram, in_columns
from ecg12.pipeline.report.drawing.markup import Content, Markup, each, element, join
from ecg12.pipeline.report.drawing.page import Section
from ecg12.pipeline.report.drawing.scales import Axis
from ecg12.pipeline.report.drawing.tables import Rounded, make_table
from ecg12.pipeline.report.of_store.counts import Bins, Spread, largest_first
from ecg12.pipeline.report.of_store.records import AGE_EDGES, GROUP_SIZES, LENGTH_BINS, SEXES, RecordFigures
from ecg12.pipeline.report.of_store.sample import RATE_BINS, RATE_S, RateFigures

MOST_CHARTS = 12
"""Datasets that have a chart of their own, the largest; tables have them all."""

FEWEST_AGES = 10
"""A dataset with fewer has no chart of them."""

_PUBLISHED = {dataset.name: dataset.n_records for dataset in KNOWN_DATASETS}


def datasets_section(figures: RecordFigures) -> Section:
    """What each dataset brings."""
    rows: list[list[Any]] = [
        [one.name, one.n_records, Rounded(one.hours), one.n_labelled, one.n_known, one.n_groups, one.n_rejected]
        for one in figures.datasets
    ]
    totals: list[Any] = [sum(row[column] for row in rows) for column in range(1, 7)]
    totals[1] = Rounded(totals[1])
    totals[4] = int(figures.group_sizes.sum())  # a group may have records of two datasets
    header = ["dataset", "records", "hours", "with labels", "of known patients", "groups", "rejected"]
    if any(one.name in _PUBLISHED for one in figures.datasets):
        header.insert(2, "published")
        for row in rows:
            row.insert(2, _PUBLISHED.get(row[0]))
        totals.insert(1, None)
    foot = [["all", *totals]] if len(rows) > 1 else []
    return Section(
        title="Datasets",
        lead="A group is one patient where an id is known, equal recordings, or else a single record; a split must not "
        "separate a group. Hours are of signal.",
        body=make_table("Datasets", header, rows, foot=foot, is_caption_shown=False),
    )


def lengths_section(figures: RecordFigures) -> Section:
    """How long recordings are, and how fast they were sampled."""
    rates = make_table(
        "Sampling frequency of the originals: records",
        ["dataset", *(f"{rate:g} Hz" for rate in figures.rate_counts)],
        [
            [name, *(counts[place] or None for counts in figures.rate_counts.values())]
            for place, name in enumerate(figures.names)
        ],
    )
    return Section(
        title="Lengths and sampling",
        lead="Of the original recordings; the store has them all at one sampling frequency.",
        body=join(
            side_by_side(
                _shares_map("Length", figures.names, LENGTH_BINS, figures.length_counts, "length"),
                join(_spread_table("Length, seconds", figures.names, figures.seconds), rates),
            ),
        ),
    )


def patients_section(figures: RecordFigures) -> Section:
    """Age, sex, and how many recordings there are of one patient."""
    sexes = make_table(
        "Sex: records",
        ["dataset", *SEXES],
        [[name, *counts] for name, counts in zip(figures.names, figures.sex_counts.tolist(), strict=True)],
    )
    ages = _spread_table("Age, years", figures.names, figures.ages, n_records=figures.sex_counts.sum(axis=1))
    return Section(
        title="Patients",
        lead="Who is “older than 89” counts as 90. Each recording counts, also where several are of one patient.",
        body=join(in_columns(*_age_charts(figures)), side_by_side(ages, join(sexes, _groups_table(figures)))),
    )


def rates_section(rates: RateFigures) -> Section:
    """Heart rates of the records that were looked at."""
    rows = [
        [name, n, spread.n, *spread_cells(spread)]
        for name, n, spread in zip(rates.names, rates.n_looked_at, rates.rates, strict=True)
    ]
    n_most = max(rates.n_looked_at, default=0)
    return Section(
        title="Heart rates",
        lead=f"Ventricular rates of {sum(rates.n_looked_at):,} records, at most {n_most:,} of each dataset, taken at "
        f"random, over their first {RATE_S:g} seconds. The program finds them from slopes in all leads; nobody "
        "annotated them.",
        body=side_by_side(
            _shares_map("Heart rate", rates.names, RATE_BINS, rates.counts, "beats a minute"),
            make_table("Heart rate, beats a minute", ["dataset", "looked at", "found", *SPREAD], rows),
        ),
    )


def side_by_side(*contents: Content) -> Markup:
    """Two columns where there is room."""
    boxes = each(element("div", content) for content in contents)
    return element("div", boxes, class_="columns two")


SPREAD = ("lowest", "25\u00a0%", "median", "75\u00a0%", "highest")


def spread_cells(spread: Spread) -> list[Rounded]:
    """The cells of a row under `SPREAD`."""
    return [Rounded(value) for value in (spread.lowest, spread.lower, spread.middle, spread.upper, spread.highest)]


def _spread_table(
    caption: str, names: Sequence[str], spreads: Sequence[Spread], *, n_records: NDArray[np.int64] | None = None
) -> Markup:
    """Quartiles of each dataset; with `n_records` also how many are not known."""
    rows = [[name, spread.n, *spread_cells(spread)] for name, spread in zip(names, spreads, strict=True)]
    header = ["dataset", "records", *SPREAD]
    if n_records is not None:
        header[1:2] = ["known", "unknown"]
        for row, n, spread in zip(rows, n_records.tolist(), spreads, strict=True):
            row.insert(2, n - spread.n)
    return make_table(caption, header, rows)


def _shares_map(title: str, names: Sequence[str], bins: Bins, counts: NDArray[np.int64], label: str) -> Markup:
    """Rows of datasets over columns of bins, each number the share of a dataset's records in per cent."""
    used = np.flatnonzero(counts.any(axis=0))
    columns = slice(used[0], used[-1] + 1) if len(used) else slice(0, 0)
    kept, kept_names = counts[:, columns], bins.names[columns]
    totals = counts.sum(axis=1, keepdims=True)
    shares = 100 * kept / np.maximum(totals, 1)
    table = make_table(
        f"{title}: records",
        ["dataset", *kept_names],
        [[name, *(count or None for count in line)] for name, line in zip(names, kept.tolist(), strict=True)],
    )
    return heat_map(
        f"{title}: per cent of each dataset's records",
        names,
        kept_names,
        shares,
        description=_describe_peaks(names, kept_names, shares),
        row_label="",
        column_label=label,
        form=".0f",
        shades=shares / 100,
        side=36,
        data=table,
    )


def _describe_peaks(names: Sequence[str], bins: Sequence[str], shares: NDArray[np.float64]) -> str:
    """Where each dataset has most of its records, for whoever does not see it."""
    peaks = [
        f"{name} {bins[int(line.argmax())]} ({line.max():.0f} %)"
        for name, line in zip(names, shares, strict=True)
        if line.any()
    ]
    return f"Most frequent: {', '.join(peaks)}." if peaks else "Nothing is known."


def _age_charts(figures: RecordFigures) -> list[Markup]:
    """Ages of women and men, a chart for each dataset that states enough."""
    n_known = figures.age_counts.sum(axis=(0, 2)).tolist()
    axis = Axis(label="age, years", low=0, high=float(AGE_EDGES[-1]), ticks=tuple(range(0, 101, 20)))
    charts = []
    for place in largest_first(n_known, MOST_CHARTS):
        if n_known[place] < FEWEST_AGES:
            continue
        by_sex = figures.age_counts[:, place]
        shown = [number for number, line in enumerate(by_sex) if line.any()]
        charts.append(
            histogram(
                f"{figures.names[place]}: age and sex",
                axis,
                AGE_EDGES,
                [Bars(name=_SEX_NAMES[number], values=by_sex[number].tolist()) for number in shown],
                description=f"{n_known[place]:,} ages, half of them from {figures.ages[place].lower:.0f} to "
                f"{figures.ages[place].upper:.0f} years.",
            )
        )
    return charts


_SEX_NAMES = ("female", "male", "sex unknown")


def _groups_table(figures: RecordFigures) -> Markup:
    used = [(name, n) for name, n in zip(GROUP_SIZES.names, figures.group_sizes.tolist(), strict=True) if n]
    return make_table(
        "Groups by the number of their records",
        ["records in a group", "groups"],
        [[name, n] for name, n in used],
    )


def bars_of(title: str, names: Sequence[str], values: Sequence[float], label: str) -> Markup:
    """Bars whose numbers stand in a table nearby."""
    top = largest_first([round(value) for value in values], 3)
    described = ", ".join(f"{names[place]} {values[place]:,.0f}" for place in top)
    return bar_chart(
        title,
        names,
        [Bars(name="", values=values)],
        label=label,
        description=f"Most: {described}." if described else "None.",
    )
