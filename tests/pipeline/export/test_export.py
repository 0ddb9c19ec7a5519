"""Exporting a run: the file against `predict`, the card, the weights, and everything that is refused."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.cache.several_stores import open_stores
from ecg12.ecg.errors import ConfigError, InputError, RunFolderError
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.ecg.models.portable.whole_model import PortableModel
from ecg12.ecg.scores.challenge_csv import parse_prediction
from ecg12.pipeline.export import agreement_check as checking
from ecg12.pipeline.export import export as exporting
from ecg12.pipeline.export import exported_program as program
from ecg12.pipeline.export import torch_file
from ecg12.pipeline.export.card import MARK
from ecg12.pipeline.export.export import ExportSummary, check_recordings, export, find_store, load_run, plan_targets
from ecg12.pipeline.export.metadata import file_digest, pools_scores
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.training.train import train
from tests.cache.small_store import flip_byte
from tests.conftest import TINY
from tests.pipeline.reference_folders import write_april, write_august
from tests.records import pulses_uv, write_record

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def exported(run: Path, simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> ExportSummary:
    """The session's run as ONNX, with its weights, checked on its store; tests only read it."""
    output = tmp_path_factory.mktemp("exported") / "model.onnx"
    return export(run, output, stores=[simulated_store], safetensors=True)


def session_of(path: Path) -> "onnxruntime.InferenceSession":
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def metadata_of(path: Path) -> dict[str, str]:
    return session_of(path).get_modelmeta().custom_metadata_map


@pytest.fixture
def quick(exported: ExportSummary, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another export of the session's run take the contents that are made already."""
    monkeypatch.setattr(exporting, "to_onnx", lambda portable, metadata: exported.output.read_bytes())


def test_the_file_answers_as_the_run_does(exported: ExportSummary) -> None:
    found = exported.agreement
    assert found.n_records == checking.MOST_RECORDS
    assert found.difference < 1e-6
    assert found.n_labels >= 2 * 27 * found.n_records - 27 * found.n_windows
    assert found.n_labels_apart == 0
    assert found.source == "ecg.zarr"


def test_the_cards_script_predicts_what_predict_does(
    exported: ExportSummary, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A record at the model's own rate, so that nothing but numpy and onnxruntime is in the way."""
    signal = pulses_uv(4000, seed=5)
    write_record(tmp_path / "in", "ecg", signal, fs=400)
    predict([tmp_path / "in"], tmp_path / "out", run)
    expected = parse_prediction((tmp_path / "out" / "ecg.csv").read_text())
    np.save(tmp_path / "signal.npy", signal / 1000)
    shutil.copy(exported.output, tmp_path)
    (script,) = re.findall(r"```python\n(.*?)```", exported.card.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    exec(script, scope)
    np.testing.assert_allclose(scope["scores"][0], expected.scores, atol=1e-5)
    assert tuple(scope["labels"][0]) == expected.labels
    assert capsys.readouterr().out.splitlines()[0].split()[0] == expected.codes[0]


def test_any_number_of_windows_and_no_scale(exported: ExportSummary) -> None:
    session = session_of(exported.output)
    signal = np.random.default_rng(0).normal(0, 0.4, (5, 12, 4096)).astype(np.float32)
    signal[1, :, :600] = np.nan
    together, labels = session.run(None, {"signal": signal})
    one_by_one = [session.run(None, {"signal": one[None]})[0][0] for one in signal]
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)
    assert (together.shape, together.dtype) == ((5, 27), np.float32)
    assert (labels.shape, labels.dtype) == ((5, 27), np.int64)
    scaled = session.run(None, {"signal": signal, "scale": np.full(5, 0.1, np.float32)})[0]
    assert np.abs(scaled - together).max() > 1e-3


def test_the_file_says_what_it_is(exported: ExportSummary, run: Path) -> None:
    facts = metadata_of(exported.output)
    classes = json.loads(facts["classes"])
    thresholds = json.loads((run / "thresholds.json").read_text())
    assert [one["code"] for one in classes] == [one["code"] for one in json.loads((run / "classes.json").read_text())]
    assert {one["code"]: one["threshold"] for one in classes if one["code"] in thresholds} == thresholds
    assert (float(facts["fs_hz"]), facts["units"], facts["normalisation"]) == (400, "mV", "record")
    assert json.loads(facts["leads"])[:2] == ["I", "II"]
    assert (json.loads(facts["window_samples"]), facts["pooling"], facts["input"]) == (4096, "mean", "windows")
    assert facts["weights_sha256"] == file_digest(run / "model.pth")
    assert [one["name"] for one in json.loads(facts["inputs"])] == ["signal", "scale"]
    assert ModelConfig.from_dict(json.loads(facts["model"])) == load_run(run).config
    assert {"ecg12", "torch", "onnx"} <= set(json.loads(facts["versions"]))
    contents = exported.output.read_bytes()
    assert str(run.parent).encode() not in contents
    assert b"site-packages" not in contents


def test_the_weights_are_the_networks(exported: ExportSummary, run: Path) -> None:
    from safetensors import safe_open

    assert exported.safetensors is not None
    with safe_open(exported.safetensors, "pt") as file:
        facts = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}
    network = build_model(ModelConfig.from_dict(json.loads(facts["model"])), 24)
    network.load_state_dict(weights, strict=True)
    x = torch.randn(2, 12, 4096)
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(x), load_run(run).network(x))


