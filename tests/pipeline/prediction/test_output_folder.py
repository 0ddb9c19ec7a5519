"""A folder of predictions has one run's files and the user's own, whatever happened to the runs before."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import InputError, RunFolderError
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.pictures.plot import plot
from ecg12.pipeline.prediction import output_files as prediction_files
from ecg12.pipeline.prediction import output_folder as prediction_folder
from ecg12.pipeline.prediction import stream as predicted
from ecg12.pipeline.prediction.explain_config import ExplainConfig
from ecg12.pipeline.prediction.gain_sweep import sweep_gains
from ecg12.pipeline.prediction.output_folder import TABLE, WORK, held_output
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.runtime.scratch import PREFIX, scratch
from tests.conftest import REPOSITORY
from tests.pipeline.interrupted import Interrupted
from tests.records import pulses_uv, write_record

SIGNAL = pulses_uv(2000, seed=4)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Three records."""
    for name in ("a", "b", "c"):
        write_record(tmp_path / "in", name, SIGNAL)
    return tmp_path / "in"


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


class AtTheSecond(Interrupted):
    """Presses Ctrl-C at the second record."""

    n_records = 0

    def advance(self, n: int = 1, **figures: float) -> None:
        self.n_records += n
        if self.n_records > 1:
            super().advance(n, **figures)


