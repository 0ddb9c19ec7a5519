"""The door to pretraining: options reach the pipeline as they are, its summary is readable, errors are one line."""

from pathlib import Path
from unittest import mock

import pytest

from ecg12.commands import main as program
from ecg12.commands.pretrain import echo_pretrain_epoch
from ecg12.commands.shared.progress import Bar
from ecg12.pipeline.bench import pretrain as benchmark
from ecg12.pipeline.bench.pretrain import BASELINE, PretrainResult, PretrainRow
from ecg12.pipeline.runs.pretrain_config import OPTIONS
from tests.commands.test_cli import invoke, kwargs_of

LINE = {
    **{"pretrain_model": ("MAE", "mae"), "trans_train_type": ("masking", "masking"), "dropout": ("0.1", 0.1)},
    **{"window_length": ("512", 512), "normalisation": ("none", "none"), "valid_split": ("0.2", 0.2)},
    **{"n_total": ("9", 9), "max_windows_per_record": ("3", 3), "residency": ("stream", "stream")},
    **{"epochs": ("4", 4), "seed": ("6", 6), "batch_size": ("7", 7), "lr": ("0.5", 0.5), "lr_factor": ("0.2", 0.2)},
    **{"optimizer": ("adamw", "adamw"), "weight_decay": ("0.3", 0.3), "schedule": ("one_cycle", "one_cycle")},
    **{"milestones": ("1,2", (1, 2)), "clip_value": ("2", 2.0), "train_noise_std": ("0.4", 0.4)},
    **{"precision": ("bf16", "bf16"), "hidden_size_rnn": ("8", 8), "num_layers": ("2", 2)},
    **{"k_steps_ahead": ("3,5", (3, 5)), "num_heads": ("2", 2), "num_trans_layers": ("3", 3), "dim_model": ("8", 8)},
    **{"dim_inner": ("9", 9), "steps_concat": ("2", 2), "dropout_attn": ("0.2", 0.2), "mem_len": ("5", 5)},
    **{"mask": ("input", "input"), "num_masked_samples": ("4", 4), "perc_masked_samp": ("0.3", 0.3)},
    **{"context": ("lstm", "lstm"), "dim_encoder": ("8", 8), "encoder_strides": ("2,2", (2, 2))},
    **{"dim_context": ("8", 8), "context_layers": ("1", 1), "state_size": ("4", 4), "cpc_steps": ("2", 2)},
    **{"negatives": ("16", 16), "patch_length": ("32", 32), "dim_decoder": ("4", 4), "decoder_layers": ("2", 2)},
    **{"hidden_leads": ("2", 2), "hidden_share": ("0.6", 0.6), "hidden_span": ("2", 2)},
}
FLAGS = {"check": False, "compile": True}


def test_pretrain_by_default() -> None:
    args, kwargs = kwargs_of("pipeline.pretraining.pretrain.pretrain", "pretrain")
    assert args == ((Path("data/ecg.zarr"),),)
    assert kwargs == {
        "folder": None,
        "dated": False,
        "options": {},
        "cuda": False,
        "progress": Bar,
        "report": echo_pretrain_epoch,
    }


def test_pretrain_with_every_option() -> None:
    assert set(LINE) | set(FLAGS) == set(OPTIONS)
    line = [part for name, (text, _) in LINE.items() for part in (f"--{name.replace('_', '-')}", text)]
    args, kwargs = kwargs_of(
        "pipeline.pretraining.pretrain.pretrain",
        *("pretrain", "a.zarr", "b.zarr", "--folder", "runs/", *line, "--no-check", "--compile", "--cuda"),
    )
    assert args == ((Path("a.zarr"), Path("b.zarr")),)
    assert (kwargs["folder"], kwargs["dated"], kwargs["cuda"]) == (Path("runs"), True, True)
    assert kwargs["options"] == {name: value for name, (_, value) in LINE.items()} | FLAGS


def test_help_has_every_option_with_its_default() -> None:
    text = " ".join(invoke("pretrain", "--help").output.split())
    for name in OPTIONS:
        assert f"--{name.replace('_', '-')}" in text
    assert "[default: 4,2,2]" in text
    assert "[default: transformer]" in text
    order = list(program.main.commands)
    assert order.index("verify") < order.index("pretrain") < order.index("train")


