"""The benchmark of training: both configurations are what they are called, and rows say what was measured."""

from pathlib import Path

import pytest

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.bench import train as benchmark
from tests.conftest import TINY


def test_both_sides_are_timed_and_trained(simulated_store: Path) -> None:
    result = benchmark.run(
        simulated_store,
        pairs=2,
        epochs=1,
        figure="auroc",
        target=0.0,
        options={"n_total": 30, "batch_size": 8, "lr": 0.01},
        model_options=TINY | {"squeeze_excitation": True},
    )
    reference, default = result.steps
    assert (reference.name, reference.arithmetic, reference.ratio) == ("reference", "fp32 plain", 1.0)
    assert (default.name, default.arithmetic) == ("default", "fp32 flat")  # too small for bfloat16 to matter
    assert all(row.windows_per_second > 0 and row.processor_ms > 0 for row in result.steps)
    for row in result.scores:
        assert (row.epochs, row.best_epoch, row.epochs_to) == (1, 1, 1)
        assert 0 < row.seconds_to <= row.seconds


def test_a_score_that_is_not_reached(simulated_store: Path) -> None:
    result = benchmark.run(simulated_store, pairs=1, epochs=1, target=1.5, options={"n_total": 20}, model_options=TINY)
    assert [(row.epochs_to, row.seconds_to) for row in result.scores] == [(None, None)] * 2


def test_only_size_and_records_go_for_the_reference_too() -> None:
    assert benchmark._shared({"n_total": 5, "lr": 0.1, "augment": ("gain",)}) == {"n_total": 5}
    assert benchmark._shared({"kernel_size": 5, "patient": True}) == {"kernel_size": 5}


def test_a_nonsensical_option(simulated_store: Path) -> None:
    with pytest.raises(ConfigError, match="unknown"):
        benchmark.run(simulated_store, options={"speed": 3})
