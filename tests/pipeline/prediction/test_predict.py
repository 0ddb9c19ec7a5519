"""Prediction: the same from store and files, invariant to gain, everything readable predicted, the rest named."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import ConfigError, InputError, RunFolderError
from ecg12.ecg.labels.snomed import EQUIVALENTS, SCORED_CLASSES, SCORED_CODES
from ecg12.ecg.scores.challenge_csv import Prediction, parse_prediction
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.prediction import stream as prediction
from ecg12.pipeline.prediction.output_folder import TABLE
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.runs.run_folder import load_model
from ecg12.pipeline.training.train import train
from tests.cache.small_store import flip_byte
from tests.conftest import REPOSITORY, TINY
from tests.records import pulses_uv, write_record


def read(folder: Path) -> dict[str, Prediction]:
    return {
        path.relative_to(folder).with_suffix("").as_posix(): parse_prediction(path.read_text(), strict=True)
        for path in folder.rglob("*.csv")
        if path.name != TABLE
    }


def test_store_and_files_give_the_same(simulated: Path, simulated_store: Path, run: Path, tmp_path: Path) -> None:
    from_files = predict([simulated], tmp_path / "files", run)
    from_store = predict([simulated_store], tmp_path / "store", run)
    assert from_files.n_records == from_store.n_records == 80
    files, store = read(tmp_path / "files"), read(tmp_path / "store")
    assert files.keys() == store.keys() == set(Store(simulated_store).names)
    for name, one in files.items():
        np.testing.assert_allclose(one.scores, store[name].scores, atol=2e-3)
        assert one.record_name == name
        assert one.codes == SCORED_CODES


def test_labels_are_scores_above_thresholds_and_equivalents_agree(simulated: Path, run: Path, tmp_path: Path) -> None:
    predict([simulated / "Training_PTB"], tmp_path / "out", run)
    thresholds = dict(zip(SCORED_CLASSES, load_model(run).rule.thresholds, strict=True))
    for one in read(tmp_path / "out").values():
        by_code = dict(zip(one.codes, zip(one.labels, one.scores, strict=True), strict=True))
        for code, (label, score) in by_code.items():
            assert by_code[EQUIVALENTS.get(code, code)] == (label, score)
            threshold = thresholds[EQUIVALENTS.get(code, code)]
            if abs(score - threshold) > 1e-6:
                assert label == (score > threshold)


def test_batching_changes_nothing(simulated: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predict([simulated / "Training_CPSC"], tmp_path / "many", run)
    monkeypatch.setattr(prediction, "BATCH_WINDOWS", 1)
    predict([simulated / "Training_CPSC"], tmp_path / "single", run)
    many, single = read(tmp_path / "many"), read(tmp_path / "single")
    assert many.keys() == single.keys()
    for name, one in many.items():
        np.testing.assert_allclose(one.scores, single[name].scores, atol=1e-5)


@pytest.mark.parametrize("gain", ["204.9180327868853/mV", "4880/mV"])
def test_scores_do_not_depend_on_the_gain(run: Path, tmp_path: Path, gain: str) -> None:
    for number in range(4):
        signal = pulses_uv(5000, seed=number)
        write_record(tmp_path / "plain", f"hospital{number}", signal)
        write_record(tmp_path / "scaled", f"hospital{number}", signal, gain=gain)
    predict([tmp_path / "plain"], tmp_path / "one", run)
    predict([tmp_path / "scaled"], tmp_path / "other", run)
    one, other = read(tmp_path / "one"), read(tmp_path / "other")
    for name, predicted in one.items():
        np.testing.assert_allclose(predicted.scores, other[name].scores, atol=0.005)


def test_a_bad_record_is_named_and_the_others_predicted(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in ("fine1", "cut", "wrong", "fine2"):
        write_record(folder, name)
    (folder / "cut.mat").write_bytes((folder / "cut.mat").read_bytes()[:-100])
    damaged = bytearray((folder / "wrong.mat").read_bytes())
    damaged[500] ^= 1
    (folder / "wrong.mat").write_bytes(damaged)
    (folder / "noise.hea").write_text("not a header")
    summary = predict([folder], tmp_path / "out", run)
    assert summary.n_records == 2
    reasons = {reject.record: reject.reason for reject in summary.rejects}
    assert "the file is cut short" in reasons["cut"]
    assert "do not match the header's checksum" in reasons["wrong"]
    assert set(reasons) == {"cut", "wrong", "noise"}
    assert set(read(tmp_path / "out")) == {"fine1", "fine2"}


@pytest.mark.parametrize("damage", ["swapped", "lost", "flipped"])
def test_a_damaged_chunk_costs_its_records_and_no_others(
    simulated: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Chunks of a few records each; a long record reaches into the damaged one and is lost, too."""
    monkeypatch.setattr("ecg12.pipeline.prediction.stream.GROUP_SAMPLES", {"cpu": 20_000})
    folder = Path(shutil.copytree(simulated, tmp_path / "in"))
    write_record(folder, "long", pulses_uv(30_000, seed=9))
    build_cache([folder], tmp_path / "s.zarr", StoreConfig(chunk_length=8192))
    predict([tmp_path / "s.zarr"], tmp_path / "whole", run)
    store = Store(tmp_path / "s.zarr")
    row = store.index_of("long")
    bad = int(store.starts[row]) // 8192 + 1
    first, last = store.starts // 8192, (store.starts + store.lengths - 1) // 8192
    lost = set(store.ids[(first <= bad) & (last >= bad)])
    assert "long" in lost
    file, other = (tmp_path / "s.zarr/signal/c/0" / str(chunk) for chunk in (bad, (bad + 1) % store.n_chunks))
    if damage == "swapped":
        file.write_bytes(other.read_bytes())
    elif damage == "lost":
        file.unlink()
    else:
        flip_byte(file)
    summary = predict([tmp_path / "s.zarr"], tmp_path / "out", run)
    assert {reject.record for reject in summary.rejects} == lost
    assert all(f"signal chunk {bad}: " in reject.reason for reject in summary.rejects)
    assert summary.n_records == store.n_records - len(lost) > 0
    whole, found = read(tmp_path / "whole"), read(tmp_path / "out")
    assert found.keys() == whole.keys() - lost
    for name, predicted in found.items():
        np.testing.assert_allclose(predicted.scores, whole[name].scores, atol=1e-6)


