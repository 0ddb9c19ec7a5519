"""Nothing is imported because a file says so: run folders whose files name what they should not."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ecg12.commands import main as program
from ecg12.ecg.errors import EcgError, PluginError
from ecg12.pipeline.evaluation.finished_run import only_test
from ecg12.pipeline.export.export import export
from ecg12.pipeline.plugins.consent import VARIABLE, Consent, consent_to
from ecg12.pipeline.plugins.kinds import AUGMENTATION, MODEL
from ecg12.pipeline.plugins.loading import load_plugin
from ecg12.pipeline.prediction.gain_sweep import sweep_gains
from ecg12.pipeline.prediction.predict import make_predictor, predict
from ecg12.pipeline.report.make_report import make_report
from ecg12.pipeline.runs.run_folder import load_model
from ecg12.pipeline.training.train import train
from tests.pipeline.plugins.examples import forget

HOSTILE = (
    "os:system",
    "subprocess:Popen",
    "builtins:exec",
    "builtins:eval",
    "trap:Net",
    "trap.inner:Net",
    "pickle:loads",
)


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module on the path that leaves a file where it is imported."""
    site, sprung = tmp_path / "site", tmp_path / "sprung"
    (site / "trap").mkdir(parents=True)
    code = (
        f"from pathlib import Path\nPath({str(sprung)!r}).touch()\nfrom torch import nn\nclass Net(nn.Module): pass\n"
    )
    for name in ("__init__", "inner"):
        (site / "trap" / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(str(site))
    forget("trap")
    yield sprung
    forget("trap")


def names_model(folder: Path, name: str) -> None:
    values = json.loads((folder / "config.json").read_text())
    values["model"]["model"] = name
    (folder / "config.json").write_text(json.dumps(values))


def names_layer(folder: Path, name: str) -> None:
    lines = (folder / "out_layer.txt").read_text().splitlines()
    (folder / "out_layer.txt").write_text("\n".join([name, *lines[1:]]))


def names_loss(folder: Path, name: str) -> None:
    values = json.loads((folder / "config.json").read_text())
    values["train"]["loss"] = name
    (folder / "config.json").write_text(json.dumps(values))


def names_augmentation(folder: Path, name: str) -> None:
    values = json.loads((folder / "config.json").read_text())
    values["train"]["augment"] = [name]
    (folder / "config.json").write_text(json.dumps(values))


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "run")


