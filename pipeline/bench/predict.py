"""Predicting: batched and read ahead, against one recording at a time; from a store, against the network alone.

All ways take turns in each round, and write the same files; the baseline is what the organisers' driver makes of a
model: read, cut, predict and write one recording, then the next, in float32.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.decisions.named_mappings import named_mapping
from ecg12.ecg.labels.snomed import SCORED_CLASSES, SCORED_CODES
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.scores.challenge_csv import Prediction, parse_prediction
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.pipeline.bench.row import Rounds
from ecg12.pipeline.compute.float_precision import Arithmetic
from ecg12.pipeline.compute.window_feeds import Windows
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.prediction.interface import Predictor
from ecg12.pipeline.prediction.output_files import PredictionFiles, RecordFacts
from ecg12.pipeline.prediction.output_folder import TABLE
from ecg12.pipeline.prediction.predict import make_predictor, predict
from ecg12.pipeline.prediction.predict_precision import set_precision
from ecg12.pipeline.prediction.stream import BATCH_WINDOWS
from ecg12.pipeline.recordings.find_recordings import FoundInput, find_inputs, name_inputs
from ecg12.pipeline.recordings.reader_registry import read_complete
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.runtime.workers import workers_for
from ecg12.pipeline.simulate import simulate

BASELINE = "one recording at a time"
FILES, STORE, NETWORK = "from files", "from a store", "the network alone"
CPU = torch.device("cpu")
PROGRAM = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class PredictRow(Rounds):
    """One way to predict: what, in which precision, and for each round its seconds and its processor's."""

    what: str
    precision: str
    n_records: int
    seconds: list[float] = field(default_factory=list)
    processor_s: list[float] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Recordings a second, of each round."""
        return [self.n_records / seconds for seconds in self.seconds]

    @property
    def processor_ms(self) -> float:
        """Of the processor for a recording, in the best round."""
        return 1000 * min(self.processor_s) / self.n_records


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictBench:
    """What was measured.

    Attributes
    ----------
    rows : ways to predict
    largest_change, n_changed, n_labels : of scores by bfloat16, and of how many labels
    cold_start_s : a single recording, from the start of the program to its CSV, in each round
    trained : whether the model was a trained one
    """

    rows: tuple[PredictRow, ...]
    largest_change: float
    n_changed: int
    n_labels: int
    cold_start_s: tuple[float, ...]
    trained: bool

    def row(self, what: str, precision: str) -> PredictRow:
        """The row of this way."""
        return next(row for row in self.rows if (row.what, row.precision) == (what, precision))


def run(
    *,
    n_records: int = 512,
    rounds: int = 3,
    model: Path | None = None,
    folder: Path | None = None,
    progress: Progress = silent,
) -> PredictBench:
    """Measure.

    Parameters
    ----------
    n_records : simulated, of ten seconds
    rounds : of all ways in turn
    model : run folder; None for an untrained network of the default size
    folder : keeps the simulated records and their store for the next run; None for a temporary one
    """
    with _scratch(folder) as scratch:
        records, store = _make_records(scratch, n_records)
        run_folder = model or write_untrained(scratch / "untrained")
        out = scratch / "out"
        shutil.rmtree(out, ignore_errors=True)
        ways = _ways(records, store, run_folder)
        with progress("bench predict", rounds * len(ways), "ways") as task:
            rows = [PredictRow(what, precision, n_records) for what, precision in ways]
            for number in range(rounds):
                for row, way in zip(rows, ways.values(), strict=True):
                    # not where files were just deleted: ext4 takes three times as long to make new ones there
                    folder = _output_of(out, number, row.what, row.precision)
                    processor, begun = time.process_time(), time.perf_counter()
                    way(folder)
                    row.seconds.append(time.perf_counter() - begun)
                    row.processor_s.append(time.process_time() - processor)
                    task.advance()
        single = next(iter(sorted(records.rglob("*.hea"))))
        cold = tuple(_cold_start(single, run_folder, scratch / f"cold{number}") for number in range(rounds))
        compared = (_output_of(out, 0, BASELINE, "fp32"), _output_of(out, 0, FILES, "bf16"))
        change, n_changed, n_labels = _compare(*compared)
    return PredictBench(
        rows=tuple(rows),
        largest_change=change,
        n_changed=n_changed,
        n_labels=n_labels,
        cold_start_s=cold,
        trained=model is not None,
    )


def _output_of(out: Path, number: int, what: str, precision: str) -> Path:
    """Where one way predicts to, in one round."""
    return out / f"round{number}" / f"{what} {precision}"


def write_untrained(folder: Path, model: ModelConfig | None = None) -> Path:
    """A run folder whose network has never learned anything: it takes as long as any other."""
    config = TrainConfig(model=model or ModelConfig())
    mapping = named_mapping("sigmoid")
    folder.mkdir(parents=True, exist_ok=True)
    values = {key: value for key, value in config.to_dict().items() if key != "model"}
    files.write_json(folder / files.CONFIG, {"train": values, "model": config.model.to_dict()})
    files.write_targets(folder, mapping, np.ones(mapping.n_outputs), SCORED_CODES, named_task(CHALLENGE_2020))
    files.write_thresholds(folder, SCORED_CLASSES, np.full(len(SCORED_CLASSES), 0.5))
    torch.manual_seed(1)
    network = build_model(config.model, mapping.n_outputs)
    files.save_checkpoint(folder / files.MODEL, {"epoch": 0, "model": network.state_dict()})
    return folder


@contextmanager
def _scratch(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    else:
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)


def _make_records(scratch: Path, n_records: int) -> tuple[Path, Path]:
    """Simulated records of ten seconds, and their store."""
    records, store = scratch / f"records{n_records}", scratch / f"records{n_records}.zarr"
    if not store.exists():
        shutil.rmtree(records, ignore_errors=True)
        simulate(records, n_records, seed=8, max_duration_s=10)
        build_cache([records], store, StoreConfig())
    return records, store


def _ways(records: Path, store: Path, model: Path) -> dict[tuple[str, str], Callable[[Path], object]]:
    """What to call with an output folder for each way, by what it is and its precision."""
    told = InputConfig(keep_flat=True)
    named = list(name_inputs(find_inputs([records], told)))
    predictor, opened = make_predictor(model), Store(store)
    batches = list(predictor.cut_windows(opened, np.arange(opened.n_records), BATCH_WINDOWS))
    alone = make_predictor(model)  # its network takes another form than the baseline's
    ways: dict[tuple[str, str], Callable[[Path], object]] = {}
    ways[BASELINE, "fp32"] = partial(_one_at_a_time, named, predictor, told)
    for precision in ("fp32", "bf16"):
        for what, given in ((FILES, records), (STORE, store)):
            ways[what, precision] = partial(_predict, given, model, told, precision)
        ways[NETWORK, precision] = partial(_alone, alone, batches, precision)
    return ways


def _predict(given: Path, model: Path, told: InputConfig, precision: str, output: Path) -> None:
    predict([given], output, model, told=told, precision=precision)


def _alone(predictor: Predictor, batches: Sequence[Windows], precision: str, _output: Path) -> None:
    set_precision(predictor, precision, CPU)
    with workers_for(CPU) as workers:
        predictor.predict(iter(batches), CPU, workers)


def _one_at_a_time(
    named: Sequence[tuple[str, FoundInput]], predictor: Predictor, told: InputConfig, output: Path
) -> None:
    Arithmetic(precision="fp32", kernels="plain").apply(predictor.network)
    output.mkdir(parents=True, exist_ok=True)
    with PredictionFiles(output, predictor.thresholds, names=predictor.names) as writer:
        for name, found in named:
            recording = read_complete(found, predictor.leads, told, name)
            decided = predictor.predict([predictor.cut_recording(recording, 0)], CPU)
            labels, scores = tuple(map(int, decided.labels[0])), tuple(map(float, decided.scores[0]))
            prediction = Prediction(record_name=name, codes=predictor.classes, labels=labels, scores=scores)
            facts = RecordFacts(
                record=name,
                source=found.source,
                file=found.relative,
                fs=recording.fs,
                duration_s=recording.duration_s,
            )
            writer.write(prediction, facts)
        writer.finish(())


def _cold_start(record: Path, model: Path, output: Path) -> float:
    """Seconds from starting the program to the end of it, when the record's CSV is there."""
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "ecg12", "predict", str(record)]
    environment = os.environ | {"PYTHONPATH": str(PROGRAM)}
    begun = time.perf_counter()
    subprocess.run(
        [*command, "--model", str(model), "--output", str(output)], env=environment, check=True, capture_output=True
    )
    seconds = time.perf_counter() - begun
    assert (output / f"{record.stem}.csv").is_file()
    return seconds


def _compare(reference: Path, other: Path) -> tuple[float, int, int]:
    """The largest difference of a score, how many labels differ, and of how many."""
    largest, n_changed, n_labels = 0.0, 0, 0
    for path in reference.rglob("*.csv"):
        if path.name != TABLE:
            one, two = (
                parse_prediction(file.read_text(encoding="utf-8"), strict=True)
                for file in (path, other / path.relative_to(reference))
            )
            largest = max(largest, float(np.abs(np.subtract(one.scores, two.scores)).max()))
            n_changed += int(np.not_equal(one.labels, two.labels).sum())
            n_labels += len(one.labels)
    return largest, n_changed, n_labels
