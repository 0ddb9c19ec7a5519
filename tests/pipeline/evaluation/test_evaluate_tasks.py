"""Evaluation by any task: which records count, on which side, in which groups; and numbers, which have a table."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import ConfigError, InputError
from ecg12.ecg.scores.challenge_csv import Prediction, format_prediction
from ecg12.ecg.scores.scores import NumberScores, Scores
from ecg12.ecg.tasks.named import named_task
from ecg12.ecg.tasks.reading import parse_task
from ecg12.ecg.tasks.task import Task
from ecg12.ecg.tasks.writing import format_task
from ecg12.pipeline.evaluation.evaluate import EvaluateConfig, WhichRecords, evaluate
from ecg12.pipeline.evaluation.in_memory import evaluate_arrays
from ecg12.pipeline.evaluation.truth import read_truth
from ecg12.pipeline.ingest.build_cache import build_cache
from tests.records import write_record

N = 24
QUICK = EvaluateConfig(n_bootstrap=20)
RHYTHM = parse_task(
    'name = "rhythm"\nvocabulary = "own"\nlabelled = "class"\n[classes]\nSR = ["SR"]\nFAST = ["ST", "RACE"]\n'
    '[split]\ncolumn = "fold"\ntrain = ["1", "2"]\nvalid = ["3"]\ntest = ["4"]\n',
    where="rhythm",
)
SIDES_OF = {"train": (0, 1), "valid": (2,), "test": (3,)}
"""Of RHYTHM, by what remains of a record's number."""


def codes_of(number: int) -> list[str]:
    """What a record states: every sixth nothing of the task, one in twelve nothing at all."""
    return [["SR"], ["RACE"], ["SR"], ["ST"], ["SR", "MI"], ["MI"] if number % 12 == 5 else []][number % 6]


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of records, whose store lies beside it; tests only read them."""
    folder = tmp_path_factory.mktemp("ward") / "records"
    for number in range(N):
        age, sex = str(40 + 5 * (number % 12)) if number else "NaN", ("Female", "Male", "Unknown")[number % 3]
        write_record(folder, f"r{number:02d}", dx=",".join(codes_of(number)), age=age, sex=sex)
    build_cache([folder], folder.parent / "ecg.zarr", StoreConfig())
    return folder


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores state folds, 1 to 4 by the records' numbers, and none of the last record."""
    own = Store.optional

    def optional(store: Store, path: str):
        if path != "record/fold":
            return own(store, path)
        numbers = [int(str(name)[1:]) for name in store.names]
        return np.array(["" if number == N - 1 else str(number % 4 + 1) for number in numbers], object)

    monkeypatch.setattr(Store, "optional", optional)


def write_answers(folder: Path, task: Task, numbers: range = range(N)) -> None:
    """A Challenge CSV of each record: right about nine in ten."""
    folder.mkdir(parents=True)
    for number in numbers:
        has = [bool(set(codes_of(number)) & {term.code for term in one.codes}) for one in task.classes]
        scores = tuple(round(0.7 * own + 0.02 * ((7 * number + place) % 12), 3) for place, own in enumerate(has))
        one = Prediction(f"r{number:02d}", task.codes, tuple(int(score > 0.5) for score in scores), scores)
        (folder / f"r{number:02d}.csv").write_text(format_prediction(one))


