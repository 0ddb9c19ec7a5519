"""Predictions by a model of any task, from a store or straight from recordings of any kind of file."""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ecg12.cache.schema import Reject
from ecg12.cache.storage.location import Location
from ecg12.ecg.errors import ConfigError, EcgError, InputError
from ecg12.ecg.scores.challenge_csv import Prediction
from ecg12.ecg.tasks.class_names import ClassNames
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.prediction.ensemble import load_ensemble
from ecg12.pipeline.prediction.explain_config import ExplainConfig
from ecg12.pipeline.prediction.given_inputs import check_names, predict_all
from ecg12.pipeline.prediction.interface import Predictor
from ecg12.pipeline.prediction.output_files import PredictionFiles, RecordFacts
from ecg12.pipeline.prediction.output_folder import PredictionFolder, held_output
from ecg12.pipeline.prediction.predict_precision import set_precision
from ecg12.pipeline.prediction.store_match import open_fitting
from ecg12.pipeline.recordings.find_recordings import find_inputs, name_inputs
from ecg12.pipeline.recordings.remote_recordings import brought
from ecg12.pipeline.recordings.set_aside import NotLookedAt
from ecg12.pipeline.recordings.tarballs import unpacked
from ecg12.pipeline.runtime.allocator import keep_features
from ecg12.pipeline.runtime.device import choose_device
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.runtime.record_fence import FENCED, reason_of
from ecg12.pipeline.runtime.scratch import is_no_room
from ecg12.pipeline.runtime.workers import workers_for

if TYPE_CHECKING:
    from ecg12.pipeline.prediction.explain import Explainer


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictSummary:
    """What was predicted: `rejects` names every record that was not, `doubts` those that were, but look wrong.

    `notes` names those that were taken otherwise than their files say, and how; `aside` are files in the inputs that
    are no recordings or not of a kind that is read.

    `n_explained` records were explained, and `n_unexplained` had no class to be explained. `only` is the prediction of
    a single record, whose columns `names` names.
    """

    output: Path
    model: str
    n_records: int
    rejects: tuple[Reject, ...]
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    aside: tuple[NotLookedAt, ...] = ()
    n_explained: int = 0
    n_unexplained: int = 0
    only: Prediction | None = None
    names: ClassNames = field(default_factory=ClassNames)