class TestHostileFolders:
    @pytest.mark.parametrize("name", HOSTILE)
    @pytest.mark.parametrize("spoil", [names_model, names_layer])
    def test_a_model_is_not_loaded(
        self, copy: Path, trap: Path, name: str, spoil: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in ("os.system", "subprocess.Popen", "builtins.exec", "builtins.eval", "pickle.loads"):
            if name == module.replace(".", ":"):
                monkeypatch.setattr(module, _never) if not module.startswith("builtins") else None
        spoil(copy, name)
        with pytest.raises(PluginError, match=f"{name} is code from outside .* add --plugin {name.partition(':')[0]} "):
            load_model(copy)
        assert not trap.exists()
        assert "trap" not in sys.modules

    @pytest.mark.parametrize("name", HOSTILE)
    @pytest.mark.parametrize("spoil", [names_model, names_layer, names_loss, names_augmentation])
    def test_a_training_is_not_gone_on_with(
        self, copy: Path, trap: Path, name: str, spoil: Callable[[Path, str], None], simulated_store: Path
    ) -> None:
        spoil(copy, name)
        with pytest.raises(PluginError, match=f"{name} is code from outside"):
            train(simulated_store, folder=copy, options={"epochs": 4})
        assert not trap.exists()

    def test_defaults_of_a_new_run_are_no_more(self, copy: Path, trap: Path, simulated_store: Path) -> None:
        names_model(copy, "trap:Net")
        for path in copy.iterdir():
            if path.name != "config.json":
                path.unlink()
        with pytest.raises(PluginError, match=r"config\.json: model trap:Net is code from outside"):
            train(simulated_store, folder=copy, options={"epochs": 1})
        assert not trap.exists()

    def test_no_way_to_a_model_does(self, copy: Path, trap: Path, simulated_store: Path, tmp_path: Path) -> None:
        names_model(copy, "trap:Net")
        ways: list[Callable[[], object]] = [
            lambda: make_predictor(copy),
            lambda: predict([simulated_store], tmp_path / "p", copy),
            lambda: sweep_gains([simulated_store], tmp_path / "s", copy),
            lambda: only_test(simulated_store, folder=copy),
            lambda: export(copy, tmp_path / "m.onnx"),
        ]
        for way in ways:
            with pytest.raises(EcgError, match="trap:Net is code from outside"):
                way()
        made = make_report([copy], tmp_path / "r.html", stores=[simulated_store], n_examples=0)
        assert "trap:Net is code from outside" in " ".join(made.missing)
        assert not trap.exists()

    def test_nor_does_another_plugin_that_was_named(self, copy: Path, trap: Path) -> None:
        names_model(copy, "trap:Net")
        with pytest.raises(PluginError, match="code from outside"):
            load_model(copy, ["trap.inner", "trapping", "tra", "trap:Other", "os"])
        assert not trap.exists()

    @pytest.mark.parametrize("name", ["trap:Path", "trap:nn"])
    def test_what_a_named_module_merely_imports_is_not_its_own(self, copy: Path, trap: Path, name: str) -> None:
        names_model(copy, name)
        with pytest.raises(PluginError, match=f"{name} is only imported there, .*; expected what trap itself defines"):
            load_model(copy, ["trap"])

    @pytest.mark.parametrize("name", ["os:system", "builtins:exec", "subprocess:Popen"])
    def test_what_was_named_must_still_be_a_network(
        self, copy: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not name.startswith("builtins"):
            monkeypatch.setattr(name.replace(":", "."), _never)
        names_model(copy, name)
        with pytest.raises(PluginError, match=f"model {name} is .*; expected a subclass of torch.nn.Module"):
            load_model(copy, [name])

    @pytest.mark.parametrize(
        "name",
        [
            "os.system",
            "trap:Net.forward",
            "trap:",
            ":Net",
            "../trap:Net",
            "trap:Net()",
            "plugin:",
            "plugin:a b",
            "a/b:C",
        ],
    )
    def test_what_is_no_name_of_a_plugin_is_no_model(self, copy: Path, name: str, trap: Path) -> None:
        names_model(copy, name)
        with pytest.raises(EcgError, match=r"model is .*; expected resnet1d or s4d, or a plugin as"):
            load_model(copy, ["trap"])
        assert not trap.exists()

    def test_a_module_in_the_run_folder_is_not_imported_even_if_named(
        self, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As where one stands in the folder, and Python looks there first."""
        sprung = tmp_path / "sprung"
        (copy / "mine.py").write_text(f"open({str(sprung)!r}, 'w')")
        names_model(copy, "mine:Net")
        monkeypatch.chdir(copy)
        monkeypatch.syspath_prepend(str(copy))
        with pytest.raises(PluginError, match=r"mine\.py lies in the run folder, from which nothing is imported"):
            load_model(Path(), ["mine"])
        assert not sprung.exists()

    def test_a_reference_folder_names_none(self, copy: Path, trap: Path) -> None:
        names_layer(copy, "trap:Net")
        (copy / "config.json").write_text(json.dumps({"model": "resnet1d", "batch_size": 2}))
        with pytest.raises(EcgError):
            load_model(copy, ["trap"])
        assert not trap.exists()


def _never(*arguments: object, **named: object) -> None:
    raise AssertionError("was called")


class TestConsent:
    def test_modules_cover_what_lies_below_and_paths_themselves(self) -> None:
        consent = consent_to(["a.b", "c:D"], asked=["e:F", "layer", "3"])
        assert consent == Consent(frozenset({"c:D", "e:F"}), frozenset({"a.b"}))
        assert [consent.covers(name) for name in ("a.b", "a.b.c.d", "a", "a.bc", "c", "e")] == [True, True] + [
            False
        ] * 4
        assert consent.names("c", "D")
        assert not consent.names("c", "E")
        assert consent_to("a.b").covers("a.b.c")

    def test_the_environment_names_some_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(VARIABLE, "a.b, c:D e")
        consent = consent_to(["f"])
        assert consent.modules == {"a.b", "e", "f"}
        assert consent.exact == {"c:D"}

    @pytest.mark.parametrize("name", ["a/b", "a..b", "", "a-b", "/tmp/a.py", "a:b:c"])
    def test_what_is_no_module(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(
            PluginError, match=r"^plugin: .* is no module; expected package.module, or package.module:N"
        ):
            consent_to([name])
        if name:
            monkeypatch.setenv(VARIABLE, name)
            with pytest.raises(PluginError, match=f"^{VARIABLE}: .* is no module"):
                consent_to()

    def test_at_the_door_it_is_one_line(self, copy: Path, trap: Path, simulated_store: Path) -> None:
        names_model(copy, "trap:Net")
        for command in (
            ["predict", simulated_store, "--model", copy, "--output", copy / "p"],
            ["export", copy, copy / "m.onnx"],
            ["train", simulated_store, "--folder", copy, "--epochs", 4],
            ["train", simulated_store, "--folder", copy, "--only-test"],
        ):
            result = CliRunner().invoke(program.main, [str(part) for part in command])
            assert result.exit_code == 1
            assert result.output.count("add --plugin trap to the command") == 1
            assert "Traceback" not in result.output
        assert not trap.exists()


class TestLoading:
    def test_what_goes_wrong_in_a_module_is_one_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, code in (
            ("broken_a", "1 / 0"),
            ("broken_b", "import no_such_library"),
            ("broken_c", "import sys; sys.exit(3)"),
            ("broken_d", "def f(:"),
        ):
            (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))
        for name, message in (
            ("broken_a:f", "broken_a cannot be imported .ZeroDivisionError: division by zero"),
            ("broken_b:f", "broken_b itself needs no_such_library, which is not there: install it"),
            ("broken_c:f", "broken_c cannot be imported .SystemExit: 3"),
            ("broken_d:f", "broken_d cannot be imported .SyntaxError: "),
            ("broken_e:f", "no module broken_e; looked for in .*: name the folder that holds broken_e in PYTHONPATH"),
        ):
            with pytest.raises(PluginError, match=f"^augmentation {name}: {message}") as caught:
                load_plugin(AUGMENTATION, name, consent_to(asked=[name]))
            assert "\n" not in str(caught.value)

    def test_a_class_of_torch_itself(self) -> None:
        plugin = load_plugin(MODEL, "torch.nn:Linear", consent_to(["torch.nn"]))
        assert (plugin.module, plugin.distribution) == ("torch.nn.modules.linear", "torch")
        assert plugin.version
        assert plugin.digest


class TestWhatAFolderTellsAModel:
    """A class that was named is built with the options of the folder, which may be anybody's."""

    @pytest.fixture
    def greedy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        code = "from torch import nn\n\n\nclass Net(nn.Module):\n"
        code += "    def __init__(self, n_channels, n_outputs, window_length, fs, width=2):\n"
        code += "        super().__init__()\n        self.first = nn.Linear(n_channels, width)\n"
        (tmp_path / "greedy.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))
        yield
        forget("greedy")

    @pytest.mark.usefixtures("greedy")
    @pytest.mark.parametrize(
        ("packed", "message"),
        [
            ("width=1000000000000", r"config\.json: a network far larger than its weights"),
            ('width="a"', r"model greedy:Net, to be built with options {'width': 'a'}, raised TypeError: "),
            ("depth=3", r"model greedy:Net does not take .*depth=….*unexpected keyword argument 'depth'"),
            ("width", r"config\.json: model_options: 'width' not understood; expected KEY=VALUE"),
            ("width=3", r"weights of another network than config\.json describes"),
        ],
    )
    def test_options_that_make_no_sense(self, copy: Path, packed: str, message: str) -> None:
        names_model(copy, "greedy:Net")
        values = json.loads((copy / "config.json").read_text())
        values["model"]["model_options"] = [packed]
        (copy / "config.json").write_text(json.dumps(values))
        with pytest.raises(EcgError, match=message):
            load_model(copy, ["greedy"])
