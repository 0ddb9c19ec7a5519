"""Half-written files: those of the dead go, those of the living and of other machines stay."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.cache.storage.half_written import partial_of
from tests.conftest import REPOSITORY

KILLED = """
import os, signal, sys
from pathlib import Path
from ecg12.cache.storage.atomic import write_text_atomically

def replace(self, target):
    os.kill(os.getpid(), signal.SIGKILL)
Path.replace = replace
write_text_atomically(Path(sys.argv[1]), "half")
"""

WAITING = """
import sys
from pathlib import Path
from ecg12.cache.storage.half_written import partial_of

partial_of(Path(sys.argv[1])).write_text("mine")
print("written", flush=True)
sys.stdin.read()
"""


def start(code: str, path: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_the_next_writing_clears_what_a_killed_process_left_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    with start(KILLED, path) as killed:
        killed.wait()
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(f"scores.csv.{killed.pid}-")
    write_text_atomically(tmp_path / "scores-classes.csv", "other")
    assert left.exists()  # of another file
    write_text_atomically(path, "whole")
    assert sorted(os.listdir(tmp_path)) == ["scores-classes.csv", "scores.csv"]
    assert path.read_text() == "whole"


def test_what_a_living_process_or_another_machine_writes_stays(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    with start(KILLED, tmp_path / "gone") as killed:
        killed.wait()
    (tmp_path / partial_of(tmp_path / "gone").name.replace(str(os.getpid()), str(killed.pid))).unlink()
    elsewhere = tmp_path / f"scores.csv.{killed.pid}-00000000.partial"
    elsewhere.touch()
    with start(WAITING, path) as living:
        assert living.stdout is not None
        living.stdout.readline()
        write_text_atomically(path, "whole")
        left = sorted(set(os.listdir(tmp_path)) - {"scores.csv"})
        assert len(left) == 2
        assert elsewhere.name in left
        assert any(name.startswith(f"scores.csv.{living.pid}-") for name in left)
        living.kill()