def predict(
    inputs: Sequence[Location],
    output: Path,
    model: Path | Sequence[Path],
    *,
    average: str | None = None,
    gain: float = 1.0,
    told: InputConfig | None = None,
    json_path: Path | None = None,
    table: bool = True,
    precision: str = "fp32",
    explain: ExplainConfig | None = None,
    plugins: Sequence[str] = (),
    cuda: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> PredictSummary:
    """Write one Challenge CSV for each record, and `predictions.csv` with all of them.

    A model that tells a number leaves `predictions.csv` alone, with the number and its unit.

    Parameters
    ----------
    inputs : stores, folders of recordings, tarballs of such, or single recordings; several stores are read as one
    output : folder for NAME.csv; made if it is not there
    model : run folder, ours or the reference system's; several, or a folder of such, predict as one
    average : how several models do: their "logits" or their "scores"; None chooses, see `pipeline.prediction.ensemble`
    gain : what every sample is multiplied by, in float after reading, to see whether it matters
    told : what files do not say themselves
    json_path : where to write the same as JSON; None for nowhere
    table : write `predictions.csv`, beside one file a record
    precision : of the arithmetic, see `pipeline.prediction.predict_precision`
    explain : what to explain of each prediction, into the folder `explained` below `output`; None for nothing
    plugins : modules, or import paths, of code from outside that a model may need, see `pipeline.plugins.consent`
    force : write into a folder that holds predictions already, which go; see `pipeline.prediction.output_folder`

    Raises
    ------
    InputError
        If there is nothing to predict on, `output` holds CSV files, cannot be written or is another process's, a
        store and a folder hold records of one name, or `json_path` would take an input's or a prediction's place.
    RunFolderError, PluginError
        If the model cannot be loaded.
    ConfigError
        If nothing but stores is given, and the leads or sampling frequency of none are the model's (beside others, such
        a store's records are skipped); several stores or models do not go together; or a class that is to be explained
        is none of the model's.
    """
    if explain is not None and gain != 1:
        raise ConfigError(f"explain: samples are multiplied by {gain:g}; expected recordings as they are")
    if json_path is not None:
        _check_json(json_path, inputs, output)
    with held_output(output, force=force) as held:
        return _predict(
            inputs,
            held,
            [model] if isinstance(model, Path) else list(model),
            average=average,
            gain=gain,
            told=told or InputConfig(),
            json_path=json_path,
            table=table,
            precision=precision,
            explain=explain,
            plugins=plugins,
            cuda=cuda,
            progress=progress,
        )


def _check_json(json_path: Path, inputs: Sequence[Location], output: Path) -> None:
    """Refuse a JSON that would be written over an input, or over what else is written."""
    real = Path(os.path.realpath(json_path))
    if any(isinstance(path, Path) and Path(os.path.realpath(path)) == real for path in inputs):
        raise InputError(f"{json_path}: is an input; expected another name for the JSON")
    if real.suffix.lower() == ".csv" and real.is_relative_to(os.path.realpath(output)):
        raise InputError(f"{json_path}: is named as a prediction in {output}; expected a name that ends in .json")


def _predict(
    inputs: Sequence[Location],
    held: PredictionFolder,
    models: Sequence[Path],
    *,
    average: str | None,
    gain: float,
    told: InputConfig,
    json_path: Path | None,
    table: bool,
    precision: str,
    explain: ExplainConfig | None,
    plugins: Sequence[str],
    cuda: bool,
    progress: Progress,
) -> PredictSummary:
    output = held.output
    keep_features()
    device = choose_device(cuda=cuda)
    predictor = make_predictor(models, average=average, plugins=plugins)
    predictor.network.to(device)
    set_precision(predictor, precision, device)
    explainer = None if explain is None else _make_explainer(predictor, explain, output, device, name_models(models))
    paths = [path for path in inputs if (path / "zarr.json").exists()]
    rejects: list[Reject] = []
    store = open_fitting(paths, predictor, rejects, alone=len(paths) == len(inputs))
    with (
        brought([path for path in inputs if path not in paths], held.work) as local,
        unpacked(local, held.work) as folders,
    ):
        aside: list[NotLookedAt] = []
        named = dict(name_inputs(find_inputs(folders, told, aside))) if folders else {}
        check_names(store, named)
        doubts: list[str] = []
        notes: list[str] = []
        only: Prediction | None = None
        n_records = (store.n_records if store else 0) + len(named)
        writer = PredictionFiles(
            output,
            predictor.thresholds,
            json_path,
            names=predictor.names,
            model=name_models(models),
            table=table,
            held=held,
        )
        # explanations take nearly all of the time, and all of torch's threads
        helping = workers_for(device) if explainer is None else nullcontext()
        with writer, progress("predict", n_records, "records") as task, helping as workers:
            for prediction, facts in predict_all(store, named, predictor, told, device, rejects, task, gain, workers):
                task.advance()
                try:
                    writer.write(prediction, facts)
                except EcgError as error:
                    rejects.append(_reject(facts, "write", error))
                    continue
                only = prediction if n_records == 1 else None
                if explainer is not None:
                    name = prediction.record_name
                    try:
                        explainer.explain(prediction, partial(explainer.read, name, store, named, told))
                    except FENCED as error:
                        if is_no_room(error):
                            raise
                        rejects.append(_reject(facts, "explain", error))
                if "expected" in facts.quality:
                    doubts.append(f"{facts.record}: {facts.quality}")
                notes.extend(f"{facts.record}: {note}" for note in facts.notes)
            writer.finish(rejects, aside)
    return PredictSummary(
        output=output,
        model=name_models(models),
        n_records=writer.n_written,
        rejects=tuple(rejects),
        doubts=tuple(doubts),
        notes=tuple(notes),
        aside=tuple(aside),
        n_explained=0 if explainer is None else explainer.n_explained,
        n_unexplained=0 if explainer is None else explainer.n_without,
        only=only,
        names=predictor.names,
    )


def _make_explainer(
    predictor: Predictor, config: ExplainConfig, output: Path, device: torch.device, model: str
) -> "Explainer":
    from ecg12.pipeline.prediction.explain import Explainer  # only here: matplotlib takes a while to import

    return Explainer(predictor, config, output, device, model)


def make_predictor(
    models: Path | Sequence[Path], *, average: str | None = None, plugins: Sequence[str] = ()
) -> Predictor:
    """The model in a run folder, ours or the reference system's, or several as one, ready to predict.

    For `plugins` see `predict`.

    Raises
    ------
    RunFolderError, PluginError
        If one cannot be loaded.
    ConfigError
        If they cannot be averaged as asked.
    """
    return load_ensemble([models] if isinstance(models, Path) else models, average=average, plugins=plugins)


def name_models(models: Sequence[Path]) -> str:
    """What to call one model, or several, in a line of text."""
    return ", ".join(map(str, models))


def _reject(facts: RecordFacts, stage: str, error: BaseException) -> Reject:
    return Reject(dataset=facts.source, record=facts.record, stage=stage, reason=reason_of(error))
