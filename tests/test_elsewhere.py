"""The program where there is no fcntl, no /proc and no fork, and where no open file can be removed: as on Windows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecg12.cache.verify import verify_store
from tests.elsewhere.taken_away import CALLS, CONSTANTS, MODULES
from tests.test_imports import MODULES as PROGRAM

ROOT = Path(__file__).resolve().parent.parent

ACTS = f"""
import ctypes, multiprocessing, os, platform, sys
from pathlib import Path
assert not [name for name in {(*CALLS, *CONSTANTS)} if hasattr(os, name)]
assert multiprocessing.get_start_method() == "spawn"
assert platform.libc_ver() == ("", "")
folder = Path(sys.argv[1])
(folder / "a").touch()
(folder / "b").touch()
print(__import__("ecg12.commands").__name__)
"""

FORBIDDEN = {
    **{f"import {name}": f"ModuleNotFoundError: import of {name} halted" for name in MODULES},
    "Path('/proc/meminfo').read_text()": "FileNotFoundError",
    "os.readlink('/proc/self/ns/pid')": "FileNotFoundError",
    "(folder / 'a:b').touch()": "OSError: [Errno 22]",
    "(folder / 'end.').mkdir()": "OSError: [Errno 22]",
    "(folder / 'a').rename(folder / 'b')": "FileExistsError",
    "file = (folder / 'a').open(); (folder / 'a').unlink()": "PermissionError",
    "file = (folder / 'a').open(); (folder / 'b').replace(folder / 'a')": "PermissionError",
    "file = (folder / 'a').open(); folder.rename(f'{folder}2')": "PermissionError",
    "file = (folder / 'a').open(); __import__('shutil').rmtree(folder)": "PermissionError",
}


def begin(*command: object, encoding: str = "utf-8") -> subprocess.Popen:
    path = os.pathsep.join([str(ROOT / "tests" / "elsewhere" / "site"), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONIOENCODING": encoding}
    arguments = [sys.executable, *map(str, command)]
    return subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=-1, stderr=-2, text=True, encoding=encoding)


def test_what_is_taken_away_is_away(tmp_path: Path) -> None:
    told = "print(f'{type(error).__name__}: {error}')"
    tried = "".join(f"\ntry:\n {act}\nexcept Exception as error:\n {told}\nelse:\n print('had')" for act in FORBIDDEN)
    with begin("-c", ACTS + tried, tmp_path) as child:
        room, *lines = child.stdout.read().splitlines()
    assert room == "ecg12"
    for (act, expected), line in zip(FORBIDDEN.items(), lines, strict=True):
        assert line.startswith(expected), act


@pytest.mark.slow
def test_the_whole_job_is_done_there(tmp_path: Path) -> None:
    with begin("-m", "tests.elsewhere.whole_job", tmp_path, encoding="cp1252") as child:
        output = child.stdout.read()
    assert child.returncode == 0, output
    assert "Traceback" not in output
    told = json.loads(output.splitlines()[-1])
    assert told["modules"] >= len(PROGRAM) - 1
    assert {*MODULES} <= {*told["taken away"]}
    assert not verify_store(tmp_path / "ecg.zarr")
    assert not list(tmp_path.glob("*.build"))
    assert not list(tmp_path.rglob("*.partial"))
    assert len(list((tmp_path / "answers").glob("*.csv"))) == 41
