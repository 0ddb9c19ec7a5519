"""A classifier above a pretrained stage: frozen, trained further, probed, left at random; and what does not fit."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.pretraining.pretrain import pretrain
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.parameter_groups import group_parameters, stage_depths
from ecg12.pipeline.training.train import train
from ecg12.pipeline.training.train_rows import take_share

NETS = {
    "lstm": {"hidden_size_rnn": 6, "k_steps_ahead": (4, 9)},
    "transformerxl": {"dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 1, "mem_len": 8},
    "cpc": {"dim_encoder": 4, "dim_context": 6, "context_layers": 2, "cpc_steps": 3, "negatives": 8},
    "mae": {"dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 2, "dim_decoder": 4},
}
TINY = {"net_filter_size": (4, 6), "net_seq_length": (64, 8), "dropout_rate": 0.0, "pretrain_output_size": 5}
OPTIONS = {"epochs": 2, "seed": 5, "precision": "fp32", "max_windows_per_record": 1, "n_total": 40}


@pytest.fixture(scope="module")
def pretrained(simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An epoch of some nets on windows of 512 samples; tests only read them."""
    parent = tmp_path_factory.mktemp("pretrained")
    for model, options in NETS.items():
        common = {
            "pretrain_model": model,
            "epochs": 1,
            "window_length": 512,
            "max_windows_per_record": 1,
            "n_total": 40,
        }
        pretrain(simulated_store, folder=parent / model, options=common | options)
    return {model: parent / model for model in NETS}


def weights(path: Path, prefix: str = "0.") -> dict[str, torch.Tensor]:
    model = files.load_checkpoint(path)["model"]
    return {name.removeprefix(prefix): values for name, values in model.items() if name.startswith(prefix)}


@pytest.fixture(scope="module")
def learned(pretrained) -> dict[str, dict[str, torch.Tensor]]:
    return {model: weights(folder / "pretrain_model.pth", "") for model, folder in pretrained.items()}


def is_kept(learned: dict[str, torch.Tensor], run: Path) -> bool:
    """Whether the run's stage still has all that pretraining learned."""
    stage = weights(run / "final_model.pth")
    shared = stage.keys() & learned.keys() - {"linear.weight", "linear.bias", "decoder.weight", "decoder.bias"}
    assert len(shared) >= 4
    return all(torch.equal(stage[name], learned[name]) for name in shared)


@pytest.mark.parametrize("model", NETS)
def test_a_frozen_stage_keeps_what_it_learned_and_what_is_new_is_trained(
    pretrained, learned, simulated_store: Path, tmp_path: Path, model: str
) -> None:
    runs = {}
    for name, finetuning in (("frozen", False), ("tuned", True)):
        runs[name] = tmp_path / name
        options = OPTIONS | {"finetuning": finetuning}
        train(simulated_store, folder=runs[name], pretrained=pretrained[model], options=options, model_options=TINY)
    assert is_kept(learned[model], runs["frozen"])
    assert not is_kept(learned[model], runs["tuned"])
    new = "linear.weight" if model == "lstm" else "decoder.weight"
    assert weights(runs["frozen"] / "final_model.pth")[new].abs().sum() > 0
    config = ModelConfig.from_dict(json.loads((runs["frozen"] / "config.json").read_text())["model"])
    assert config.stage is not None
    assert (config.stage.pretrain_model, config.window_length, config.normalisation) == (model, 512, "record")


@pytest.mark.parametrize("model", NETS)
def test_a_probe_trains_a_linear_layer_and_nothing_else(
    pretrained, learned, simulated_store: Path, tmp_path: Path, model: str
) -> None:
    run = tmp_path / "probe"
    train(simulated_store, folder=run, pretrained=pretrained[model], options=OPTIONS, model_options={"probe": True})
    assert is_kept(learned[model], run)
    state = files.load_checkpoint(run / "final_model.pth")["model"]
    assert {name for name in state if not name.startswith("0.")} == {
        *("1.linear.weight", "1.linear.bias", "1.scale.running_mean", "1.scale.running_var"),
        "1.scale.num_batches_tracked",
    }
    optimizer = files.load_checkpoint(run / "last_state.pth")["optimizer"]
    assert sum(len(group["params"]) for group in optimizer["param_groups"]) == 2
    assert predict([simulated_store], tmp_path / "out", run).n_records == 80


def test_a_stage_left_at_random_has_learned_nothing(pretrained, learned, simulated_store: Path, tmp_path: Path) -> None:
    options = OPTIONS | {"random_stage": True, "epochs": 1}
    run = tmp_path / "r"
    train(simulated_store, folder=run, pretrained=pretrained["lstm"], options=options, model_options={"probe": True})
    assert not is_kept(learned["lstm"], run)


