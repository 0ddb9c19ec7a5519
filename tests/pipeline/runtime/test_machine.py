"""What the machine has, as Linux tells it, and where nothing like `/proc` is."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ecg12.pipeline.runtime import machine
from ecg12.pipeline.runtime.machine import available_bytes, available_cores, peak_bytes, processor_name, total_bytes

ROOT = Path(__file__).resolve().parents[3]


def test_free_memory_is_the_systems_or_the_groups(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 100 kB\nMemAvailable:   50 kB\n")
    assert available_bytes(tmp_path, tmp_path) == 50 * 1024
    assert total_bytes(tmp_path) == 100 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("30000\n")
    assert available_bytes(tmp_path, tmp_path) == 50 * 1024
    (tmp_path / "memory.max").write_text("40000\n")
    assert available_bytes(tmp_path, tmp_path) == 10_000
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 2000\n")
    assert available_bytes(tmp_path, tmp_path) == 12_000


def test_without_proc_psutil_says_the_same(tmp_path: Path) -> None:
    assert total_bytes(tmp_path) == total_bytes() == psutil.virtual_memory().total
    assert 0 < available_bytes(tmp_path, tmp_path) < total_bytes()
    assert 0 < available_bytes() < total_bytes()


def test_cores_are_those_of_this_process_or_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr(machine.os, "sched_getaffinity")
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 7)
    assert available_cores() == 7
    monkeypatch.setattr(machine.os, "cpu_count", lambda: None)
    assert available_cores() == 1


def test_the_peak_grows_by_what_was_taken() -> None:
    code = (
        "import json; from ecg12.pipeline.runtime.machine import peak_bytes\n"
        "before = peak_bytes(); taken = bytearray(2**26)\n"
        "del taken; print(json.dumps([before, peak_bytes()]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout)
    assert 2**25 < after - before < 2**27


def test_without_proc_the_peak_is_what_windows_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert peak_bytes(tmp_path) is None  # psutil has none on Linux

    class Told:
        peak_wset = 12345

    monkeypatch.setattr(psutil.Process, "memory_info", lambda process: Told())
    assert peak_bytes(tmp_path) == 12345


def test_the_processors_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast Seven @ 3 GHz\nmodel name\t: Other\n")
    assert processor_name(tmp_path) == "Fast Seven @ 3 GHz"
    monkeypatch.setattr(machine.platform, "processor", lambda: "arm")
    assert processor_name(tmp_path / "nothing") == "arm"
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    assert processor_name(tmp_path / "nothing") is None