def test_records_of_the_same_name_keep_their_folders(run: Path, tmp_path: Path) -> None:
    for patient in ("p1", "p2"):
        write_record(tmp_path / "in" / patient, "ecg")
    write_record(tmp_path / "in", "other")
    predict([tmp_path / "in"], tmp_path / "out", run)
    assert set(read(tmp_path / "out")) == {"p1/ecg", "p2/ecg", "other"}


def test_short_and_long_records_of_any_rate(run: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "in", "short", pulses_uv(50, fs=250), fs=250)
    write_record(tmp_path / "in", "long", pulses_uv(360 * 70, fs=360), fs=360)
    predict([tmp_path / "in"], tmp_path / "out", run)
    for one in read(tmp_path / "out").values():
        assert all(0 <= score <= 1 for score in one.scores)


def test_existing_predictions_are_not_overwritten(simulated: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "A0001.csv").write_text("mine")
    with pytest.raises(InputError, match="holds CSV files already; choose another --output, or --force"):
        predict([simulated], tmp_path / "out", run)
    assert (tmp_path / "out" / "A0001.csv").read_text() == "mine"
    predict([simulated / "Training_PTB"], tmp_path / "out", run, force=True)
    with pytest.raises(InputError, match=r"A0001\.csv: is a file; expected a folder for the predictions"):
        predict([simulated], tmp_path / "out" / "A0001.csv", run)


def test_bad_arguments_are_named(simulated: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="nowhere: does not exist; expected a store, a folder of recordings, a tarball, or a recording"
    ):
        predict([tmp_path / "nowhere"], tmp_path / "out", run)
    with pytest.raises(RunFolderError, match="no such run folder"):
        predict([simulated], tmp_path / "out", tmp_path / "no-run")
    assert not (tmp_path / "out").exists()


