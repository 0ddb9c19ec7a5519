"""docs/operations.md: exit codes, streams, and what a container's image is made of, as they are."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ecg12 import __version__
from ecg12.commands import main as program
from tests.docs.pages import ROOT
from tests.records import write_record

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_exit_codes_are_those_of_the_page(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_record(tmp_path / "ward", "good")
    write_record(tmp_path / "ward", "bad", fs=None)

    def code(line: str) -> int:
        return CliRunner().invoke(program.main, line.split()).exit_code

    assert re.findall(r"^\| (\d+) \| ", PAGE, re.MULTILINE) == ["0", "1", "2", "130"]
    assert code("build-cache ward --output ward.zarr --workers 1") == 0  # one record was rejected
    assert code(f"predict ward --model {run}") == 1  # one was skipped
    assert (tmp_path / "predictions" / "good.csv").is_file()
    assert code("plot ward --dpi 30") == 1
    assert (tmp_path / "plots" / "good.png").is_file()
    assert code("verify ward.zarr --workers 1") == 0
    (tmp_path / "ward.zarr" / "signal" / "c" / "0" / "0").write_bytes(b"")
    assert code("verify ward.zarr --workers 1") == 1
    assert code("verify --no-such-option") == 2


def test_results_and_what_is_odd_go_to_different_streams(tmp_path: Path) -> None:
    write_record(tmp_path / "ward", "good")
    write_record(tmp_path / "ward", "bad", fs=None)
    command = [sys.executable, str(ROOT / "cli.py"), "build-cache", "ward", "--output", "w.zarr", "--workers", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "1 records in" in done.stdout
    assert "rejected ward/bad (header): " in done.stderr
    assert "build-cache: 100% 1 of 1" in done.stderr
    assert "rejected" not in done.stdout.replace("rejects", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.zarr", "ward"]  # and no log


def test_the_image_has_all_that_the_program_and_the_driver_need(tmp_path: Path) -> None:
    """What the Dockerfile copies, links as links, is enough to begin from another folder."""
    app = tmp_path / "app"
    app.mkdir()
    for line in re.findall(r"^COPY (.+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE):
        for name in line.split()[:-1]:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, app / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, app / name)
    environment = {**os.environ, "PYTHONPATH": str(app / "challenge"), "PYTHONDONTWRITEBYTECODE": "1"}

    def begin(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, words)]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert begin(app / "cli.py", "--version").stdout.strip() == __version__
    told = begin(app / "challenge" / "driver.py", "nowhere", "in", "out").stderr
    assert told.startswith("Error: nowhere: no such run folder"), told
