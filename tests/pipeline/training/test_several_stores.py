"""Two stores built apart against the one built together: the same tables, batches, training, predictions, scores."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.cache.schema import COLUMNS, StoreConfig
from ecg12.cache.several_stores import open_stores
from ecg12.cache.verify import verify_store
from ecg12.ecg.errors import ChecksumError, ConfigError, InputError, RunFolderError, StoreError
from ecg12.ecg.scores.challenge_csv import Prediction, parse_prediction
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.evaluation.evaluate import evaluate
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.ingest.describe_quality import describe_quality
from ecg12.pipeline.ingest.describe_store import describe_record, describe_store
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.training.train import train
from tests.cache.small_store import flip_byte
from tests.conftest import TINY
from tests.records import pulses_uv, write_record

CONFIG = StoreConfig(chunk_length=8192)
CODES = ("426783006", "164889003", "59118001", "713427006", "10370003", "OWN")
OPTIONS = {"epochs": 2, "seed": 3, "batch_size": 8, "residency": "memory"}
MODEL = TINY | {"window_length": 1024}
PATIENTS = "record,patient_id\n" + "".join(f"HR{number:05d},{number % 5}\n" for number in range(1, 13))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty records in the folders one and two, and the stores one.zarr, two.zarr and both.zarr.

    A0001 = A0102 across the folders, and A0003 = A0005 in one; patients 0 to 4 have records in both. HR00001 and
    Q0001, in one, are duplicates, so that patient 1 is called after Q0001 there, or Q0001 after the patient.
    """
    folder = tmp_path_factory.mktemp("several")
    for number in range(1, 10):
        write_record(folder / "one", f"A{number:04d}", beats(3 if number == 5 else number), dx=CODES[number % 3])
        write_record(folder / "two", f"A{100 + number:04d}", beats(1 if number == 2 else 50 + number), dx=dx_of(number))
    for number in range(1, 13):
        place = folder / ("one" if number <= 6 else "two")
        write_record(place, f"HR{number:05d}", beats(100 + number, n_samples=1800), dx=CODES[number % 6])
    write_record(folder / "one", "Q0001", beats(101, n_samples=1800), dx="")
    write_record(folder / "two", "Q0002", beats(7)[:11], leads=("I",) * 11)
    write_record(folder / "two", "E00001", beats(8), gain="4880/mV")
    (folder / "patients.csv").write_text(PATIENTS)
    for name, inputs in (("one", ["one"]), ("two", ["two"]), ("both", ["one", "two"])):
        build_cache(
            [folder / place for place in inputs],
            folder / f"{name}.zarr",
            CONFIG,
            patients=[folder / "patients.csv"],
        )
    return folder


def beats(seed: int, n_samples: int | None = None) -> np.ndarray:
    """One long record, longer than a chunk; the others of two to six seconds."""
    return pulses_uv(n_samples or (14_000 if seed == 9 else 1000 + 131 * (seed % 17)), seed=seed)


def dx_of(number: int) -> str:
    return ",".join(CODES[number % 6 : number % 6 + 2])


@pytest.fixture
def apart(folder: Path) -> tuple[Path, Path]:
    return folder / "one.zarr", folder / "two.zarr"


def test_the_tables_are_those_of_the_store_built_together(folder: Path, apart: tuple[Path, Path]) -> None:
    union, together = open_stores(apart), Store(folder / "both.zarr")
    for column in COLUMNS:
        if column.path not in ("record/start", "chunk/digest"):  # where a record lies is its own store's matter
            np.testing.assert_array_equal(union.column(column.path), together.column(column.path), err_msg=column.path)
    for row in range(together.n_records):
        np.testing.assert_array_equal(union.read_record(row), together.read_record(row))
    assert list(union.ids) == list(together.ids)


def test_a_duplicate_and_a_patient_in_two_stores_are_one_group(folder: Path, apart: tuple[Path, Path]) -> None:
    union = open_stores(apart)
    groups = dict(zip(union.names, union.column("record/group"), strict=True))
    assert groups["A0001"] == groups["A0102"] != groups["A0002"]
    # patient 1: HR00001, HR00006 in one, HR00011 in two; and what is the same as HR00001
    assert groups["HR00001"] == groups["HR00006"] == groups["HR00011"] == groups["Q0001"]