def test_a_store_of_another_rate_is_refused(run: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "in", "A0001")
    build_cache([tmp_path / "in"], tmp_path / "ecg.zarr", StoreConfig(fs=250))
    with pytest.raises(ConfigError, match=r"at 250 Hz; the model expects .* at 400 Hz: build such a store"):
        predict([tmp_path / "ecg.zarr"], tmp_path / "out", run)


def test_a_store_that_does_not_fit_is_skipped_by_name_beside_others(run: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "a", "A0001")
    write_record(tmp_path / "a", "A0002", pulses_uv(5000, seed=3))
    write_record(tmp_path / "b", "fine")
    build_cache([tmp_path / "a"], tmp_path / "slow.zarr", StoreConfig(fs=250))
    build_cache([tmp_path / "b"], tmp_path / "right.zarr", StoreConfig())
    for others in ([tmp_path / "b"], [tmp_path / "right.zarr"]):
        out = tmp_path / f"out-{others[0].name}"
        summary = predict([tmp_path / "slow.zarr", *others], out, run)
        assert summary.n_records == 1
        assert {reject.record for reject in summary.rejects} == {"A0001", "A0002"}
        assert all("at 250 Hz; the model expects" in reject.reason for reject in summary.rejects)
        assert set(read(out)) == {"fine"}


def test_predicting_a_record_imports_nothing_that_is_slow_and_not_needed() -> None:
    """A second of a start of three goes to each of these, and few predictions want them."""
    slow = ("scipy.signal", "scipy.stats", "matplotlib", "pandas", "wfdb", "dask", "distributed", "pydicom", "edfio")
    code = "import sys, ecg12.pipeline.prediction.predict, ecg12.pipeline.formats.wfdb.records\n"
    code += f"print([name for name in {slow} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.shared
def test_originals_are_predicted(shared: Path, run: Path, tmp_path: Path) -> None:
    summary = predict([shared / "data" / "originals"], tmp_path / "out", run)
    assert (summary.n_records, summary.rejects) == (3, ())
    assert set(read(tmp_path / "out")) == {"s0010_re", "00001_hr", "00002_hr"}


@pytest.mark.shared
def test_the_databases_own_form_gives_what_the_challenges_does(shared: Path, run: Path, tmp_path: Path) -> None:
    """HR00001 is PTB-XL's 00001, S0001 is PTB's s0010_re (at 2,000 adu/mV, with three more leads)."""
    predict([shared / "data" / "originals"], tmp_path / "originals", run)
    predict([shared / "data" / "challenge2020"], tmp_path / "challenge", run)
    originals, challenge = read(tmp_path / "originals"), read(tmp_path / "challenge")
    np.testing.assert_allclose(originals["00001_hr"].scores, challenge["HR00001"].scores, atol=1e-6)
    np.testing.assert_allclose(originals["s0010_re"].scores, challenge["S0001"].scores, atol=0.02)


def test_a_model_of_a_filtered_store_filters_what_it_predicts_on(simulated: Path, run: Path, tmp_path: Path) -> None:
    store = tmp_path / "filtered.zarr"
    build_cache([simulated / "Training_PTB", simulated / "Training_2"], store, StoreConfig(highpass=0.5))
    with pytest.raises(ConfigError, match=r"high-pass and notch filter at 0\.5 and None Hz; the model expects None"):
        predict([store], tmp_path / "out", run)
    trained = train(store, folder=tmp_path / "run", options={"epochs": 1}, model_options=TINY).folder
    assert load_model(trained).config.highpass == 0.5
    predict([store], tmp_path / "store", trained)
    predict([simulated / "Training_PTB", simulated / "Training_2"], tmp_path / "files", trained)
    files, stored = read(tmp_path / "files"), read(tmp_path / "store")
    assert files.keys() == stored.keys()
    for name, one in files.items():
        np.testing.assert_allclose(one.scores, stored[name].scores, atol=2e-3)
