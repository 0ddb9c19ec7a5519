"""A card for each class: its ROC and precision-recall curves with the point that its threshold stands for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.scores.curves import Outcomes, count_outcomes
from ecg12.pipeline.report.drawing.charts import Series, line_chart
from ecg12.pipeline.report.drawing.markup import Markup, each, element, join
from ecg12.pipeline.report.drawing.scales import Axis
from ecg12.pipeline.report.drawing.tables import make_table
from ecg12.pipeline.report.drawing.thinning import thin
from ecg12.pipeline.report.of_run.run_answers import RunAnswers

ROC_TOLERANCE = 0.004
"""By which the drawn ROC curve may miss the true one, in sensitivity + specificity."""
MOST_STEPS = 120
"""Of a precision-recall curve that is drawn; its positives are many more in a large corpus."""
MOST_ROWS = 16
"""Of the table below a card."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingPoint:
    """What the labels that were decided come to, of one class.

    Attributes
    ----------
    sensitivity, specificity, precision : NaN where there is no positive, no negative, nothing decided
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def sensitivity(self) -> float:
        """Share of the positives that were decided."""
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def specificity(self) -> float:
        """Share of the negatives that were not."""
        return _ratio(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def precision(self) -> float:
        """Share of what was decided that is positive."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)


def operating_point(truth: NDArray[np.integer], binary: NDArray[np.integer]) -> OperatingPoint:
    """Counts of one class; both of shape (record,), 0 or 1."""
    yes, decided = truth.astype(bool), binary.astype(bool)
    return OperatingPoint(
        true_positives=int((yes & decided).sum()),
        false_positives=int((~yes & decided).sum()),
        false_negatives=int((yes & ~decided).sum()),
        true_negatives=int((~yes & ~decided).sum()),
    )


def make_cards(answers: RunAnswers, auroc: NDArray[np.float64], auprc: NDArray[np.float64]) -> Markup:
    """A card for each class that has a positive; areas of shape (class,)."""
    shown = [number for number in range(len(answers.task.classes)) if answers.of_class(number)[0].any()]
    cards = (make_card(answers, number, float(auroc[number]), float(auprc[number])) for number in shown)
    return element("div", each(cards), class_="columns")


def make_card(answers: RunAnswers, number: int, auroc: float, auprc: float) -> Markup:
    """The card of class `number`."""
    code = answers.task.codes[number]
    name, in_words = answers.task.abbreviation_of(code), answers.task.name_of(code)
    truth, binary, scores = answers.of_class(number)
    point = operating_point(truth, binary)
    found = count_outcomes(truth.astype(bool), scores)
    heading = element("h3", element("abbr", name, title=in_words), " ", element("span", in_words))
    facts = f"{found.n_positive:,} of {len(truth):,} records"
    charts = element(
        "div", _roc(name, found, point, auroc), _precision_recall(name, found, point, auprc), class_="pair"
    )
    table = element("details", element("summary", f"Data: curves of {name}"), _table(name, found))
    return element("article", heading, element("p", facts), charts, table, class_="card", aria_label=in_words)


def roc_points(found: Outcomes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False positive rate and sensitivity, from (0, 0) to (1, 1), thinned to `ROC_TOLERANCE`."""
    x = np.append(0.0, found.false_positive_rate)
    y = np.append(0.0, found.sensitivity)
    # turned by 45°, where the curve is a function: x + y grows from point to point
    kept = thin(x + y, y - x, ROC_TOLERANCE)
    return x[kept], y[kept]


def recall_steps(found: Outcomes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and the precision at which it is reached, the steps that the AUPRC adds up; thinned to `MOST_STEPS`."""
    recall = np.append(0.0, found.sensitivity)
    rises = np.flatnonzero(np.diff(recall) > 0)
    if len(rises) > MOST_STEPS:
        rises = rises[np.unique(np.linspace(0, len(rises) - 1, MOST_STEPS).round().astype(np.int64))]
    precision = found.precision[rises]
    return np.append(0.0, found.sensitivity[rises]), np.append(precision[:1], precision)


def _roc(name: str, found: Outcomes, point: OperatingPoint, area: float) -> Markup:
    diagonal = Series(name="", x=(0, 1), y=(0, 1), kind="guide")
    x, y = roc_points(found) if found.n_negative else (np.empty(0), np.empty(0))
    here = Series(name="", x=(1 - point.specificity,), y=(point.sensitivity,), kind="marks", colour=1)
    return line_chart(
        f"ROC {area:.3f}" if area == area else "ROC –",
        _share("1 − specificity"),
        _share("sensitivity"),
        (diagonal, Series(name="", x=x, y=y), here),
        description=f"ROC curve of {name}, area {area:.3f}; the dot is what was decided: sensitivity "
        f"{point.sensitivity:.3f} at specificity {point.specificity:.3f}.",
        is_small=True,
    )


def _precision_recall(name: str, found: Outcomes, point: OperatingPoint, area: float) -> Markup:
    share = found.n_positive / (found.n_positive + found.n_negative)
    by_chance = Series(name="", x=(0, 1), y=(share, share), kind="guide")
    x, y = recall_steps(found)
    here = Series(name="", x=(point.sensitivity,), y=(point.precision,), kind="marks", colour=1)
    return line_chart(
        f"PR {area:.3f}",
        _share("recall"),
        _share("precision"),
        (by_chance, Series(name="", x=x, y=y, kind="steps"), here),
        description=f"Precision-recall curve of {name}, area {area:.3f}, {share:.3f} by chance; the dot is what was "
        f"decided: precision {point.precision:.3f} at recall {point.sensitivity:.3f}.",
        is_small=True,
    )


def _share(label: str) -> Axis:
    return Axis(label=label, low=0.0, high=1.0, ticks=(0.0, 0.5, 1.0))


def _table(name: str, found: Outcomes) -> Markup:
    """Some of the thresholds, evenly over the sensitivity that they give."""
    steps = np.linspace(0, 1, MOST_ROWS)
    places = np.unique(np.minimum(np.searchsorted(found.sensitivity, steps), len(found.thresholds) - 1))
    rows = [
        [
            float(found.thresholds[place]),
            float(found.sensitivity[place]),
            float(1 - found.false_positive_rate[place]),
            float(found.precision[place]),
        ]
        for place in places
    ]
    header = ["score at least", "sensitivity", "specificity", "precision"]
    return make_table(f"{name}: what some thresholds give", header, rows)


def describe_card_reading() -> Markup:
    """How to read the cards."""
    return join(
        "Each curve runs through all thresholds, the dot is the decision that was taken. Dotted: chance. An area is "
        "what the official evaluator computes. A curve of a handful of positives says little."
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
