"""Builds that were interrupted, and stores that are there already."""

import signal
import subprocess
import sys
import textwrap

import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.cache.verify import verify_store
from ecg12.cache.writing.build_folder import build_folder, build_lock
from ecg12.ecg.errors import (
    FormatVersionError,
    SignalError,
    StoreError,
)
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.ingest import build_cache as ingest
from ecg12.pipeline.ingest import partition
from ecg12.pipeline.ingest.build_cache import build_cache
from tests.cache.small_store import contents, edit_json, flip_byte
from tests.records import pulses_uv, write_corpus, write_record

CONFIG = StoreConfig(chunk_length=4096, fs=500)


@pytest.fixture
def data(tmp_path):
    write_corpus(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ecg.zarr"


class InterruptedForTest(Exception):
    """Stands for whatever ends a process."""


def interrupt_at(monkeypatch, call):
    """Let the build fail at its `call`-th partition and list those it works on."""
    done = []
    convert = partition.ingest_partition

    def counted(job):
        if len(done) == call:
            raise InterruptedForTest
        done.append(job.partition.index)
        return convert(job)

    monkeypatch.setattr(partition, "ingest_partition", counted)
    return done


@pytest.fixture
def whole(data, tmp_path):
    """The bytes of an uninterrupted build."""
    build_cache([data], tmp_path / "whole.zarr", CONFIG)
    return contents(tmp_path / "whole.zarr")


def interrupted(data, path, monkeypatch, call=2):
    with monkeypatch.context() as patch:
        done = interrupt_at(patch, call)
        with pytest.raises(InterruptedForTest):
            build_cache([data], path, CONFIG)
    assert not path.exists()
    return done


def resumed(data, path, monkeypatch, **options):
    with monkeypatch.context() as patch:
        done = interrupt_at(patch, None)
        summary = build_cache([data], path, CONFIG, **options)
    return done, summary


def test_an_interrupted_build_is_finished_and_gives_the_same_bytes(data, path, whole, monkeypatch):
    before = interrupted(data, path, monkeypatch)
    assert sorted(build_folder(path).glob("part-*.json"))
    (build_folder(path) / "store.zarr" / "signal" / "c" / "0" / "3.abc.partial").write_bytes(b"half")
    after, summary = resumed(data, path, monkeypatch)
    assert len(before) == 2
    assert not set(before) & set(after)
    assert summary.n_resumed > 0
    assert contents(path) == whole
    assert not build_folder(path).exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder, chunk: flip_byte(folder / "store.zarr" / "signal" / "c" / "0" / str(chunk)),
        lambda folder, chunk: (folder / "store.zarr" / "signal" / "c" / "0" / str(chunk)).unlink(),
        lambda folder, chunk: (folder / "part-0.json").write_text('{"partition": 0'),
        lambda folder, chunk: (folder / "part-0.json").unlink(),
        lambda folder, chunk: edit_json(folder / "part-0.json", lambda part: part["chunk_digests"].clear()),
        lambda folder, chunk: edit_json(folder / "part-0.json", lambda part: part["rows"].pop()),
    ],
    ids=[
        "flipped chunk",
        "missing chunk",
        "torn journal",
        "no journal",
        "journal without chunks",
        "journal lacks a row",
    ],
)
def test_a_damaged_part_is_done_again(data, path, whole, monkeypatch, damage):
    before = interrupted(data, path, monkeypatch)
    damage(build_folder(path), 0)
    after, _ = resumed(data, path, monkeypatch)
    assert set(before) & set(after) == {0}
    assert contents(path) == whole


def test_a_worker_does_not_take_a_damaged_part_for_done(data, path, whole, monkeypatch):
    interrupted(data, path, monkeypatch)
    flip_byte(build_folder(path) / "store.zarr" / "signal" / "c" / "0" / "0")
    build_cache([data], path, CONFIG, workers=2)
    assert contents(path) == whole


