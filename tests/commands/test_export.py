"""export at the door: exact arguments, what is printed, and errors in one line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ecg12.commands import main as program
from ecg12.ecg.errors import InputError
from ecg12.pipeline.export import export as exporting
from ecg12.pipeline.export.agreement_check import Agreement
from ecg12.pipeline.export.export import ExportSummary
from ecg12.pipeline.formats.told_by_user import InputConfig

AGREEMENT = Agreement(
    source="simulated recordings", n_records=12, n_windows=20, difference=3e-7, n_labels=648, n_labels_apart=0
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple, dict]]:
    """What the pipeline was asked for."""
    calls: list[tuple[tuple, dict]] = []

    def export(*args, **kwargs):
        calls.append((args, {name: value for name, value in kwargs.items() if name != "progress"}))
        return ExportSummary(
            output=args[1],
            form="onnx",
            card=Path("README.md"),
            safetensors=Path("model.safetensors") if kwargs["safetensors"] else None,
            agreement=AGREEMENT,
            recordings=kwargs["recordings"],
            skipped=("flat: no deflection in any lead",) if kwargs["check"] else (),
        )

    monkeypatch.setattr(exporting, "export", export)
    monkeypatch.setattr(exporting, "find_store", lambda run, store: (Path("found") / store.name,))
    return calls


def test_the_defaults_and_what_is_said(asked: list) -> None:
    result = CliRunner().invoke(program.main, ["export", "run", "model.onnx"])
    assert result.exit_code == 0, result.output
    assert asked == [
        (
            (Path("run"), Path("model.onnx")),
            {
                "form": None,
                "recordings": False,
                "safetensors": False,
                "stores": (Path("found/ecg.zarr"),),
                "check": (),
                "told": InputConfig(),
                "plugins": (),
                "force": False,
            },
        )
    ]
    assert result.output.splitlines() == [
        "model.onnx: windows in mV → scores and labels",
        "checked on 12 records of simulated recordings: scores differ by at most 3e-07, none of 648 labels",
        "model card: README.md",
    ]


def test_every_option_arrives(asked: list) -> None:
    options = ["--format", "torch", "--recordings", "--safetensors", "--store", "a.zarr", "--store", "s3://b/c.zarr"]
    options += ["--check", "x.hea", "--check", "folder", "--fs", "500", "--units", "uV", "--leads", "standard"]
    options += ["--missing-leads", "zero", "--force"]
    result = CliRunner().invoke(program.main, ["export", "run", "model.bin", *options])
    assert result.exit_code == 0, result.output
    (_, kwargs) = asked[0]
    assert [str(store) for store in kwargs.pop("stores")] == ["a.zarr", "s3://b/c.zarr"]
    assert kwargs == {
        "form": "torch",
        "recordings": True,
        "safetensors": True,
        "check": (Path("x.hea"), Path("folder")),
        "told": InputConfig(fs=500.0, units="uV", leads=("standard",), missing_leads="zero"),
        "plugins": (),
        "force": True,
    }
    assert "recordings in mV" in result.output
    assert "weights: model.safetensors" in result.output
    assert "skipped flat: no deflection in any lead" in result.output


def test_an_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def export(*args, **kwargs):
        raise InputError("model.onnx: is there already; choose another name, or replace it with --force")

    monkeypatch.setattr(exporting, "export", export)
    monkeypatch.setattr(exporting, "find_store", lambda run, store: ())
    result = CliRunner().invoke(program.main, ["export", "run", "model.onnx"])
    assert result.exit_code == 1
    assert result.output == ("Error: model.onnx: is there already; choose another name, or replace it with --force\n")


def test_both_arguments_are_needed() -> None:
    result = CliRunner().invoke(program.main, ["export", "run"])
    assert result.exit_code == 2
    assert "Missing argument 'OUTPUT'" in result.output
