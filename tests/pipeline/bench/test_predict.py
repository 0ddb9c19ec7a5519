"""The benchmark of prediction does what it says it times; what it measures is not tested."""

from pathlib import Path

import pytest

from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.scores.challenge_csv import parse_prediction
from ecg12.pipeline.bench import predict as benchmark
from tests.conftest import TINY


def test_every_way_predicts_every_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "_cold_start", lambda record, model, output: 1.5)
    model = benchmark.write_untrained(tmp_path / "model", ModelConfig(**TINY))
    result = benchmark.run(n_records=12, rounds=2, model=model, folder=tmp_path / "kept")
    assert [(row.what, row.precision) for row in result.rows] == [
        (benchmark.BASELINE, "fp32"),
        *((what, p) for p in ("fp32", "bf16") for what in (benchmark.FILES, benchmark.STORE, benchmark.NETWORK)),
    ]
    for row in result.rows:
        assert (len(row.seconds), row.n_records) == (2, 12)
        if row.what != benchmark.NETWORK:
            for number in range(2):
                folder = tmp_path / "kept" / "out" / f"round{number}" / f"{row.what} {row.precision}"
                written = [path for path in folder.rglob("*.csv") if path.name != "predictions.csv"]
                assert len(written) == 12
                assert len(parse_prediction(written[0].read_text(), strict=True).codes) == 27
    assert result.n_labels == 12 * 27
    assert 0 <= result.largest_change < 0.01
    assert result.cold_start_s == (1.5, 1.5)
    assert result.trained


def test_the_same_predictions_are_no_change(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("#a\n1,2\n0,1\n0.25,0.5\n")
    assert benchmark._compare(tmp_path, tmp_path) == (0.0, 0, 2)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.csv").write_text("#a\n1,2\n1,1\n0.5,0.5\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a.csv").rename(tmp_path / "a" / "a.csv")
    assert benchmark._compare(tmp_path / "a", tmp_path / "b") == (0.25, 1, 2)
