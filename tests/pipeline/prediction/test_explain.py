"""predict with explain: arrays and pictures for the classes that were meant, whatever the model and the input."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, UnknownCodeError
from ecg12.ecg.labels.snomed import SCORED_CODES
from ecg12.ecg.scores.challenge_csv import parse_prediction
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.prediction import score_maps
from ecg12.pipeline.prediction.ensemble import EnsemblePredictor
from ecg12.pipeline.prediction.explain import stored
from ecg12.pipeline.prediction.explain_config import ExplainConfig
from ecg12.pipeline.prediction.predict import PredictSummary, make_predictor, predict
from ecg12.pipeline.prediction.score_maps import explain_windows, to_grid
from ecg12.pipeline.training.train import train
from tests.conftest import TINY
from tests.pipeline.reference_folders import write_april, write_august
from tests.records import pulses_uv, write_record

QUICK = {"n_steps": 16, "form": "none"}


def explained(folder: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(folder / "explained" / f"{name}.npz") as file:
        return dict(file)


def explain(given: Path, output: Path, model: object, **options: object) -> PredictSummary:
    return predict([given], output, model, explain=ExplainConfig(**(QUICK | options)))


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return write_record(tmp_path / "in", "ecg", pulses_uv(5000, seed=4))


def test_positive_classes_are_explained_and_their_shares_add_up(simulated: Path, run: Path, tmp_path: Path) -> None:
    summary = explain(simulated / "Training_PTB", tmp_path / "out", run)
    assert summary.n_explained + summary.n_unexplained == summary.n_records
    assert summary.n_explained > 0
    n_positive = 0
    for path in (tmp_path / "out" / "explained").glob("*.npz"):
        found = explained(tmp_path / "out", path.stem)
        prediction = parse_prediction((tmp_path / "out" / f"{path.stem}.csv").read_text(), strict=True)
        positive = {code for code, label in zip(prediction.codes, prediction.labels, strict=True) if label}
        assert set(found["classes"]) <= positive
        n_positive += len(found["classes"])
        assert found["attribution"].dtype == np.float32
        assert found["attribution"].shape[:2] == (len(found["classes"]), 12)
        assert (tuple(found["leads"]), float(found["fs"])) == (LEADS, 400)
        scores = [prediction.scores[prediction.codes.index(code)] for code in found["classes"]]
        np.testing.assert_allclose(found["score"], scores, atol=1e-4)
        change = found["score"] - found["score_without_signal"]
        np.testing.assert_allclose(found["attribution"].sum(axis=(1, 2)) + found["gap"], change, atol=1e-4)
        assert np.abs(found["gap"]).max() < 0.1
    assert n_positive > 0


def test_store_and_files_are_explained_alike(simulated: Path, simulated_store: Path, run: Path, tmp_path: Path) -> None:
    explain(simulated / "Training_PTB", tmp_path / "files", run, classes=("top",))
    name = sorted(path.stem for path in (tmp_path / "files" / "explained").iterdir())[0]
    predictor = make_predictor(run)
    store = Store(simulated_store)
    given = stored(store, store.index_of(name), predictor)
    files = explained(tmp_path / "files", name)
    maps = explain_windows(
        predictor,
        given.windows,
        list(files["classes"]),
        torch.device("cpu"),
        n_samples=given.n_samples,
        fs=given.fs,
        n_steps=16,
        max_windows=8,
    )
    assert maps.values.shape == files["attribution"].shape
    # whole microvolts in the store: some ReLU falls on its other side
    assert np.corrcoef(maps.values.ravel(), files["attribution"].ravel())[0, 1] > 0.98
    np.testing.assert_allclose(maps.score, files["score"], atol=2e-3)
    assert given.recording.n_samples == int(store.lengths[store.index_of(name)])


def test_top_and_named_classes(record: Path, run: Path, tmp_path: Path) -> None:
    explain(record, tmp_path / "top", run, classes=("top",))
    prediction = parse_prediction((tmp_path / "top" / "ecg.csv").read_text(), strict=True)
    assert list(explained(tmp_path / "top", "ecg")["score"]) == pytest.approx([max(prediction.scores)], abs=1e-5)
    summary = explain(record, tmp_path / "named", run, classes=("AF", "59118001", "sinus rhythm"))
    found = explained(tmp_path / "named", "ecg")
    # 59118001 has its own column, the others are found by abbreviation and name
    assert set(found["classes"]) == {"164889003", "59118001", "426783006"}
    assert (summary.n_explained, summary.n_unexplained) == (1, 0)


def test_a_record_without_a_positive_class_is_counted(record: Path, tmp_path: Path) -> None:
    model = write_april(tmp_path / "model")
    summary = explain(record, tmp_path / "out", model, classes=("positive",))
    labels = parse_prediction((tmp_path / "out" / "ecg.csv").read_text(), strict=True).labels
    assert (summary.n_explained, summary.n_unexplained) == ((1, 0) if any(labels) else (0, 1))


def test_pictures_have_the_names_of_their_classes(record: Path, run: Path, tmp_path: Path) -> None:
    explain(record, tmp_path / "out", run, classes=("AF", "NSR"), form="png", n_steps=2)
    names = sorted(path.name for path in (tmp_path / "out" / "explained").iterdir())
    assert names == ["ecg.AF.png", "ecg.NSR.png", "ecg.npz"]
    explain(record, tmp_path / "svg", run, classes=("AF",), form="svg", n_steps=2)
    text = (tmp_path / "svg" / "explained" / "ecg.AF.svg").read_text()
    assert 'id="map-' in text
    assert 'id="legend' in text


def test_of_a_long_record_the_highest_windows_are_explained(run: Path, tmp_path: Path) -> None:
    signal = pulses_uv(500 * 52, seed=2)
    record = write_record(tmp_path / "in", "long", signal)
    explain(record, tmp_path / "all", run, classes=("AF",))
    explain(record, tmp_path / "two", run, classes=("AF",), max_windows=2)
    whole, some = explained(tmp_path / "all", "long"), explained(tmp_path / "two", "long")
    assert (int(whole["n_windows"]), int(whole["n_explained_windows"])) == (5, 5)
    assert (int(some["n_windows"]), int(some["n_explained_windows"])) == (5, 2)
    known = np.isfinite(some["attribution"][0, 0])
    assert known.sum() == pytest.approx(2 * 4096 + np.isfinite(whole["attribution"][0, 0]).sum() - 5 * 4096, abs=2)
    # the mean over windows: a window's shares do not depend on the others
    np.testing.assert_allclose(some["attribution"][:, :, known], whole["attribution"][:, :, known], atol=1e-6)
    assert float(some["score"][0]) == pytest.approx(float(whole["score"][0]), abs=1e-6)
    change = some["score"] - some["score_without_signal"]
    np.testing.assert_allclose(np.nansum(some["attribution"], axis=(1, 2)) + some["gap"], change, atol=1e-5)


def test_shares_stand_where_the_samples_are(run: Path, tmp_path: Path) -> None:
    """A short record is centred between zeros in its window: its padding is cut off again."""
    predictor = make_predictor(run)
    for n_samples in (1000, 5300):
        recording = read_wfdb(write_record(tmp_path, f"n{n_samples}", pulses_uv(n_samples)))
        windows = predictor.cut_recording(recording, 0)
        assert isinstance(windows, Batch)
        maps = explain_windows(
            predictor, windows, ["164889003"], torch.device("cpu"), n_samples=n_samples, fs=500, n_steps=4,
            max_windows=8,
        )  # fmt: skip
        length = -(-n_samples * 400 // 500)
        assert maps.values.shape == (1, 12, length)
        seen = np.flatnonzero(np.abs(maps.values[0]).sum(axis=0))
        first = max(length - 4096, 0) // 2
        assert first <= seen[0] <= first + 40
        assert first + min(length, 4096) - 40 <= seen[-1] < first + min(length, 4096)


@pytest.mark.parametrize(
    ("write", "options"),
    [
        (write_august, {}),
        (write_august, {"pred_stage_type": "lstm"}),
        (write_august, {"stage": "transformer"}),
        (write_august, {"combination_strategy": "max"}),
        (write_april, {}),
    ],
)
def test_models_of_the_reference_system(write: object, options: dict, tmp_path: Path) -> None:
    model = write(tmp_path / "model", **options)
    record = write_record(tmp_path / "in", "ecg", pulses_uv(500 * 22, seed=3))
    explain(record, tmp_path / "out", model, classes=("top",), n_steps=12)
    found = explained(tmp_path / "out", "ecg")
    assert int(found["n_windows"]) >= 2
    prediction = parse_prediction((tmp_path / "out" / "ecg.csv").read_text(), strict=True)
    assert float(found["score"][0]) == pytest.approx(max(prediction.scores), rel=1e-4)
    change = float(found["score"][0] - found["score_without_signal"][0])
    assert float(found["attribution"].sum()) == pytest.approx(change, abs=0.1 * abs(change) + 2e-3)


def test_an_ensemble_is_explained_by_the_mean_of_its_members(
    simulated_store: Path, run: Path, record: Path, tmp_path: Path
) -> None:
    other = train(simulated_store, folder=tmp_path / "other", options={"epochs": 1, "seed": 9}, model_options=TINY)
    for name, model in (("one", run), ("two", other.folder), ("both", [run, other.folder])):
        explain(record, tmp_path / name, model, classes=("AF",))
    one, two, both = (explained(tmp_path / name, "ecg") for name in ("one", "two", "both"))
    for key in ("attribution", "score", "score_without_signal", "gap"):
        np.testing.assert_allclose(both[key], (one[key] + two[key]) / 2, atol=1e-6)


def test_members_of_other_rates_and_classes_share_a_grid(run: Path, record: Path, tmp_path: Path) -> None:
    august = write_august(tmp_path / "august", sample_freq=250)
    predictor = make_predictor([run, august])
    assert isinstance(predictor, EnsemblePredictor)
    recording = read_wfdb(record)
    windows = predictor.cut_recording(recording.complete(predictor.leads), 0)
    # sinus rhythm is known to the first alone
    maps = explain_windows(
        predictor, windows, [SCORED_CODES[0], "426783006"], torch.device("cpu"), n_samples=5000, fs=500, n_steps=12,
        max_windows=8,
    )  # fmt: skip
    assert maps.values.shape == (2, 12, 4000)
    decided = predictor.predict([windows], torch.device("cpu"))
    columns = [predictor.classes.index(code) for code in (SCORED_CODES[0], "426783006")]
    np.testing.assert_allclose(maps.score, decided.scores[0, columns], atol=1e-4)
    np.testing.assert_allclose(maps.values.sum(axis=(1, 2)) + maps.gap, maps.score - maps.silent, atol=1e-3)


def test_another_grid_has_the_same_sums_at_the_same_times() -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 1000)).astype(np.float32)
    wider = to_grid(values, 1600)
    assert wider.shape == (2, 3, 1600)
    np.testing.assert_allclose(wider.sum(axis=2), values.sum(axis=2), atol=1e-3)
    np.testing.assert_allclose(wider[..., :800].sum(axis=2), values[..., :500].sum(axis=2), atol=1e-3)
    values[:, :, 500:] = np.nan
    assert np.isnan(to_grid(values, 1600)[..., 800:]).all()
    assert to_grid(values, 1000) is values


def test_pictures_and_arrays_appear_whole_or_not_at_all(
    record: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("numpy.savez_compressed", fail)
    explain(record, tmp_path / "out", run, classes=("AF",))
    assert not list((tmp_path / "out" / "explained").iterdir())
    assert (tmp_path / "out" / "predictions.csv").exists()


def test_steps_are_doubled_until_shares_add_up(run: Path, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = make_predictor(run)
    windows = predictor.cut_recording(read_wfdb(record), 0)
    given = {"n_samples": 5000, "fs": 500, "n_steps": 3, "max_windows": 8}
    for allowed, smallest, n_steps in ((10.0, 1.0, 3), (0.0, 0.0, 12)):
        monkeypatch.setattr(score_maps, "ALLOWED_GAP", allowed)
        monkeypatch.setattr(score_maps, "SMALLEST_GAP", smallest)
        maps = explain_windows(predictor, windows, ["164889003"], torch.device("cpu"), **given)
        assert maps.n_steps == n_steps


def test_what_cannot_be_explained_is_said_before_anything_is_predicted(record: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UnknownCodeError, match=r"explain: .*'AFB' not found.*paths of recordings stand before --explain"
    ):
        explain(record, tmp_path / "out", run, classes=("AFB",))
    with pytest.raises(ConfigError, match="explain: the model has no class 10370003; expected some of AF, I-AVB"):
        explain(record, tmp_path / "out", write_april(tmp_path / "april"), classes=("10370003",))
    with pytest.raises(ConfigError, match="explain: samples are multiplied by 2; expected recordings as they are"):
        predict([record], tmp_path / "out", run, gain=2.0, explain=ExplainConfig())
    assert not (tmp_path / "out").exists()


def test_a_class_that_the_model_was_not_trained_for_is_named(record: Path, tmp_path: Path) -> None:
    model = write_august(tmp_path / "august")  # the first three of the 27 columns
    with pytest.raises(ConfigError, match="explain: the model was not trained for 426783006; expected classes"):
        explain(record, tmp_path / "out", model, classes=("NSR",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ()}, "explain: no classes; expected positive, top, or codes"),
        ({"classes": ("top", "AF")}, "explain: top, AF; expected positive or top alone"),
        ({"n_steps": 0}, "n_steps is 0; expected 1 to 1,000"),
        ({"max_windows": 0}, "max_windows is 0; expected at least 1"),
        ({"form": "jpg"}, "form is 'jpg'; expected png, svg, pdf, none"),
        ({"dpi": 1.0}, "dpi is 1; expected 20 to 2,400"),
    ],
)
def test_configuration_is_checked(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExplainConfig(**options)


def test_configuration_round_trip() -> None:
    config = ExplainConfig(classes=("AF", "PVC"), n_steps=3, form="pdf")
    assert ExplainConfig.from_dict(config.to_dict()) == config


def test_missing_leads_are_explained_as_predicted(run: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "in", "three", pulses_uv(5000)[[0, 1, 7]], leads=("I", "II", "V2"))
    told = InputConfig(missing_leads="zero")
    predict([tmp_path / "in"], tmp_path / "out", run, told=told, explain=ExplainConfig(classes=("AF",), **QUICK))
    values = explained(tmp_path / "out", "three")["attribution"][0]
    assert not values[LEADS.index("V1")].any()
    assert values[LEADS.index("aVR")].any()  # derived
