"""Small files: read whole, if they are files and small."""

import os
import socket

import pytest

from ecg12.cache.storage.small_file import MOST_BYTES, read_json, read_small, read_small_text


def test_what_is_there_is_read(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, null]}\r\n')
    assert read_json(tmp_path / "a.json") == {"a": [1, 2.5, None]}
    assert read_small_text(tmp_path / "a.json") == '{"a": [1, 2.5, null]}\n'
    assert read_small(tmp_path / "a.json").startswith(b"\xef\xbb\xbf")


def test_an_object_is_read_the_same(in_memory):
    (in_memory / "a.json").write_bytes(b'{"a": 1}')
    (in_memory / "empty").write_bytes(b"")
    assert read_json(in_memory / "a.json") == {"a": 1}
    assert read_small(in_memory / "empty") == b""
    with pytest.raises(OSError, match="more than 7 bytes, which no such file has"):
        read_small(in_memory / "a.json", 7)
    with pytest.raises(FileNotFoundError):
        read_small(in_memory / "none")


def test_what_is_not_there_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_small(tmp_path / "none")


def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(OSError, match="a FIFO; expected a regular file"):
        read_json(tmp_path / "config.json")


def test_nothing_but_a_regular_file_is_opened(tmp_path):
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="a device; expected a regular file"):
        read_small(tmp_path / "zero")
    with pytest.raises(OSError, match="a directory; expected a regular file"):
        read_small(tmp_path)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "s"))
        with pytest.raises(OSError, match="a socket; expected a regular file"):
            read_small(tmp_path / "s")


def test_a_giant_is_refused_by_its_size(tmp_path):
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(10 * 2**30)  # sparse: it takes no room
    with pytest.raises(OSError, match=f"more than {MOST_BYTES:,} bytes, which no such file has"):
        read_json(tmp_path / "config.json")
