"""Sections of a store's report about its labels: how often each class occurs, where, and with which others."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecg12.ecg.labels.snomed import SCORED_CODES
from ecg12.pipeline.report.drawing.charts import heat_map, in_columns
from ecg12.pipeline.report.drawing.markup import Markup, element, join
from ecg12.pipeline.report.drawing.page import Section
from ecg12.pipeline.report.drawing.tables import Rounded, make_table
from ecg12.pipeline.report.of_store.counts import largest_first
from ecg12.pipeline.report.of_store.labels import LabelCount, LabelFigures, PublishedCheck
from ecg12.pipeline.report.of_store.sections import bars_of

MOST_CODES = 24
"""Codes that are drawn where no class is scored."""
VOCABULARIES = {"snomed-ct": "SNOMED CT", "scp-ecg": "SCP-ECG", "own": "Own names"}
MOST_TOGETHER = 15
"""Pairs of classes that are listed."""


def classes_section(figures: LabelFigures, n_records: tuple[int, ...]) -> Section:
    """How often each class occurs, by dataset; `n_records` are those of each dataset."""
    occurring = [one for one in sorted(figures.scored, key=lambda one: (-one.total, one.code)) if one.total]
    absent = [one.name for one in figures.scored if not one.total]
    shown = occurring or list(figures.codes[:MOST_CODES])
    what = "Scored classes" if occurring else "Most frequent codes"
    charts = in_columns(
        bars_of(what, [one.abbreviation for one in shown], [one.total for one in shown], "records"),
        _prevalence_map(what, figures.names, shown, n_records),
    )
    if not figures.is_scored:
        absent = []
    whose = "The Challenge's scored classes, equivalent codes merged." if figures.is_scored else "The codes as stated."
    return Section(
        title="Classes",
        lead=f"{whose} A dash: the dataset never states the class, which may mean that nobody looked for it.",
        body=join(
            charts,
            _count_table("Scored classes: records", figures.names, occurring) if occurring else None,
            element("p", f"Scored classes without any record: {', '.join(absent)}.") if absent else None,
            _by_vocabulary(figures) if figures.vocabularies else _all_codes(figures),
            _labels_each_table(figures),
            _published_table(figures.published),
        ),
    )


def _all_codes(figures: LabelFigures) -> Markup:
    others = [one for one in figures.codes if one.code not in SCORED_CODES]
    return element(
        "details",
        element("summary", f"All {len(figures.codes)} codes as stated, {len(others)} of them not scored"),
        _count_table("Codes as stated: records", figures.names, figures.codes),
    )


def _by_vocabulary(figures: LabelFigures) -> Markup:
    """The codes of each vocabulary, its most frequent as bars, and how sure they are."""
    parts = []
    for vocabulary in figures.vocabularies:
        own = [one for one in figures.codes if one.vocabulary == vocabulary and one.total]
        title, shown = VOCABULARIES.get(vocabulary, vocabulary), own[:MOST_CODES]
        beyond = f", the {MOST_CODES} most frequent" if len(own) > len(shown) else ""
        caption = f"Codes of {title}: records"
        parts += [
            element("h3", f"{title}: {len(own)} codes"),
            in_columns(
                bars_of(
                    f"{title}{beyond}", [one.abbreviation for one in shown], [one.total for one in shown], "records"
                )
            ),
            element("details", element("summary", caption), _count_table(caption, figures.names, own, "code")),
        ]
    if figures.likelihoods:
        header = ["vocabulary", "labels", "with a likelihood", "100\u00a0%", "below", "0: not known"]
        rows = [
            [
                VOCABULARIES.get(one.vocabulary, one.vocabulary),
                *(one.n_labels, one.n_stated, one.n_certain, one.n_below, one.n_unknown),
            ]
            for one in figures.likelihoods
        ]
        parts.append(make_table("How sure the source is of its labels", header, rows))
    return join(*parts)


def together_section(figures: LabelFigures) -> Section:
    """Which scored classes are stated together."""
    counts = figures.together
    order = [place for place in largest_first(np.diag(counts).tolist(), len(counts)) if counts[place, place]]
    kept = counts[np.ix_(order, order)]
    names = [figures.compared[place].abbreviation for place in order]
    totals = np.maximum(np.diag(kept), 1)
    shares = 100 * kept / totals[:, None]
    np.fill_diagonal(shares, np.nan)
    chart = heat_map(
        "Of the records with the row's class, per cent with the column's",
        names,
        names,
        shares,
        description=_describe_pairs(figures, 5),
        row_label="records with",
        column_label="also have",
        form=".0f",
        shades=shares / 100,
        side=28,
        data=make_table(
            "Records with both classes; on the diagonal, with the class",
            ["", *names],
            [[name, *(n or None for n in line)] for name, line in zip(names, kept.tolist(), strict=True)],
        ),
    )
    return Section(
        title="Classes together",
        lead="A row reads: of all records with this class, so many per cent have that one, too. Empty cells are below "
        "half a per cent.",
        body=join(chart, _pairs_table(figures)),
    )


def _count_table(caption: str, names: Sequence[str], labels: Sequence[LabelCount], kind: str = "SNOMED CT") -> Markup:
    rows: list[list[Any]] = [
        [one.abbreviation, one.name, one.code, one.total, *(n or None for n in one.n_records)] for one in labels
    ]
    return make_table(caption, ["class", "name", kind, "all", *names], rows)


def _prevalence_map(
    what: str, names: Sequence[str], labels: Sequence[LabelCount], n_records: tuple[int, ...]
) -> Markup:
    shares = 100 * np.array([one.n_records for one in labels], np.float64) / np.maximum(n_records, 1)
    title, rows = f"{what}: per cent of each dataset's records", [one.abbreviation for one in labels]
    most = [
        f"{name} {labels[int(column.argmax())].name} ({column.max():.0f} %)"
        for name, column in zip(names, shares.T, strict=True)
        if column.any()
    ]
    cells = [
        [row, *(Rounded(share) if share else None for share in line)] for row, line in zip(rows, shares, strict=True)
    ]
    return heat_map(
        title,
        rows,
        names,
        shares,
        description=f"Most frequent in each dataset: {', '.join(most)}.",
        row_label="",
        column_label="",
        form=".0f",
        shades=np.sqrt(shares / 100),
        side=28,
        data=make_table(title, ["class", *names], cells),
    )


def _labels_each_table(figures: LabelFigures) -> Markup:
    if not figures.is_scored:
        each = [[number, n or None] for number, n in enumerate(figures.labels_each.tolist())]
        return make_table("Records by the number of their labels", ["labels", "codes as stated"], each)
    most = max(len(figures.labels_each), len(figures.scored_each))
    columns = [
        np.pad(counts, (0, most - len(counts))).tolist() for counts in (figures.labels_each, figures.scored_each)
    ]
    rows = [[number, *(n or None for n in counts)] for number, counts in enumerate(zip(*columns, strict=True))]
    return make_table("Records by the number of their labels", ["labels", "codes as stated", "scored classes"], rows)


def _published_table(checks: tuple[PublishedCheck, ...]) -> Markup | None:
    """Whole datasets beside the published counts; nothing where none is whole."""
    rows = [[check.dataset, check.n_records, _judge(check)] for check in checks if check.is_complete]
    header = ["dataset", "records", "records of each code"]
    return make_table("Held against the Challenge's published tables", header, rows) if rows else None


def _judge(check: PublishedCheck, most: int = 8) -> str:
    if not check.differing:
        return "as published"
    named = ", ".join(check.differing[:most]) + (" …" if len(check.differing) > most else "")
    return f"{len(check.differing)} codes differ: {named}"


def _pairs(figures: LabelFigures) -> list[tuple[int, int, int]]:
    """Records with both, and the two classes; the most frequent pair first."""
    first, second = np.triu_indices(len(figures.together), k=1)
    counts = figures.together[first, second]
    order = np.argsort(-counts, kind="stable")
    return [(int(counts[at]), int(first[at]), int(second[at])) for at in order if counts[at]]


def _describe_pairs(figures: LabelFigures, most: int) -> str:
    pairs = [
        f"{figures.compared[a].name} with {figures.compared[b].name} ({n:,})" for n, a, b in _pairs(figures)[:most]
    ]
    return f"Most frequent together: {'; '.join(pairs)}." if pairs else "No two occur together."


def _pairs_table(figures: LabelFigures) -> Markup | None:
    pairs = _pairs(figures)
    if not pairs:
        return None
    totals = np.diag(figures.together)
    rows = []
    for n, a, b in pairs[:MOST_TOGETHER]:
        # lift: how much more often than if the two had nothing to do with each other
        expected = float(totals[a]) * float(totals[b]) / max(figures.n_labelled, 1)
        rows.append(
            [f"{figures.compared[a].name} + {figures.compared[b].name}", n, Rounded(expected), Rounded(n / expected)]
        )
    caption = f"The most frequent of {len(pairs)} pairs" if len(pairs) > MOST_TOGETHER else "Pairs"
    return make_table(caption, ["classes", "records", "by chance", "times as many"], rows)
