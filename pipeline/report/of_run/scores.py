"""The sections of a report that show what answers are worth, in their order and with their explanations."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ecg12.ecg.scores.scores import NumberScores
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import Task
from ecg12.pipeline.evaluation.result import EvaluateSummary, columns_of
from ecg12.pipeline.report.drawing.markup import Markup, join
from ecg12.pipeline.report.drawing.page import Section
from ecg12.pipeline.report.drawing.tables import make_table
from ecg12.pipeline.report.of_run.class_cards import describe_card_reading, make_cards
from ecg12.pipeline.report.of_run.confusion_section import describe_confusion, show_confusion
from ecg12.pipeline.report.of_run.number_sections import show_told
from ecg12.pipeline.report.of_run.run_answers import RunAnswers
from ecg12.pipeline.report.of_run.score_sections import (
    show_calibration,
    show_class_charts,
    show_classes,
    show_scores,
)


def make_scored_sections(answers: RunAnswers, summary: EvaluateSummary) -> list[Section]:
    """Scores, classes, curves, calibration and confusion; of a number scores and what is told against what is true."""
    official = answers.task.name == CHALLENGE_2020
    how = "as the official evaluator computes them" if official else f"as task {answers.task.name} wants them"
    scored = Section(
        title="Scores", lead=f"By {len(answers.rows):,} {answers.population}, {how}.", body=show_scores(summary)
    )
    if isinstance(summary.scores, NumberScores):
        lead = "On the dotted line the number that is told is the true one."
        return [scored, Section(title="Told and true", lead=lead, body=show_told(answers))]
    equivalent = "Equivalent classes are merged; f" if answers.task.class_of else "F"
    auroc, auprc = (np.array(getattr(summary.scores, f"{name}_classes")) for name in ("auroc", "auprc"))
    return [
        scored,
        Section(
            title="Classes",
            lead=f"{equivalent}rom and to are the ends of the AUROC's interval.",
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
            lead=describe_confusion(answers.task),
            body=show_confusion(answers),
        ),
    ]


def show_recorded_scores(values: Mapping[str, Any], task: Task) -> Markup:
    """The task's figures in what `evaluate --json` wrote, whole and by dataset and part."""
    wholes, columns = [("all", values)], columns_of(task)
    wholes += [(str(part.get("name")), part) for key in ("datasets", "held_out") for part in values.get(key) or ()]
    rows = [
        [name, part.get("n_records"), *(part.get("scores", {}).get(figure) for figure in columns.values())]
        for name, part in wholes
    ]
    caption = "Official figures" if task.name == CHALLENGE_2020 else f"Figures of task {task.name}"
    return make_table(caption, ["part", "records", *columns], rows)