def test_the_card_tells_data_scores_and_limits(exported: ExportSummary, run: Path, simulated_store: Path) -> None:
    card = exported.card.read_text()
    assert exported.card.name == "README.md"
    store = open_stores([simulated_store])
    names = (run / "train_ids.txt").read_text().split(",")
    rows = [row for row, name in enumerate(store.ids) if name in names and store.datasets[row] == "ptb-xl"]
    patients = len(set(store.column("record/group")[rows]))
    assert f"| training | PTB-XL | {len(rows)} | {patients} |" in card
    best = load_run(run).model.epoch
    history = [line.split(",") for line in (run / "history.csv").read_text().splitlines()]
    auroc = float(history[best + 1][history[0].index("auroc")])
    assert f"| AUROC, macro | {auroc:.3f} |" in card
    assert "| 164889003 | AF | atrial fibrillation |" in card
    assert all(f"\n## {title}\n" in card for title in ("Intended use", "Limits", "Licence of the data", "Scores"))
    assert "CC BY 4.0" in card
    assert "`model.safetensors`" in card
    assert str(run.parent) not in card


def test_recordings_of_a_recurrent_head_with_age_and_sex(simulated_store: Path, tmp_path: Path) -> None:
    options = {"epochs": 1, "seed": 4}
    model = TINY | {"pred_stage_type": "lstm", "pred_stage_hidd": 5, "patient": True}
    train(simulated_store, folder=tmp_path / "run", options=options, model_options=model)
    summary = export(tmp_path / "run", tmp_path / "model.onnx", recordings=True)
    assert summary.agreement.n_windows > summary.agreement.n_records == checking.MOST_RECORDS
    assert summary.agreement.source == "simulated recordings"
    session = session_of(summary.output)
    assert [one.name for one in session.get_inputs()] == ["signal"]
    assert [one.name for one in session.get_overridable_initializers()] == ["scale", "age", "sex"]
    signal = np.random.default_rng(0).normal(0, 0.4, (3, 2, 12, 4096)).astype(np.float32)
    assert session.run(None, {"signal": signal})[0].shape == (3, 27)
    card = summary.card.read_text()
    assert "float32 (batch, windows, 12, 4096)" in card
    assert "held-out" not in card


@pytest.mark.parametrize("generation", ["april", "august"])
def test_a_reference_folder_as_a_program_of_torch(tmp_path: Path, generation: str) -> None:
    write = write_april if generation == "april" else write_august
    folder = write(tmp_path / "run")
    write_record(tmp_path / "in", "short", pulses_uv(4000, seed=1), fs=500)
    write_record(tmp_path / "in", "long", pulses_uv(16000, seed=2), fs=500)
    summary = export(folder, tmp_path / "model.pt2", check=[tmp_path / "in"], recordings=generation == "april")
    assert summary.agreement.n_windows == 4
    assert summary.agreement.source == "in"
    extra = {torch_file.EXTRA: ""}
    module = torch.export.load(summary.output, extra_files=extra).module()
    facts = json.loads(extra[torch_file.EXTRA])
    assert facts["trained_by"] == f"physionet-12ecg-classification, {generation.capitalize()} 2020"
    shape = (3, 2, 12, 4096) if generation == "april" else (3, 12, 4096)
    scores, labels = module(torch.zeros(shape))
    assert scores.shape == labels.shape == (3, len(json.loads(facts["classes"])))
    card = summary.card.read_text()
    assert "**its scores depend on the gain**" in card
    assert "does not say which records" in card


