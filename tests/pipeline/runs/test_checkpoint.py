"""Checkpoints: what is written is read back, whole or not at all; anything but data is refused by name."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ecg12.ecg.errors import RunFolderError
from ecg12.pipeline.runs.checkpoint import fit_weights, load_checkpoint, load_weights, read_json, save_checkpoint

ROOT = Path(__file__).resolve().parents[3]


class Payload:
    """What a malicious checkpoint would hold."""

    def __reduce__(self):
        return os.system, ("touch ecg12-was-here",)


def test_checkpoints_round_trip(tmp_path):
    network = nn.Linear(2, 3)
    save_checkpoint(tmp_path / "model.pth", {"epoch": 3, "model": network.state_dict()})
    other = nn.Linear(2, 3)
    assert load_weights(other, tmp_path / "model.pth")["epoch"] == 3
    assert torch.equal(other.weight, network.weight)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pth"]


def test_what_a_checkpoint_would_call_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Payload()}, tmp_path / "model.pth")
    with pytest.raises(RunFolderError, match=r"model\.pth: damaged or not a checkpoint \(it would call \w+\.system"):
        load_checkpoint(tmp_path / "model.pth")
    assert not (tmp_path / "ecg12-was-here").exists()


def test_arrays_need_to_be_allowed(tmp_path):
    torch.save({"model": {}, "threshold": np.zeros(2)}, tmp_path / "model.pth")
    with pytest.raises(RunFolderError, match=r"it would call numpy\S*\._reconstruct"):
        load_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize("contents", [[1, 2], {"epoch": 1}, {"model": [1]}])
def test_other_contents_are_refused(tmp_path, contents):
    torch.save(contents, tmp_path / "model.pth")
    with pytest.raises(RunFolderError, match="not a checkpoint of this program; expected a dictionary"):
        load_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize("contents", [b"", b"x" * 1000])
def test_damaged_files_are_refused(tmp_path, contents):
    (tmp_path / "model.pth").write_bytes(contents)
    with pytest.raises(RunFolderError, match=r"model\.pth: damaged or not a checkpoint"):
        load_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EIO, "Input/output error"), "cannot be read (Input/output error); mend that and try again"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot be read (Permission denied); mend that and"),
        (MemoryError(), "its weights do not fit into the memory that is free"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"),
            "its weights",
        ),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:116] data. DefaultCPUAllocator: not enough memory: you"),
            "its weights",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 35184372088832 bytes."),
            "damaged or not a checkpoint (DefaultCPUAllocator: can't allocate memory: you tried to",
        ),
        (
            OSError(errno.EINVAL, "Invalid argument"),
            "damaged or not a checkpoint ([Errno 22] Invalid argument); train again",
        ),
    ],
)
def test_a_file_is_called_damaged_only_where_it_is_at_fault(tmp_path, monkeypatch, error, expected):
    torch.save({"model": {}}, tmp_path / "model.pth")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(RunFolderError) as caught:
        load_checkpoint(tmp_path / "model.pth")
    assert str(caught.value).startswith(f"{tmp_path / 'model.pth'}: {expected}")


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of memory is kept by Linux only")
def test_weights_larger_than_the_memory_that_is_free(tmp_path):
    """As torch itself says it."""
    torch.save({"model": {"weight": torch.zeros(40_000_000)}}, tmp_path / "model.pth")
    limit = (
        "import resource, sys, torch\n"
        "from pathlib import Path\n"
        "from ecg12.ecg.errors import RunFolderError\n"
        "from ecg12.pipeline.runs.checkpoint import load_checkpoint\n"
        "torch.zeros(10) + 1\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))\n"
        "try:\n load_checkpoint(Path(sys.argv[1]))\n"
        "except RunFolderError as error:\n print(error)\n"
    )
    line = [sys.executable, "-c", limit, str(tmp_path / "model.pth")]
    said = subprocess.run(line, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert "model.pth: its weights do not fit into the memory that is free" in said


def test_missing_files_are_named(tmp_path):
    with pytest.raises(RunFolderError, match=r"model\.pth: missing; expected a run folder made by train"):
        load_checkpoint(tmp_path / "model.pth")
    with pytest.raises(RunFolderError, match=r"config\.json: missing; expected a run folder made by train"):
        read_json(tmp_path / "config.json")


def test_weights_of_another_network_are_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"weights of another network than config\.json describes \(size mismatch"):
        fit_weights(nn.Linear(2, 3), nn.Linear(3, 3).state_dict(), tmp_path / "model.pth")


def test_text_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"config\.json: cannot be read .*; expected the JSON that train wrote"):
        read_json(tmp_path / "config.json")