SMALL = ("--window-length", 512, "--max-windows-per-record", 1, "--n-total", 30, "--epochs", 2)
LSTM = ("--pretrain-model", "lstm", "--hidden-size-rnn", 4, "--k-steps-ahead", "3,9")


def test_pretrain_and_train_in_words(simulated_store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = invoke("pretrain", simulated_store, "--folder", run, *SMALL, *LSTM)
    assert result.exit_code == 0, result.output
    assert "epoch  train loss  valid loss          lr   windows/s     waiting           s" in result.output
    assert "done after 2 epochs of lstm (" in result.output
    assert "parameters) on 21 records (memory), validated on 9; best epoch 2: validation loss" in result.output
    assert f"classify with: python cli.py train {simulated_store} --folder {run}" in result.output
    again = invoke("train", simulated_store, "--folder", tmp_path / "c", "--pretrained", run, "--probe", "--epochs", 1)
    assert again.exit_code == 0, again.output
    assert "done after 1 epoch on" in again.output


def test_an_interrupted_pretraining_says_how_to_go_on(simulated_store: Path, tmp_path: Path) -> None:
    class Stopped(Bar):
        def advance(self, n: int = 1, **figures: float | str) -> None:
            if self.bar.desc.startswith("epoch 2"):
                raise KeyboardInterrupt

    with mock.patch("ecg12.commands.pretrain.Bar", Stopped):
        result = invoke("pretrain", simulated_store, "--folder", tmp_path / "run", *SMALL, *LSTM)
    assert result.exit_code == 130
    assert "stopped after 1 epoch of lstm" in result.output
    assert f"continue with: python cli.py pretrain {simulated_store} --folder {tmp_path / 'run'}" in result.output


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["nowhere"], "Error: nowhere: no store there; make one with build-cache"),
        (
            ["--pretrain-model", "mae", "--window-length", 100],
            "Error: window of 100 samples in patches of 64; expected",
        ),
        (
            ["--pretrain-model", "lstm", "--window-length", 64],
            "Error: windows of 64 samples and k_steps_ahead up to 100",
        ),
        (["--pretrain-model", "cpc", "--mem-len", 4], "Error: mem_len means nothing to pretrain_model cpc; it is an"),
        (["--precision", "fp16"], "Error: precision is 'fp16' on the CPU; expected fp32 or bf16, or --cuda with it"),
        (["--cuda"], "Error: --cuda: no usable GPU found"),
    ],
)
def test_errors_are_one_line(simulated_store: Path, tmp_path: Path, line, message: str, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    where = [] if line == ["nowhere"] else [simulated_store, "--folder", tmp_path / "r"]
    result = invoke("pretrain", *where, *line)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "r").exists()


def test_every_fold_starts_from_the_stage() -> None:
    """Who is held out may have been pretrained on, without labels: `cross_validate` warns of that."""
    line = "train --pretrained p --folds 3 --fold all"
    args, _ = kwargs_of("pipeline.evaluation.crossvalidate.cross_validate", *line.split())
    assert args[2].pretrained == Path("p")


def test_bench_pretrain() -> None:
    line = (
        "bench pretrain --nets masking,mae --precisions fp32 --batch-size 4 --window-length 512 --rounds 2 --no-memory"
    )
    args, kwargs = kwargs_of("pipeline.bench.pretrain.run", *line.split())
    assert args == ()
    assert kwargs == {
        "nets": ("masking", "mae"),
        "ways": ("fp32",),
        "batch_size": 4,
        "window_length": 512,
        "rounds": 2,
        "memory": False,
        "progress": Bar,
    }


def test_bench_pretrain_in_words(monkeypatch) -> None:
    rows = [
        PretrainRow(net="masking", way=way, n_parameters=n, batch_size=4, seconds=[s], processor_s=[s], peak_bytes=peak)
        for way, n, s, peak in ((BASELINE, None, 6.0, 2_000_000_000), ("fp32", 1234, 2.0, None))
    ]
    monkeypatch.setattr(benchmark, "run", lambda **options: PretrainResult(rows))
    lines = invoke("bench", "pretrain").output.splitlines()
    assert lines[0].split("  ")[0] == "net"
    assert lines[1].split() == ["masking", "reference", "0.667", "1.00", "1.00", "2,000"]
    assert lines[2].split() == ["masking", "fp32", "1,234", "2.000", "3.00", "3.00"]