def test_a_part_with_rejects_is_done_again_for_they_may_be_mended(data, path, whole, monkeypatch):
    mats = {file: file.read_bytes() for file in data.rglob("*.mat")}
    for file in mats:
        file.write_bytes(b"short")
    interrupted(data, path, monkeypatch)
    for file, body in mats.items():
        file.write_bytes(body)
    _, summary = resumed(data, path, monkeypatch)
    assert summary.n_resumed == 0
    assert contents(path) == whole


def test_a_build_killed_at_its_finish_is_finished(data, path, whole, monkeypatch):
    for name in ("finalise", "move_into_place"):
        with monkeypatch.context() as patch:
            patch.setattr(ingest, name, lambda *arguments, **options: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                build_cache([data], path, CONFIG)
        assert not path.exists()
    after, summary = resumed(data, path, monkeypatch)
    assert after == []
    assert summary.n_resumed == 7
    assert contents(path) == whole


def test_a_killed_process_leaves_a_build_that_can_be_finished(data, path, whole):
    code = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from ecg12.cache.schema import StoreConfig
        from ecg12.pipeline.ingest import partition
        from ecg12.pipeline.ingest.build_cache import build_cache
        write_part, done = partition.write_part, []
        def killed(*arguments):
            if len(done) == 2:
                os.kill(os.getpid(), 9)
            done.append(write_part(*arguments))
        partition.write_part = killed
        build_cache([Path(sys.argv[1])], Path(sys.argv[2]), StoreConfig(chunk_length=4096, fs=500))
        """
    )
    process = subprocess.run([sys.executable, "-c", code, data, path], check=False)
    assert process.returncode == -signal.SIGKILL
    summary = build_cache([data], path, CONFIG)
    assert summary.n_resumed > 0
    assert contents(path) == whole


def test_strict_keeps_what_is_done(data, path, whole, monkeypatch):
    mat = data / "georgia" / "E00001.mat"
    body = mat.read_bytes()
    mat.write_bytes(b"short")
    with pytest.raises(SignalError, match="E00001"):
        build_cache([data], path, CONFIG, strict=True)
    mat.write_bytes(body)
    resumed(data, path, monkeypatch, strict=True)
    assert contents(path) == whole


def test_an_unfinished_build_of_other_records_is_refused(data, path, monkeypatch):
    interrupted(data, path, monkeypatch)
    write_record(data, "A0005")
    with pytest.raises(StoreError, match=r"ecg\.zarr\.build: holds an unfinished build from other records or options"):
        build_cache([data], path, CONFIG)
    summary = build_cache([data], path, CONFIG, force=True)
    assert (summary.description.n_records, summary.n_resumed) == (8, 0)
    assert verify_store(path) == ()


def test_the_same_build_again_is_complete_already(data, path):
    build_cache([data], path, CONFIG)
    before = contents(path)
    summary = build_cache([data], path, CONFIG)
    assert summary.already_complete
    assert summary.description.n_records == 7
    assert contents(path) == before
    assert not build_folder(path).exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"fs": 400.0},
            r"ecg\.zarr: built otherwise \(fs 500\.0 there, 400\.0 asked for\); choose another --output, or",
        ),
        ({"notch": 50}, r"built otherwise \(notch None there, 50\.0 asked for\)"),
        ({"codec": "zstd", "seed": 1}, r"codec lz4 there, zstd asked for; seed 2020 there, 1 asked for"),
    ],
)
def test_another_configuration_is_refused_with_the_difference(data, path, options, message):
    build_cache([data], path, CONFIG)
    with pytest.raises(StoreError, match=message):
        build_cache([data], path, StoreConfig(**(CONFIG.to_dict() | {"leads": LEADS} | options)))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: write_record(data, "A0005"),
        lambda data: (data / "ward" / "X.hea").unlink(),
        lambda data: write_record(data / "ward", "X", pulses_uv(1000, seed=9), dx="59118001"),
    ],
    ids=["one more", "one less", "a corrected label"],
)
def test_other_records_are_refused(data, path, change):
    build_cache([data], path, CONFIG)
    change(data)
    with pytest.raises(
        StoreError, match=r"ecg\.zarr: built from other records, patients or labels \(7 records\); a complete"
    ):
        build_cache([data], path, CONFIG)
    assert Store(path).n_records == 7


def test_an_older_version_or_an_incomplete_store_is_refused_but_may_be_replaced(data, path):
    build_cache([data], path, CONFIG)
    edit_json(path / "zarr.json", lambda metadata: metadata["attributes"].update(complete=False))
    with pytest.raises(StoreError, match="an incomplete store; choose another --output, or --force to replace it"):
        build_cache([data], path, CONFIG)
    edit_json(path / "zarr.json", lambda metadata: metadata["attributes"].update(format_version=0))
    with pytest.raises(FormatVersionError, match="format version 0; this program reads version 1"):
        build_cache([data], path, CONFIG)
    build_cache([data], path, CONFIG, force=True)
    assert verify_store(path) == ()


def test_attributes_that_make_no_sense_are_another_build(data, path):
    build_cache([data], path, CONFIG)
    edit_json(path / "zarr.json", lambda metadata: metadata["attributes"].update(build="mine"))
    with pytest.raises(StoreError, match="built otherwise"):
        build_cache([data], path, CONFIG)


def test_force_replaces_only_after_success(data, path, monkeypatch):
    build_cache([data], path, CONFIG)
    before = contents(path)
    write_record(data, "A0005")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2)
        with pytest.raises(InterruptedForTest):
            build_cache([data], path, CONFIG, force=True)
    assert contents(path) == before
    assert verify_store(path) == ()
    summary = build_cache([data], path, CONFIG, force=True)
    assert summary.n_resumed > 0
    assert Store(path).n_records == 8
    assert sorted(file.name for file in path.parent.iterdir()) == ["data", "ecg.zarr"]


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_store_is_never_replaced(data, path, force):
    """`--output data --force` must not cost anybody their records."""
    before = contents(data)
    with pytest.raises(StoreError, match="data: not a store of this program") as caught:
        build_cache([data], data, CONFIG, force=force)
    assert "--force replaces nothing but a store" in caught.value.__notes__[0]
    assert contents(data) == before
    path.write_text("mine")
    with pytest.raises(StoreError, match=r"ecg\.zarr: a file; expected the folder of a store"):
        build_cache([data], path, CONFIG, force=force)
    assert path.read_text() == "mine"


def test_a_store_behind_a_link_is_replaced_where_it_is(data, path, tmp_path):
    (tmp_path / "disk").mkdir()
    path.symlink_to(tmp_path / "disk" / "real.zarr")
    build_cache([data], path, CONFIG)
    build_cache([data], path, StoreConfig(fs=250), force=True)
    assert path.is_symlink()
    assert Store(path).fs == 250
    assert [file.name for file in (tmp_path / "disk").iterdir()] == ["real.zarr"]


def test_a_second_build_at_the_same_time_is_refused(data, path):
    with build_lock(path), pytest.raises(StoreError, match="another process is building it; wait for it or stop it"):
        build_cache([data], path, CONFIG)


def test_a_build_that_was_overtaken_takes_what_is_there(data, path, tmp_path, monkeypatch):
    """Another process finished the same store between the first look and the lock."""
    build_cache([data], tmp_path / "other.zarr", CONFIG)
    lock = ingest.build_lock

    def overtaken(store):
        (tmp_path / "other.zarr").rename(store)
        return lock(store)

    monkeypatch.setattr(ingest, "build_lock", overtaken)
    assert build_cache([data], path, CONFIG).already_complete
    assert not build_folder(path).exists()


def test_a_replacement_cut_short_between_its_renames_is_put_right(data, path):
    build_cache([data], path, CONFIG)
    before = contents(path)
    build_folder(path).mkdir()
    path.rename(build_folder(path) / "replaced.zarr")
    assert build_cache([data], path, CONFIG).already_complete
    assert contents(path) == before
    assert not build_folder(path).exists()
