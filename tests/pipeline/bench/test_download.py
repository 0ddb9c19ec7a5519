"""The benchmark runs and compares; how fast is not tested."""

from pathlib import Path
from unittest import mock

import pytest

from ecg12.ecg.errors import DownloadError, InputError
from ecg12.ecg.signals.quality import checksum_mismatches
from ecg12.pipeline.bench import download as benchmark
from ecg12.pipeline.bench.loopback import Files
from ecg12.pipeline.formats.wfdb.records import read_record


def test_a_small_run_has_every_row(tmp_path: Path) -> None:
    rows = benchmark.run(n_files=40, delay_s=0.001, connections=4, folder=tmp_path / "new" / "work")
    names = [row.what for row in rows]
    assert names[:2] == ["one at a time", "download, 4 connections"]
    assert names[-2:] == ["digests and headers", "digests"]
    assert {row.n_files for row in rows[:2]} == {40}
    assert {row.n_files for row in rows[2:]} == {80}
    assert rows[0].ratio == 1
    assert all(row.seconds > 0 for row in rows)
    assert len(list((tmp_path / "new" / "work" / "data" / "training").rglob("*.mat"))) == 40
    with pytest.raises(InputError, match="work: is not empty; choose another folder for the benchmark"):
        benchmark.run(n_files=40, delay_s=0.001, connections=4, folder=tmp_path / "new" / "work")


def test_the_files_are_records_that_differ(tmp_path: Path) -> None:
    files = Files()
    for number in (3, 4):
        (tmp_path / f"HR{number:05d}.mat").write_bytes(b"".join(files.parts(number)))
        (tmp_path / f"HR{number:05d}.hea").write_text(files.header_text(number))
    first, second = (read_record(tmp_path / f"HR{number:05d}.hea") for number in (3, 4))
    assert not checksum_mismatches(first) + checksum_mismatches(second)
    assert first.signal.shape == (12, 5000)
    assert (first.signal != second.signal).sum() == 12
    assert files.name(1234) == "training/ptb-xl/g2/HR01234.mat"


def test_wrong_bytes_stop_a_benchmark(tmp_path: Path) -> None:
    with (
        mock.patch.object(benchmark.Files, "name", return_value=Files().name(0)),
        pytest.raises(DownloadError, match=r"benchmark: training/ptb-xl/g1/HR00000.mat came with wrong bytes"),
    ):
        benchmark.run(n_files=2, delay_s=0, connections=1)
    with (
        mock.patch.object(benchmark, "_one_at_a_time", lambda folder, *args: folder.mkdir()),
        mock.patch.object(benchmark.Files, "name", lambda self, number: f"training/ptb-xl/{number}/HR00000.mat"),
        pytest.raises(DownloadError, match=r"benchmark: ptb-xl: training/ptb-xl/1/HR00000.mat is missing"),
    ):
        benchmark.run(n_files=2, delay_s=0, connections=1)
    gone = tmp_path / "gone.hea"
    with pytest.raises(DownloadError, match=r"benchmark: .*gone.hea: is gone"):
        benchmark._prove([gone], headers=True)
