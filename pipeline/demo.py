"""The whole job on simulated records: corpus → store → verify → train → predict → evaluate.

The held-out records belong to patients that the training never sees, not even for its validation.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ecg12.cache.schema import StoreConfig
from ecg12.cache.verify import verify_store
from ecg12.ecg.errors import InputError, StoreError
from ecg12.pipeline.evaluation.evaluate import EvaluateSummary, evaluate
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.ingest.build_cache import BuildSummary, build_cache
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.simulate import PATIENTS, simulate
from ecg12.pipeline.training.train import train

MARKER = ".ecg12-demo"
TRAIN_OPTIONS: Mapping[str, float | int] = {"epochs": 12, "valid_split": 0.15, "max_windows_per_record": 3, "lr": 4e-3}
MODEL_OPTIONS: Mapping[str, float | tuple[int, ...]] = {
    "net_filter_size": (24, 32, 48, 64),
    "net_seq_length": (1024, 256, 64, 16),
    "dropout_rate": 0.1,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoSummary:
    """Where everything is, and the held-out scores; `seconds` by step."""

    corpus: Path
    held_out: Path
    store: Path
    run: Path
    predictions: Path
    scores: Path
    build: BuildSummary
    evaluation: EvaluateSummary
    seconds: Mapping[str, float]


def is_held_out(patient_id: str) -> bool:
    """One patient in five, by a hash of the id."""
    return hashlib.sha256(patient_id.encode()).digest()[0] % 5 == 0


def run_demo(
    output: Path,
    *,
    n_records: int = 1500,
    seed: int = 2020,
    workers: int = 1,
    force: bool = False,
    train_options: Mapping[str, float | int] = TRAIN_OPTIONS,
    model_options: Mapping[str, float | tuple[int, ...]] = MODEL_OPTIONS,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
) -> DemoSummary:
    """Run the main job in `output`.

    Parameters
    ----------
    n_records : simulated records, a fifth of them held out
    force : delete what an earlier demo left there
    say : told what each step is
    report : told each epoch's figures

    Raises
    ------
    InputError
        If `output` holds anything else than an earlier demo, or that and not `force`.
    StoreError
        If the store does not verify.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        if not (output / MARKER).is_file():
            raise InputError(f"{output}: holds something else than a demo; choose another --output")
        if not force:
            raise InputError(f"{output}: holds an earlier demo; choose another --output, or --force to replace it")
        shutil.rmtree(output)
    output.mkdir(parents=True, exist_ok=True)
    (output / MARKER).touch()
    corpus, held_out, store = output / "corpus", output / "held_out", output / "ecg.zarr"
    run, predictions, scores = output / "run", output / "predictions", output / "scores.csv"
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def step(name: str, text: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        if seconds:
            seconds[next(reversed(seconds))] = now - clock
        seconds[name] = 0.0
        clock = now
        say(text)

    step("simulate", f"Simulate {n_records:,} records of the six datasets; one patient in five is held out")
    simulate(corpus, n_records, seed=seed, keep=lambda patient: not is_held_out(patient), progress=progress)
    simulate(held_out, n_records, seed=seed, keep=is_held_out, progress=progress)
    step("build-cache", f"Build the store {store} from {corpus}")
    build = build_cache(
        [corpus], store, StoreConfig(), workers=workers, patients=[corpus / PATIENTS], progress=progress
    )
    step("verify", "Verify every chunk and table")
    with progress("verify", build.description.n_chunks, "chunks") as task:
        problems = verify_store(store, workers=workers, advance=task.advance)
    if problems:
        raise StoreError(problems[0])
    step("train", "Train a small ResNet1d")
    train(store, folder=run, options=train_options, model_options=model_options, progress=progress, report=report)
    step("predict", f"Predict the held-out records in {held_out}")
    predict([held_out], predictions, run, told=InputConfig(keep_flat=True), progress=progress)
    step("evaluate", "Score the predictions")
    evaluation = evaluate(held_out, predictions, scores, progress=progress)
    seconds["evaluate"] = time.perf_counter() - clock
    return DemoSummary(
        corpus=corpus,
        held_out=held_out,
        store=store,
        run=run,
        predictions=predictions,
        scores=scores,
        build=build,
        evaluation=evaluation,
        seconds=seconds,
    )
