"""Every kind of plugin through the command line: begun, continued, predicted, explained, exported, missed, changed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ecg12.cache.schema import StoreConfig
from ecg12.commands import main as program
from ecg12.ecg.errors import PluginError
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.prediction.predict import make_predictor
from ecg12.pipeline.runs.run_folder import load_checkpoint
from ecg12.pipeline.simulate import PATIENTS, simulate
from tests.pipeline.compute.test_ranks import finish, free_port
from tests.pipeline.plugins.examples import (
    PACKAGE,
    example_entry_points,
    example_modules,
    on_path,
    register,
    write_package,
)

REPOSITORY = Path(__file__).resolve().parents[3]
CHALLENGE = REPOSITORY / "challenge"

MODEL = ("--window-length", 256, "--max-windows-per-record", 1, "--schedule", "steps", "--model-options", "width=4")
BY_PATH = (
    *("--model", "ecg_plus.nets:ShortNet", "--augment", "gain,ecg_plus.changes:stretch"),
    *("--loss", "ecg_plus.losses:focal", "--output-layer", "ecg_plus.layers:Tempered"),
)
BY_NAME = ("--model", "short", "--augment", "gain,stretch", "--loss", "focal", "--output-layer", "tempered")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(program.main, [str(argument) for argument in arguments])


def done(*arguments: object) -> Result:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: object) -> str:
    """The one line that is said, all blanks single."""
    result = invoke(*arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    return line


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    write_package(folder)
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    write_package(folder)
    register(folder, *example_entry_points())
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty simulated records of a few seconds."""
    folder = tmp_path_factory.mktemp("small") / "corpus"
    simulate(folder, 20, seed=5, max_duration_s=6)
    return folder


@pytest.fixture(scope="module")
def record(corpus: Path) -> Path:
    """One of them."""
    return min(corpus.rglob("*.hea"))


@pytest.fixture(scope="module")
def small_store(corpus: Path) -> Path:
    path = corpus.parent / "ecg.zarr"
    build_cache([corpus], path, StoreConfig(), patients=[corpus / PATIENTS])
    return path


@pytest.fixture
def importable(site: Path) -> Iterator[None]:
    with on_path(site):
        yield