def write_numbers(folder: Path, answers: dict[str, float]) -> None:
    """The table of predictions of a number."""
    folder.mkdir(parents=True)
    with (folder / "predictions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["record", "number", "name", "value", "unit", "quality"])
        table.writerows([name, "age", "age", value, "years", "no beat found"] for name, value in answers.items())


def test_records_that_a_task_is_not_about_are_left_out_and_counted(ward: Path, tmp_path: Path) -> None:
    write_answers(tmp_path / "out", RHYTHM)
    store = ward.parent / "ecg.zarr"
    found = evaluate(store, tmp_path / "out", tmp_path / "s.csv", task=RHYTHM, config=QUICK)
    n_labelled = sum(bool(set(codes_of(number)) & {"SR", "ST", "RACE"}) for number in range(N))
    assert (found.n_records, found.n_left_out) == (n_labelled, N - n_labelled) == (20, 4)
    assert isinstance(found.scores, Scores)
    assert found.scores.classes == ("SR", "FAST")
    assert found.scores.n_positive == (12, 8)
    assert found.scores.auroc == 1.0
    assert found.unlabelled_outputs == ()  # those of the records that are left out are of records that are there
    assert found.scores.shown == RHYTHM.report
    title, _ = (tmp_path / "s.csv").read_text().splitlines()
    assert title == "AUROC,AUPRC,Accuracy,F-measure,Fbeta-measure,Gbeta-measure,Geometric mean"
    with (tmp_path / "s-classes.csv").open() as file:
        assert [(row["code"], row["n_positive"]) for row in csv.DictReader(file)] == [("SR", "12"), ("FAST", "8")]
    of_headers = evaluate(ward, tmp_path / "out", task=RHYTHM, config=QUICK)
    assert of_headers.scores.to_dict() == found.scores.to_dict()
    assert of_headers.n_left_out == found.n_left_out
    challenge = named_task("challenge2020")
    with pytest.raises(InputError, match=r"none of 24 records has a label that is scored; r00 states SR; expected"):
        evaluate(store, tmp_path / "out", task=challenge)


def test_predictions_carry_their_task(ward: Path, tmp_path: Path) -> None:
    """In their own folder, above it in a run's, and in the parts of a cross-validation."""
    names = [f"r{number:02d}" for number in range(12)]
    write_answers(tmp_path / "run" / "predictions", RHYTHM, range(12))
    (tmp_path / "run" / "task.toml").write_text(format_task(RHYTHM))
    (tmp_path / "run" / "test_ids.txt").write_text(",".join(names))
    for outputs in (tmp_path / "run", tmp_path / "run" / "predictions"):
        which = WhichRecords(records=tmp_path / "run" / "test_ids.txt")
        found = evaluate(ward, outputs, which=which, config=QUICK)
        assert found.task.name == "rhythm"
        assert (found.n_records, found.n_left_out) == (10, 2)
    assert [part.n_records for part in evaluate(ward, tmp_path / "run", config=QUICK).held_out] == [10]
    (tmp_path / "cv").mkdir()
    (tmp_path / "cv" / "crossvalidation.json").write_text('{"parts": ["fold-0"]}')
    (tmp_path / "run").rename(tmp_path / "cv" / "fold-0")
    (tmp_path / "cv" / "fold-0" / "predictions").rename(tmp_path / "cv" / "predictions")
    assert evaluate(ward, tmp_path / "cv", config=QUICK).task.name == "rhythm"


@pytest.mark.usefixtures("folds")
def test_one_side_of_a_split_is_scored(ward: Path, tmp_path: Path) -> None:
    """The official one, by its side; a column that names sides or the task's values; a table; a folder of ids."""
    store = ward.parent / "ecg.zarr"
    write_answers(tmp_path / "out", RHYTHM, range(N))
    of_side = {side: evaluate_side(store, tmp_path / "out", split=side) for side in ("train", "valid", "test")}
    labelled = {number for number in range(N) if set(codes_of(number)) & {"SR", "ST", "RACE"}}
    folds = {side: {number for number in labelled - {N - 1} if number % 4 in own} for side, own in SIDES_OF.items()}
    assert of_side == folds
    assert evaluate_side(store, tmp_path / "out", split="official") == of_side["test"]
    assert evaluate_side(store, tmp_path / "out", split="fold", side="valid") == of_side["valid"]
    assert evaluate_side(store, tmp_path / "out", side="valid") == of_side["valid"]
    table = tmp_path / "sides.csv"
    rows = [f"some/where/r{number:02d}\t{('dev', 'tst', 'train')[number % 3]}" for number in range(N)]
    table.write_text("filename_hr\tside\n" + "\n".join(rows) + "\n")
    assert evaluate_side(store, tmp_path / "out", split=f"{table}:side") == labelled & set(range(1, N, 3))
    (tmp_path / "ids").mkdir()
    for side, names in (("train", "r00,r01"), ("test", "r02,r03\n")):
        (tmp_path / "ids" / f"{side}_ids.txt").write_text(names)
    assert evaluate_side(store, tmp_path / "out", split=str(tmp_path / "ids")) == {2, 3}
    for which, message in (
        (WhichRecords(split="test", side="train"), "split test and side train; expected one of the two"),
        (WhichRecords(split=str(tmp_path / "ids"), side="valid"), "no record of .* is on side valid"),
        (WhichRecords(split="ward"), "split 'ward': no column of the store"),
        (WhichRecords(split="valid", side="ward"), "split valid and side ward"),
    ):
        with pytest.raises(ConfigError, match=message):
            evaluate(store, tmp_path / "out", task=RHYTHM, which=which, config=QUICK)
    with pytest.raises(ConfigError, match="a folder of headers has no sides to split by"):
        evaluate(ward, tmp_path / "out", task=RHYTHM, which=WhichRecords(split="test"), config=QUICK)
    with pytest.raises(ConfigError, match="task sex has no official split"):
        evaluate(store, tmp_path / "out", task=named_task("sex"), which=WhichRecords(split="test"), config=QUICK)


def evaluate_side(store: Path, outputs: Path, **which: str) -> set[int]:
    """The numbers of the records that are scored."""
    chosen = WhichRecords(**which)
    names = read_truth([store], RHYTHM, chosen.chosen(None)).names
    assert evaluate(store, outputs, task=RHYTHM, which=chosen, config=QUICK).n_records == len(names)
    return {int(name[1:]) for name in names}


def test_listed_records_are_scored(ward: Path, tmp_path: Path) -> None:
    write_answers(tmp_path / "out", RHYTHM, range(8))
    listed = tmp_path / "list.txt"
    listed.write_text("r00, r01\r\nr02\nr05\n")
    found = evaluate(ward, tmp_path / "out", task=RHYTHM, which=WhichRecords(records=listed), config=QUICK)
    assert (found.n_records, found.n_left_out, found.unlabelled_outputs) == (3, 1, ())
    listed.write_text("r00,elsewhere")
    with pytest.raises(InputError, match=r"1 of 2 records in .*list\.txt are not there, the first is elsewhere"):
        evaluate(ward, tmp_path / "out", task=RHYTHM, which=WhichRecords(records=listed), config=QUICK)
    listed.write_text("\n")
    with pytest.raises(InputError, match=r"list\.txt: names no record"):
        evaluate(ward, tmp_path / "out", task=RHYTHM, which=WhichRecords(records=listed), config=QUICK)
    (tmp_path / "run").mkdir()
    (tmp_path / "out").rename(tmp_path / "run" / "predictions")
    (tmp_path / "run" / "test_ids.txt").write_text("r00,r01")
    listed.write_text("r01,r02")
    with pytest.raises(InputError, match="1 of 2 records were not held out, the first is r02"):
        evaluate(ward, tmp_path / "run", task=RHYTHM, which=WhichRecords(records=listed), config=QUICK)


@pytest.mark.usefixtures("folds")
def test_groups_of_columns_are_scored_as_if_they_were_alone(ward: Path, tmp_path: Path) -> None:
    write_answers(tmp_path / "out", RHYTHM)
    paths = tmp_path / "s.csv", tmp_path / "s.json"
    store, which = ward.parent / "ecg.zarr", WhichRecords(by=("sex", "age", "fold"))
    found = evaluate(store, tmp_path / "out", paths[0], task=RHYTHM, which=which, config=QUICK, json_path=paths[1])
    groups = {column: [part.name for part in parts] for column, parts in found.by.items()}
    assert groups["sex"] == ["female", "male", "unknown"]
    decades = ["40 to 49", "50 to 59", "60 to 69", "70 to 79", "80 to 89", "90 or older", "unknown"]
    assert groups["age"] == decades
    assert groups["fold"] == ["1", "2", "3", "4"]
    for parts in found.by.values():
        assert sum(part.n_records for part in parts) == found.n_records
    males = ",".join(f"r{number:02d}" for number in range(1, N, 3))
    (tmp_path / "males.txt").write_text(males)
    only = WhichRecords(records=tmp_path / "males.txt")
    alone = evaluate(store, tmp_path / "out", task=RHYTHM, which=only, config=QUICK)
    assert found.by["sex"][1].scores.to_dict() == alone.scores.to_dict()
    with (tmp_path / "s-by-sex.csv").open() as file:
        assert [row["part"] for row in csv.DictReader(file)] == groups["sex"]
    values = json.loads(paths[1].read_text())
    assert [part["name"] for part in values["by"]["fold"]] == groups["fold"]
    assert values["n_left_out"] == found.n_left_out
    of_headers = evaluate(ward, tmp_path / "out", task=RHYTHM, which=WhichRecords(by=("age",)), config=QUICK)
    for one, other in zip(of_headers.by["age"], found.by["age"], strict=True):
        assert (one.name, one.scores.to_dict()) == (other.name, other.scores.to_dict())
    with pytest.raises(ConfigError, match=r"ecg\.zarr: has no column 'ward'; expected sex, age, dataset"):
        evaluate(store, tmp_path / "out", task=RHYTHM, which=WhichRecords(by=("ward",)), config=QUICK)
    with pytest.raises(ConfigError, match="headers have no column 'fold'; expected sex, age, dataset"):
        evaluate(ward, tmp_path / "out", task=RHYTHM, which=WhichRecords(by=("fold",)), config=QUICK)


def test_one_of_many_is_told_by_a_column(ward: Path, tmp_path: Path) -> None:
    """Whose sex is not known is left out; two women are taken for men."""
    (tmp_path / "out").mkdir()
    for number in range(N):
        female = number % 3 == 0 and number not in (3, 6)
        one = Prediction(
            f"r{number:02d}", ("female", "male"), (int(female), int(not female)), (0.8, 0.2)[:: 1 if female else -1]
        )
        (tmp_path / "out" / f"r{number:02d}.csv").write_text(format_prediction(one))
    found = evaluate(ward.parent / "ecg.zarr", tmp_path / "out", task=named_task("sex"), config=QUICK)
    assert (found.n_records, found.n_left_out) == (16, 8)
    assert isinstance(found.scores, Scores)
    assert found.scores.accuracy == 14 / 16
    assert found.scores.balanced_accuracy == pytest.approx((6 / 8 + 1) / 2)
    assert found.intervals is not None
    low, high = found.intervals.macro["balanced_accuracy"]
    assert low <= found.scores.balanced_accuracy <= high
    with pytest.raises(InputError, match="has labels in codes alone; task sex needs the column sex of a store"):
        evaluate(ward, tmp_path / "out", task=named_task("sex"), config=QUICK)


def test_a_number_is_read_from_the_table(ward: Path, tmp_path: Path) -> None:
    """Ages told two years too high: MAE and RMSE are 2; who has no age is left out."""
    store, age = ward.parent / "ecg.zarr", named_task("age")
    answers = {f"r{number:02d}": 42.0 + 5 * (number % 12) for number in range(N)}
    write_numbers(tmp_path / "out", answers)
    paths = tmp_path / "s.csv", tmp_path / "s.json"
    found = evaluate(store, tmp_path / "out", paths[0], task=age, config=QUICK, json_path=paths[1])
    assert (found.n_records, found.n_left_out) == (23, 1)
    assert isinstance(found.scores, NumberScores)
    assert (found.scores.mae, found.scores.rmse) == (pytest.approx(2), pytest.approx(2))
    assert found.scores.pearson == pytest.approx(1)
    assert [path.name for path in found.written] == ["s.csv", "s-datasets.csv", "s.json"]
    assert paths[0].read_text().startswith("Mean absolute error,Root mean square error,R2,Pearson correlation\n")
    values = json.loads(paths[1].read_text())
    assert values["scores"]["mae"] == pytest.approx(2)
    assert "calibration" not in values
    names = sorted(answers)
    scores = np.array([[answers[name]] for name in names], np.float32)
    arrays = evaluate_arrays([store], names, ["age"], np.zeros((N, 1), np.uint8), scores, task=age, config=QUICK)
    assert arrays.scores == found.scores
    by_itself = evaluate(store, tmp_path / "out", config=QUICK)  # its table says what it tells
    assert (by_itself.task.name, by_itself.scores) == ("age", found.scores)
    with pytest.raises(InputError, match=r"predictions\.csv: is of age, which task rhythm does not know"):
        evaluate(store, tmp_path / "out", task=RHYTHM, config=QUICK)
    del answers["r07"]
    (tmp_path / "out" / "predictions.csv").unlink()
    (tmp_path / "out").rmdir()
    write_numbers(tmp_path / "out", answers)
    with pytest.raises(InputError, match=r"predictions\.csv: 1 of 23 records are not in it, the first is r07"):
        evaluate(store, tmp_path / "out", task=age, config=QUICK)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,score\n", r"no column record; expected what predict wrote"),
        ("record,class,score,label\nr01,age,old,\n", r"line 2: r01: score 'old'; expected a number"),
        ("record,class,score,label\nr01,age,50,maybe\n", r"line 2: r01: label 'maybe'; expected 0 or 1"),
        ("record,class,score,label\nr01,age,50,0\nr01,age,51,0\n", r"line 3: r01: age a second time"),
        ("record,class,score,label\nr01,age\n", r"line 2: r01: score None; expected a number"),
        ("record,class,score,label\nr01,age,nan,\n", r"r01: no number of age|of 23 records are not in it"),
        ('record,class,score,label\n"r01,age\n', r"cannot be read \(unexpected end of data\)"),
        ("record,class,score,label\nother,age,5,\n", r"23 of 23 records have no output file"),
    ],
)
def test_a_damaged_table_is_named(ward: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "predictions.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        evaluate(ward.parent / "ecg.zarr", tmp_path, task=named_task("age"), config=QUICK)