def test_a_group_that_a_merger_renamed_is_written_down(tmp_path: Path) -> None:
    """Of two names the first in text order stands, so some patient's name gives way to a record's."""
    table = "record,patient_id\n" + "".join(f"HR{number:05d},{number}\n" for number in range(1, 21))
    (tmp_path / "patients.csv").write_text(table)
    for number in range(1, 11):
        for name in (f"HR{number:05d}", f"Q{number:04d}"):
            write_record(tmp_path / "in", name, pulses_uv(1000, seed=number))
    build_cache([tmp_path / "in"], tmp_path / "s.zarr", StoreConfig(), patients=[tmp_path / "patients.csv"])
    merged = Store(tmp_path / "s.zarr").attributes["merged_groups"]
    assert 0 < len(merged) < 10
    assert all(becomes < group for group, becomes in merged.items())
    assert verify_store(tmp_path / "s.zarr") == ()
    write_record(tmp_path / "plain", "A0001")
    build_cache([tmp_path / "plain"], tmp_path / "plain.zarr", StoreConfig())
    assert "merged_groups" not in Store(tmp_path / "plain.zarr").attributes


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return files.load_checkpoint(run / files.FINAL_MODEL)["model"]


def figures_of(run: Path) -> list[dict[str, float]]:
    timed = ("seconds", "windows_per_second", "waiting")
    rows = files.read_history(run / files.HISTORY)
    return [{key: value for key, value in row.items() if key not in timed} for row in rows]


def test_training_is_that_on_the_store_built_together(folder: Path, apart: tuple[Path, Path], tmp_path: Path) -> None:
    train(folder / "both.zarr", folder=tmp_path / "together", options=OPTIONS, model_options=MODEL)
    for run, stores in (("apart", apart), ("turned", apart[::-1])):
        summary = train(stores, folder=tmp_path / run, options=OPTIONS, model_options=MODEL)
        assert (summary.n_train, summary.n_valid) > (0, 0)
        for ids in (files.TRAIN_IDS, files.VALID_IDS):
            assert (tmp_path / run / ids).read_bytes() == (tmp_path / "together" / ids).read_bytes()
        np.testing.assert_equal(figures_of(tmp_path / run), figures_of(tmp_path / "together"))
        expected, found = weights_of(tmp_path / "together"), weights_of(tmp_path / run)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
        thresholds = (tmp_path / run / files.THRESHOLDS).read_bytes()
        assert thresholds == (tmp_path / "together" / files.THRESHOLDS).read_bytes()


def batches_of(store: Store, residency: str) -> WindowBatches:
    rows = np.arange(store.n_records)
    windows = WindowConfig(window_length=1024)
    labels = store.column("label/scored").astype(np.float32)
    return WindowBatches(store, rows, windows, batch_size=7, seed=4, residency=residency, labels=labels, threads=2)


@pytest.mark.parametrize("residency", ["memory", "device"])
def test_resident_batches_are_the_same_bit_by_bit(folder: Path, apart: tuple[Path, Path], residency: str) -> None:
    ours, theirs = batches_of(open_stores(apart), residency), batches_of(Store(folder / "both.zarr"), residency)
    for epoch in range(2):
        for batches in (ours, theirs):
            batches.set_epoch(epoch)
        for ours_now, theirs_now in zip(ours, theirs, strict=True):
            for field in ("signal", "valid", "pad", "scale", "record", "number", "label", "counted", "reset"):
                assert torch.equal(getattr(ours_now, field), getattr(theirs_now, field)), field


def test_streamed_batches_hold_the_same_windows(folder: Path, apart: tuple[Path, Path]) -> None:
    def windows(store: Store) -> Counter:
        return Counter(
            (int(record), int(number), signal.numpy().tobytes(), label.numpy().tobytes())
            for batch in batches_of(store, "stream")
            for record, number, signal, label in zip(batch.record, batch.number, batch.signal, batch.label, strict=True)
        )

    expected = windows(Store(folder / "both.zarr"))
    assert windows(open_stores(apart)) == expected
    assert max(expected.values()) == 1
    assert len(expected) > 40


def test_a_loaders_state_goes_on_with_the_same_stores_only(folder: Path, apart: tuple[Path, Path]) -> None:
    state = batches_of(open_stores(apart), "stream").state_dict()
    batches_of(open_stores(apart[::-1]), "stream").load_state_dict(state)
    with pytest.raises(ConfigError, match=r"the loader's state is of another loader .*store_digests"):
        batches_of(Store(folder / "both.zarr"), "stream").load_state_dict(state)


def test_a_run_goes_on_with_the_same_stores_only(folder: Path, apart: tuple[Path, Path], tmp_path: Path) -> None:
    train(apart, folder=tmp_path / "run", options=OPTIONS | {"epochs": 1}, model_options=MODEL)
    recorded = json.loads((tmp_path / "run" / files.ENVIRONMENT).read_text())
    assert recorded["store_digest"] == open_stores(apart).attributes["digest"]
    assert recorded["store_digests"] == sorted(Store(path).attributes["digest"] for path in apart)
    summary = train(apart[::-1], folder=tmp_path / "run", options={"epochs": 2})
    assert len(summary.history) == 2
    for others in (apart[:1], [folder / "both.zarr"]):
        with pytest.raises(RunFolderError, match="was trained on another store than"):
            train(others, folder=tmp_path / "run", options={"epochs": 3})


