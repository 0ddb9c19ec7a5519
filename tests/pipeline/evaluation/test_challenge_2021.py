"""The figures of challenge2021 against the official evaluator of 2021, whose own results stand here."""

import hashlib
from pathlib import Path

import pytest

from ecg12.ecg.scores.scores import Scores
from ecg12.ecg.tasks.named import named_task
from ecg12.pipeline.evaluation.evaluate import EvaluateConfig, evaluate
from tests.records import write_record

TASK = named_task("challenge2021")
NO_INTERVALS = EvaluateConfig(n_bootstrap=0)
UNSCORED = ("55827005", "428750005")
JOINED = {"733534002": "733534002|164909002", "713427006": "59118001|713427006"}
"""As the weights of 2021 name their classes, and as entrants may."""

ODD_LABELS = ("1.0", "True", "T", "1e0", "true", "yes", "2")
ODD_SCORES = ("nan", "inf", "-inf", "high", "1e400", "0.5")


def draw(*key: object) -> float:
    """A number from 0 to 1 that is the same everywhere."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:6], "big") / 2**48


def write_entrant(folder: Path, *, odd: bool) -> None:
    """Headers of 80 records in folder/labels, and what an entrant says of them in folder/out.

    Some say classes of several codes in one column, and some leave out columns; `odd` ones have labels and scores that
    are other forms of a number, or none.
    """
    (folder / "out").mkdir(parents=True)
    for number in range(80):
        name = f"JS{number:05d}"
        has = [code for code in (*TASK.columns, *UNSCORED) if draw("label", number, code) < 0.09]
        write_record(folder / "labels", name, dx=",".join(has), stated_length=5000)
        kept = [code for code in (*TASK.columns, *UNSCORED[:1]) if draw("column", number % 5, code) > 0.1]
        rows: list[tuple[str, str, str]] = []
        for code in kept:
            score = 0.55 * draw("score", number, code) + 0.45 * (code in has)
            label, text = str(int(score > 0.5)), f"{score:.3f}"
            if odd and draw("odd label", number, code) < 0.08:
                label = ODD_LABELS[int(draw("which label", number, code) * len(ODD_LABELS))]
            if odd and draw("odd score", number, code) < 0.08:
                text = ODD_SCORES[int(draw("which score", number, code) * len(ODD_SCORES))]
            rows.append((JOINED.get(code, code) if number % 3 == 0 else code, label, text))
        lines = [f"#{name}", *(",".join(column) for column in zip(*rows, strict=True))]
        (folder / "out" / f"{name}.csv").write_text("\n".join(lines) + "\n")


OFFICIAL = {
    False: (0.8732855489867034, 0.7996109365780939, 0.0875, 0.63513717137286, 0.7038490836263227),
    True: (0.7979059911105334, 0.7145749146518029, 0.0375, 0.5534041425205436, 0.688716978052519),
}
"""AUROC, AUPRC, accuracy, F-measure and Challenge metric that evaluate_model.py of physionetchallenges/evaluation-2021
gives for these very files, run in the folder with its weights.csv."""

OFFICIAL_CLASSES = {
    False: {"733534002": (0.82974359, 0.631578947), "713427006": (0.92652124, 0.702702703), "6374002": (0.682666667,)},
    True: {"733534002": (0.803076923, 0.565217391), "713427006": (0.867967853, 0.634146341), "6374002": (0.685333333,)},
}
"""AUROC, and F-measure, of classes that columns of several codes stand for, and of one that no earlier year has."""


@pytest.mark.parametrize("odd", [False, True])
def test_equals_the_official_evaluator_of_2021(tmp_path: Path, *, odd: bool) -> None:
    write_entrant(tmp_path, odd=odd)
    found = evaluate(tmp_path / "labels", tmp_path / "out", tmp_path / "s.csv", task=TASK, config=NO_INTERVALS)
    assert found.scores.shown == ("auroc", "auprc", "accuracy", "f_measure", "challenge_metric")
    values = tuple(getattr(found.scores, name) for name in found.scores.shown)
    assert values == pytest.approx(OFFICIAL[odd], abs=1e-12)
    assert isinstance(found.scores, Scores)
    for code, (auroc, *f_measure) in OFFICIAL_CLASSES[odd].items():
        place = found.scores.classes.index(code)
        assert found.scores.auroc_classes[place] == pytest.approx(auroc, abs=1e-9)
        for value in f_measure:
            assert found.scores.f_measure_classes[place] == pytest.approx(value, abs=1e-9)
    title, line = (tmp_path / "s.csv").read_text().splitlines()
    assert title == "AUROC,AUPRC,Accuracy,F-measure,Challenge metric"  # as evaluate_model.py heads its own
    assert tuple(map(float, line.split(","))) == values


def test_what_the_evaluator_of_2021_makes_of_odd_files_is_said(tmp_path: Path) -> None:
    write_entrant(tmp_path, odd=True)
    found = evaluate(tmp_path / "labels", tmp_path / "out", task=TASK, config=NO_INTERVALS)
    slips = {slip.kind: slip for slip in found.slips}
    assert set(slips) == {"labels", "scores-2021", "lacking", "outside"}
    texts = " ".join(slips["labels"].files.values())
    assert "'yes'" in texts or "'2'" in texts
    assert "1.0" not in texts  # which is positive in 2021
    assert slips["scores-2021"].meaning == "have scores that are no finite numbers and count as 0"


def test_the_same_files_are_read_otherwise_by_the_evaluator_of_2020(tmp_path: Path) -> None:
    """nan is not there, rather than 0; 1.0 is no positive label; a column of two codes is none of the metric's."""
    write_record(tmp_path / "labels", "r1", dx="713427006", stated_length=5000)
    write_record(tmp_path / "labels", "r2", dx="426783006", stated_length=5000)
    (tmp_path / "out").mkdir()
    for name, label in (("r1", "1.0"), ("r2", "0")):
        codes = "59118001|713427006,713427006,426783006"
        (tmp_path / "out" / f"{name}.csv").write_text(f"#{name}\n{codes}\n0,{label},1\n0.5,0.5,0.5\n")
    earlier = evaluate(tmp_path / "labels", tmp_path / "out", config=NO_INTERVALS)
    later = evaluate(tmp_path / "labels", tmp_path / "out", task=TASK, config=NO_INTERVALS)
    assert isinstance(earlier.scores, Scores)
    assert isinstance(later.scores, Scores)
    rbbb = [scores.classes.index("713427006") for scores in (earlier.scores, later.scores)]
    assert earlier.scores.f_measure_classes[rbbb[0]] == 0.0
    assert later.scores.f_measure_classes[rbbb[1]] == 1.0
    assert [slip.kind for slip in earlier.slips] == ["labels", "lacking", "outside"]
    assert [slip.kind for slip in later.slips] == ["repeated", "lacking"]
