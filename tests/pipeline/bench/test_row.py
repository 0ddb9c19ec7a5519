"""What all lines of a benchmark's table have in common."""

import pytest

from ecg12.pipeline.bench.predict import PredictRow
from ecg12.pipeline.bench.remote import RemoteRow
from ecg12.pipeline.bench.row import Rounds


@pytest.mark.parametrize(
    "row",
    [RemoteRow(what="x", rates=[1.0, 5.0, 2.0]), PredictRow("x", "float32", 10, [10.0, 2.0, 5.0])],
    ids=["by rate", "by time"],
)
def test_the_best_round_and_the_median(row: Rounds) -> None:
    assert list(row.rates) == [1, 5, 2]
    assert (row.best, row.median) == (5, 2)