@pytest.fixture(scope="module")
def trained(site: Path, small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs, the second in a process that knows nothing of the first's command; only to be read."""
    folder = tmp_path_factory.mktemp("plugged") / "run"
    with on_path(site):
        done("train", small_store, "--folder", folder, "--epochs", 1, *MODEL, *BY_PATH)
    with on_path(site):
        done("train", small_store, "--folder", folder, "--epochs", 2, "--plugin", PACKAGE)
    return folder


def scores_in(folder: Path) -> dict[str, list[float]]:
    """Of every record."""
    files = [path for path in folder.glob("*.csv") if path.name != "predictions.csv"]
    return {path.name: [float(score) for score in path.read_text().split("\n")[3].split(",")] for path in files}


def test_each_example_has_less_than_sixty_lines() -> None:
    modules = example_modules()
    assert set(modules) == {f"ecg_plus/{name}.py" for name in ("nets", "changes", "losses", "layers", "readers")}
    assert max(source.count("\n") for source in modules.values()) < 60


def test_the_run_records_what_it_needs(trained: Path) -> None:
    config = json.loads((trained / "config.json").read_text())
    assert config["model"]["model"] == "ecg_plus.nets:ShortNet"
    assert config["model"]["model_options"] == ["width=4"]
    assert config["train"]["augment"] == ["gain", "ecg_plus.changes:stretch"]
    assert config["train"]["loss"] == "ecg_plus.losses:focal"
    assert (trained / "out_layer.txt").read_text().splitlines()[0] == "ecg_plus.layers:Tempered"
    recorded = json.loads((trained / "environment.json").read_text())["plugins"]
    assert [(one["kind"], one["module"]) for one in recorded] == [
        ("model", "ecg_plus.nets"),
        ("augmentation", "ecg_plus.changes"),
        ("loss", "ecg_plus.losses"),
        ("output layer", "ecg_plus.layers"),
    ]
    assert all(len(one["source_sha256"]) == 64 for one in recorded)
    assert len((trained / "history.csv").read_text().splitlines()) == 3


@pytest.mark.usefixtures("importable")
def test_a_run_that_is_gone_on_with_is_the_one_that_was_not_stopped(
    trained: Path, small_store: Path, tmp_path: Path
) -> None:
    done("train", small_store, "--folder", tmp_path, "--epochs", 2, *MODEL, *BY_PATH)
    once, again = (load_checkpoint(folder / "final_model.pth")["model"] for folder in (tmp_path, trained))
    for name, values in once.items():
        np.testing.assert_array_equal(values, again[name])


@pytest.mark.usefixtures("importable")
def test_it_predicts_and_explains(trained: Path, record: Path, tmp_path: Path) -> None:
    result = done(
        *("predict", record, "--model", trained, "--output", tmp_path / "p", "--plugin", PACKAGE),
        *("--explain", "top", "--explain-steps", 2, "--explain-format", "none"),
    )
    assert "1 explained" in result.output
    with np.load(next((tmp_path / "p" / "explained").glob("*.npz"))) as arrays:
        assert np.nanmax(np.abs(arrays["attribution"])) > 0  # NaN in windows that are not explained


@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize("suffix", ["onnx", "pt2"])
def test_it_is_exported(trained: Path, record: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"model.{suffix}"
    named = ("--plugin", "ecg_plus.nets", "--plugin", "ecg_plus.layers")
    assert "none of" in done("export", trained, output, *named, "--check", record).output
    assert output.is_file()


@pytest.mark.usefixtures("importable")
def test_it_is_judged_reported_and_averaged_with_others(
    trained: Path, run: Path, small_store: Path, tmp_path: Path
) -> None:
    judged = done("train", small_store, "--only-test", "--folder", trained, "--plugin", PACKAGE)
    assert "judged by its network" in judged.output
    page = tmp_path / "r.html"
    result = done("report", trained, "--store", small_store, "--output", page, "--plugin", PACKAGE)
    assert "not shown" not in result.output
    assert "ecg_plus.nets:ShortNet" in page.read_text(encoding="utf-8")
    both = ("predict", small_store, "--model", trained, "--model", run, "--plugin", PACKAGE)
    done(*both, "--output", tmp_path / "both")
    done("predict", small_store, "--model", trained, "--plugin", PACKAGE, "--output", tmp_path / "one")
    done("predict", small_store, "--model", run, "--output", tmp_path / "other")
    one, other, mean = (scores_in(tmp_path / name) for name in ("one", "other", "both"))
    for name, values in mean.items():
        np.testing.assert_allclose(values, np.mean([one[name], other[name]], axis=0), atol=2e-5)


@pytest.mark.usefixtures("importable")
def test_it_is_cross_validated(small_store: Path, tmp_path: Path) -> None:
    result = done(
        *("train", small_store, "--folder", tmp_path / "cv", "--folds", 2, "--epochs", 1, *MODEL),
        *("--model", "ecg_plus.nets:ShortNet", "--loss", "ecg_plus.losses:WeighAtrialFibrillation"),
    )
    assert "Held-out records" in result.output


@pytest.mark.usefixtures("importable")
def test_a_mapping_file_may_name_a_layer_which_the_command_must_name_too(small_store: Path, tmp_path: Path) -> None:
    """A file may come from anybody, whoever it is given to."""
    mapping = tmp_path / "mapping.txt"
    mapping.write_text("ecg_plus.layers:Tempered\n0->1/0->1\n426783006,0,1\n164889003,1,1\n")
    command = ("train", small_store, "--folder", tmp_path / "run", "--epochs", 1, "--output-layer", mapping)
    command += ("--window-length", 256, "--max-windows-per-record", 1, "--model", "ecg_plus.nets:ShortNet")
    assert "add --plugin ecg_plus.layers to the command" in refused(*command)
    done(*command, "--plugin", "ecg_plus.layers")
    assert make_predictor(tmp_path / "run", plugins=[PACKAGE]).classes


class TestInstalled:
    def test_it_is_called_by_its_name_and_needs_no_more(
        self, installed: Path, small_store: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "run"
        with on_path(installed):
            done("train", small_store, "--folder", folder, "--epochs", 1, *MODEL, *BY_NAME)
            done("train", small_store, "--folder", folder, "--epochs", 2)
            done("predict", small_store, "--model", folder, "--output", tmp_path / "p")
        config = json.loads((folder / "config.json").read_text())
        assert config["model"]["model"] == "plugin:short"
        assert config["train"]["output_layer"] == "plugin:tempered"
        recorded = json.loads((folder / "environment.json").read_text())["plugins"]
        assert {(one["distribution"], one["version"]) for one in recorded} == {("ecg-plus", "1.2")}
        line = refused("predict", small_store, "--model", folder, "--output", tmp_path / "q")
        assert "model plugin:short: no installed package registers it" in line
        assert "group ecg12.models (there: none)" in line
        assert "the run recorded ecg-plus 1.2: install that (pip install ecg-plus==1.2)" in line

    def test_what_it_registers_may_stand_in_a_run_folder_as_a_path(
        self, trained: Path, installed: Path, small_store: Path, tmp_path: Path
    ) -> None:
        with on_path(installed):
            done("predict", small_store, "--model", trained, "--output", tmp_path / "p")

    def test_a_name_that_two_register_is_an_error(self, small_store: Path, tmp_path: Path) -> None:
        write_package(tmp_path / "site")
        entry = ("ecg12.models", "short")
        register(tmp_path / "site", (*entry, "ecg_plus.nets:ShortNet"))
        register(tmp_path / "site", (*entry, "other.nets:Net"), name="other", version="3")
        with on_path(tmp_path / "site"):
            line = refused("train", small_store, "--folder", tmp_path / "run", "--model", "short")
        assert "model plugin:short: registered by ecg-plus 1.2 (ecg_plus.nets:ShortNet) and other 3 (other.nets" in line

    def test_the_current_directory_registers_nothing_by_itself(
        self, small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As `python -m ecg12` stands in a downloaded folder, which Python then looks through first."""
        write_package(tmp_path)
        register(tmp_path, *example_entry_points())
        monkeypatch.chdir(tmp_path)
        with on_path(tmp_path):
            unknown = invoke("train", small_store, "--folder", tmp_path / "run", "--model", "short")
            assert "'short' is not one of resnet1d, s4d, nor an installed plugin" in unknown.output
            monkeypatch.setenv("PYTHONPATH", str(tmp_path))
            done("train", small_store, "--folder", tmp_path / "run", "--epochs", 1, *MODEL, "--model", "short")


class TestMissing:
    def test_the_error_says_all(self, trained: Path, small_store: Path, tmp_path: Path) -> None:
        line = refused(*("predict", small_store, "--model", trained, "--output", tmp_path / "p", "--plugin", PACKAGE))
        where = f"{trained / 'config.json'}: model ecg_plus.nets:ShortNet"
        assert line.startswith(f"Error: {where}: no module ecg_plus; looked for in ")
        assert "site-packages" in line
        assert "the run recorded a module of no package, ecg_plus.nets: name the folder that holds ecg_plus in" in line

    @pytest.mark.usefixtures("importable")
    def test_training_needs_all_and_prediction_two(self, trained: Path, small_store: Path, tmp_path: Path) -> None:
        two = ("--plugin", "ecg_plus.nets", "--plugin", "ecg_plus.layers")
        done("predict", small_store, "--model", trained, "--output", tmp_path / "p", *two)
        line = refused("train", small_store, "--folder", trained, "--epochs", 2, *two)
        assert "loss ecg_plus.losses:focal is code from outside" in line
        assert "add --plugin ecg_plus.losses to the command" in line

    def test_a_class_that_is_gone(self, trained: Path, small_store: Path, tmp_path: Path) -> None:
        write_package(tmp_path / "site")
        (tmp_path / "site" / "ecg_plus" / "nets.py").write_text("Other = 1\n")
        how = ("--model", trained, "--output", tmp_path / "p", "--plugin", PACKAGE)
        with on_path(tmp_path / "site"):
            line = refused("predict", small_store, *how)
        assert "ecg_plus.nets (" in line
        assert "has no ShortNet" in line

    def test_code_that_has_changed_is_warned_of(
        self, trained: Path, small_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_package(tmp_path / "site")
        path = tmp_path / "site" / "ecg_plus" / "nets.py"
        path.write_text(path.read_text() + "\n# another version\n")
        register(tmp_path / "site", version="2.0")
        with on_path(tmp_path / "site"):
            make_predictor(trained, plugins=[PACKAGE])
        warned = [text for text in caplog.messages if "is not what the run was trained with" in text]
        assert len(warned) == 2  # the output layer's source is the same, but now it is of a package
        assert "version None then, 2.0 now, the source of ecg_plus.nets has changed" in warned[0]

    @pytest.mark.usefixtures("importable")
    def test_the_same_code_is_not(self, trained: Path, caplog: pytest.LogCaptureFixture) -> None:
        make_predictor(trained, plugins=[PACKAGE])
        assert not caplog.messages

    def test_a_folder_that_records_nonsense_still_explains(self, trained: Path, tmp_path: Path) -> None:
        copy = shutil.copytree(trained, tmp_path / "copy")
        environment = json.loads((copy / "environment.json").read_text())
        environment["plugins"][0] |= {"distribution": "evil; rm -rf ~", "version": ["1"]}
        (copy / "environment.json").write_text(json.dumps(environment))
        line = refused("predict", tmp_path, "--model", copy, "--output", tmp_path / "p")
        assert "evil" not in line
        assert "add --plugin ecg_plus.layers" in line or "add --plugin ecg_plus.nets" in line


class TestElsewhere:
    @pytest.mark.usefixtures("importable")
    def test_programs_without_our_options_have_the_environment(
        self, trained: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As the Challenge's driver."""
        monkeypatch.syspath_prepend(str(CHALLENGE))
        from driver import main as drive
        from run_12ECG_classifier import load_12ECG_model

        arguments = [str(trained), str(corpus), str(tmp_path / "out")]
        assert drive(arguments) == 1
        with pytest.raises(PluginError, match="code from outside"):
            load_12ECG_model(trained)
        monkeypatch.setenv("ECG12_PLUGINS", PACKAGE)
        assert drive(arguments) == 0
        assert len(list((tmp_path / "out").glob("*.csv"))) == 20
        load_12ECG_model(trained)

    @pytest.mark.slow
    def test_processes_that_train_together(self, site: Path, small_store: Path, tmp_path: Path) -> None:
        """As torchrun starts them: what their parent can import they can, and the environment names it."""
        shared = {
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(free_port()),
            "OMP_NUM_THREADS": "1",
        }
        shared["PYTHONPATH"] = f"{REPOSITORY}{os.pathsep}{site}"
        command = [sys.executable, "-m", "ecg12", "train", small_store, "--folder", tmp_path / "run", *MODEL, *BY_PATH]
        command = [*map(str, command), "--epochs", "1"]
        ranks = [
            subprocess.Popen(
                command,
                cwd=tmp_path,
                env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in range(2)
        ]
        finish(ranks)
        assert json.loads((tmp_path / "run" / "environment.json").read_text())["ranks"] == 2
        with on_path(site):
            make_predictor(tmp_path / "run", plugins=[PACKAGE])


def test_a_run_without_plugins_says_nothing_of_them(run: Path) -> None:
    config, environment = (json.loads((run / name).read_text()) for name in ("config.json", "environment.json"))
    assert not {"loss", "model_options"} & (config["train"].keys() | config["model"].keys())
    assert "plugins" not in environment
