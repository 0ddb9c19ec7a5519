import os

import pytest

from ecg12.cache.storage.location import RemotePath
from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.bench import remote, s3_loopback
from ecg12.pipeline.bench.s3_loopback import BUCKET, s3_server


def test_the_bench_streams_what_it_sent(simulated_store, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "open_store", lambda folder, n_records, progress: (simulated_store, []))
    monkeypatch.setattr(remote, "keep_freed_memory", lambda: None)
    before = dict(os.environ)
    result = remote.run(n_records=600, connections=3, delay_s=0.001, folder=tmp_path / "new", rounds=2)
    assert dict(os.environ) == before
    assert [row.what for row in result.rows] == [remote.LOCAL, remote.REMOTE, remote.SERVER]
    assert all(len(row.rates) == 2 and row.best >= row.median > 0 for row in result.rows)
    assert result.n_bytes == sum(file.stat().st_size for file in (simulated_store / "signal" / "c").rglob("*/*"))
    assert result.n_chunks == 2
    assert result.row(remote.REMOTE).what == remote.REMOTE


def test_without_moto_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(s3_loopback, "find_spec", lambda name: None if name == "moto" else name)
    with pytest.raises(ConfigError, match=r"moto: not installed; pip install -r requirements-dev.txt"), s3_server(0):
        pass


def test_a_server_that_does_not_answer_with_a_chunk_is_no_measure():
    with s3_server(0) as url, pytest.raises(remote.RemoteError, match=r"status 404 for chunk 0; expected 200"):
        remote._fetch_all(url, RemotePath(f"s3://{BUCKET}/none"), 2, 1)
