"""What a run ran on, as far as it can be told."""

import json
import subprocess
import sys
from pathlib import Path

import torch

from ecg12.pipeline.runs.environment import describe_environment, git_commit


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_it_is_json_with_versions_hardware_and_command() -> None:
    found = describe_environment()
    assert json.loads(json.dumps(found)) == found
    assert found["command"] == sys.argv
    assert found["packages"]["torch"].startswith(torch.__version__.split("+")[0])
    assert found["processors"] >= 1
    assert found["threads"] == torch.get_num_threads()


def test_the_commit_of_a_repository(tmp_path: Path) -> None:
    assert git_commit(tmp_path) is None
    git(tmp_path, "init", "--quiet")
    assert git_commit(tmp_path) is None  # without a commit
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "x")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_commit(tmp_path) == commit
    (tmp_path / "file").write_text("2")
    assert git_commit(tmp_path) == f"{commit}+"
    (tmp_path / "inner").mkdir()
    assert git_commit(tmp_path / "inner") is None  # it lies in a repository, but is none
