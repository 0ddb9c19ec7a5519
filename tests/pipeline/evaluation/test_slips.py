"""What evaluation says of files and labels that count for less than they may have been meant."""

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from ecg12.commands import main as program
from ecg12.ecg.errors import ConfigError, InputError
from ecg12.ecg.labels.snomed import SCORED_CODES
from ecg12.pipeline.evaluation.evaluate import EvaluateConfig, EvaluateSummary, evaluate
from ecg12.pipeline.prediction.output_files import TABLE
from ecg12.pipeline.prediction.output_folder import held_output

CODES = SCORED_CODES[:5]
QUICK = EvaluateConfig(n_bootstrap=0)


def write_labels(folder: Path, *, dx: str | None = None, n: int = 10) -> None:
    """Headers alone, as the official evaluator wants no more."""
    folder.mkdir(parents=True)
    for number in range(n):
        header = f"r{number} 1 500 5000\nr{number}.mat 16 1000/mV 16 0 0 0 0 I\n#Dx: {dx or CODES[number % 5]}\n"
        (folder / f"r{number}.hea").write_text(header)


def write_outputs(folder: Path, *, n: int = 10, edit: dict[int, tuple[str, str]] | None = None) -> None:
    """The right answers; in the files of `edit` one text is put in another's place."""
    folder.mkdir(parents=True)
    for number in range(n):
        labels = [int(code == CODES[number % 5]) for code in SCORED_CODES]
        rows = (SCORED_CODES, labels, [0.9 if label else 0.1 for label in labels])
        text = f"#r{number}\n" + "".join(f"{','.join(map(str, row))}\n" for row in rows)
        (folder / f"r{number}.csv").write_text(text.replace(*(edit or {}).get(number, ("\0", ""))))


def scored(folder: Path, **options: object) -> EvaluateSummary:
    return evaluate(folder / "labels", folder / "out", config=QUICK, **options)