def test_the_records_of_the_pretraining_fix_the_split(pretrained, simulated_store: Path, tmp_path: Path) -> None:
    train(simulated_store, folder=tmp_path / "r", pretrained=pretrained["mae"], options=OPTIONS, model_options=TINY)
    store = Store(simulated_store)
    annotated = set(store.ids[store.column("label/annotated")])
    for side in ("train", "valid"):
        before = set(files.read_ids(pretrained["mae"] / f"pretrain_{side}_ids.txt"))
        assert set(files.read_ids(tmp_path / "r" / f"{side}_ids.txt")) == before & annotated


def test_a_folder_that_holds_a_pretraining_is_its_own(pretrained, learned, simulated_store: Path, tmp_path) -> None:
    run = Path(shutil.copytree(pretrained["cpc"], tmp_path / "both"))
    train(simulated_store, folder=run, options=OPTIONS | {"epochs": 1}, model_options={"probe": True})
    assert is_kept(learned["cpc"], run)


def test_a_stopped_run_goes_on_without_the_pretraining(pretrained, simulated_store: Path, tmp_path: Path) -> None:
    model_options = {"probe": True}
    options = OPTIONS | {"finetuning": True, "layer_decay": 0.5, "schedule": "steps"}
    arguments = {"pretrained": pretrained["cpc"], "model_options": model_options}
    train(simulated_store, folder=tmp_path / "whole", options=options, **arguments)
    train(simulated_store, folder=tmp_path / "parts", options=options | {"epochs": 1}, **arguments)
    train(simulated_store, folder=tmp_path / "parts", options={"epochs": 2})
    whole, parts = (weights(tmp_path / name / "final_model.pth", "") for name in ("whole", "parts"))
    assert all(torch.equal(values, parts[name]) for name, values in whole.items())


def test_a_share_of_the_patients_is_learned_from_and_validation_stays(simulated_store: Path, tmp_path: Path) -> None:
    store = Store(simulated_store)
    groups = store.column("record/group")
    rows = np.arange(store.n_records)
    shares = {share: set(take_share(store, rows, share, seed=3).tolist()) for share in (0.3, 0.6, 1.0)}
    assert shares[0.3] < shares[0.6] < shares[1.0] == set(range(store.n_records))
    for taken in shares.values():
        assert not {groups[row] for row in taken} & {groups[row] for row in set(range(store.n_records)) - taken}
    again = take_share(store, np.array(sorted(shares[0.3])), 0.3, seed=3)
    assert set(again.tolist()) == shares[0.3]
    with pytest.raises(ConfigError, match="train_share 1e-09 of 80 records leaves none; expected a larger share"):
        take_share(store, rows, 1e-9, seed=3)
    options = OPTIONS | {"epochs": 1, "max_windows_per_record": 1}
    model = {"net_filter_size": (4,), "net_seq_length": (16,)}
    ids = {}
    for share in (0.5, 1.0):
        folder = tmp_path / str(share)
        train(simulated_store, folder=folder, options=options | {"train_share": share}, model_options=model)
        ids[share] = [set(files.read_ids(folder / f"{side}_ids.txt")) for side in ("train", "valid")]
    assert ids[0.5][0] < ids[1.0][0]
    assert ids[0.5][1] == ids[1.0][1]


class TestParameterGroups:
    def network(self) -> torch.nn.Sequential:
        options = {name: value for name, value in NETS["cpc"].items() if name != "negatives"}
        stage = StageConfig(pretrain_model="cpc", **options)
        return build_model(ModelConfig(window_length=64, stage=stage, probe=True), 3)

    def test_each_block_has_a_rate_below_the_one_above(self) -> None:
        network = self.network()
        depths = stage_depths(network)
        assert {depths[name] for name in depths if name.startswith("1.")} == {0}
        assert {depths[name] for name in depths if name.startswith("0.encoder.")} == {4}
        assert {depths[name] for name in depths if name.startswith("0.context.widen.")} == {3}
        assert {depths[name] for name in depths if name.startswith("0.context.layers.0.")} == {2}
        assert {depths[name] for name in depths if name.startswith(("0.context.layers.1.", "0.context.norm"))} == {1}
        groups = group_parameters(network, lr=0.1, layer_decay=0.5)
        rates = {id(values): group["lr"] for group in groups for values in group["params"]}
        assert len(rates) == len(list(network.parameters()))
        for name, values in network.named_parameters():
            assert rates[id(values)] == pytest.approx(0.1 * 0.5 ** depths[name]), name

    def test_a_new_layer_of_the_stage_has_the_full_rate(self) -> None:
        stage = StageConfig(pretrain_model="mae", **NETS["mae"])
        options = {"window_length": 64, "net_filter_size": (4,), "net_seq_length": (16,)}
        depths = stage_depths(build_model(ModelConfig(stage=stage, **options), 3))
        assert depths["0.decoder.weight"] == 0
        assert depths["0.of_lead"] == depths["0.embed.weight"] == 3

    def test_constants_of_a_state_space_do_not_decay(self) -> None:
        network = self.network()
        groups = group_parameters(network, lr=0.1)
        names = {id(values): name for name, values in network.named_parameters()}
        kept = {names[id(v)].rpartition(".")[2] for group in groups if "weight_decay" in group for v in group["params"]}
        assert kept == {"log_dt", "log_a_real", "a_imag"}
        assert {group["lr"] for group in groups} == {0.1}

    def test_what_is_frozen_is_in_no_group(self) -> None:
        network = self.network()
        network[0].requires_grad_(False)
        groups = group_parameters(network, lr=0.1, layer_decay=0.5)
        assert {id(v) for group in groups for v in group["params"]} == {id(v) for v in network[1].parameters()}

    def test_a_plain_network_has_no_groups(self) -> None:
        network = build_model(ModelConfig(window_length=64, net_filter_size=(4,), net_seq_length=(16,)), 3)
        assert list(group_parameters(network, lr=0.1)) == list(network.parameters())


