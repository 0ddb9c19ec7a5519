"""The door: options reach the pipeline as they are, summaries are readable, errors are one line."""

import logging
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import click
import pytest
from click.testing import CliRunner, Result

from ecg12 import __version__
from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.commands import main as program
from ecg12.commands.main import INTERRUPTED, PlainWarnings
from ecg12.commands.shared.options import available_cores
from ecg12.commands.shared.progress import Bar
from ecg12.commands.shared.train_options import TRAIN_OPTIONS
from ecg12.commands.train import describe, echo_epoch
from ecg12.ecg.drawing.paper import PaperConfig
from ecg12.ecg.errors import ConfigError, StoreError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.tasks.named import named_task
from ecg12.pipeline.bench import loader, training
from ecg12.pipeline.bench import predict as prediction_bench
from ecg12.pipeline.bench.loader import LoaderRow
from ecg12.pipeline.bench.predict import PredictBench, PredictRow
from ecg12.pipeline.bench.training import TrainingRow
from ecg12.pipeline.demo import run_demo
from ecg12.pipeline.evaluation.crossvalidate import TrainOptions
from ecg12.pipeline.evaluation.evaluate import EvaluateConfig, WhichRecords
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.ingest.dask_cluster import Cluster
from ecg12.pipeline.ingest.plan import TOLD_NOTHING
from ecg12.pipeline.prediction.explain_config import ExplainConfig
from ecg12.pipeline.runs.presets import PRESETS
from ecg12.pipeline.runs.run_folder import newest_run_folder
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.runtime.option_names import RESIDENCIES
from tests.records import write_record

ROOT = Path(__file__).resolve().parents[2]


def invoke(*args: object) -> Result:
    return CliRunner().invoke(program.main, [str(arg) for arg in args], prog_name="python cli.py")


class Called(Exception):
    """Stops a command once its pipeline call was seen."""


def kwargs_of(target: str, *args: object) -> tuple[tuple, dict]:
    """Positional and keyword arguments that the command hands to `target`, a path below `ecg12`."""
    with mock.patch(f"ecg12.{target}", side_effect=Called) as call:
        result = invoke(*args)
    assert isinstance(result.exception, Called), result.output
    return call.call_args.args, dict(call.call_args.kwargs)


def test_build_cache_by_default() -> None:
    args, kwargs = kwargs_of("pipeline.ingest.build_cache.build_cache", "build-cache")
    assert args == ((Path("data"),), Path("data/ecg.zarr"), StoreConfig())
    assert kwargs == {
        "told": TOLD_NOTHING,
        "include": (),
        "exclude": (),
        "cluster": Cluster(workers=available_cores()),
        "patients": (),
        "find_patients": True,
        "labels": (),
        "label_columns": {},
        "strict": False,
        "force": False,
        "progress": Bar,
        "say": click.echo,
    }


def test_build_cache_with_every_option() -> None:
    line = "build-cache a b --output c.zarr --fs 250 --codec zstd --seed 3 --bad-checksum flag"
    line += " --patients p.csv --patients none --leads v5,II --highpass 0.5 --notch 50"
    line += " --labels l.csv --labels m.tsv --label-columns ignore=x"
    told = ("--label-columns", "record=file, a,target=qt+hr")
    line += " --scheduler tcp://s:1 --dashboard --include x* --exclude y --exclude z --source-fs 250 --source-units mV"
    line += " --source-leads I,II --missing-leads zero --reader readers:One"
    args, kwargs = kwargs_of(
        "pipeline.ingest.build_cache.build_cache", *line.split(), *told, "--strict", "--workers", 3, "--force"
    )
    config = StoreConfig(
        fs=250.0, leads=("V5", "II"), codec="zstd", seed=3, bad_checksum="flag", highpass=0.5, notch=50.0
    )
    assert args == ((Path("a"), Path("b")), Path("c.zarr"), config)
    assert kwargs == {
        "told": InputConfig(
            fs=250.0,
            units="mV",
            leads=("I", "II"),
            missing_leads="zero",
            bad_checksum="flag",
            readers=("readers:One",),
            prefix="source-",
            with_source=True,
        ),
        "include": ("x*",),
        "exclude": ("y", "z"),
        "cluster": Cluster(workers=3, scheduler="tcp://s:1", dashboard=True),
        "patients": (Path("p.csv"),),
        "find_patients": False,
        "labels": (Path("l.csv"), Path("m.tsv")),
        "label_columns": {"record": ("file, a",), "target": ("qt", "hr"), "ignore": ("x",)},
        "strict": True,
        "force": True,
        "progress": Bar,
        "say": click.echo,
    }
    _, kwargs = kwargs_of(
        "pipeline.ingest.build_cache.build_cache", "build-cache", "--scheduler-file", "f.json", "--workers", 1
    )
    assert kwargs["cluster"] == Cluster(scheduler_file=Path("f.json"))
    both = invoke("build-cache", "--scheduler", "tcp://s:1", "--scheduler-file", "f.json")
    assert both.exit_code == 2
    assert "--scheduler and --scheduler-file both name a cluster" in both.output


def test_train_by_default() -> None:
    args, kwargs = kwargs_of("pipeline.training.train.train", "train")
    assert args == ((Path("data/ecg.zarr"),),)
    assert kwargs == {
        "folder": None,
        "dated": False,
        "preset": None,
        "options": {},
        "model_options": {},
        "pretrained": None,
        "plugins": (),
        "cuda": False,
        "tensorboard": False,
        "progress": Bar,
        "report": echo_epoch,
    }