def test_an_interrupted_run_is_no_obstacle_and_leaves_nothing_to_the_next(
    records: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    monkeypatch.setattr(predicted, "BATCH_WINDOWS", 1)
    with pytest.raises(KeyboardInterrupt):
        predict([records], output, run, json_path=output / "all.json", progress=AtTheSecond(1))
    assert names(output) == {"a.csv", f"{WORK}/lock", f"{WORK}/unfinished"}
    (records / "a.hea").unlink()
    (output / "notes.txt").touch()
    assert predict([records], output, run).n_records == 2
    assert names(output) == {"b.csv", "c.csv", TABLE, "notes.txt"}
    with pytest.raises(InputError, match="out: holds CSV files already; choose another --output, or --force to write"):
        predict([records], output, run)


def test_forced_nothing_of_the_run_before_is_left_and_nothing_else_goes(
    records: Path, run: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    explain = ExplainConfig(classes=("top",), n_steps=2)
    predict([records], output, run, json_path=output / "all.json", explain=explain)
    assert {"a.csv", TABLE, "all.json", "explained/a.npz"} < names(output)
    mine = {"labels.csv": "record,AF\na,1\n", "explained/why.png": "picture", "my.json": '{"records": []}'}
    mine |= {"team/a.csv": "#a\n1\n0\n0.5\n", "explained/mine.npz": "no archive", "notes/d.csv": "#a\n"}
    for name, text in mine.items():
        (output / name).parent.mkdir(exist_ok=True)
        (output / name).write_text(text)
    (records / "a.hea").unlink()
    with pytest.raises(RunFolderError, match="no such run folder"):
        predict([records], output, tmp_path / "nowhere", force=True)
    assert {"a.csv", TABLE, "explained/a.npz"} < names(output)  # nothing goes before there is something to come
    predict([records], output, run, force=True)
    assert names(output) == {"b.csv", "c.csv", TABLE} | mine.keys()
    assert {name: (output / name).read_text() for name in mine} == mine


def test_a_run_without_any_prediction_leaves_nothing_in_the_way(records: Path, run: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "bad", "flat", SIGNAL * 0)
    output = tmp_path / "out"
    assert len(predict([tmp_path / "bad"], output, run, json_path=tmp_path / "all.json").rejects) == 1
    assert not output.exists()
    assert len(json.loads((tmp_path / "all.json").read_text())["skipped"]) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no recording there"):
        predict([tmp_path / "empty"], output, run)
    assert not output.exists()
    predict([records], output, run)
    predict([tmp_path / "bad"], output, run, force=True)
    assert not names(output)


def test_what_the_dead_left_goes_and_what_the_living_have_stays(records: Path, run: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = [f"a.csv.{dead.pid}.partial", ".unpacked-x1/all/a.hea", ".fetched-y2/a.hea", f"{WORK}/record.partial"]
    kept = [f"b.csv.{os.getpid()}.partial", "my.partial"]
    for name in left + kept:
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (output / name).touch()
    predict([records], output, run)
    assert names(output) == {"a.csv", "b.csv", "c.csv", TABLE, *kept}


HOLDER = """
import os, sys
from pathlib import Path
from ecg12.pipeline.prediction.output_folder import held_output
with held_output(Path(sys.argv[1]), force=False) as held:
    held.begin()
    (Path(sys.argv[1]) / "z.csv").write_text("#z\\n1\\n0\\n0.5\\n")
    (held.work / "unpacked").mkdir()
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(output: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(output)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_run_into_a_folder_is_refused_until_the_first_is_dead(
    records: Path, run: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with held_elsewhere(output) as process:
        for force in (False, True):
            with pytest.raises(
                InputError, match=rf"out: predict \(process {process.pid} of .*\) is writing into it; wait"
            ):
                predict([records], output, run, force=force)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert names(output) == {"z.csv", f"{WORK}/lock", f"{WORK}/unfinished"}
    predict([records], output, run)
    assert names(output) == {"a.csv", "b.csv", "c.csv", TABLE}


def test_a_sweep_is_one_run(records: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        sweep_gains([records], output, run, progress=Interrupted(2))
    assert "gain-0.2049/a.csv" in names(output)
    assert "gain-sweep.json" not in names(output)
    sweep_gains([records], output, run)
    whole = names(output)
    assert {"gain-sweep.json", "gain-1/a.csv", f"gain-4.88/{TABLE}"} < whole
    for again in (sweep_gains, predict):
        with pytest.raises(InputError, match="out: holds a gain sweep already; choose another --output, or --force"):
            again([records], output, run)
    sweep_gains([records], output, run, force=True)
    assert names(output) == whole
    predict([records], output, run, force=True)
    assert names(output) == {"a.csv", "b.csv", "c.csv", TABLE}
    with pytest.raises(KeyboardInterrupt):
        sweep_gains([records], output, run, force=True, progress=Interrupted(2))
    predict([records], output, run)
    assert names(output) == {"a.csv", "b.csv", "c.csv", TABLE}


def test_a_record_whose_name_makes_no_file_is_said_and_the_others_are_predicted(run: Path, tmp_path: Path) -> None:
    long = "n" * 252
    for name in ("fine", "taken", "mine", long):
        write_record(tmp_path / "in", name[:200], SIGNAL)
    (tmp_path / "in" / f"{long[:200]}.hea").rename(tmp_path / "in" / f"{long[:251]}.hea")
    output = tmp_path / "out"
    (output / "taken.csv").mkdir(parents=True)
    (output / "mine.csv").write_text("record,AF\n")
    summary = predict([tmp_path / "in"], output, run, force=True)
    reasons = {reject.record: reject.reason for reject in summary.rejects}
    assert reasons.keys() == {"taken", "mine"}
    assert "no file for 'taken' (Is a directory); rename the record" in reasons["taken"]
    assert "mine.csv: there already, and no prediction of predict's; move it, or rename the record" in reasons["mine"]
    assert names(output) == {"fine.csv", f"{long[:251]}.csv", "mine.csv", TABLE}
    assert (output / "mine.csv").read_text() == "record,AF\n"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("n" * 252, "File name too long"),
        ("a\0b", "null"),
        ("../out", "no name for a file"),
        ("/etc/x", "no name for a file"),
        ("a//b", "no name for a file"),
        (f"{WORK}/x", "no name for a file"),
        ("half \ud800", "surrogates not allowed"),
    ],
)
def test_names_that_make_no_file_are_refused(tmp_path: Path, record: str, reason: str) -> None:
    facts = prediction_files.RecordFacts(record=record, source="s", file="a.hea", fs=500, duration_s=10)
    one = prediction_files.Prediction(record_name=record, codes=("1",), labels=(1,), scores=(0.5,))
    with prediction_files.PredictionFiles(tmp_path / "out", (0.5,)) as writer:
        with pytest.raises(InputError, match=reason):
            writer.write(one, facts)
        writer.finish([])
    assert not names(tmp_path)


def test_names_that_differ_by_case_alone_are_one_file_on_some_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_folder, "_folds_case", lambda _folder: True)
    with held_output(tmp_path / "out", force=False) as held:
        held.begin()
        held.path_of("HR01")
        held.path_of("HR02")
        with pytest.raises(InputError, match=r"hr01\.csv: for this file system the same as HR01\.csv; rename one"):
            held.path_of("hr01")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_stops_in_a_line_and_the_next_run_begins_anew(
    records: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real, n_written = prediction_files.replace_text, 0

    def no_room(path: Path, text: str, partial: str) -> None:
        nonlocal n_written
        n_written += 1
        if n_written == 2:
            raise OSError(number, os.strerror(number), str(path))
        real(path, text, partial)

    monkeypatch.setattr(prediction_files, "replace_text", no_room)
    with pytest.raises(
        InputError, match=rf"b\.csv: cannot be written \({os.strerror(number)}\); mend that and predict"
    ):
        predict([records], tmp_path / "out", run)
    assert names(tmp_path / "out") == {"a.csv", f"{WORK}/lock", f"{WORK}/unfinished"}
    assert predict([records], tmp_path / "out", run).n_records == 3


def test_a_file_in_the_folders_place_is_said(records: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: is a file; expected a folder for the predictions"):
        predict([records], tmp_path / "file", run)
    with pytest.raises(InputError, match=r"cannot be written \(Not a directory\)"):
        predict([records], tmp_path / "file" / "out", run)
    with pytest.raises(InputError, match=r"cannot be written \(File exists\); mend that, or choose another --output"):
        plot([str(records)], tmp_path / "file")


def test_a_record_that_is_damaged_in_the_store_stops_no_other(run: Path, tmp_path: Path) -> None:
    for number in range(12):
        write_record(tmp_path / "in", f"A{number:04d}", pulses_uv(4000, seed=number))
    store = tmp_path / "s.zarr"
    build_cache([tmp_path / "in"], store, StoreConfig(chunk_length=8192))
    chunks = sorted((store / "signal" / "c" / "0").iterdir())
    assert len(chunks) > 2
    data = bytearray(chunks[1].read_bytes())
    data[len(data) // 2] ^= 255
    chunks[1].write_bytes(data)
    summary = predict([store], tmp_path / "out", run)
    assert 0 < len(summary.rejects) < 12
    assert all("damaged" in reject.reason for reject in summary.rejects)
    assert summary.n_records == 12 - len(summary.rejects)
    assert len(names(tmp_path / "out")) == summary.n_records + 1


def test_pictures_leave_nothing_unfinished_and_take_nothing_from_others(records: Path, tmp_path: Path) -> None:
    output = tmp_path / "pictures"
    with scratch(output, "plot") as work:
        dead = output / f"{PREFIX}dead"
        dead.mkdir()
        (dead / "picture.partial").touch()
        (output / "b.png").mkdir()
        summary = plot([str(records / "a"), str(records / "c")], output)
        assert (len(summary.written), summary.rejects) == (2, ())
        assert work.exists()
        assert not dead.exists()
    assert {path.name for path in output.iterdir()} == {"a.png", "b.png", "c.png"}
    summary = plot([str(records)], output, force=True)
    assert [(one.record, one.reason) for one in summary.rejects] == [
        ("b", "cannot be used (IsADirectoryError: " + summary.rejects[0].reason.partition("Error: ")[2])
    ]
    assert len(summary.written) == 2
