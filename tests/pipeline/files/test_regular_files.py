import os
import socket
import threading

import pytest

from ecg12.ecg.errors import HeaderError, SignalError
from ecg12.pipeline.files.regular_files import SPARSE_BYTES, open_regular, read_regular


def test_a_regular_file_is_read_whole_up_to_its_limit(tmp_path):
    (tmp_path / "X.hea").write_bytes(b"0123456789")
    assert read_regular(tmp_path / "X.hea", 10) == b"0123456789"
    with open_regular(tmp_path / "X.hea") as file:
        assert file.readall() == b"0123456789"
    with pytest.raises(HeaderError, match=r"^X\.hea: 10 bytes; expected at most 9$"):
        read_regular(tmp_path / "X.hea", 9, error=HeaderError)
    (tmp_path / "empty").touch()
    assert read_regular(tmp_path / "empty", 9) == b""


def test_what_is_not_there_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


def within_a_second(call):
    """Whether `call`, in a thread of its own, came back: a reader that waits for a FIFO never would."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(30)
    return not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without FIFOs")
def test_a_fifo_nobody_writes_to_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "X.hea")
    raised = []

    def read():
        with pytest.raises(SignalError) as caught:
            read_regular(tmp_path / "X.hea", 100)
        raised.append(str(caught.value))

    assert within_a_second(read)
    assert raised == ["X.hea: a FIFO; expected a regular file"]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="a system without such sockets")
def test_a_socket_a_folder_and_a_device_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("X.dat")
        with pytest.raises(SignalError, match=r"^X\.dat: a socket; expected a regular file$"):
            open_regular("X.dat")
    (tmp_path / "Y.mat").mkdir()
    with pytest.raises(SignalError, match=r"^Y\.mat: a folder; expected"):
        open_regular(tmp_path / "Y.mat")
    (tmp_path / "Z.hea").symlink_to("/dev/zero")
    with pytest.raises(SignalError, match=r"^Z\.hea: a device; expected"):
        read_regular(tmp_path / "Z.hea", 10**12)


def test_a_hole_of_a_stated_size_is_refused(tmp_path):
    path = tmp_path / "X.dat"
    path.touch()
    os.truncate(path, SPARSE_BYTES + 1)
    if path.stat().st_blocks * 512 * 100 >= SPARSE_BYTES:
        pytest.skip("a file system without sparse files")
    with pytest.raises(SignalError, match=r"^X\.dat: states 67,108,865 bytes, of which the disk holds \d+; expected"):
        open_regular(path)
    os.truncate(path, SPARSE_BYTES)
    open_regular(path).close()