def test_train_with_every_option() -> None:
    line = (
        "train s.zarr t.zarr --folder r --preset reference --cuda --valid-split 0.2 --n-total 9 --no-shuffle "
        "--max-windows-per-record 6 --residency stream --no-check --normalisation none --window-length 2048 "
        "--net-filter-size 8,16 --net-seq-length 64,16 --kernel-size 9 --dropout-rate 0.3 --pred-stage-type lstm "
        "--pred-stage-hidd 7 --pred-stage-n-layer 2 --pretrain-output-size 5 --eval-transformer --finetuning "
        "--epochs 3 --seed 4 --batch-size 5 --valid-batch-size 6 --lr 0.1 --optimizer adam --weight-decay 0.5 "
        "--schedule steps --milestones 1,2 --lr-factor 0.3 --save-last --save-logits --output-layer softmax "
        "--train-classes dset --valid-classes dset --correction-factor uniform --correction-limits 0.5,20 "
        "--decision rank --scale-by-rank 30,1,0.5 --combination-strategy max --predict-before-collapse "
        "--squeeze-excitation --patient --pooling average --augment gain,shift --ema 0.9 --class-weights metric "
        "--label-smoothing 0.1 --precision bf16 --kernels flat --compile --tensorboard "
        "--pretrained p --probe --layer-decay 0.7 "
        "--random-stage --train-share 0.4 --model s4d --s4d-features 8 --s4d-layers 2 --s4d-state 6 --s4d-stride 3 "
        "--s4d-dropout 0.1 --task ptbxl-form --select-by auprc --split t.csv:side --torn-patients"
    )
    args, kwargs = kwargs_of("pipeline.training.train.train", *line.split())
    assert args == ((Path("s.zarr"), Path("t.zarr")),)
    assert kwargs == {
        "folder": Path("r"),
        "dated": False,
        "preset": "reference",
        "options": {
            "valid_split": 0.2,
            "n_total": 9,
            "shuffle": False,
            "max_windows_per_record": 6,
            "residency": "stream",
            "check": False,
            "finetuning": True,
            "epochs": 3,
            "seed": 4,
            "batch_size": 5,
            "valid_batch_size": 6,
            "lr": 0.1,
            "optimizer": "adam",
            "weight_decay": 0.5,
            "schedule": "steps",
            "milestones": (1, 2),
            "lr_factor": 0.3,
            "save_last": True,
            "save_logits": True,
            "output_layer": "softmax",
            "train_classes": "dset",
            "valid_classes": "dset",
            "correction_factor": "uniform",
            "correction_limits": (0.5, 20.0),
            "decision": "rank",
            "scale_by_rank": (30.0, 1.0, 0.5),
            "combination_strategy": "max",
            "predict_before_collapse": True,
            "augment": ("gain", "shift"),
            "ema": 0.9,
            "class_weights": "metric",
            "label_smoothing": 0.1,
            "precision": "bf16",
            "kernels": "flat",
            "compile": True,
            "layer_decay": 0.7,
            "random_stage": True,
            "train_share": 0.4,
            "task": "ptbxl-form",
            "select_by": "auprc",
            "split": "t.csv:side",
            "torn_patients": True,
        },
        "model_options": {
            "model": "s4d",
            "s4d_features": 8,
            "s4d_layers": 2,
            "s4d_state": 6,
            "s4d_stride": 3,
            "s4d_dropout": 0.1,
            "probe": True,
            "squeeze_excitation": True,
            "patient": True,
            "pooling": "average",
            "normalisation": "none",
            "window_length": 2048,
            "net_filter_size": (8, 16),
            "net_seq_length": (64, 16),
            "kernel_size": 9,
            "dropout_rate": 0.3,
            "pred_stage_type": "lstm",
            "pred_stage_hidd": 7,
            "pred_stage_n_layer": 2,
            "pretrain_output_size": 5,
            "eval_transformer": True,
        },
        "pretrained": Path("p"),
        "plugins": (),
        "cuda": True,
        "tensorboard": True,
        "progress": Bar,
        "report": echo_epoch,
    }


def test_none_stands_for_no_augmentation() -> None:
    _, kwargs = kwargs_of("pipeline.training.train.train", "train", "--augment", "none")
    assert kwargs["options"] == {"augment": ()}


def test_a_trailing_slash_makes_a_dated_folder_inside() -> None:
    _, kwargs = kwargs_of("pipeline.training.train.train", "train", "--folder", "runs/")
    assert (kwargs["folder"], kwargs["dated"]) == (Path("runs"), True)


def test_cross_validation_arguments() -> None:
    line = "train s.zarr t.zarr --folds 5 --fold all --folder cv --epochs 3 --kernel-size 9 --preset reference --cuda"
    for text in (line, line.replace(" --fold all", "")):
        args, kwargs = kwargs_of("pipeline.evaluation.crossvalidate.cross_validate", *text.split())
        how = TrainOptions(preset="reference", options={"epochs": 3}, model_options={"kernel_size": 9}, cuda=True)
        assert args == ((Path("s.zarr"), Path("t.zarr")), Path("cv"), how)
        assert (kwargs.pop("say") is not None, kwargs.pop("folds")) == (True, 5)
        assert kwargs == {"dated": False, "progress": Bar, "report": echo_epoch}
    args, kwargs = kwargs_of(
        "pipeline.evaluation.crossvalidate.cross_validate", *"train --leave-out all --seed 7".split()
    )
    assert args == ((Path("data/ecg.zarr"),), None, TrainOptions(options={"seed": 7}))
    assert kwargs["folds"] is None


def test_single_hold_out_arguments() -> None:
    args, kwargs = kwargs_of(
        "pipeline.evaluation.crossvalidate.train_and_test", *"train --folds 5 --fold 2 --folder r/".split()
    )
    assert args == ((Path("data/ecg.zarr"),), Path("r"), TrainOptions(options={"folds": 5, "fold": 2}))
    assert kwargs == {"dated": True, "progress": Bar, "report": echo_epoch}
    args, _ = kwargs_of("pipeline.evaluation.crossvalidate.train_and_test", *"train --leave-out ptb-xl".split())
    assert args[2] == TrainOptions(options={"leave_out": "ptb-xl"})
    args, _ = kwargs_of(
        "pipeline.evaluation.crossvalidate.train_and_test", *"train --leave-out ptb --pretrained p".split()
    )
    assert args[2] == TrainOptions(options={"leave_out": "ptb"}, pretrained=Path("p"))
    for line, message in (
        ("train --fold 2", "--fold is one of --folds K, which is missing"),
        ("train --folds 3 --leave-out ptb", "--folds and --leave-out hold out different things; give one of them"),
        ("train --folds 3 --fold some", "'some' is neither a number of a fold nor all"),
    ):
        refused = invoke(*line.split())
        assert refused.exit_code == 2
        assert message in refused.output


