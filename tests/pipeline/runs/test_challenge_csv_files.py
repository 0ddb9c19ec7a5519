"""Prediction files on a disk: regular files of a sensible size, or an error that says what is there."""

import os
import socket
from pathlib import Path

import pytest

from ecg12.ecg.errors import InputError, PredictionError
from ecg12.ecg.scores.challenge_csv import Prediction
from ecg12.pipeline.runs.challenge_csv_files import LARGEST_BYTES, read_prediction, read_prediction_bytes, what_instead

TEXT = "#r0\n164889003\n1\n0.5\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "r0.csv").write_text(TEXT, encoding=encoding)
    assert read_prediction(tmp_path / "r0.csv") == Prediction("r0", ("164889003",), (1,), (0.5,))
    assert what_instead(tmp_path / "r0.csv") == ""


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "r0.csv").write_text(TEXT, encoding="utf-16")
    with pytest.raises(InputError, match=r"r0\.csv: UTF-16 text; expected a Challenge CSV, as .*, in UTF-8"):
        read_prediction(tmp_path / "r0.csv")
    (tmp_path / "r0.csv").write_bytes(b"#r\xe4\n")
    with pytest.raises(InputError, match=r"r0\.csv: no UTF-8 text"):
        read_prediction(tmp_path / "r0.csv")
    (tmp_path / "r0.csv").write_text(TEXT.replace("164889003", "164889003;426783006").replace("1\n", "1;0\n"))
    with pytest.raises(PredictionError, match=r"r0\.csv line 3: label '1;0'"):
        read_prediction(tmp_path / "r0.csv")


def test_only_regular_files_are_read_and_none_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.csv")
    (tmp_path / "folder.csv").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(tmp_path / "s.csv"))
        for name, kind in (("fifo.csv", "a FIFO"), ("folder.csv", "a folder"), ("s.csv", "a socket")):
            with pytest.raises(InputError, match=rf"{name}: {kind}; expected a regular file"):
                read_prediction_bytes(tmp_path / name)
    with pytest.raises(InputError, match=r"/dev/zero: a device; expected"):
        read_prediction_bytes(Path("/dev/zero"))
    with pytest.raises(InputError, match=r"none\.csv: missing; expected"):
        read_prediction_bytes(tmp_path / "none.csv")


def test_a_giant_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "r0.csv").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    with pytest.raises(InputError, match=r"r0\.csv: 16,777,217 bytes; expected at most 16,777,216"):
        read_prediction_bytes(tmp_path / "r0.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "r0.csv").write_text(TEXT)
    (tmp_path / "r0.csv").chmod(0)
    with pytest.raises(InputError, match=r"r0\.csv: Permission denied; expected"):
        read_prediction_bytes(tmp_path / "r0.csv")