def test_an_answer_that_differs_is_refused_and_nothing_is_left(
    run: Path, exported: ExportSummary, quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = exporting.run_onnx

    def wrong(path: Path):
        runner = honest(path)

        def run_it(inputs):
            scores, labels = runner(inputs)
            return scores + np.float32(2e-4), labels

        return run_it

    monkeypatch.setattr(exporting, "run_onnx", wrong)
    with pytest.raises(RunFolderError, match=r"differs from the one in the run folder .* scores by up to 0\.0002"):
        export(run, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_label_is_refused_but_where_the_score_is_at_its_threshold(run: Path, exported: ExportSummary) -> None:
    member = load_run(run)
    records = checking.simulated_records(member)[:2]
    runner = exporting.run_onnx(exported.output)
    arguments = {"source": "two", "names": ["signal", "scale"], "recordings": False}

    def flipped(inputs):
        scores, labels = runner(inputs)
        return scores, 1 - labels

    found = checking.compare(flipped, member, records, **arguments)
    assert found.n_labels_apart == found.n_labels
    with pytest.raises(RunFolderError, match="labels; expected at most"):
        checking.require_agreement(found, Path("model.onnx"))
    nothing = checking.compare(runner, member, records, **arguments)
    checking.require_agreement(nothing, Path("model.onnx"))
    with pytest.raises(RunFolderError, match="scores by up to inf"):
        checking.require_agreement(replace(nothing, difference=np.inf), Path("model.onnx"))
    with pytest.raises(InputError, match="two: no record to check"):
        checking.compare(runner, member, [], **arguments)


def test_what_is_there_is_replaced_by_force_only(run: Path, quick: None, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# somebody else's\n")
    first = export(run, tmp_path / "model.onnx")
    assert first.card.name == "model.onnx.md"
    assert (tmp_path / "README.md").read_text() == "# somebody else's\n"
    with pytest.raises(InputError, match=r"model\.onnx: is there already; .* --force"):
        export(run, tmp_path / "model.onnx")
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(InputError, match=r"model\.onnx\.md: is there already"):
        export(run, tmp_path / "model.onnx")
    assert MARK in export(run, tmp_path / "model.onnx", force=True).card.read_text()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("name", "form", "message"),
    [
        ("model.tflite", None, r"a name that ends in \.tflite; expected \.onnx or \.pt2, or the format with --format"),
        ("model", None, "a name that ends in nothing"),
        ("model.onnx", "torch", "named as onnx, but the format is torch"),
        ("model.onnx", "keras", "format is 'keras'; expected onnx or torch"),
    ],
)
def test_a_format_that_is_not_clear_is_refused(tmp_path: Path, name: str, form: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        export(tmp_path, tmp_path / name, form=form)


def test_a_format_may_be_told_for_any_name() -> None:
    assert plan_targets(Path("model.bin"), "torch", safetensors=False).form == "torch"
    assert plan_targets(Path("model.PT2"), None, safetensors=True).safetensors == Path("model.safetensors")


def test_paths_that_cannot_be_written_are_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(InputError, match="is a folder; expected the name of a file"):
        export(run, tmp_path / "model.onnx", force=True)
    with pytest.raises(InputError, match="model and weights would have the same name"):
        export(run, tmp_path / "model.safetensors", form="onnx", safetensors=True)


def test_no_run_folder_or_several_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no such run folder"):
        export(tmp_path / "nowhere", tmp_path / "model.onnx")
    for name in ("fold-0", "fold-1"):
        shutil.copytree(run, tmp_path / "folds" / name)
    with pytest.raises(RunFolderError, match=r"2 run folders in it \(fold-0, fold-1, …\); .* export one of them"):
        export(tmp_path / "folds", tmp_path / "model.onnx")


def test_missing_packages_are_named(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program.importlib.util, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(ConfigError, match=r"onnxscript not found: pip install onnxscript"):
        export(run, tmp_path / "model.onnx")
    monkeypatch.setattr(program.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"--safetensors needs safetensors"):
        export(run, tmp_path / "model.pt2", safetensors=True)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"pretrain_model": "lstm"}, "pretrained stage lstm: torch.export follows a recurrent net sample by sample"),
        ({"pretrain_model": "cpc", "context": "lstm"}, "pretrained stage cpc"),
    ],
)
def test_what_torch_export_cannot_follow_is_refused(stage: dict, message: str) -> None:
    config = ModelConfig(stage=StageConfig(**stage))
    with pytest.raises(ConfigError, match=message):
        torch_file.check_exportable(config, recordings=False)
    torch_file.check_exportable(ModelConfig(stage=StageConfig(pretrain_model="cpc")), recordings=True)