def test_a_cross_validation_in_words(simulated_store: Path, tmp_path: Path) -> None:
    small = "--net-filter-size 4,6 --net-seq-length 256,16 --epochs 1".split()
    done = invoke("train", simulated_store, "--folds", 2, "--folder", tmp_path / "cv", *small)
    assert done.exit_code == 0, done.output
    for text in (
        "== fold-0 (1 of 2)",
        "== fold-1 (2 of 2)",
        "labels by thresholds fitted to the held-out records of the other parts",
        "held out ",
        "sum; means",
        "95 % intervals by 1,000 replicates of the Bayesian bootstrap over",
        "s of training in 2 run(s), validation included",
        f"folder of the runs: {tmp_path / 'cv'}",
    ):
        assert text in done.output
    scored = invoke("evaluate", simulated_store, tmp_path / "cv", "--bootstrap", 0)
    assert scored.exit_code == 0, scored.output
    assert "fold-1" in scored.output
    assert "bootstrap" not in scored.output
    swept = invoke("predict", simulated_store, "--model", tmp_path / "cv", "--gain-sweep", "--output", tmp_path / "o")
    assert swept.exit_code == 0, swept.output
    assert f"80 predictions in {tmp_path / 'o' / 'gain-4.88'}, by {tmp_path / 'cv'}" in swept.output
    table = invoke("evaluate", simulated_store, tmp_path / "o", "--bootstrap", 0).output
    assert "labels changed" in table
    assert "× 0.2049" in table


def test_only_test_arguments() -> None:
    line = "train s.zarr --only-test --folder r/ --preset reference --combination-strategy max --save-logits --cuda"
    args, kwargs = kwargs_of("pipeline.evaluation.finished_run.only_test", *line.split())
    assert args == ((Path("s.zarr"),),)
    assert kwargs == {
        "folder": Path("r"),
        "preset": "reference",
        "options": {"combination_strategy": "max", "save_logits": True},
        "plugins": (),
        "cuda": True,
        "progress": Bar,
    }


def test_every_option_of_train_is_a_field_with_its_choices() -> None:
    config = TrainConfig()
    for name, kind, _ in (row for rows in TRAIN_OPTIONS.values() for row in rows):
        owner = config.model if name in ModelConfig.__dataclass_fields__ else config
        assert hasattr(owner, name)
        if isinstance(kind, click.Choice):
            for choice in kind.choices:
                replace(owner, **{name: choice})  # raises ConfigError where there is no such choice
            with pytest.raises(ConfigError, match=f"{name} is 'nonsense'; expected"):
                replace(owner, **{name: "nonsense"})
    (preset,) = (option for option in program.main.commands["train"].params if option.name == "preset")
    assert list(preset.type.choices) == list(PRESETS)


def test_the_help_of_train_shows_the_configurations_defaults() -> None:
    text = " ".join(invoke("train", "--help").output.split())
    assert "Share of the records to validate on; with 1 nothing trains. [default: 0.3]" in text
    assert "Filters of each block. [default: 64,128,196,256,320]" in text
    assert "--shuffle / --no-shuffle A new order in each epoch. [default: yes]" in text
    assert "[default: 30,1,0.9,0.9,0.8,0.7,0]" in text


def test_the_residencies_are_the_pipelines() -> None:
    (option,) = (option for option in program.main.commands["train"].params if option.name == "residency")
    assert tuple(option.type.choices) == RESIDENCIES


def test_bench_loader_arguments() -> None:
    args, kwargs = kwargs_of("pipeline.bench.loader.run", *"bench loader --records 700 --folder f --rounds 2".split())
    assert (args, kwargs) == ((), {"n_records": 700, "folder": Path("f"), "rounds": 2, "progress": Bar})
    args, kwargs = kwargs_of("pipeline.bench.training.run", *"bench training s --pairs 7 --full-steps 0".split())
    assert (args, kwargs) == ((Path("s"),), {"pairs": 7, "steps": {"small": 12}, "progress": Bar})
    args, kwargs = kwargs_of("pipeline.bench.shuffling.run", *"bench shuffle --records 700".split())
    assert (args, kwargs) == ((), {"n_records": 700})
    args, kwargs = kwargs_of("pipeline.bench.footprint.of_the_first_batch", "bench", "footprint", "s")
    assert (args, kwargs) == ((Path("s"),), {})


def test_bench_train_arguments() -> None:
    args, kwargs = kwargs_of("pipeline.bench.train.run", "bench", "train")
    defaults = {"pairs": 5, "steps": 1, "epochs": 0, "figure": "auroc", "target": 0.7, "cuda": False}
    assert args == ((Path("data/ecg.zarr"),),)
    assert kwargs == defaults | {"options": {}, "model_options": {}, "progress": Bar}
    line = "bench train s t --pairs 3 --steps 2 --epochs 4 --figure auprc --target 0.8 --cuda --precision bf16"
    args, kwargs = kwargs_of("pipeline.bench.train.run", *line.split(), "--pooling", "flatten")
    given = {"pairs": 3, "steps": 2, "epochs": 4, "figure": "auprc", "target": 0.8, "cuda": True}
    assert args == ((Path("s"), Path("t")),)
    assert kwargs == given | {
        "options": {"precision": "bf16"},
        "model_options": {"pooling": "flatten"},
        "progress": Bar,
    }


@pytest.mark.parametrize("line", ["--folds 3", "--folds 3 --fold 1", "--leave-out ptb"])
def test_event_files_are_for_one_run(line: str) -> None:
    result = invoke("train", "s", "--tensorboard", *line.split())
    assert result.exit_code == 2
    assert "--tensorboard is for one run; leave it out with --folds and --leave-out" in " ".join(result.output.split())


