"""report at the door: options reach the pipeline as they are, and what could not be shown is said."""

from pathlib import Path
from unittest import mock

import pytest

from ecg12.cache.storage.location import RemotePath
from ecg12.commands.shared.progress import Bar
from ecg12.ecg.errors import InputError
from ecg12.pipeline.report.drawing.page import ReportSummary
from ecg12.pipeline.report.make_report import default_output, make_report
from tests.commands.test_cli import invoke, kwargs_of


def test_report_by_default_is_of_the_newest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("output_2020-01-01", "output_2021-01-01"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.pth").touch()
    args, kwargs = kwargs_of("pipeline.report.make_report.make_report", "report")
    assert args == ((Path("output_2021-01-01"),), None)
    assert kwargs == {
        "stores": (),
        "n_examples": None,
        "n_sample": 50,
        "plugins": (),
        "cuda": False,
        "force": False,
        "progress": Bar,
    }


def test_report_with_every_option() -> None:
    line = "report a b --output c.html --store s.zarr --store memory://t.zarr --examples 7 --sample 9 --cuda --force"
    line += " --plugin m"
    args, kwargs = kwargs_of("pipeline.report.make_report.make_report", *line.split())
    assert args == ((Path("a"), Path("b")), Path("c.html"))
    assert kwargs == {
        "stores": (Path("s.zarr"), RemotePath("memory://t.zarr")),
        "n_examples": 7,
        "n_sample": 9,
        "plugins": ("m",),
        "cuda": True,
        "force": True,
        "progress": Bar,
    }


def test_report_says_what_it_made_and_what_it_could_not() -> None:
    summary = ReportSummary(path=Path("a.html"), n_bytes=12_345, sections=("a", "b"), missing=("scores: no store",))
    with mock.patch("ecg12.pipeline.report.make_report.make_report", return_value=summary):
        result = invoke("report", "run")
    assert result.exit_code == 0
    assert result.stdout == "a.html: 2 sections, 12.3 kB\n"
    assert result.stderr == "not shown: scores: no store\n"


def test_report_without_a_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("report")
    assert result.exit_code == 1
    assert "no run folder" in result.output
    assert "Traceback" not in result.output


def test_a_report_of_a_run_is_in_its_folder(run: Path, tmp_path: Path) -> None:
    result = invoke("report", run, "--output", tmp_path / "a.html", "--examples", 0)
    assert result.exit_code == 0, result.output
    assert "11 sections" in result.output
    again = invoke("report", run, "--output", tmp_path / "a.html")
    assert again.exit_code == 1
    assert "is there already" in again.output
    assert default_output(run, of_store=False) == run / "report.html"


def test_a_report_of_a_store_is_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_output(Path("data/ecg.zarr"), of_store=True) == Path("data/ecg.zarr.html")
    assert default_output(RemotePath("memory://a/ecg.zarr"), of_store=True) == Path("ecg.zarr.html")


def test_stores_and_runs_do_not_mix(simulated_store: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a store, but .* is one; expected a run folder, or stores alone"):
        make_report([run, simulated_store])
    with pytest.raises(InputError, match="2 run folders; expected one"):
        make_report([run, run])
    with pytest.raises(InputError, match="--store is for the report of a run"):
        make_report([simulated_store], stores=[simulated_store])
    with pytest.raises(InputError, match="must be a folder of this machine"):
        make_report([RemotePath("memory://run")], tmp_path / "a.html")