class TestWhatDoesNotFit:
    def refused(self, store: Path, tmp_path: Path, pretrained: Path, match: str, kind=ConfigError, **model) -> None:
        with pytest.raises(kind, match=match):
            train(store, folder=tmp_path / "run", pretrained=pretrained, options=OPTIONS, model_options=model)
        assert not (tmp_path / "run").exists()

    def test_a_folder_without_a_pretraining(self, simulated_store: Path, tmp_path: Path) -> None:
        self.refused(simulated_store, tmp_path, tmp_path, r"pretrain_config\.json: missing", RunFolderError)

    def test_another_rate_or_other_leads(self, pretrained, simulated: Path, tmp_path: Path) -> None:
        for number, config in enumerate((StoreConfig(fs=250.0), StoreConfig(leads=("I", "II")))):
            store = tmp_path / f"{number}.zarr"
            build_cache([simulated], store, config)
            message = "Hz; the stage in .* was pretrained on I, II, .*V6 at 400.* Hz: use a store built for it"
            self.refused(store, tmp_path, pretrained["lstm"], message)

    def test_other_filters(self, pretrained, simulated: Path, tmp_path: Path) -> None:
        build_cache([simulated], tmp_path / "s.zarr", StoreConfig(highpass=0.5))
        message = r"filter at 0\.5 and None Hz; the stage in .* was pretrained with None and None: use a store built"
        self.refused(tmp_path / "s.zarr", tmp_path, pretrained["lstm"], message)

    def test_windows_that_are_no_whole_number_of_patches(self, pretrained, simulated_store: Path, tmp_path) -> None:
        message = "window of 100 samples in patches of 64; expected a whole number of patches"
        self.refused(simulated_store, tmp_path, pretrained["mae"], message, window_length=100)

    def test_a_state_space_model_above_a_stage(self, pretrained, simulated_store: Path, tmp_path: Path) -> None:
        message = "model is 's4d' above a pretrained stage; expected resnet1d, or probe"
        self.refused(simulated_store, tmp_path, pretrained["mae"], message, model="s4d")

    @pytest.mark.parametrize("name", ["layer_decay", "train_share"])
    @pytest.mark.parametrize("value", [0.0, 1.5])
    def test_shares_out_of_range(self, name: str, value: float) -> None:
        with pytest.raises(ConfigError, match=f"{name} is {value}; expected more than 0, at most 1"):
            TrainConfig(**{name: value})


def test_a_stage_of_the_reference_system_is_taken_as_it_was_trained(
    shared: Path, simulated_store: Path, tmp_path: Path
) -> None:
    reference = shared / "fixtures" / "reference_models" / "flipping_resnet"
    here = tmp_path / "reference"
    here.mkdir()
    for name in ("pretrain_config.json", "pretrain_model.pth"):
        shutil.copy(reference / name, here / name)
    run = tmp_path / "r"
    options = OPTIONS | {"epochs": 1, "max_windows_per_record": 1, "n_total": 20}
    train(simulated_store, folder=run, pretrained=here, options=options, model_options={"probe": True})
    config = json.loads((run / "config.json").read_text())["model"]
    assert (config["normalisation"], config["window_length"]) == ("none", 4096)
    assert is_kept(weights(reference / "pretrain_model.pth", ""), run)


def test_leads_that_are_no_list_are_refused(pretrained, simulated_store: Path, tmp_path: Path) -> None:
    here = Path(shutil.copytree(pretrained["lstm"], tmp_path / "bad"))
    stated = json.loads((here / "pretrain_config.json").read_text())
    (here / "pretrain_config.json").write_text(json.dumps(stated | {"leads": 12}))
    with pytest.raises(RunFolderError, match=r"pretrain_config\.json: leads are 12; expected a list"):
        train(simulated_store, folder=tmp_path / "run", pretrained=here, options=OPTIONS)