def test_recordings_that_a_format_or_stage_cannot_take_are_refused() -> None:
    lstm = ModelConfig(pred_stage_type="lstm")
    with pytest.raises(ConfigError, match=r"head lstm: torch\.export fixes how many windows"):
        torch_file.check_exportable(lstm, recordings=True)
    torch_file.check_exportable(lstm, recordings=False)
    remembers = ModelConfig(stage=StageConfig(pretrain_model="transformerxl"))
    with pytest.raises(ConfigError, match=r"transformerxl remembers .* leave out --recordings"):
        check_recordings(remembers, recordings=True)
    check_recordings(remembers, recordings=False)


@pytest.mark.shared
@pytest.mark.parametrize("recordings", [False, True])
@pytest.mark.parametrize(
    "name", ["april_lstm_resnet", "flipping_resnet", "resnet_linear_sigmoid", "resnet_lstm_sigmoid"]
)
def test_models_of_the_reference_system_are_what_is_exported(shared: Path, name: str, recordings: bool) -> None:
    """On real records, before any format has a part in it."""
    member = load_run(shared / "fixtures" / "reference_models" / name)
    model = member.model
    portable = PortableModel(member.config, model.network, model.output_layer, model.rule, recordings=recordings).eval()

    def run_it(inputs):
        with torch.inference_mode():
            scores, labels = portable(*(torch.from_numpy(inputs[one.name]) for one in portable.inputs))
        return scores.numpy(), labels.numpy()

    paths = [shared / "data" / "challenge2020" / "Training_PTB"]
    records = checking.records_of_files(paths, InputConfig(), member)[0][:2]
    assert max(len(record.windows) for record in records) > 1
    names = [one.name for one in portable.inputs]
    found = checking.compare(run_it, member, records, source="real", names=names, recordings=recordings)
    checking.require_agreement(found, Path(name))
    assert found.difference < 1e-5


def test_a_recording_that_cannot_be_read_is_named_and_the_next_is_taken(run: Path, tmp_path: Path) -> None:
    member = load_run(run)
    write_record(tmp_path / "in", "flat", np.zeros((12, 4000), np.int16), fs=400)
    with pytest.raises(InputError, match="none of the 1 records to check on can be read; first: flat: no deflection"):
        checking.records_of_files([tmp_path / "in"], InputConfig(), member)
    write_record(tmp_path / "in", "good")
    records, (skipped,) = checking.records_of_files([tmp_path / "in"], InputConfig(), member)
    assert [one.name for one in records] == ["good"]
    assert skipped.startswith("flat: no deflection in any lead")


def test_a_damaged_chunk_costs_the_check_its_records(
    run: Path, simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, member = Path(shutil.copytree(simulated_store, tmp_path / "s.zarr")), load_run(run)
    monkeypatch.setattr(checking, "MOST_RECORDS", Store(path).n_records)
    flip_byte(path / "signal" / "c" / "0" / "1")
    whole, _ = checking.records_of_store(Store(simulated_store), member)
    records, skipped = checking.records_of_store(Store(path), member)
    assert 0 < len(records) == len(whole) - len(skipped) < len(whole)
    assert all("damaged" in line for line in skipped)


def test_a_store_is_taken_unasked_only_if_the_run_was_trained_on_it(
    run: Path, simulated_store: Path, tmp_path: Path
) -> None:
    assert find_store(run, simulated_store) == (simulated_store,)
    assert find_store(run, tmp_path / "nothing.zarr") == ()
    other = tmp_path / "run"
    shutil.copytree(run, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"store_digest": "another"}))
    assert find_store(other, simulated_store) == ()


def test_scores_are_pooled_outside_only_where_that_is_the_same(run: Path, tmp_path: Path) -> None:
    assert pools_scores(load_run(run).rule)
    assert not pools_scores(load_run(write_april(tmp_path / "april")).rule)
    softmax = "softmax\n0->2\n270492004,0,1\n164889003,0,0\n"
    for strategy, right in (("mean", True), ("max", False), ("last", True)):
        folder = write_august(tmp_path / strategy, softmax, combination_strategy=strategy)
        assert pools_scores(load_run(folder).rule) is right
    product = "sigmoid\n0->1/0->1\n270492004,0,1\n270492004,1,1\n"
    assert not pools_scores(load_run(write_august(tmp_path / "product", product)).rule)
