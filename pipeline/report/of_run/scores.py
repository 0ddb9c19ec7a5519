"""The sections of a report that show what answers are worth, in their order and with their explanations."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ecg12.pipeline.evaluation.result import OFFICIAL_COLUMNS, EvaluateSummary
from ecg12.pipeline.report.drawing.markup import Markup, join
from ecg12.pipeline.report.drawing.page import Section
from ecg12.pipeline.report.drawing.tables import make_table
from ecg12.pipeline.report.of_run.class_cards import describe_card_reading, make_cards
from ecg12.pipeline.report.of_run.run_answers import RunAnswers
from ecg12.pipeline.report.of_run.score_sections import (
    show_calibration,
    show_class_charts,
    show_classes,
    show_confusion,
    show_scores,
)


def make_scored_sections(answers: RunAnswers, summary: EvaluateSummary) -> list[Section]:
    """Scores, classes, curves, calibration and confusion."""
    auroc, auprc = (np.array(getattr(summary.scores, f"{name}_classes")) for name in ("auroc", "auprc"))
    return [
        Section(
            title="Scores",
            lead=f"By {len(answers.rows):,} {answers.population}, as the official evaluator computes them.",
            body=show_scores(summary),
        ),
        Section(
            title="Classes",
            lead="Equivalent classes are merged; from and to are the ends of the AUROC's interval.",
            body=join(show_classes(answers, summary), show_class_charts(answers, summary)),
        ),
        Section(title="Curves", lead=describe_card_reading(), body=make_cards(answers, auroc, auprc)),
        Section(
            title="Calibration",
            lead="Whether a score of 0.3 means three in ten: on the dotted line it does. Larger marks stand for more "
            "records. ECE is the expected calibration error, in ten bins of equal width.",
            body=show_calibration(answers, summary),
        ),
        Section(
            title="Confusion",
            lead="The challenge metric's own matrix: a record with several labels or answers is shared among its "
            "pairs. So a row adds up to less than 1 where labels were missed.",
            body=show_confusion(answers),
        ),
    ]


def show_recorded_scores(values: Mapping[str, Any]) -> Markup:
    """The official figures in what `evaluate --json` wrote, whole and by dataset and part."""
    wholes = [("all", values)]
    wholes += [(str(part.get("name")), part) for key in ("datasets", "held_out") for part in values.get(key) or ()]
    rows = [
        [name, part.get("n_records"), *(part.get("scores", {}).get(figure) for figure in OFFICIAL_COLUMNS.values())]
        for name, part in wholes
    ]
    return make_table("Official figures", ["part", "records", *OFFICIAL_COLUMNS], rows)
