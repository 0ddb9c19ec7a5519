"""Checkpoints that are more than they seem: refused in a line before torch reads them, or by what torch says."""

import io
import os
import re
import subprocess
import sys
import zipfile

import pytest
import torch
from torch import nn

from ecg12.ecg.errors import RunFolderError
from ecg12.pipeline.runs.checkpoint import load_checkpoint
from ecg12.pipeline.runs.checkpoint_limits import MOST_NESTED, check_pickle
from tests.conftest import REPOSITORY
from tests.fuzz import Fuzzed, run_cases


def checkpoint(**options):
    file = io.BytesIO()
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.Linear(4, 2))
    torch.save({"epoch": 3, "model": network.state_dict()}, file, **options)
    return file.getvalue()


def rewritten(change, compression=zipfile.ZIP_STORED):
    """A checkpoint whose entries are changed, by their name."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(checkpoint())) as old, zipfile.ZipFile(out, "w", compression) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry)))
    return out.getvalue()


def with_pickle(data):
    return rewritten(lambda name, old: data if name.endswith("data.pkl") else old)


def nested(depth):
    return b")" + b"\x85" * depth


LAUGHS = b")q\x00" + b"".join(b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(60))


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "before zip"])
def test_what_torch_saves_is_loaded(tmp_path, options):
    (tmp_path / "model.pth").write_bytes(checkpoint(**options))
    assert load_checkpoint(tmp_path / "model.pth")["epoch"] == 3


def test_a_long_list_of_tensors_is_loaded(tmp_path):
    torch.save({"model": {f"layer.{n}": torch.zeros(1) for n in range(3000)}}, tmp_path / "model.pth")
    assert len(load_checkpoint(tmp_path / "model.pth")["model"]) == 3000


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (with_pickle(b"\x80\x02}(" + nested(1_000_000) + b"K\x01u."), "nested 101 deep"),
        (with_pickle(b"\x80\x02}(" + nested(10_000_000) + b"K\x01u."), "more than 2,097,152 bytes beside the weights"),
        (with_pickle(b"\x80\x02}(" + LAUGHS + b"K\x01u."), "values in all, as no weights are"),
        (with_pickle(b"\x80\x02" + b"N0" * 1_000_000 + b"}."), "more than 500,000 steps"),
        (with_pickle(b"\x80\x02X\xff\xff\xff\x7fabc."), "expected 2147483647 bytes in a unicodestring4"),
        (
            with_pickle(b"\x80\x02c" + b"torch." * 50_000 + b"\nx\n."),
            "a text of 300,002 letters, as no weight's name is",
        ),
        (with_pickle(b"\x80\x02X\xe0\x93\x04\0" + b"x" * 300_000 + b"."), "a text of 300,000 letters"),
        (with_pickle(b"\x80\x02}(u"), "pickle exhausted before seeing STOP"),
        (with_pickle(b"\x80\x02\x86."), "takes more than it made"),
        (
            rewritten(lambda name, old: bytes(10**7) if "/data/" in name else old, zipfile.ZIP_DEFLATED),
            "an entry is compressed",
        ),
        (b"\x80\x02" + nested(1_000_000) + b".", "nested 101 deep"),
        (b"PK\x03\x04" + bytes(100), "not a zip file"),
        (checkpoint()[:-100], "zip"),
    ],
    ids=[
        "key",
        "long",
        "laughs",
        "steps",
        "text",
        "name",
        "long text",
        "cut",
        "empty stack",
        "bomb",
        "before zip",
        "no zip",
        "cut zip",
    ],
)
def test_what_is_more_than_it_seems_is_refused(tmp_path, contents, reason):
    (tmp_path / "model.pth").write_bytes(contents)
    with pytest.raises(RunFolderError, match=rf"model\.pth: damaged or not a checkpoint \(.*{re.escape(reason)}.*\)"):
        load_checkpoint(tmp_path / "model.pth")


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    """A directory that names one entry many times would make a file of any size of a small one."""
    data = bytearray(checkpoint())
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as old:
        biggest = max(old.infolist(), key=lambda entry: entry.file_size)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as new:
            for entry in old.infolist():
                new.writestr(entry.filename, old.read(entry))
            again = next(entry for entry in new.infolist() if entry.filename == biggest.filename)
            new.filelist += [again] * (len(data) // again.file_size + 1)
    (tmp_path / "model.pth").write_bytes(out.getvalue())
    with pytest.raises(RunFolderError, match="its entries are larger than the file"):
        load_checkpoint(tmp_path / "model.pth")


def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "model.pth")
    with pytest.raises(RunFolderError, match="a FIFO; expected a regular file"):
        load_checkpoint(tmp_path / "model.pth")


def test_as_deep_as_it_may_be():
    check_pickle(io.BytesIO(b"\x80\x02" + nested(MOST_NESTED) + b"."))


FUZZ = """
import sys
from pathlib import Path
import numpy as np
from ecg12.ecg.errors import RunFolderError
from ecg12.pipeline.runs.checkpoint import load_checkpoint
from tests.pipeline.runs.test_checkpoint_limits import checkpoint, rewritten
rng, path, refused = np.random.default_rng(5), Path(sys.argv[1]), 0
def damage(data):
    data = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        data[rng.integers(len(data))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)])
    return bytes(data)
for number in range(300):
    kind = number % 3
    path.write_bytes(
        damage(checkpoint(_use_new_zipfile_serialization=kind == 0))
        if kind < 2
        else rewritten(lambda name, old: damage(old) if name.endswith("data.pkl") else old)
    )
    try:
        load_checkpoint(path)
    except RunFolderError:
        refused += 1
print(refused)
"""


def test_damage_is_refused_or_loaded_and_never_the_end_of_the_process(tmp_path):
    """In a process of its own, as it is torch's reader that meets the damage."""
    command = [sys.executable, "-W", "ignore", "-c", FUZZ, str(tmp_path / "model.pth")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 100 < int(done.stdout) <= 300


def _seeds():
    """As torch.save writes them, and pickles alone, which `with_pickle` puts into a zip file that is whole."""
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters(), amsgrad=True)
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    file = io.BytesIO()
    torch.save({"model": network.state_dict(), "optimizer": optimizer.state_dict(), "history": [{"loss": 0.5}]}, file)
    whole = (checkpoint(), file.getvalue())
    with zipfile.ZipFile(io.BytesIO(checkpoint())) as archive:
        pickles = [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
    return [*whole, checkpoint(_use_new_zipfile_serialization=False), *pickles * 3]


FUZZED = Fuzzed(seeds=_seeds, read=load_checkpoint, name="model.pth", wraps=(with_pickle,))


def test_damaged_checkpoints_give_weights_or_a_message(tmp_path):
    tally = run_cases(FUZZED, tmp_path, range(300))
    assert not tally.failures
    assert tally.n_read > 10
    assert tally.refusals.total() > 100