def test_benchmarks_of_the_loader_in_words(simulated_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = LoaderRow(what=loader.CEILING, gives="float32", rates=[40_000.0], processor_us=[25.0])
    base = LoaderRow(what=loader.BASELINE, gives="float32", rates=[800.0], processor_us=[1200.0])
    result = loader.LoaderBench(rows=(row, base), zarr_ms=5, checked_ms=3, unchecked_ms=2.9)
    monkeypatch.setattr(loader, "run", lambda **options: result)
    shown = invoke("bench", "loader").output
    for text in ("40,000", "50.000", "5.00 ms through zarr, 3.00 ms directly with its crc32c and its SHA-256, 2.90 ms"):
        assert text in shown
    assert "plan 100 records, memory" in invoke("bench", "footprint", simulated_store, "--plan", 100).output
    shown = invoke("bench", "shuffle", "--records", 600).output
    assert "buffer of 8 chunks" in shown
    assert "records in 128 rows, all windows of each: " in shown
    figures = {"rate": 9.0, "ratio": 0.99, "low": 0.98, "high": 1.0, "confidence": 0.961, "waiting": 0.002}
    rows = [TrainingRow(model="small", residency="stream", pairs=9, **figures)]
    monkeypatch.setattr(training, "run", lambda *args, **options: rows)
    assert "96.1%" in invoke("bench", "training", simulated_store).output


def test_predict_takes_the_newest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("output_2026-01-01_00_00_00_000000", "output_2026-02-01_00_00_00_000000"):
        Path(name).mkdir()
        Path(name, "model.pth").touch()
    args, kwargs = kwargs_of("pipeline.prediction.predict.predict", "predict")
    assert args == ((Path("data/ecg.zarr"),), Path("predictions"), (newest_run_folder(Path()),))
    assert args[2][0].name == "output_2026-02-01_00_00_00_000000"
    assert kwargs == {
        "average": None,
        "told": InputConfig(),
        "json_path": None,
        "precision": "fp32",
        "explain": None,
        "plugins": (),
        "cuda": False,
        "force": False,
        "progress": Bar,
    }


def test_predict_with_every_option() -> None:
    line = "predict x y --output o --model m --model n --average scores --force --cuda --json j.json"
    line += " --fs 250 --units uV --leads I,II --precision bf16 --reader d.e:F --plugin a.b --plugin c"
    line += " --explain AF,PVC --explain-steps 9 --explain-windows 3 --explain-format pdf"
    args, kwargs = kwargs_of(
        "pipeline.prediction.predict.predict", *line.split(), "--missing-leads", "zero", "--keep-flat"
    )
    assert args == ((Path("x"), Path("y")), Path("o"), (Path("m"), Path("n")))
    assert kwargs == {
        "average": "scores",
        "told": InputConfig(
            fs=250, units="uV", leads=("I", "II"), missing_leads="zero", keep_flat=True, readers=("d.e:F",)
        ),
        "json_path": Path("j.json"),
        "precision": "bf16",
        "explain": ExplainConfig(classes=("AF", "PVC"), n_steps=9, max_windows=3, form="pdf"),
        "plugins": ("a.b", "c"),
        "cuda": True,
        "force": True,
        "progress": Bar,
    }


def test_predict_explains_what_was_decided_for_where_no_class_is_named() -> None:
    for line in ("predict x --model m --explain", "predict x --explain --model m"):
        args, kwargs = kwargs_of("pipeline.prediction.predict.predict", *line.split())
        assert args[0] == (Path("x"),)
        assert kwargs["explain"] == ExplainConfig()
    _, kwargs = kwargs_of("pipeline.prediction.predict.predict", *"predict x --model m --explain top".split())
    assert kwargs["explain"] == ExplainConfig(classes=("top",))


def test_predict_at_several_gains() -> None:
    args, kwargs = kwargs_of(
        "pipeline.prediction.gain_sweep.sweep_gains", *"predict x --output o --model m --gain-sweep".split()
    )
    assert args == ((Path("x"),), Path("o"), (Path("m"),))
    expected = {"average": None, "told": InputConfig(), "precision": "fp32", "cuda": False, "force": False}
    assert kwargs == expected | {"plugins": (), "progress": Bar}
    refused = invoke("predict", "x", "--model", "m", "--gain-sweep", "--json", "j.json")
    assert refused.exit_code == 2
    assert "--gain-sweep predicts three times; leave out --json" in refused.output
    refused = invoke("predict", "x", "--model", "m", "--gain-sweep", "--explain")
    assert refused.exit_code == 2
    assert "--gain-sweep predicts three times; leave out --explain" in refused.output


def test_plot_arguments() -> None:
    args, kwargs = kwargs_of("pipeline.pictures.plot.plot", *"plot a b".split())
    assert args == (("a", "b"), Path("plots"))
    assert kwargs == {
        "place": None,
        "config": PaperConfig(),
        "told": InputConfig(),
        "predictions": None,
        "form": "png",
        "dpi": 150.0,
        "force": False,
        "progress": Bar,
    }
    line = "plot --from s.zarr a --output o --format pdf --dpi 300 --layout 12x1 --rhythm V1 --speed 50 --gain 5"
    line += " --start 3 --predictions p --fs 500 --units V --leads standard --missing-leads zero --force"
    args, kwargs = kwargs_of("pipeline.pictures.plot.plot", *line.split())
    assert args == (("a",), Path("o"))
    assert kwargs["place"] == Path("s.zarr")
    assert kwargs["config"] == PaperConfig(layout="12x1", rhythm="V1", speed=50, gain=5, start_s=3)
    assert kwargs["told"] == InputConfig(fs=500, units="V", leads=("standard",), missing_leads="zero")
    assert (kwargs["form"], kwargs["dpi"], kwargs["predictions"], kwargs["force"]) == ("pdf", 300, Path("p"), True)
    assert invoke("plot").exit_code == 2


def test_bench_predict_arguments_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    args, kwargs = kwargs_of("pipeline.bench.predict.run", *"bench predict".split())
    assert args == ()
    assert kwargs == {"n_records": 512, "rounds": 3, "model": None, "folder": None, "progress": Bar}
    line = "bench predict --records 9 --rounds 2 --model m --folder f"
    _, kwargs = kwargs_of("pipeline.bench.predict.run", *line.split())
    assert kwargs == {
        "n_records": 9,
        "rounds": 2,
        "model": Path("m"),
        "folder": Path("f"),
        "progress": Bar,
    }
    ways = [(prediction_bench.BASELINE, "fp32"), (prediction_bench.FILES, "bf16")]
    ways += [(prediction_bench.NETWORK, "fp32"), (prediction_bench.NETWORK, "bf16")]
    rows = [
        PredictRow(what, precision, 100, [10.0 / (place + 1)], [5.0]) for place, (what, precision) in enumerate(ways)
    ]
    result = PredictBench(
        rows=tuple(rows), largest_change=0.004, n_changed=3, n_labels=2700, cold_start_s=(2.5,), trained=True
    )
    monkeypatch.setattr(prediction_bench, "run", lambda **options: result)
    shown = invoke("bench", "predict").output
    change = "bf16 changes scores by 0.0040 at most, and 3 of 2,700 labels"
    for text in ("one recording at a time", "2.000", change, "cold start to CSV: 2.50 s"):
        assert text in shown


def test_plot_in_words(simulated_store: Path, tmp_path: Path) -> None:
    drawn = invoke("plot", "HR00001", "--from", simulated_store, "--output", tmp_path, "--dpi", 40)
    assert drawn.exit_code == 0, drawn.output
    assert f"{tmp_path / 'HR00001.png'}" in drawn.output
    again = invoke("plot", "HR00001", "--from", simulated_store, "--output", tmp_path)
    assert again.exit_code == 1
    assert "is there already; choose another --output, or --force to replace it" in again.output


def test_evaluate_arguments() -> None:
    args, kwargs = kwargs_of("pipeline.evaluation.evaluate.evaluate", *"evaluate l o".split())
    assert args == ((Path("l"),), Path("o"), None)
    assert kwargs == {
        "task": None,
        "which": WhichRecords(),
        "config": EvaluateConfig(),
        "json_path": None,
        "progress": Bar,
    }
    line = "evaluate l o s.csv --also m --also n --json s.json --bootstrap 50 --seed 9 --bins 5"
    args, kwargs = kwargs_of("pipeline.evaluation.evaluate.evaluate", *line.split())
    assert args == ((Path("l"), Path("m"), Path("n")), Path("o"), Path("s.csv"))
    assert kwargs["config"] == EvaluateConfig(n_bootstrap=50, seed=9, n_bins=5)
    assert kwargs["json_path"] == Path("s.json")
    line = "evaluate l o --task age --split valid --records r.txt --by sex --by site --by sex"
    _, kwargs = kwargs_of("pipeline.evaluation.evaluate.evaluate", *line.split())
    assert kwargs["task"] is named_task("age")
    assert kwargs["which"] == WhichRecords(records=Path("r.txt"), split="valid", by=("sex", "site"))
    _, kwargs = kwargs_of("pipeline.evaluation.evaluate.evaluate", *"evaluate l o --split t.csv:s --side train".split())
    assert kwargs["which"] == WhichRecords(split="t.csv:s", side="train")
    refused = invoke(*"evaluate l o --task ward".split())
    assert refused.exit_code == 1
    assert "task 'ward': no such file; expected challenge2020, " in refused.output


@pytest.mark.parametrize(
    ("row", "titles"),
    [
        ({"challenge_metric": 0.5, "auroc": 0.9, "auprc": 0.1, "f_measure": 0.2}, "challenge AUROC AUPRC"),
        ({"mae": 9.0, "rmse": 11.0, "r2": 0.4, "pearson": 0.7}, "MAE RMSE R2"),
        ({"auroc": 0.9, "auprc": 0.1, "f_measure": 0.2}, "AUROC AUPRC F"),
        (
            {"auroc": 0.9, "auprc": 0.1, "accuracy": 0.2, "f_measure": 0.2, "balanced_accuracy": 0.8},
            "balanced accuracy AUROC",
        ),
    ],
)
def test_epochs_are_shown_by_what_their_task_has(
    row: dict[str, float], titles: str, capsys: pytest.CaptureFixture[str]
) -> None:
    of_all = {"epoch": 0, "train_loss": 1, "valid_loss": 2, "windows_per_second": 3, "waiting": 4, "seconds": 5}
    echo_epoch(of_all | row)
    title, values = capsys.readouterr().out.splitlines()
    assert " ".join(title.split()) == f"epoch train loss valid loss {titles} windows/s waiting s"
    assert len(values.split()) == 9


def test_an_epoch_in_words() -> None:
    row = {"challenge_metric": 0.5, "auroc": 0.91, "valid_loss": 0.25, "f_measure": 0.4}
    assert describe("challenge_metric", row) == "challenge metric 0.500, macro AUROC 0.910"
    assert describe("auroc", row) == "macro AUROC 0.910"
    assert describe("valid_loss", row) == "validation loss 0.250, macro AUROC 0.910"
    assert describe("mae", {"mae": 9.5, "valid_loss": 0.1}) == "mean absolute error 9.500"


def test_a_run_with_a_test_side_is_tested_at_its_end(simulated_store: Path, tmp_path: Path) -> None:
    """By a table of sides; the figures are printed and stand in the run's folder, and `evaluate` finds them again."""
    rows = [
        f"{name},{('train', 'valid', 'test')[number % 3]}" for number, name in enumerate(Store(simulated_store).ids)
    ]
    (tmp_path / "sides.csv").write_text("record,side\n" + "\n".join(rows) + "\n")
    small = "--net-filter-size 4,6 --net-seq-length 256,16 --epochs 1 --task sex".split()
    line = ["train", simulated_store, "--folder", tmp_path / "run", "--split", f"{tmp_path / 'sides.csv'}:side", *small]
    refused = invoke(*line)
    assert refused.exit_code == 1
    assert "patients (or duplicates) are on several sides" in refused.output
    assert "take it with --torn-patients" in refused.output
    done = invoke(*line, "--torn-patients")
    assert done.exit_code == 0, done.output
    for text in ("best epoch 1: macro AUROC 0.", "== Test records; labels by the run's own rule", "Balanced accuracy"):
        assert text in done.output
    line = (tmp_path / "run" / "test_scores.csv").read_text().splitlines()[1]
    assert f"Accuracy           {float(line.split(',')[0]):.3f}" in done.output
    again = invoke("evaluate", simulated_store, tmp_path / "run", "--by", "dataset", "--bootstrap", 0)
    assert again.exit_code == 0, again.output
    assert f"Accuracy           {float(line.split(',')[0]):.3f}" in again.output


def test_leaving_out_each_value_of_a_column() -> None:
    line = "train --leave-out site:all --task age"
    args, kwargs = kwargs_of("pipeline.evaluation.crossvalidate.cross_validate", *line.split())
    assert args[2] == TrainOptions(options={"task": "age"})
    assert (kwargs["folds"], kwargs["leave_out"]) == (None, "site:all")
    args, _ = kwargs_of("pipeline.evaluation.crossvalidate.train_and_test", *"train --leave-out site:3".split())
    assert args[2] == TrainOptions(options={"leave_out": "site:3"})


def test_simulate_arguments() -> None:
    line = "simulate out --records 7 --seed 8 --layout release --max-duration 9"
    args, kwargs = kwargs_of("pipeline.simulate.simulate", *line.split())
    assert args == (Path("out"), 7)
    assert kwargs == {"seed": 8, "layout": "release", "max_duration_s": 9.0, "progress": Bar}


def test_bench_arguments(tmp_path: Path) -> None:
    args, kwargs = kwargs_of("pipeline.bench.ingest.run", "bench", "ingest")
    assert args == ((),)
    assert kwargs == {
        "n_records": 4000,
        "folder": None,
        "workers": (1, 2),
        "baseline_records": 500,
        "progress": Bar,
    }
    line = "bench ingest a b --records 50 --folder f --workers 1,4 --baseline-records 9"
    args, kwargs = kwargs_of("pipeline.bench.ingest.run", *line.split())
    assert args == ((Path("a"), Path("b")),)
    assert kwargs == {
        "n_records": 50,
        "folder": Path("f"),
        "workers": (1, 4),
        "baseline_records": 9,
        "progress": Bar,
    }
    args, kwargs = kwargs_of("pipeline.bench.corpus.write_corpus", *"bench corpus o --records 9 --seed 1".split())
    assert (args, kwargs) == ((Path("o"), 9), {"seed": 1, "progress": Bar})
    args, kwargs = kwargs_of("pipeline.bench.codec.run", *"bench codecs s --chunks 2".split())
    assert (args, kwargs) == ((Path("s"),), {"n_chunks": 2, "progress": Bar})


def test_benchmarks_in_words(simulated: Path, simulated_store: Path, tmp_path: Path) -> None:
    with mock.patch("ecg12.pipeline.bench.ingest.REPEATS", 1):
        result = invoke("bench", "ingest", simulated, "--workers", 1, "--baseline-records", 4)
    assert result.exit_code == 0, result.output
    for text in ("build-cache", "dask.bag, wfdb", "reading the bytes", "resample", "100 %", "80 records, "):
        assert text in result.output
    result = invoke("bench", "codecs", simulated_store, "--chunks", 1)
    assert result.exit_code == 0, result.output
    for text in ("lz4-5, bitshuffle", "pcodec-8", "times smaller"):
        assert text in result.output
    result = invoke("bench", "corpus", tmp_path / "c", "--records", 6)
    assert "6 records of 6 patients in" in result.output


def test_quality_and_rejects_in_words(tmp_path: Path) -> None:
    write_record(tmp_path / "in", "E00001", gain="4880/mV")
    write_record(tmp_path / "in", "A0002").with_suffix(".mat").unlink()
    assert invoke("build-cache", tmp_path / "in", "--output", tmp_path / "s.zarr", "--workers", 1).exit_code == 0
    shown = invoke("inspect", tmp_path / "s.zarr", "--quality")
    for text in ("samples interpolated", "gain_corrected", "E00001", "FORMAT.md, section 5"):
        assert text in shown.output
    shown = invoke("inspect", tmp_path / "s.zarr", "--rejects")
    for text in ("cpsc", "A0002", "signal", "No such file", "1 records rejected"):
        assert text in shown.output
    both = invoke("inspect", tmp_path / "s.zarr", "--rejects", "--quality")
    assert both.exit_code == 2
    assert "give one of them" in both.output


def test_demo_arguments() -> None:
    args, kwargs = kwargs_of("pipeline.demo.run_demo", *"demo --output d --records 60 --seed 1 --workers 2".split())
    assert args == (Path("d"),)
    assert {key: kwargs[key] for key in ("n_records", "seed", "workers", "force")} == {
        "n_records": 60,
        "seed": 1,
        "workers": 2,
        "force": False,
    }


def test_commands_are_listed_in_pipeline_order() -> None:
    lines = invoke("--help").output.split("Commands:")[1].splitlines()
    names = [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")]
    order = ["download", "simulate", "build-cache", "inspect", "verify", "tasks", "pretrain", "train"]
    order += ["predict", "evaluate", "plot", "report", "export", "bench", "demo"]
    assert names == order == list(program.main.commands)
    assert invoke("--version").output.strip() == __version__


def test_usage_errors_exit_with_2() -> None:
    result = invoke("train", "--net-filter-size", "8,x")
    assert result.exit_code == 2
    assert "'8,x' is not a list of whole numbers such as 64,128,256" in result.output
    assert invoke("build-cache", "--workers", "0").exit_code == 2
    assert invoke("nonsense").exit_code == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["build-cache", "nowhere"],
            "Error: nowhere: does not exist; expected a folder of recordings, a tarball",
        ),
        (["inspect", "nowhere"], "Error: nowhere: no store there; make one with build-cache"),
        (["verify", "nowhere"], "Error: nowhere: no store there; make one with build-cache"),
        (["train", "nowhere"], "Error: nowhere: no store there; make one with build-cache"),
        (["predict", ".", "--model", "nowhere"], "Error: nowhere: no such run folder; run train, or name another"),
        (["predict"], "no run folder output_*/model.pth there; run train, or name one with --model"),
        (["evaluate", ".", "nowhere"], "Error: nowhere: no such folder; expected one Challenge CSV for each record"),
        (["build-cache", "--fs", "0"], "Error: fs is 0.0; expected 1 to 100,000 Hz"),
        (
            ["build-cache", "."],
            "no recording there; expected WFDB headers (.hea), EDF, BDF, DICOM",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(
    args: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*args)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_notes_and_system_errors_are_told() -> None:
    error = StoreError("it is broken")
    error.add_note("while looking")
    with mock.patch("ecg12.pipeline.ingest.describe_store.describe_store", side_effect=error):
        assert "Error: it is broken (while looking)" in invoke("inspect", "x").output
    full = OSError(28, "No space left on device", "/somewhere/part-1.json")
    with mock.patch("ecg12.pipeline.ingest.describe_store.describe_store", side_effect=full):
        result = invoke("inspect", "x")
    assert result.exit_code == 1
    assert "Error: /somewhere/part-1.json: No space left on device" in result.output


def test_build_inspect_verify_in_words(simulated: Path, tmp_path: Path) -> None:
    store = tmp_path / "ecg.zarr"
    built = invoke("build-cache", simulated, "--output", store, "--workers", 1)
    assert built.exit_code == 0, built.output
    for text in ("80 records in", "dataset", "ptb-xl", "all", f"{store}: 12 leads at 400 Hz"):
        assert text in built.output
    again = invoke("build-cache", simulated, "--output", store, "--workers", 1)
    assert "is complete already: built from these records by these rules." in again.output
    shown = invoke("inspect", store)
    assert "sinus rhythm" in shown.output
    record = invoke("inspect", store, "--record", "HR00001")
    for text in ("HR00001", "ptb-xl", "4,000 samples at 400 Hz, 10.000 s", "labels", "aVR"):
        assert text in record.output
    assert "are as written" in invoke("verify", store).output
    chunk = store / "signal" / "c" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[1000] ^= 255
    chunk.write_bytes(data)
    broken = invoke("verify", store)
    assert broken.exit_code == 1
    assert "signal chunk 0: damaged" in broken.output
    assert "Error: " in broken.output
    assert "1 problem(s) found" in broken.output


def test_rejects_are_told_and_the_build_goes_on(tmp_path: Path) -> None:
    write_record(tmp_path / "in", "A0001")
    write_record(tmp_path / "in", "A0002")
    (tmp_path / "in" / "A0002.mat").write_bytes(b"short")
    result = invoke("build-cache", tmp_path / "in", "--output", tmp_path / "s.zarr", "--workers", 1)
    assert result.exit_code == 0
    assert "rejected cpsc/A0002 (signal): A0002: A0002.mat has 5 bytes; expected" in result.output
    assert "rejected cpsc/A0002" in invoke("inspect", tmp_path / "s.zarr").output
    again = invoke("build-cache", tmp_path / "in", "--output", tmp_path / "s.zarr", "--workers", 1)
    assert "If a rejected record's files have been mended, --force builds it again." in again.output
    strict = invoke("build-cache", tmp_path / "in", "--output", tmp_path / "t.zarr", "--workers", 1, "--strict")
    assert strict.exit_code == 1
    assert "(while ingesting " in strict.output


def test_train_predict_evaluate_in_words(simulated: Path, simulated_store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = "--net-filter-size 4,6 --net-seq-length 256,16 --epochs 2".split()
    trained = invoke("train", simulated_store, "--folder", run, *small)
    assert trained.exit_code == 0, trained.output
    assert "done after 2 epochs on" in trained.output
    assert "windows/s" in trained.output
    assert f"run folder: {run}" in trained.output
    predicted = invoke("predict", simulated, "--model", run, "--output", tmp_path / "out")
    assert f"80 predictions in {tmp_path / 'out'}, by {run}" in predicted.output
    one = next(iter(sorted(simulated.rglob("*.hea"))))
    alone = invoke("predict", one, "--model", run, "--output", tmp_path / "one")
    assert f"1 prediction in {tmp_path / 'one'}" in alone.output
    assert re.search(rf"^{one.stem}: (none of the classes|[a-z0-9 ]+ \d\.\d\d)", alone.output, re.MULTILINE), (
        alone.output
    )
    scored = invoke("evaluate", simulated, tmp_path / "out", tmp_path / "scores.csv")
    assert scored.exit_code == 0, scored.output
    for text in ("Challenge metric", "AUROC", "80 records", f"written: {tmp_path / 'scores.csv'}"):
        assert text in scored.output
    write_record(tmp_path / "bad", "fine")
    write_record(tmp_path / "bad", "broken", leads=("I", "II"))
    result = invoke("predict", tmp_path / "bad", "--model", run, "--output", tmp_path / "out2")
    assert result.exit_code == 1
    assert "skipped broken: lead V1, V2" in result.output
    assert (tmp_path / "out2" / "fine.csv").exists()


def test_an_explained_prediction_in_words(run: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "in", "ecg")
    line = ["--model", run, "--output", tmp_path / "out", "--explain-steps", 2, "--explain-format", "none"]
    explained = invoke("predict", tmp_path / "in", *line, "--explain", "top")
    assert explained.exit_code == 0, explained.output
    assert f"1 explained in {tmp_path / 'out' / 'explained'}" in explained.output
    # an input behind --explain is taken for a class
    mistaken = invoke("predict", *line, "--force", "--explain", tmp_path / "in")
    assert mistaken.exit_code == 1
    assert "paths of recordings stand before --explain" in mistaken.output


def test_a_model_is_judged_in_words(run: Path, simulated_store: Path) -> None:
    result = invoke("train", simulated_store, "--only-test", "--folder", run)
    assert result.exit_code == 0, result.output
    assert f"{run}, judged by its network on " in result.output
    for figure in ("valid_loss", "challenge_metric", "auroc", "g_beta"):
        assert f"\n{figure} " in result.output
    refused = invoke("train", simulated_store, "--only-test", "--folder", run, "--epochs", 3)
    assert refused.exit_code == 1
    assert "Error: epochs: nothing is trained with only_test; leave it out" in refused.output


def test_warnings_are_one_line_and_come_once() -> None:
    shown, plain = [], PlainWarnings()
    for text in ("1 block(s): left out", "1 block(s): left out", "another"):
        whole = f"{text}\n  network = build()\n"
        record = logging.makeLogRecord({"msg": "/home/me/x.py:163: UserWarning: %s", "args": (whole,)})
        if plain.filter(record):
            shown.append(f"{record.name}: {record.getMessage()}")
    assert shown == ["ecg12: 1 block(s): left out", "ecg12: another"]


def test_ctrl_c_says_how_to_go_on(simulated_store: Path, tmp_path: Path) -> None:
    rows = []

    def stop_in_the_second_epoch(self: object, n: int = 1, **figures: float) -> None:
        rows.append(n)
        if (tmp_path / "run" / "history.csv").exists():
            raise KeyboardInterrupt

    with mock.patch.object(Bar, "advance", stop_in_the_second_epoch):
        line = ["train", simulated_store, "--folder", tmp_path / "run", "--epochs", 3]
        result = invoke(*line, "--net-filter-size", "4,6", "--net-seq-length", "256,16")
    assert result.exit_code == 130
    assert "stopped after 1 epoch" in result.output
    assert f"continue with: python cli.py train {simulated_store} --folder {tmp_path / 'run'}" in result.output


def test_the_program_runs_as_a_program(tmp_path: Path) -> None:
    """One real process from simulate to verify, from another working directory, with two dask workers."""
    environment = {**os.environ, "PYTHONWARNINGS": "error::DeprecationWarning:cli"}

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *map(str, args)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert run("simulate", "corpus", "--records", 60, "--max-duration", 10).returncode == 0
    built = run("build-cache", "corpus", "--output", "two.zarr", "--workers", 2)
    assert built.returncode == 0, built.stderr
    assert "distributed" not in built.stderr
    assert run("build-cache", "corpus", "--output", "one.zarr", "--workers", 1).returncode == 0
    files = {path.relative_to(tmp_path / "one.zarr") for path in (tmp_path / "one.zarr").rglob("*") if path.is_file()}
    assert files == {p.relative_to(tmp_path / "two.zarr") for p in (tmp_path / "two.zarr").rglob("*") if p.is_file()}
    for path in files:
        assert (tmp_path / "one.zarr" / path).read_bytes() == (tmp_path / "two.zarr" / path).read_bytes(), path
    assert run("verify", "two.zarr").returncode == 0
    missing = run("verify", "three.zarr")
    assert missing.returncode == 1
    assert "Traceback" not in missing.stderr


def test_a_group_shows_help_for_every_command() -> None:
    for name, command in program.main.commands.items():
        assert isinstance(command, click.Command)
        result = invoke(name, "--help")
        assert result.exit_code == 0
        assert result.output.startswith(f"Usage: python cli.py {name}")


def test_the_demo_default_is_the_pipelines() -> None:
    defaults = run_demo.__kwdefaults__
    options = {option.name: option.default for option in program.main.commands["demo"].params}
    assert (options["records"], options["seed"]) == (defaults["n_records"], defaults["seed"])


def test_every_command_begins_with_one_heap_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("ecg12.pipeline.runtime.allocator.share_heap", lambda: asked.append("heap"))
    kwargs_of("pipeline.ingest.build_cache.build_cache", *"build-cache data --output o.zarr".split())
    assert asked == ["heap"]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_an_output_that_lacks_our_signs_gets_question_marks(encoding: str) -> None:
    """As where Windows writes to a file or a pipe; the first line of the help has arrows."""
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "cli.py", "--help"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    arrow = "→" if encoding == "utf-8" else "?"
    assert f"recordings and labels {arrow} one verified zarr store" in done.stdout.decode(encoding)


OUTPUTS = {
    "evaluate": ["evaluate", "l", "o", "{}"],
    "evaluate --json": ["evaluate", "l", "o", "--json", "{}"],
    "predict --json": ["predict", "i", "--json", "{}"],
    "report": ["report", "--output", "{}"],
    "export": ["export", "run", "{}"],
}


@pytest.mark.parametrize("arguments", OUTPUTS.values(), ids=OUTPUTS.keys())
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_no_output_takes_the_place_of_what_is_no_file(arguments: list[str], tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    link = tmp_path / "link"
    link.symlink_to(fifo)
    for path, said in ((fifo, "is a FIFO; expected a name for a file"), (link, "is a FIFO")):
        result = invoke(*(text.format(path) for text in arguments))
        assert result.exit_code == 2
        assert said in " ".join(result.output.split())
    assert fifo.is_fifo()
    assert link.is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="needs /proc or /dev")
@pytest.mark.parametrize("place", ["/dev/no-such-name", "/dev/fd/999", "/proc/self/fd/999"])
def test_no_output_becomes_a_name_among_devices(place: str) -> None:
    result = invoke("evaluate", "l", "o", place)  # stops at the name: neither l nor o is there
    assert result.exit_code == 2
    assert "is a name of the system's" in " ".join(result.output.split())


@pytest.mark.parametrize("name", ["file/scores.csv", "file/a/b/scores.csv", "dangling/scores.csv"])
def test_no_output_is_below_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nothing")
    result = invoke("evaluate", "l", "o", tmp_path / name)  # stops at the name: neither l nor o is there
    assert result.exit_code == 2
    [above] = {str(tmp_path / name.split("/")[0])}
    assert f"{name}' is below '{above}', which is no folder" in " ".join(result.output.split())


@pytest.mark.parametrize("command", ["train", "pretrain", "verify"])
def test_ctrl_c_before_a_command_can_keep_anything(command: str) -> None:
    places = {
        "train": "ecg12.pipeline.training.train.train",
        "pretrain": "ecg12.pipeline.pretraining.pretrain.pretrain",
        "verify": "ecg12.cache.reader.Store",
    }
    with mock.patch(places[command], side_effect=KeyboardInterrupt):
        result = invoke(command, "s.zarr")
    assert (result.exit_code, result.output) == (130, f"\n{INTERRUPTED}\n")


def test_want_of_memory_is_one_line() -> None:
    with mock.patch(
        "ecg12.pipeline.evaluation.evaluate.evaluate", side_effect=MemoryError("Unable to allocate 21.8 TiB")
    ):
        result = invoke("evaluate", "l", "o")
    assert (result.exit_code, result.output) == (1, "Error: not enough memory (Unable to allocate 21.8 TiB)\n")
