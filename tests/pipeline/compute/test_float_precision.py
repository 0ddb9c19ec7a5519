"""How precision and kernels are chosen: by a timing or by the device, never in silence against what was asked."""

import json
from pathlib import Path

import pytest
import torch

from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import PRETRAIN_MODELS, StageConfig
from ecg12.ecg.models.networks import recurrent_nets as recurrent
from ecg12.ecg.models.networks.convolution import Convolution
from ecg12.ecg.models.networks.half_precision_stage import HasPrecision
from ecg12.ecg.models.networks.recurrent_nets import keeps_float32
from ecg12.ecg.models.pretraining_objectives import make_objective
from ecg12.pipeline.compute import float_precision as precision
from ecg12.pipeline.compute.float_precision import Arithmetic, choose_arithmetic, choose_kernels, compile_network
from ecg12.pipeline.pretraining.pretrain import pretrain
from ecg12.pipeline.runs.pretrain_config import PretrainConfig
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training import precision_timing
from ecg12.pipeline.training.precision_timing import settle_arithmetic, settle_pretraining
from ecg12.pipeline.training.train import train
from tests.conftest import TINY

CPU = torch.device("cpu")
LARGE = {"net_filter_size": (32, 32), "net_seq_length": (1024, 64)}
"""Large enough to be timed, small enough for a test."""


def network(**options: object) -> torch.nn.Sequential:
    return build_model(ModelConfig(**(LARGE | options)), 3)


def choose(seconds: dict[str, list[float]], wanted: Arithmetic | None = None) -> tuple[Arithmetic, dict[str, float]]:
    """A choice among steps that take those seconds, one after another, by precision."""
    left = {name: list(values) for name, values in seconds.items()}
    return choose_arithmetic(wanted or Arithmetic(), network(), CPU, lambda way: left[way.precision].pop(0))


