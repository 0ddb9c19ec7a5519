import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from ecg12.cache.storage import lock
from ecg12.cache.storage.lock import hold, is_still_at, locked
from tests.windows_locks import make_msvcrt

ROOT = Path(__file__).resolve().parents[3]
AS_ON_WINDOWS = (
    "from tests.windows_locks import make_msvcrt; sys.modules['fcntl'] = None; sys.modules['msvcrt'] = make_msvcrt()\n"
)


@pytest.fixture(params=["flock", "bytes"])
def system(request, monkeypatch):
    """The locks of Linux and macOS, and those of Windows; statements that give a child the same."""
    if request.param == "flock":
        return "import sys\n"
    monkeypatch.setitem(sys.modules, "msvcrt", make_msvcrt())
    monkeypatch.setitem(sys.modules, "fcntl", None)
    return f"import sys\n{AS_ON_WINDOWS}"


@pytest.fixture
def opened(tmp_path):
    """Open the same file once more."""
    with ExitStack() as files:
        yield lambda: files.enter_context((tmp_path / "lock").open("a+b"))


def child(code, path):
    return subprocess.Popen([sys.executable, "-c", code, path], cwd=ROOT, stdin=-1, stdout=-1, text=True)


def test_one_holds_it_alone(system, opened):
    first, second = opened(), opened()
    with locked(first) as mine:
        assert mine
        with locked(second) as yours, locked(second, shared=True) as shared:
            assert not yours
            assert not shared
    with locked(second) as yours:
        assert yours


def test_many_share_it_against_whoever_wants_it_alone(system, opened):
    with ExitStack() as held:
        assert all(held.enter_context(locked(opened(), shared=True)) for _ in range(20))
        with locked(opened()) as alone:
            assert not alone
    with locked(opened()) as alone:
        assert alone


def test_another_process_waits(system, opened, tmp_path):
    code = (
        f"{system}from ecg12.cache.storage.lock import locked\n"
        "with open(sys.argv[1], 'a+b') as file, locked(file) as now:\n"
        " print(now, flush=True)\n with locked(file, shared=True, wait=True) as later:\n  print(later, flush=True)"
    )
    with ExitStack() as ours:
        ours.enter_context(locked(opened()))
        other = child(code, tmp_path / "lock")
        assert other.stdout.readline() == "False\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.3)
    with other:
        assert other.stdout.readline() == "True\n"
    assert other.returncode == 0


def test_the_system_takes_it_from_the_dead(system, opened, tmp_path):
    code = (
        f"{system}import os\nfrom ecg12.cache.storage.lock import locked\n"
        "with open(sys.argv[1], 'a+b') as file, locked(file) as now:\n"
        " print(now, flush=True)\n sys.stdin.read()\n os._exit(9)"
    )
    with child(code, tmp_path / "lock") as other:
        assert other.stdout.readline() == "True\n"
        with locked(opened()) as mine:
            assert not mine
        other.stdin.close()
        assert other.wait(10) == 9
    with locked(opened()) as mine:
        assert mine


def test_what_is_locked_can_be_read_and_keeps_its_place(system, tmp_path):
    (tmp_path / "lock").write_bytes(b"0123456789")
    with (tmp_path / "lock").open("r+b") as file:
        file.seek(4)
        with locked(file):
            assert (tmp_path / "lock").read_bytes() == b"0123456789"
            assert file.read(2) == b"45"
    assert (tmp_path / "lock").stat().st_size == 10


def test_a_held_file_that_is_gone_is_not_held(system, tmp_path, monkeypatch):
    path, take = tmp_path / "lock", lock._lock

    def remove_then_lock(*arguments):
        path.unlink()
        return take(*arguments)

    with hold(path) as ours, hold(path) as again:
        assert ours
        assert not again
    monkeypatch.setattr(lock, "_lock", remove_then_lock)
    with hold(path) as ours:
        assert not ours


def test_a_replaced_file_is_another(tmp_path):
    (tmp_path / "other").touch()
    with (tmp_path / "lock").open("ab") as file:
        assert is_still_at(tmp_path / "lock", file)
        (tmp_path / "other").replace(tmp_path / "lock")
        assert not is_still_at(tmp_path / "lock", file)


def test_a_system_without_locks_says_so(opened, monkeypatch):
    for name in ("fcntl", "msvcrt"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(OSError, match="this system has no locks on files"), locked(opened()):
        pass
