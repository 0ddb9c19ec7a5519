"""The door: options reach the pipeline as they are, summaries are readable, errors are one line."""

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import click
import pytest
from click.testing import CliRunner, Result

import cli
from cache.schema import StoreConfig
from ecg.errors import StoreError
from pipeline.bench import loader, training
from pipeline.bench.loader import LoaderRow
from pipeline.bench.training import TrainingRow
from pipeline.cluster import Cluster
from pipeline.demo import run_demo
from pipeline.residency import RESIDENCIES
from pipeline.run_folder import newest_run_folder
from tests.records import write_record

ROOT = Path(__file__).resolve().parent.parent


def invoke(*args: object) -> Result:
    return CliRunner().invoke(cli.main, [str(arg) for arg in args])


class Called(Exception):
    """Stops a command once its pipeline call was seen."""


def kwargs_of(target: str, *args: object) -> tuple[tuple, dict]:
    """Positional and keyword arguments that the command hands to `target`."""
    with mock.patch(target, side_effect=Called) as call:
        result = invoke(*args)
    assert isinstance(result.exception, Called), result.output
    return call.call_args.args, dict(call.call_args.kwargs)


def test_build_cache_by_default() -> None:
    args, kwargs = kwargs_of("pipeline.ingest.build_cache", "build-cache")
    assert args == ((Path("data"),), Path("data/ecg.zarr"), StoreConfig())
    assert kwargs == {
        "cluster": Cluster(workers=cli.available_cores()),
        "patients": (),
        "strict": False,
        "force": False,
        "progress": cli.Bar,
        "say": click.echo,
    }


def test_build_cache_with_every_option() -> None:
    line = "build-cache a b --output c.zarr --fs 250 --codec zstd --seed 3 --bad-checksum flag --patients p.csv "
    line += "--leads v5,II --highpass 0.5 --notch 50"
    line += " --scheduler tcp://s:1 --dashboard"
    args, kwargs = kwargs_of("pipeline.ingest.build_cache", *line.split(), "--strict", "--workers", 3, "--force")
    config = StoreConfig(
        fs=250.0, leads=("V5", "II"), codec="zstd", seed=3, bad_checksum="flag", highpass=0.5, notch=50.0
    )
    assert args == ((Path("a"), Path("b")), Path("c.zarr"), config)
    assert kwargs == {
        "cluster": Cluster(workers=3, scheduler="tcp://s:1", dashboard=True),
        "patients": (Path("p.csv"),),
        "strict": True,
        "force": True,
        "progress": cli.Bar,
        "say": click.echo,
    }
    _, kwargs = kwargs_of("pipeline.ingest.build_cache", "build-cache", "--scheduler-file", "f.json", "--workers", 1)
    assert kwargs["cluster"] == Cluster(scheduler_file=Path("f.json"))
    both = invoke("build-cache", "--scheduler", "tcp://s:1", "--scheduler-file", "f.json")
    assert both.exit_code == 2
    assert "--scheduler and --scheduler-file both name a cluster" in both.output


def test_train_by_default() -> None:
    args, kwargs = kwargs_of("pipeline.train.train", "train")
    assert args == (Path("data/ecg.zarr"),)
    assert kwargs == {
        "folder": None,
        "options": {},
        "model_options": {},
        "cuda": False,
        "progress": cli.Bar,
        "report": cli._echo_epoch,
    }


def test_train_with_every_option() -> None:
    line = (
        "train s.zarr --folder r --epochs 3 --seed 4 --batch-size 5 --lr 0.1 --valid-split 0.2 "
        "--max-windows-per-record 6 --residency stream --no-check --normalisation none --net-filter-size 8,16 "
        "--net-seq-length 64,16 --kernel-size 9 --dropout-rate 0.3 --cuda"
    )
    args, kwargs = kwargs_of("pipeline.train.train", *line.split())
    assert args == (Path("s.zarr"),)
    assert kwargs == {
        "folder": Path("r"),
        "options": {
            "epochs": 3,
            "seed": 4,
            "batch_size": 5,
            "lr": 0.1,
            "valid_split": 0.2,
            "max_windows_per_record": 6,
            "residency": "stream",
            "check": False,
        },
        "model_options": {
            "normalisation": "none",
            "net_filter_size": (8, 16),
            "net_seq_length": (64, 16),
            "kernel_size": 9,
            "dropout_rate": 0.3,
        },
        "cuda": True,
        "progress": cli.Bar,
        "report": cli._echo_epoch,
    }


