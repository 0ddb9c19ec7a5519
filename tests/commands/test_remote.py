"""URLs at the door: they reach the pipeline as they are, and the whole job runs behind one."""

from pathlib import Path

import pytest

from ecg12.cache.schema import StoreConfig
from ecg12.cache.storage.location import RemotePath, in_parallel
from ecg12.commands.shared.progress import Bar
from ecg12.ecg.scores.challenge_csv import parse_prediction
from ecg12.pipeline.bench import remote as bench
from ecg12.pipeline.bench.remote import RemoteBench, RemoteRow
from tests.cache.small_store import contents, write_store
from tests.commands.test_cli import invoke, kwargs_of
from tests.records import write_corpus
from tests.s3_server import SECRET, Fault


def test_build_cache_with_urls() -> None:
    args, _ = kwargs_of(
        "pipeline.ingest.build_cache.build_cache",
        "build-cache",
        "memory://b//in/",
        "here",
        "--output",
        "memory://b/ecg.zarr",
    )
    assert args == ((RemotePath("memory://b/in"), Path("here")), RemotePath("memory://b/ecg.zarr"), StoreConfig())


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("pipeline.ingest.describe_store.describe_store", "inspect"),
        ("pipeline.training.train.train", "train"),
        ("pipeline.prediction.predict.predict", "predict --model run"),
        ("cache.verify.verify_stores", "verify"),
    ],
)
def test_other_commands_with_urls(target: str, command: str, in_memory: RemotePath, tmp_path: Path) -> None:
    for place in (in_memory, tmp_path / "s.zarr"):
        write_store(place)
    args, kwargs = kwargs_of(target, *command.split(), "memory://place", tmp_path / "s.zarr")
    stores = args[0] if args else next(iter(kwargs.values()))
    assert tuple(stores) == (in_memory, tmp_path / "s.zarr")


def test_what_is_wrong_with_a_url_is_one_line(s3) -> None:
    for words, message in (
        (("inspect", "nope://x"), "nope://: no such protocol"),
        (("inspect", f"s3://KEY:{SECRET}@bucket/x"), "a URL with credentials in it"),
        (("inspect", "s3://bucket/none"), "s3://bucket/none: no store there; make one with build-cache"),
        (("inspect", "s3://no-such-bucket/x"), "s3://no-such-bucket/x: no store there"),
        (("build-cache", "s3://bucket/none", "--output", "s3://bucket/x"), "s3://bucket/none: no WFDB record there"),
        (("build-cache", "memory://x", "--output", "x", "--workers", "2"), "memory://x: is in the memory of this"),
    ):
        result = invoke(*words)
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")
        assert message in result.output
        assert len(result.output.splitlines()) == 1
        assert SECRET not in result.output
    s3.faults = [Fault(kind="403", times=99)]
    result = invoke("verify", "s3://bucket/x")
    assert "Error: s3://bucket/x/zarr.json: cannot be read: access denied" in result.output


def send(files: dict[str, bytes], place: RemotePath) -> None:
    in_parallel(lambda name: (place / name).write_bytes(files[name]), files)


def test_the_whole_job_behind_a_url(s3, simulated_store: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path / "data")
    send(contents(tmp_path / "data"), RemotePath("s3://bucket/data"))
    built = invoke("build-cache", "s3://bucket/data", "--output", "s3://bucket/small.zarr", "--workers", 1)
    assert built.exit_code == 0, built.output
    assert "s3://bucket/small.zarr: 12 leads at 400 Hz" in built.output
    assert "s3://bucket/small.zarr is complete already" in invoke(
        "build-cache", "s3://bucket/data", "--output", "s3://bucket/small.zarr", "--workers", 1
    ).output  # fmt: skip
    send(contents(simulated_store), RemotePath("s3://bucket/ecg.zarr"))
    assert "as written" in invoke("verify", "s3://bucket/ecg.zarr").output
    assert "s3://bucket/ecg.zarr: 12 leads at 400 Hz" in invoke("inspect", "s3://bucket/ecg.zarr").output
    small = "--net-filter-size 4,6 --net-seq-length 256,16 --epochs 1 --seed 5 --residency stream".split()
    trained = invoke("train", "s3://bucket/ecg.zarr", "--folder", tmp_path / "run", *small)
    assert trained.exit_code == 0, trained.output
    here = invoke("train", simulated_store, "--folder", tmp_path / "here", *small)
    assert here.exit_code == 0, here.output
    same = [(tmp_path / run / "thresholds.json").read_text() for run in ("run", "here")]
    assert same[0] == same[1]
    for given, output in (("s3://bucket/small.zarr", "store"), ("s3://bucket/data", "records")):
        predicted = invoke("predict", given, "--model", tmp_path / "run", "--output", tmp_path / output)
        assert predicted.exit_code == 0, predicted.output
    scored = invoke("evaluate", "s3://bucket/small.zarr", tmp_path / "store")
    assert scored.exit_code == 0, scored.output
    assert "7 records" in scored.output
    names = sorted(file.name for file in (tmp_path / "store").glob("[AEIX]*.csv"))
    assert len(names) == 7
    assert names == sorted(file.name for file in (tmp_path / "records").glob("[AEIX]*.csv"))
    assert not [entry for entry in (tmp_path / "records").iterdir() if entry.name.startswith(".")]
    one = invoke("predict", "s3://bucket/data/ward/X", "--model", tmp_path / "run", "--output", tmp_path / "one")
    assert one.exit_code == 0, one.output
    alone, among = (parse_prediction((tmp_path / way / "X.csv").read_text()) for way in ("one", "records"))
    assert alone.scores == pytest.approx(among.scores, abs=1e-5)  # batches of another size round otherwise


def test_bench_remote(monkeypatch: pytest.MonkeyPatch) -> None:
    args, kwargs = kwargs_of("pipeline.bench.remote.run", "bench", "remote", "--delay-ms", 20, "--connections", 2)
    assert args == ()
    assert kwargs == {
        "n_records": 4000, "connections": 2, "delay_s": 0.02, "folder": None, "rounds": 5, "progress": Bar
    }  # fmt: skip
    rows = tuple(
        RemoteRow(what=what, rates=[rate, rate / 2, rate / 4])
        for what, rate in ((bench.LOCAL, 4000.0), (bench.REMOTE, 3000.0), (bench.SERVER, 3500.0))
    )
    result = RemoteBench(rows=rows, n_bytes=3_000_000, n_chunks=3, open_s=0.5, first_batch_s=0.25)
    monkeypatch.setattr(bench, "run", lambda **options: result)
    output = invoke("bench", "remote").output
    assert "stream, s3" in output
    assert "0.750" in output
    assert "3 chunks, 3.0 MB; 4 requests at once, 50 ms each; opened in 0.50 s" in output
