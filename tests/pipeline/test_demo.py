"""The demonstration: the whole job, small."""

from pathlib import Path

import pytest

from ecg12.ecg.errors import InputError
from ecg12.pipeline.demo import is_held_out, run_demo
from ecg12.pipeline.simulate import simulate
from tests.conftest import TINY


def test_the_whole_job_runs_and_says_where_everything_is(tmp_path: Path) -> None:
    said: list[str] = []
    rows: list[object] = []
    output = tmp_path / "demo"
    options = {"epochs": 2, "max_windows_per_record": 1}

    def go(**more) -> object:
        return run_demo(
            output, n_records=60, train_options=options, model_options=TINY, say=said.append, report=rows.append, **more
        )

    summary = go()
    assert [line.split()[0] for line in said] == ["Simulate", "Build", "Verify", "Train", "Predict", "Score"]
    assert len(rows) == 2
    for path in (summary.corpus, summary.held_out, summary.store, summary.run, summary.predictions, summary.scores):
        assert path.exists()
    held_out = {path.stem for path in summary.held_out.rglob("*.hea")}
    assert held_out | {"predictions"} == {path.stem for path in summary.predictions.glob("*.csv")}
    assert not held_out & {path.stem for path in summary.corpus.rglob("*.hea")}
    assert summary.evaluation.n_records == len(held_out) > 0
    assert set(summary.seconds) == {"simulate", "build-cache", "verify", "train", "predict", "evaluate"}
    with pytest.raises(InputError, match="holds an earlier demo; choose another --output, or --force"):
        go()
    go(force=True)


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="holds something else than a demo; choose another --output"):
        run_demo(tmp_path, force=True)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_held_out_patients_are_about_a_fifth(tmp_path: Path) -> None:
    assert 150 < sum(is_held_out(f"p{number}") for number in range(1000)) < 250
    assert simulate(tmp_path / "x", 40, seed=1, max_duration_s=5, keep=is_held_out).n_records < 20