def test_a_damaged_chunk_stops_training_and_is_named(folder: Path, apart: tuple[Path, Path], tmp_path: Path) -> None:
    chunk = apart[1] / "signal" / "c" / "0" / "0"
    flip_byte(chunk)
    try:
        with pytest.raises(ChecksumError, match=r"two\.zarr/signal chunk 0: damaged"):
            train(apart, folder=tmp_path / "run", options=OPTIONS, model_options=MODEL)
    finally:
        flip_byte(chunk)


def test_stores_that_share_a_record_are_refused(folder: Path, apart: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"record cpsc/A0001 is in .*both\.zarr and in .*one\.zarr|is in .*one\.zarr"):
        train([apart[0], folder / "both.zarr"], folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_description_is_that_of_the_store_built_together(folder: Path, apart: tuple[Path, Path]) -> None:
    ours, theirs = describe_store(apart), describe_store(folder / "both.zarr")
    for field in theirs.__dataclass_fields__:
        if field not in ("path", "n_chunks", "n_bytes"):
            assert getattr(ours, field) == getattr(theirs, field), field
    assert str(ours.path) == f"{apart[0]} + {apart[1]}"
    assert ours.n_bytes == sum(describe_store(path).n_bytes for path in apart)
    assert ("cpsc/A0001", "cpsc/A0102") in ours.duplicates
    assert [reject.record for reject in ours.rejects] == ["Q0002"]
    assert describe_quality(apart) == describe_quality(folder / "both.zarr")


def test_a_record_says_in_which_store_it_is(folder: Path, apart: tuple[Path, Path]) -> None:
    for name, path in (("A0003", apart[0]), ("E00001", apart[1])):
        ours, own = describe_record(apart, name), describe_record(path, name)
        assert ours.facts["store"] == str(path)
        assert ours.facts["first column"] == own.facts["first column"]
        assert ours == own
    group = {path: describe_record(path, "A0102").facts["group"] for path in (apart, apart[1])}
    assert group[apart] in (group[apart[1]], describe_record(apart[0], "A0001").facts["group"])


def test_predictions_and_scores_are_those_of_the_store_built_together(
    folder: Path, apart: tuple[Path, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(apart, folder=run, options=OPTIONS | {"epochs": 1}, model_options=MODEL)
    assert (
        predict(apart, tmp_path / "apart", run).n_records
        == predict([folder / "both.zarr"], tmp_path / "together", run).n_records
    )
    together, names = predictions_in(tmp_path / "together"), Store(folder / "both.zarr").ids
    assert together.keys() == set(names)
    found = predictions_in(tmp_path / "apart")
    assert found.keys() == together.keys()
    for name, prediction in together.items():
        assert found[name].labels == prediction.labels
        np.testing.assert_allclose(found[name].scores, prediction.scores, atol=1e-6)  # other windows in a batch
    ours, theirs = (evaluate(labels, tmp_path / "apart") for labels in (apart, folder / "both.zarr"))
    np.testing.assert_equal(scores_of(ours), scores_of(theirs))
    assert ours.n_records == len(names)
    # one store, and of the rest the records
    mixed = predict([apart[0], folder / "two"], tmp_path / "mixed", run)
    assert mixed.n_records == len(names)
    assert predictions_in(tmp_path / "mixed").keys() == together.keys()
    (folder / "two" / "Q0002.hea").rename(tmp_path / "Q0002.hea")  # it has eleven leads, and no prediction
    try:
        labels = [apart[0], folder / "two"]
        mixed_scores = evaluate(labels, tmp_path / "apart").scores  # records in another order: sums differ at the end
        assert mixed_scores.challenge_metric == pytest.approx(ours.scores.challenge_metric)
        np.testing.assert_array_equal(mixed_scores.n_positive, ours.scores.n_positive)
    finally:
        (tmp_path / "Q0002.hea").rename(folder / "two" / "Q0002.hea")


def predictions_in(folder: Path) -> dict[str, Prediction]:
    """By record; the table of all is no record's."""
    paths = [path for path in folder.glob("*.csv") if path.stem != "predictions"]
    return {path.stem: parse_prediction(path.read_text(), where=path.name) for path in paths}


def scores_of(summary) -> dict:
    return {name: getattr(summary.scores, name) for name in summary.scores.__dataclass_fields__}


def test_a_record_of_a_store_and_a_folder_is_not_written_twice(
    folder: Path, apart: tuple[Path, Path], run: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"one/A0001\.hea: a record A0001 is in .*one\.zarr.*too; expected each"):
        predict([*apart, folder / "one"], tmp_path / "out", run)
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"one/A0001\.hea: a record A0001 is in a store, too; expected each record's"):
        evaluate([*apart, folder / "one"], tmp_path / "empty")
