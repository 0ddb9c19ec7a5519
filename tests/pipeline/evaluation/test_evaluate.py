"""Evaluation: the official figures from files, from headers or from a store."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, InputError
from ecg12.ecg.labels.snomed import NORMAL_CODE
from ecg12.ecg.scores.challenge_csv import Prediction, format_prediction
from ecg12.pipeline.evaluation.evaluate import OFFICIAL_COLUMNS, EvaluateConfig, evaluate
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.runs.prediction_folders import write_cross_validation, write_gain_sweep
from tests.records import write_record


def write_prediction(folder: Path, name: str, codes: dict[str, int]) -> None:
    folder.mkdir(exist_ok=True)
    labels = tuple(codes.values())
    one = Prediction(record_name=name, codes=tuple(codes), labels=labels, scores=tuple(map(float, labels)))
    (folder / f"{name}.csv").write_text(format_prediction(one))


@pytest.mark.shared
def test_equals_the_official_evaluator(shared: Path, tmp_path: Path) -> None:
    """Labels as header files, outputs as Challenge CSVs, against the official evaluator's own results."""
    fixture = json.loads((shared / "fixtures" / "evaluation" / "official_scores.json").read_text())
    for record in fixture["records"]:
        write_record(tmp_path / "labels", record["record"], dx=",".join(record["dx"]), stated_length=5000)
        lines = [f"#{record['record']}"]
        lines += [",".join(map(str, row)) for row in (fixture["codes"], record["labels"], record["scores"])]
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / f"{record['record']}.csv").write_text("\n".join(lines) + "\n")
    result = evaluate(tmp_path / "labels", tmp_path / "out", tmp_path / "scores.csv").scores
    expected = fixture["expected"]
    for name in OFFICIAL_COLUMNS.values():
        assert getattr(result, name) == pytest.approx(expected[name], abs=1e-9)
    with (tmp_path / "scores.csv").open() as file:
        (row,) = csv.DictReader(file)
    for title, name in OFFICIAL_COLUMNS.items():
        assert float(row[title]) == pytest.approx(expected[name], abs=1e-9)
    with (tmp_path / "scores-classes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["code"] for r in rows] == expected["classes"]
    assert [float(r["auroc"]) for r in rows] == pytest.approx(expected["auroc_classes"], abs=1e-9)


def test_labels_from_a_store_or_from_its_records(
    simulated: Path, simulated_store: Path, run: Path, tmp_path: Path
) -> None:
    predict([simulated_store], tmp_path / "out", run)
    from_store = evaluate(simulated_store, tmp_path / "out")
    from_headers = evaluate(simulated, tmp_path / "out")
    for name in OFFICIAL_COLUMNS.values():  # the records come in another order, so the last digits may differ
        assert getattr(from_store.scores, name) == pytest.approx(getattr(from_headers.scores, name), abs=1e-12)
    assert from_store.scores.n_positive == from_headers.scores.n_positive
    assert from_store.n_records == from_headers.n_records == 80
    assert from_store.written == ()


def test_a_perfect_and_an_inactive_classifier(tmp_path: Path) -> None:
    dx = {"r1": NORMAL_CODE, "r2": "164889003", "r3": "59118001,284470004", "r4": "", "r5": "164889003"}
    for name, codes in dx.items():
        write_record(tmp_path / "labels", name, dx=codes)
        write_prediction(tmp_path / "right", name, dict.fromkeys(codes.split(","), 1) if codes else {NORMAL_CODE: 0})
        write_prediction(tmp_path / "normal", name, {NORMAL_CODE: 1})
    summary = evaluate(tmp_path / "labels", tmp_path / "right")
    assert summary.scores.challenge_metric == pytest.approx(1.0)
    assert summary.scores.accuracy == 1.0
    assert summary.n_unlabelled == 1
    assert evaluate(tmp_path / "labels", tmp_path / "normal").scores.challenge_metric == pytest.approx(0.0)


def test_a_header_that_is_none_is_named_with_its_folder(tmp_path: Path) -> None:
    for name in ("a/r1", "b/r1"):
        (tmp_path / "labels" / name).parent.mkdir(parents=True)
        write_record((tmp_path / "labels" / name).parent, "r1")
    bad = tmp_path / "labels" / "b" / "r1.hea"
    for text in (b"", b"r1 x y\n", b"\xff\xfe\x00", b"r1 1 500 5000\n"):
        bad.write_bytes(text)
        with pytest.raises(InputError, match=re.escape(f"{bad}: ")) as caught:
            evaluate(tmp_path / "labels", tmp_path)
        assert str(caught.value).count(str(bad)) == 1


def test_missing_things_are_named(tmp_path: Path) -> None:
    write_record(tmp_path / "labels", "r1")
    write_record(tmp_path / "labels", "r2")
    with pytest.raises(InputError, match="out: no such folder; expected one Challenge CSV for each record"):
        evaluate(tmp_path / "labels", tmp_path / "out")
    write_prediction(tmp_path / "out", "r1", {NORMAL_CODE: 1})
    with pytest.raises(InputError, match=r"1 of 2 records have no output file, the first is r2\.csv"):
        evaluate(tmp_path / "labels", tmp_path / "out")
    with pytest.raises(InputError, match="no WFDB record there"):
        evaluate(tmp_path / "out", tmp_path / "out")


AF, BRADYCARDIA = "164889003", "426627000"


def write_entrants(folder: Path, *, n: int = 30, seed: int = 1) -> None:
    """Records of three datasets in `folder`/labels, and an entrant's answers in `folder`/out."""
    rng = np.random.default_rng(seed)
    for number in range(n):
        codes = [code for code in (AF, BRADYCARDIA, NORMAL_CODE) if rng.random() < 0.4]
        name = ("A{:04d}", "E{:05d}", "ward{}")[number % 3].format(number)
        place = folder / "labels" / ("ward" if number % 3 == 2 else "challenge")
        write_record(place, name, dx=",".join(codes), stated_length=5000)
        scores = {code: 0.6 * (code in codes) + 0.4 * rng.random() for code in (AF, BRADYCARDIA, NORMAL_CODE)}
        write_scores(folder / "out", name, scores)


def write_scores(folder: Path, name: str, scores: dict[str, float]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    labels = tuple(int(score > 0.5) for score in scores.values())
    one = Prediction(record_name=name, codes=tuple(scores), labels=labels, scores=tuple(scores.values()))
    (folder / f"{name}.csv").write_text(format_prediction(one))


def test_datasets_intervals_and_calibration(tmp_path: Path) -> None:
    write_entrants(tmp_path)
    found = evaluate(tmp_path / "labels", tmp_path / "out", config=EvaluateConfig(n_bootstrap=200, n_bins=5))
    assert [(part.name, part.n_records) for part in found.datasets] == [("cpsc", 10), ("georgia", 10), ("labels", 10)]
    assert sum(part.n_unlabelled for part in found.datasets) == found.n_unlabelled > 0
    assert found.intervals is not None
    assert (found.intervals.n_replicates, found.intervals.n_units, found.units) == (200, 30, "records")
    for name in OFFICIAL_COLUMNS.values():
        low, high = found.intervals.macro[name]
        assert low <= getattr(found.scores, name) <= high
    assert 0 < found.calibration < 0.5
    assert found.calibration_classes[5] == 0  # nobody has it, and nobody is said to
    assert found.n_bins == 5


def test_a_dataset_is_scored_as_if_it_were_alone(tmp_path: Path) -> None:
    write_entrants(tmp_path)
    whole = evaluate(tmp_path / "labels", tmp_path / "out")
    alone = evaluate(tmp_path / "labels" / "ward", tmp_path / "out")
    assert whole.datasets[2].scores.to_dict() == alone.scores.to_dict()


def test_intervals_draw_the_groups_of_a_store(simulated_store: Path, tmp_path: Path) -> None:
    store = Store(simulated_store)
    for row, name in enumerate(store.ids):
        write_scores(tmp_path / "out", name, {code: 0.9 for code in store.dx_codes(row)} or {AF: 0.1})
    found = evaluate(simulated_store, tmp_path / "out", config=EvaluateConfig(n_bootstrap=20))
    assert found.intervals is not None
    assert found.intervals.n_units == len(set(store.column("record/group"))) < store.n_records
    assert found.units == "groups"


def test_without_intervals(tmp_path: Path) -> None:
    write_entrants(tmp_path)
    found = evaluate(tmp_path / "labels", tmp_path / "out", config=EvaluateConfig(n_bootstrap=0))
    assert found.intervals is None


def test_malformed_files_count_as_the_official_evaluator_counts_them(tmp_path: Path) -> None:
    """Each file below is one slip; beside it what it amounts to."""
    slips = {
        "short": (f"#short\n{AF}\n1\n", {}),
        "uneven": (f"#uneven\n{AF},{BRADYCARDIA}\n1\n0.9,0.8\n", {}),
        "empty": ("", {}),
        "words": (f"#words\n{AF},{BRADYCARDIA},{NORMAL_CODE}\nTrue,T,yes\nhigh,0.8,0.3\n", {AF: (1, 0.0)}),
        "nan": (f"#nan\n{AF},{BRADYCARDIA}\nnan,1\nnan,0.8\n", {AF: (0, 0.0)}),
        "unknown": ("#unknown\n999,164889003\n1,1\n0.1,0.7\n", {AF: (1, 0.7)}),
        "binary": ("\xff\xfe\x00", {}),
    }
    slips["words"][1].update({BRADYCARDIA: (1, 0.8), NORMAL_CODE: (0, 0.3)})
    slips["nan"][1][BRADYCARDIA] = (1, 0.8)
    for name, (text, meaning) in slips.items():
        write_record(tmp_path / "labels", name, dx=f"{AF},{BRADYCARDIA}")
        for folder in ("slips", "meant"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "slips" / f"{name}.csv").write_bytes(text.encode("latin-1"))
        columns = {AF: (0, 0.0), BRADYCARDIA: (0, 0.0), NORMAL_CODE: (0, 0.0)} | meaning
        lines = [f"#{name}", ",".join(columns), *(",".join(str(v[i]) for v in columns.values()) for i in (0, 1))]
        (tmp_path / "meant" / f"{name}.csv").write_text("\n".join(lines) + "\n")
    slipped, meant = (evaluate(tmp_path / "labels", tmp_path / folder) for folder in ("slips", "meant"))
    assert slipped.scores.to_dict() == meant.scores.to_dict()


def test_everything_is_written(tmp_path: Path) -> None:
    write_entrants(tmp_path)
    paths = tmp_path / "new" / "scores.csv", tmp_path / "new" / "scores.json"
    found = evaluate(tmp_path / "labels", tmp_path / "out", paths[0], json_path=paths[1])
    names = ["scores.csv", "scores-classes.csv", "scores-datasets.csv", "scores.json"]
    assert [path.name for path in found.written] == names
    assert sorted(names) == sorted(path.name for path in (tmp_path / "new").iterdir())
    values = json.loads(paths[1].read_text())
    assert values["scores"]["challenge_metric"] == found.scores.challenge_metric
    assert values["calibration"]["bins"] == "10 of equal width over 0 to 1"
    assert values["calibration"]["macro"] == found.calibration
    assert values["intervals"]["units"] == "30 records"
    assert (values["intervals"]["n_replicates"], values["intervals"]["seed"]) == (1000, 2)
    assert values["intervals"]["classes"]["auroc"][5] == [None, None]
    assert [part["name"] for part in values["datasets"]] == ["cpsc", "georgia", "labels"]
    with (tmp_path / "new" / "scores-classes.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["code"] == AF)
    assert float(row["auroc_low"]) <= float(row["auroc"]) <= float(row["auroc_high"])
    assert 0 <= float(row["calibration_error"]) < 0.5
    with (tmp_path / "new" / "scores-datasets.csv").open() as file:
        assert [row["part"] for row in csv.DictReader(file)] == ["cpsc", "georgia", "labels"]


def test_a_gain_sweep_is_set_side_by_side(tmp_path: Path) -> None:
    write_entrants(tmp_path)
    (tmp_path / "sweep").mkdir()
    (tmp_path / "out").rename(tmp_path / "sweep" / "plain")
    write_gain_sweep(tmp_path / "sweep", {4.88: "loud", 1.0: "plain"})
    with pytest.raises(InputError, match=r"loud: 30 of 30 records have no output file"):
        evaluate(tmp_path / "labels", tmp_path / "sweep")
    for path in (tmp_path / "sweep" / "plain").iterdir():
        write_scores(tmp_path / "sweep" / "loud", path.stem, {AF: 0.75, BRADYCARDIA: 0.25})
    found = evaluate(tmp_path / "labels", tmp_path / "sweep", tmp_path / "scores.csv")
    assert [gain.gain for gain in found.gains] == [1.0, 4.88]
    plain, loud = found.gains
    for gain in found.gains:
        alone = evaluate(tmp_path / "labels", tmp_path / "sweep" / gain.part.name).scores.to_dict()
        assert gain.part.scores.to_dict() == alone
    assert found.scores.to_dict() == plain.part.scores.to_dict()
    assert (plain.n_labels_changed, plain.largest_change) == (0, 0.0)
    assert loud.n_labels_changed > 0
    assert 0.2 < loud.largest_change <= 1
    assert (tmp_path / "scores-gains.csv").is_file()


def test_a_cross_validation_is_scored_on_what_it_held_out(tmp_path: Path) -> None:
    write_entrants(tmp_path)
    run, names = tmp_path / "run", sorted(path.stem for path in (tmp_path / "out").iterdir())
    parts = {"fold-0": names[:12], "fold-1": names[12:25]}  # five records are in no fold
    for part, held_out in parts.items():
        (run / part).mkdir(parents=True)
        (run / part / "test_ids.txt").write_text(",".join(held_out))
    write_cross_validation(run, {"parts": list(parts)})
    with pytest.raises(InputError, match=r"run: the cross-validation is not finished \(predictions is missing\)"):
        evaluate(tmp_path / "labels", run)
    (tmp_path / "out").rename(run / "predictions")
    found = evaluate(tmp_path / "labels", run, tmp_path / "scores.csv", json_path=tmp_path / "scores.json")
    assert found.n_records == 25
    assert [(part.name, part.n_records) for part in found.held_out] == [("fold-0", 12), ("fold-1", 13)]
    assert (tmp_path / "scores-held-out.csv").read_text().count("fold-") == 2
    values = json.loads((tmp_path / "scores.json").read_text())
    assert [part["name"] for part in values["held_out"]] == list(parts)
    for name, mean in values["held_out_mean"].items():
        assert mean == pytest.approx(np.mean([part["scores"][name] for part in values["held_out"]]))
    (run / "fold-1" / "test_ids.txt").write_text("elsewhere")
    with pytest.raises(InputError, match=r"labels: 1 of 13 held-out records are not there, the first is elsewhere"):
        evaluate(tmp_path / "labels", run)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("gain-sweep.json", "{", r"gain-sweep\.json: cannot be read"),
        ("gain-sweep.json", '{"gains": [{"gain": 2, "folder": "x"}]}', r"KeyError 1\.0; expected what predict"),
        ("gain-sweep.json", "[]", r"gain-sweep\.json: list; expected an object"),
        ("crossvalidation.json", '{"parts": 3}', "parts are 3; expected names of folders"),
        ("crossvalidation.json", '{"parts": ["fold-0"]}', r"not finished \(fold-0 is missing\)"),
    ],
)
def test_damaged_descriptions_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        evaluate(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_bootstrap": -1}, r"n_bootstrap is -1; expected 0 \(no intervals\) to 1000000"),
        ({"n_bootstrap": 10**11}, "n_bootstrap is 100000000000; expected 0"),
        ({"n_bins": 10**12}, "n_bins is 1000000000000; expected 1 to 100000"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
        ({"level": 1.0}, r"level is 1\.0; expected a share between 0 and 1"),
        ({"n_bins": 0}, "n_bins is 0; expected 1 to 100000"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EvaluateConfig(**options)