def test_the_residencies_are_the_pipelines() -> None:
    (option,) = (option for option in cli.main.commands["train"].params if option.name == "residency")
    assert tuple(option.type.choices) == RESIDENCIES


def test_bench_loader_arguments() -> None:
    args, kwargs = kwargs_of("pipeline.bench.loader.run", *"bench loader --records 700 --folder f --rounds 2".split())
    assert (args, kwargs) == ((), {"n_records": 700, "folder": Path("f"), "rounds": 2, "progress": cli.Bar})
    args, kwargs = kwargs_of("pipeline.bench.training.run", *"bench training s --pairs 7 --full-steps 0".split())
    assert (args, kwargs) == ((Path("s"),), {"pairs": 7, "steps": {"small": 12}, "progress": cli.Bar})
    args, kwargs = kwargs_of("pipeline.bench.shuffling.run", *"bench shuffle --records 700".split())
    assert (args, kwargs) == ((), {"n_records": 700})
    args, kwargs = kwargs_of("pipeline.bench.footprint.of_the_first_batch", "bench", "footprint", "s")
    assert (args, kwargs) == ((Path("s"),), {})


def test_benchmarks_of_the_loader_in_words(simulated_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = LoaderRow(what=loader.CEILING, gives="float32", rates=[40_000.0], processor_us=[25.0])
    base = LoaderRow(what=loader.BASELINE, gives="float32", rates=[800.0], processor_us=[1200.0])
    result = loader.LoaderBench(rows=(row, base), zarr_ms=5, checked_ms=3, unchecked_ms=2.9)
    monkeypatch.setattr(loader, "run", lambda **options: result)
    shown = invoke("bench", "loader").output
    for text in ("40,000", "50.000", "5.00 ms through zarr, 3.00 ms directly with its crc32c, 2.90 ms without"):
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
    args, kwargs = kwargs_of("pipeline.predict.predict", "predict")
    assert args == ((Path("data/ecg.zarr"),), Path("predictions"), newest_run_folder(Path()))
    assert args[2].name == "output_2026-02-01_00_00_00_000000"
    assert kwargs == {"cuda": False, "force": False, "progress": cli.Bar}


def test_predict_with_every_option() -> None:
    args, kwargs = kwargs_of("pipeline.predict.predict", *"predict x y --output o --model m --force --cuda".split())
    assert args == ((Path("x"), Path("y")), Path("o"), Path("m"))
    assert kwargs == {"cuda": True, "force": True, "progress": cli.Bar}


def test_evaluate_arguments() -> None:
    args, kwargs = kwargs_of("pipeline.evaluate.evaluate", *"evaluate l o".split())
    assert (args, kwargs) == ((Path("l"), Path("o"), None), {"progress": cli.Bar})
    args, _ = kwargs_of("pipeline.evaluate.evaluate", *"evaluate l o s.csv".split())
    assert args == (Path("l"), Path("o"), Path("s.csv"))


def test_simulate_arguments() -> None:
    line = "simulate out --records 7 --seed 8 --layout release --max-duration 9"
    args, kwargs = kwargs_of("pipeline.simulate.simulate", *line.split())
    assert args == (Path("out"), 7)
    assert kwargs == {"seed": 8, "layout": "release", "max_duration_s": 9.0, "progress": cli.Bar}


def test_bench_arguments(tmp_path: Path) -> None:
    args, kwargs = kwargs_of("pipeline.bench.ingest.run", "bench", "ingest")
    assert args == ((),)
    assert kwargs == {
        "n_records": 4000,
        "folder": None,
        "workers": (1, 2),
        "baseline_records": 500,
        "progress": cli.Bar,
    }
    line = "bench ingest a b --records 50 --folder f --workers 1,4 --baseline-records 9"
    args, kwargs = kwargs_of("pipeline.bench.ingest.run", *line.split())
    assert args == ((Path("a"), Path("b")),)
    assert kwargs == {
        "n_records": 50,
        "folder": Path("f"),
        "workers": (1, 4),
        "baseline_records": 9,
        "progress": cli.Bar,
    }
    args, kwargs = kwargs_of("pipeline.bench.corpus.write_corpus", *"bench corpus o --records 9 --seed 1".split())
    assert (args, kwargs) == ((Path("o"), 9), {"seed": 1, "progress": cli.Bar})
    args, kwargs = kwargs_of("pipeline.bench.codec.run", *"bench codecs s --chunks 2".split())
    assert (args, kwargs) == ((Path("s"),), {"n_chunks": 2, "progress": cli.Bar})


def test_benchmarks_in_words(simulated: Path, simulated_store: Path, tmp_path: Path) -> None:
    with mock.patch("pipeline.bench.ingest.REPEATS", 1):
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
    order = ["download", "simulate", "build-cache", "inspect", "verify", "train", "predict", "evaluate"]
    order += ["bench", "demo"]
    assert names == order == list(cli.main.commands)
    assert invoke("--version").output.strip() == cli.__version__


def test_usage_errors_exit_with_2() -> None:
    result = invoke("train", "--net-filter-size", "8,x")
    assert result.exit_code == 2
    assert "'8,x' is not a list of whole numbers such as 64,128,256" in result.output
    assert invoke("build-cache", "--workers", "0").exit_code == 2
    assert invoke("nonsense").exit_code == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["build-cache", "nowhere"], "Error: nowhere: does not exist; expected a folder of WFDB records, or a record"),
        (["inspect", "nowhere"], "Error: nowhere: no store there; make one with build-cache"),
        (["verify", "nowhere"], "Error: nowhere: no store there; make one with build-cache"),
        (["train", "nowhere"], "Error: nowhere: no store there; make one with build-cache"),
        (["predict", ".", "--model", "nowhere"], "Error: nowhere: no such run folder; run train, or name another"),
        (["predict"], "no run folder output_*/model.pth there; run train, or name one with --model"),
        (["evaluate", ".", "nowhere"], "Error: nowhere: no such folder; expected one Challenge CSV for each record"),
        (["build-cache", "--fs", "0"], "Error: fs is 0.0; expected 1 to 100,000 Hz"),
        (["build-cache", "."], "no WFDB record there; expected .hea files"),
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
    with mock.patch("pipeline.describe.describe_store", side_effect=error):
        assert "Error: it is broken (while looking)" in invoke("inspect", "x").output
    full = OSError(28, "No space left on device", "/somewhere/part-1.json")
    with mock.patch("pipeline.describe.describe_store", side_effect=full):
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
    scored = invoke("evaluate", simulated, tmp_path / "out", tmp_path / "scores.csv")
    assert scored.exit_code == 0, scored.output
    for text in ("Challenge metric", "AUROC", "80 records", f"written: {tmp_path / 'scores.csv'}"):
        assert text in scored.output
    write_record(tmp_path / "bad", "fine")
    write_record(tmp_path / "bad", "broken", leads=("I", "II"))
    result = invoke("predict", tmp_path / "bad", "--model", run, "--output", tmp_path / "out2")
    assert result.exit_code == 1
    assert "skipped broken: broken: lead III, aVR" in result.output
    assert (tmp_path / "out2" / "fine.csv").exists()


def test_ctrl_c_says_how_to_go_on(simulated_store: Path, tmp_path: Path) -> None:
    rows = []

    def stop_in_the_second_epoch(self: object, n: int = 1, **figures: float) -> None:
        rows.append(n)
        if (tmp_path / "run" / "history.csv").exists():
            raise KeyboardInterrupt

    with mock.patch.object(cli.Bar, "advance", stop_in_the_second_epoch):
        line = ["train", simulated_store, "--folder", tmp_path / "run", "--epochs", 3]
        result = invoke(*line, "--net-filter-size", "4,6", "--net-seq-length", "256,16")
    assert result.exit_code == 130
    assert "stopped after 1 epochs" in result.output
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
    for name, command in cli.main.commands.items():
        assert isinstance(command, click.Command)
        result = invoke(name, "--help")
        assert result.exit_code == 0
        assert result.output.startswith(f"Usage: main {name}")


def test_the_demo_default_is_the_pipelines() -> None:
    defaults = run_demo.__kwdefaults__
    options = {option.name: option.default for option in cli.main.commands["demo"].params}
    assert (options["records"], options["seed"]) == (defaults["n_records"], defaults["seed"])