def test_every_file_that_counts_for_nothing_is_named_and_counted(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels")
    write_outputs(tmp_path / "out", edit={number: (",", ";") for number in range(10)} | {3: ("0.9", "high")})
    summary = scored(tmp_path, json_path=tmp_path / "s.json")
    nothing, scores = summary.slips
    assert (nothing.kind, len(nothing.files), nothing.n_read, nothing.grave) == ("nothing", 9, 10, True)
    assert nothing.files["r0.csv"] == "line 2: ';' where ',' is expected"
    assert (scores.kind, scores.files) == ("scores", {"r3.csv": f"line 4: 'high' for {CODES[3]}"})
    values = json.loads((tmp_path / "s.json").read_text())["files"]
    assert values[0]["files"] == dict(nothing.files)
    assert (values[0]["n_files"], values[0]["of"]) == (9, 10)
    arguments = ["evaluate", str(tmp_path / "labels"), str(tmp_path / "out"), "--bootstrap", "0"]
    result = CliRunner().invoke(program.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    expected = "9 of 10 files have no readable outputs and count as negative; first: r0.csv: line 2: ';' where ',' is"
    assert f"Warning: {expected}" in result.output


def test_right_files_are_no_word_worth(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels")
    write_outputs(tmp_path / "out")
    summary = scored(tmp_path, json_path=tmp_path / "s.json")
    assert summary.slips == summary.unlabelled_outputs == ()
    assert summary.scores.challenge_metric == 1
    assert not {"files", "outputs_without_labels", "remarks"} & json.loads((tmp_path / "s.json").read_text()).keys()


def test_outputs_without_labels_are_counted(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels", n=5)
    write_outputs(tmp_path / "out")
    (tmp_path / "out" / TABLE).write_text("record,code\n")  # of predict's own
    assert scored(tmp_path).unlabelled_outputs == ("r5", "r6", "r7", "r8", "r9")


@pytest.mark.parametrize(
    ("dx", "message"),
    [
        (
            "164884008",
            "none of 10 records has a label that is scored; r0 states 164884008; expected labels of",
        ),
        ("AFIB", "none of 10 records has a label that is scored; r0 states AFIB"),
        ("4.27E+08", r"none of 10 records has a label \(a Dx line with codes\); r0 states '4\.27E\+08'"),
        ("Unknown", r"none of 10 records has a label \(a Dx line with codes\); expected labels"),
    ],
)
def test_labels_that_no_figure_knows_are_refused(tmp_path: Path, dx: str, message: str) -> None:
    write_labels(tmp_path / "labels", dx=dx)
    write_outputs(tmp_path / "out")
    with pytest.raises(InputError, match=f"labels: {message}"):
        scored(tmp_path)


def test_mangled_labels_are_told(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels", dx=f"{CODES[0]}.0, Sinus rhythm")
    write_outputs(tmp_path / "out")
    summary = scored(tmp_path)
    assert {kind: remarked.n_records for kind, remarked in summary.remarks.items()} == {"dx_mended": 10, "dx_text": 10}
    assert summary.remarks["dx_text"].such == (("Sinus rhythm", 10, "r0"),)


def test_what_is_there_instead_of_a_missing_file(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels")
    write_outputs(tmp_path / "out")
    path = tmp_path / "out" / "r0.csv"
    path.rename(path.with_suffix(".CSV"))
    start = r"out: 1 of 10 records have no output file, the first is r0\.csv"
    with pytest.raises(InputError, match=rf"{start} \(there is r0\.CSV: rename it\); expected one for each"):
        scored(tmp_path)
    path.mkdir()
    with pytest.raises(InputError, match=rf"{start} \(it is a folder\)"):
        scored(tmp_path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(InputError, match=rf"{start} \(it is a FIFO\)"):
        scored(tmp_path)


def test_no_record_in_common(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels")
    write_outputs(tmp_path / "out")
    for path in sorted((tmp_path / "out").iterdir()):
        path.rename(path.with_name(f"x_{path.name}"))
    start = r"out: 10 of 10 records have no output file, the first is r0\.csv"
    with pytest.raises(InputError, match=rf"{start}; there are 10 others, the first is x_r0\.csv; expected"):
        scored(tmp_path)
    for path in sorted((tmp_path / "out").iterdir()):
        path.unlink()
    with pytest.raises(InputError, match=rf"{start}; there is no \.csv file; expected"):
        scored(tmp_path)


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels")
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="out: a file, no folder; expected one Challenge CSV for each record"):
        scored(tmp_path)


def test_a_giant_is_refused_by_name(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels")
    write_outputs(tmp_path / "out")
    with (tmp_path / "out" / "r4.csv").open("r+b") as file:
        file.truncate(1 << 30)
    with pytest.raises(InputError, match=r"r4\.csv: states 1,073,741,824 bytes, of which the disk holds"):
        scored(tmp_path)


def test_predictions_of_a_run_that_is_not_finished_are_scored_with_a_warning(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels")
    write_outputs(tmp_path / "made")
    for name, finishes in (("out", False), ("whole", True)):
        with held_output(tmp_path / name, force=False) as held:
            held.begin()
            for path in (tmp_path / "made").iterdir():
                shutil.copy(path, tmp_path / name)
            if finishes:
                held.finish()
        arguments = ["evaluate", str(tmp_path / "labels"), str(tmp_path / name), "--bootstrap", "0"]
        result = CliRunner().invoke(program.main, arguments, catch_exceptions=False)
        assert result.exit_code == 0
        said = [line for line in result.output.splitlines() if "not finished" in line]
        assert len(said) == (0 if finishes else 1)
    assert scored(tmp_path, json_path=tmp_path / "s.json").interrupted
    assert json.loads((tmp_path / "s.json").read_text())["outputs_interrupted"] is True


@pytest.mark.parametrize(
    ("scores", "to_json", "message"),
    [
        ("out/r3.csv", None, "out/r3.csv: is a file of predictions; expected another name"),
        ("out/predictions.csv", None, "is a file of predictions"),
        (None, "labels/../out/r3.csv", "is a file of predictions"),
        ("s.csv", "s.csv", "s.csv: two files would have this name; expected another one for the JSON"),
        ("s.csv", "s-classes.csv", "s-classes.csv: two files would have this name"),
    ],
)
def test_scores_never_take_the_place_of_what_they_are_of(
    tmp_path: Path, scores: str | None, to_json: str | None, message: str
) -> None:
    write_labels(tmp_path / "labels")
    write_outputs(tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(ConfigError, match=message):
        scored(
            tmp_path,
            scores_path=None if scores is None else tmp_path / scores,
            json_path=None if to_json is None else tmp_path / to_json,
        )
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert not list(tmp_path.glob("*.csv"))


def test_a_link_to_nothing_is_told_as_such(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels")
    write_outputs(tmp_path / "out")
    (tmp_path / "out/r3.csv").unlink()
    (tmp_path / "out/r3.csv").symlink_to("elsewhere.csv")
    with pytest.raises(InputError, match=r"r3\.csv \(it is a link to what is not there\); expected"):
        scored(tmp_path)
