"""The benchmarks of the ingest run, and their figures are about what they say; how fast is never a test."""

import math
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import CODECS, StoreConfig
from ecg12.ecg.datasets import DATASETS
from ecg12.ecg.errors import InputError, StoreError
from ecg12.ecg.headers.header import parse_header
from ecg12.pipeline.bench import codec, corpus, ingest, ingest_kinds
from ecg12.pipeline.bench.baseline import _convert, seconds_of_baseline
from ecg12.pipeline.bench.ingest_stages import seconds_by_stage
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.ingest.plan import plan_records
from tests.records import pulses_uv, write_corpus, write_record


def test_every_way_is_measured_on_the_same_records(tmp_path, monkeypatch):
    monkeypatch.setattr(ingest, "REPEATS", 1)
    result = ingest.run(n_records=30, folder=tmp_path / "new" / "corpus", workers=(1,), baseline_records=10)
    assert [(row.what, row.workers) for row in result.rows] == [
        ("reading the bytes and nothing else", 1),
        ("dask.bag, wfdb, scipy, an array a record", 1),
        ("build-cache", 1),
    ]
    floor, baseline, ours = result.rows
    assert (floor.n_records, ours.n_records, result.n_records) == (30, 30, 30)
    assert baseline.n_records + result.n_unread == 10
    assert ours.over_baseline == pytest.approx(ours.rate / baseline.rate)
    assert baseline.over_baseline == ours.over_one == 1
    assert ours.processor_s > 0
    assert 0 < result.seconds_of_signal <= 300
    assert result.n_bytes == sum(path.stat().st_size for path in (tmp_path / "new" / "corpus").glob("*/*.*"))
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["corpus"]
    with pytest.raises(InputError, match="corpus: holds 30 records; expected 31: name another folder"):
        ingest.run(n_records=31, folder=tmp_path / "new" / "corpus")


def test_given_records_are_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(ingest, "REPEATS", 1)
    write_corpus(tmp_path / "data")
    result = ingest.run([tmp_path / "data"], workers=(2,))
    assert result.n_records == 7
    assert result.n_unread == 1  # E00001's header names E00001.mat, which wfdb refuses
    assert math.isnan(result.rows[-1].over_one)
    write_record(tmp_path / "bad", "A0001", fs=None)
    with pytest.raises(InputError, match="bad: no record can be taken; expected WFDB records"):
        ingest.run([tmp_path / "bad"])


def test_stages_add_up_to_all(tmp_path):
    for number in range(1, 4):
        write_record(tmp_path / "data", f"A000{number}", pulses_uv(5000, seed=number))
    config = StoreConfig(chunk_length=16_384)
    stages = seconds_by_stage(plan_records([tmp_path / "data"], config).records, config, tmp_path)
    whole = stages.pop("all")
    assert min(stages.values()) >= 0
    assert sum(stages.values()) >= whole * 0.999
    assert {"header: parse", "samples: read", "resample", "scale", "encode", "write", "rest"} < set(stages)


def test_the_baseline_does_the_same_work(tmp_path):
    import zarr

    headers = [write_record(tmp_path / "data", f"A000{number}", pulses_uv(5000, seed=number)) for number in (1, 2, 3)]
    seconds, processor_s, n_read = seconds_of_baseline(headers, tmp_path / "b.zarr", fs=400.0, workers=1)
    assert seconds > 0
    assert processor_s >= 0
    assert n_read == 3
    build_cache([tmp_path / "data"], tmp_path / "s.zarr", StoreConfig())
    store = Store(tmp_path / "s.zarr")
    for row, name in enumerate(store.names):
        difference = zarr.open_array(tmp_path / "b.zarr", path=name, mode="r")[...] - store.read_record(row)
        assert np.abs(difference).max() <= 1
    assert _convert(str(tmp_path / "data" / "nothing"), str(tmp_path / "b.zarr"), 400.0) == 0


def test_the_corpus_is_the_wholes_shape_with_no_record_twice(tmp_path):
    assert corpus.WHOLE == 43_101
    summary = corpus.write_corpus(tmp_path / "c", 120, seed=3)
    assert summary.n_records == 120
    records = plan_records([tmp_path / "c"], StoreConfig())
    assert not records.rejects
    assert {record.dataset for record in records.records} == {dataset.name for dataset in DATASETS}
    build_cache([tmp_path / "c"], tmp_path / "s.zarr", StoreConfig())
    store = Store(tmp_path / "s.zarr")
    assert store.attributes["rejects"] == []  # every checksum is right
    assert len(set(store.column("record/digest"))) == 120
    headers = [path.read_text() for path in (tmp_path / "c").glob("*/*.hea")]
    assert len({parse_header(text).signals[11].checksum for text in headers}) > 60
    longest = read_record(next((tmp_path / "c" / "Training_StPetersburg").glob("*.hea")))
    assert longest.n_samples == 462_600
    with pytest.raises(InputError, match="c: is not empty"):
        corpus.write_corpus(tmp_path / "c", 6)


def test_codecs_are_measured_on_a_store(simulated_store):
    rows = codec.run(simulated_store, n_chunks=2)
    assert {row.choice for row in rows} == {"", *CODECS}
    assert all(row.ratio > 1 and row.encode_mb_s > 0 and row.decode_mb_s > 0 for row in rows)
    with pytest.raises(StoreError, match="no store there"):
        codec.run(Path("nowhere"))


@pytest.mark.parametrize("way", codec._ways())
def test_what_is_measured_decodes_to_what_was_encoded(way):
    _, encode, decode = codec._ways()[way]
    block = np.ascontiguousarray(pulses_uv(4096))
    decoded = np.frombuffer(np.ascontiguousarray(decode(encode(block))).tobytes(), np.int16)
    assert np.array_equal(decoded.reshape(block.shape), block)


@pytest.mark.parametrize("kind", ["edf", "dicom", "csv", "npy", "mat"])
def test_other_kinds_are_measured_beside_their_library(kind, monkeypatch):
    monkeypatch.setattr(ingest_kinds, "REPEATS", 1)
    rows = ingest_kinds.run(kind, n_records=2, workers=(1,))
    assert [row.n_records for row in rows] == [2, 2, 2]
    assert rows[1].over_baseline == rows[0].over_reading == 1
    assert rows[2].what == "build-cache"
    assert rows[2].rate > 0