class TestChoice:
    def test_the_best_of_three_decides_with_a_margin(self) -> None:
        chosen, seconds = choose({"fp32": [9, 1.0, 1.2], "bf16": [9, 0.9, 0.8]})
        assert chosen.precision == "bf16"
        assert seconds == {"fp32": 1.0, "bf16": 0.8}
        assert choose({"fp32": [9, 1.0, 1.2], "bf16": [9, 0.9, 0.81]})[0].precision == "fp32"

    def test_what_is_asked_for_is_not_timed(self) -> None:
        for name in ("fp32", "bf16"):
            chosen, seconds = choose({}, Arithmetic(precision=name, kernels="plain"))
            assert (chosen, seconds) == (Arithmetic(precision=name, kernels="plain"), {})

    def test_kernels_asked_for_are_kept(self) -> None:
        wanted = Arithmetic(kernels="plain")
        assert choose({"fp32": [3, 3, 3], "bf16": [1, 1, 1]}, wanted)[0] == Arithmetic(
            precision="bf16", kernels="plain"
        )

    def test_a_small_network_is_not_timed_and_stays_in_float32(self) -> None:
        small = build_model(ModelConfig(**TINY), 3)
        found = choose_arithmetic(Arithmetic(), small, CPU, lambda way: pytest.fail("timed"))
        assert found == (Arithmetic(precision="fp32", kernels="flat"), {})

    @pytest.mark.parametrize(("matrix_units", "expected"), [(True, "flat"), (False, "folded")])
    def test_folding_makes_up_for_missing_matrix_units(
        self, monkeypatch: pytest.MonkeyPatch, matrix_units: bool, expected: str
    ) -> None:
        monkeypatch.setattr(precision, "has_matrix_units", lambda: matrix_units)
        assert choose_kernels("bf16", CPU) == expected
        assert choose_kernels("fp32", CPU) == "flat"
        assert choose_kernels("bf16", torch.device("cuda")) == "flat"

    def test_a_gpu_without_bfloat16(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
        gpu = torch.device("cuda")
        with pytest.raises(ConfigError, match="precision is 'bf16', which this GPU has not got; expected fp32 or fp16"):
            choose_arithmetic(Arithmetic(precision="bf16"), network(), gpu, lambda way: 1.0)
        assert choose_arithmetic(Arithmetic(), network(), gpu, lambda way: 1.0)[0].precision == "fp32"

    def test_float16_is_for_gpus(self) -> None:
        with pytest.raises(ConfigError, match="precision is 'fp16' on the CPU; expected fp32 or bf16, or --cuda"):
            choose({}, Arithmetic(precision="fp16"))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"precision": "tf32"}, "precision is 'tf32'; expected auto, fp32, bf16, fp16"),
            ({"kernels": "fast"}, "kernels is 'fast'; expected auto, plain, flat, folded"),
        ],
    )
    def test_unknown_names(self, options: dict[str, str], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Arithmetic(**options)


class TestApply:
    @pytest.mark.parametrize(
        ("way", "form", "dtype", "folds"),
        [
            (("fp32", "plain"), "plain", None, False),
            (("bf16", "flat"), "flat", torch.bfloat16, False),
            (("bf16", "folded"), "flat", torch.bfloat16, True),
            (("fp16", "flat"), "flat", torch.float16, False),
        ],
    )
    def test_a_network_is_told(self, way: tuple[str, str], form: str, dtype: torch.dtype | None, folds: bool) -> None:
        model = network()
        Arithmetic(precision=way[0], kernels=way[1]).apply(model)
        assert (model[0].form, model[0].dtype) == (form, dtype)
        assert {module.folds for module in model.modules() if isinstance(module, Convolution)} == {folds}

    def test_compiling_without_a_compiler(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(precision.shutil, "which", lambda name: None)
        with pytest.raises(ConfigError, match=r"compile is set, but there is no C\+\+ compiler g\+\+ here"):
            compile_network(network())


class TestProbe:
    def test_it_steps_through_the_configured_network_and_settles_everything(self) -> None:
        config = TrainConfig(batch_size=2, model=ModelConfig(**LARGE, patient=True))
        state = torch.get_rng_state()
        settled, seconds = settle_arithmetic(config, 3, CPU)
        assert torch.equal(torch.get_rng_state(), state)
        assert settled.precision in ("fp32", "bf16")
        assert settled.kernels != "auto"
        assert set(seconds) == {"fp32", "bf16"}
        assert all(value > 0 for value in seconds.values())

    def test_a_run_records_the_choice_and_goes_on_with_it(
        self, simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "run"
        options = {"epochs": 1, "n_total": 12, "precision": "bf16"}
        train(simulated_store, folder=folder, options=options, model_options=TINY)
        stored = json.loads((folder / "config.json").read_text())["train"]
        assert (stored["precision"], stored["kernels"]) == ("bf16", choose_kernels("bf16", CPU))
        assert json.loads((folder / "environment.json").read_text())["seconds_of_a_step"] == {}
        monkeypatch.setattr(precision, "has_matrix_units", lambda: True)  # another machine
        train(simulated_store, folder=folder, options={"epochs": 2, "precision": "auto", "kernels": "auto"})
        assert json.loads((folder / "config.json").read_text())["train"]["kernels"] == stored["kernels"]
        with pytest.raises(RunFolderError, match="precision bf16 there, fp32 asked for"):
            train(simulated_store, folder=folder, options={"precision": "fp32"})


STAGES = {
    "lstm": {"hidden_size_rnn": 6},
    "transformer": {"dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 1},
    "transformerxl": {"dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 1, "mem_len": 8},
    "cpc": {"dim_encoder": 4, "dim_context": 6, "context_layers": 1},
    "mae": {"dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 1},
}


class TestStages:
    @pytest.mark.parametrize("probe", [True, False])
    @pytest.mark.parametrize("model", STAGES)
    def test_a_stage_runs_in_the_precision_and_gives_float32(self, model: str, probe: bool) -> None:
        stage = StageConfig(pretrain_model=model, dropout=0.0, **STAGES[model])
        sizes = {"window_length": 512, "net_filter_size": (4,), "net_seq_length": (64,)}
        torch.manual_seed(1)
        found, x = {}, torch.randn(2, 12, 512)
        network = build_model(ModelConfig(**sizes, stage=stage, probe=probe), 3).eval()
        for name in ("fp32", "bf16"):
            Arithmetic(precision=name, kernels="flat").apply(network)
            found[name] = network[0](x)
            network(x).sum().backward()
        assert found["bf16"].dtype == torch.float32
        if not keeps_float32(network[0], "cpu", torch.bfloat16):  # an LSTM does, where the processor has no other
            assert not torch.equal(found["fp32"], found["bf16"])
        torch.testing.assert_close(found["fp32"], found["bf16"], rtol=0.1, atol=0.1)
        if model == "transformerxl":
            again, _ = network[0].step(x, network[0].step(x, None)[1])
            assert again.dtype == torch.float32

    def test_a_large_stage_is_timed_though_what_is_above_it_is_small(self) -> None:
        for hidden, timed in ((20, []), (400, ["fp32", "bf16"] * 3)):
            stage = StageConfig(pretrain_model="rnn", hidden_size_rnn=hidden, num_layers=2)
            model = build_model(ModelConfig(stage=stage, probe=True), 3)
            seen: list[str] = []
            choose_arithmetic(Arithmetic(), model, CPU, lambda way, seen=seen: seen.append(way.precision) or 1.0)
            assert seen == timed


class TestProcessorsWithoutHalfPrecision:
    """Such as those without AVX-512, where oneDNN has no LSTM in bfloat16."""

    LINE = "precision is 'bf16', which this processor's LSTM has not got: LSTM layers run in float32"

    @pytest.mark.parametrize("lacking", [True, False])
    def test_a_stage_that_stays_in_float32_is_told(
        self, lacking: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(recurrent, "has_half_lstm", lambda device, dtype: not lacking)
        stage = StageConfig(pretrain_model="lstm", **STAGES["lstm"])
        model = build_model(ModelConfig(stage=stage, probe=True), 3)
        choose_arithmetic(Arithmetic(precision="fp32"), model, CPU, lambda way: 1.0)
        assert not caplog.messages
        choose_arithmetic(Arithmetic(precision="bf16"), model, CPU, lambda way: 1.0)
        assert [self.LINE in text for text in caplog.messages] == [True] * lacking

    def test_a_head_is_in_float32_anyway(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(recurrent, "has_half_lstm", lambda device, dtype: False)
        model = build_model(ModelConfig(pred_stage_type="lstm", pred_stage_hidd=4), 3)
        choose_arithmetic(Arithmetic(precision="bf16"), model, CPU, lambda way: 1.0)
        assert not caplog.messages

    @pytest.mark.parametrize("wanted", ["bf16", "auto"])
    def test_a_pretraining_tells_it_too(
        self, wanted: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(recurrent, "has_half_lstm", lambda device, dtype: False)
        monkeypatch.setattr(precision_timing, "SMALLEST_PARAMETERS", 1)
        monkeypatch.setattr(precision_timing, "choose_faster", lambda time_step: ("bf16", {"bf16": time_step("bf16")}))
        options = {"pretrain_model": "cpc", "context": "lstm", "window_length": 512, "batch_size": 2}
        config = PretrainConfig.from_flat(options | STAGES["cpc"] | {"precision": wanted})
        objective = make_objective(config.stage, config.objective, n_leads=12, window_length=512)
        assert settle_pretraining(config, objective, CPU)[0].precision == "bf16"
        assert len([text for text in caplog.messages if self.LINE in text]) == 1

    def test_a_step_that_does_not_run_in_bfloat16_decides_for_float32(self, caplog: pytest.LogCaptureFixture) -> None:
        def time_step(name: str) -> float:
            if name == "bf16":
                raise RuntimeError("could not create a primitive\nwith a second line")
            return 0.25

        assert precision.choose_faster(time_step) == ("fp32", {"fp32": 0.25})
        assert caplog.messages == ["bfloat16 does not run here (could not create a primitive); float32 is taken"]

    def test_what_does_not_run_in_float32_either_is_an_error(self) -> None:
        def time_step(name: str) -> float:
            raise RuntimeError("out of memory")

        with pytest.raises(RuntimeError, match="out of memory"):
            precision.choose_faster(time_step)


class TestPretraining:
    def settle(self, seconds: dict[str, float], monkeypatch: pytest.MonkeyPatch, **values) -> tuple[str, dict]:
        """What is chosen if steps took those seconds; they are taken, too."""
        config = PretrainConfig.from_flat({"window_length": 512, "batch_size": 2, "precision": "auto"} | values)
        objective = make_objective(config.stage, config.objective, n_leads=12, window_length=512)
        order = iter([*seconds.values()] * precision.PROBE_ROUNDS)

        def take(work, device) -> float:
            work()
            return next(order)

        monkeypatch.setattr(precision_timing, "seconds_of", take)
        state = torch.get_rng_state()
        settled, found = settle_pretraining(config, objective, CPU)
        assert torch.equal(torch.get_rng_state(), state)
        return settled.precision, found

    @pytest.mark.parametrize("model", ["gru", "transformer", "transformerxl", "cpc", "mae"])
    def test_the_faster_way_with_a_margin(self, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(precision_timing, "SMALLEST_PARAMETERS", 1)
        small = {"pretrain_model": model} | STAGES.get(model, {"hidden_size_rnn": 6})
        assert self.settle({"fp32": 1.0, "bf16": 0.8}, monkeypatch, **small) == ("bf16", {"fp32": 1.0, "bf16": 0.8})
        assert self.settle({"fp32": 1.0, "bf16": 0.9}, monkeypatch, **small)[0] == "fp32"

    def test_what_is_small_or_asked_for_is_not_timed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        small = {"pretrain_model": "lstm", "hidden_size_rnn": 6}
        assert self.settle({}, monkeypatch, **small) == ("fp32", {})
        assert self.settle({}, monkeypatch, **small | {"precision": "bf16"}) == ("bf16", {})
        with pytest.raises(ConfigError, match="precision is 'fp16' on the CPU"):
            self.settle({}, monkeypatch, **small | {"precision": "fp16"})

    def test_a_folder_has_what_was_chosen_and_goes_on_with_it(
        self, simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(precision_timing, "SMALLEST_PARAMETERS", 1)
        monkeypatch.setattr(precision_timing, "choose_faster", lambda time_step: ("bf16", {"fp32": 2.0, "bf16": 1.0}))
        options = {"pretrain_model": "cpc", "window_length": 512, "n_total": 12, "epochs": 1, "cpc_steps": 3}
        options |= {"negatives": 8, "max_windows_per_record": 1} | STAGES["cpc"]
        folder = tmp_path / "cpc"
        pretrain(simulated_store, folder=folder, options=options)
        assert json.loads((folder / "pretrain_config.json").read_text())["precision"] == "bf16"
        environment = json.loads((folder / "pretrain_environment.json").read_text())
        assert environment["seconds_of_a_step"] == {"fp32": 2.0, "bf16": 1.0}
        monkeypatch.setattr(precision_timing, "choose_faster", lambda time_step: pytest.fail("timed again"))
        pretrain(simulated_store, folder=folder, options={"epochs": 2, "precision": "auto"})
        assert json.loads((folder / "pretrain_config.json").read_text())["precision"] == "bf16"
        with pytest.raises(RunFolderError, match="precision bf16 there, fp32 asked for"):
            pretrain(simulated_store, folder=folder, options={"epochs": 2, "precision": "fp32"})

    def test_only_nets_that_the_reference_has_not_choose_unasked(self) -> None:
        chosen = {name: PretrainConfig.from_flat({"pretrain_model": name}).precision for name in PRETRAIN_MODELS}
        assert {name for name, value in chosen.items() if value == "auto"} == {"cpc", "mae"}


def test_any_module_that_has_a_precision_is_given_it():
    class Own(HasPrecision, torch.nn.Module):
        pass

    own = Own()
    assert own.dtype is None
    Arithmetic(precision="bf16", kernels="flat").apply(torch.nn.Sequential(own))
    assert own.dtype is torch.bfloat16
