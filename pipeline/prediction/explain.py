"""Predictions with their reasons: for each record an array of shares, and a picture for each class.

A record is read a second time for this, which takes milliseconds where its explanation takes seconds, so that nothing
waits in memory.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.drawing.paper import PaperConfig
from ecg12.ecg.drawing.score_map import ScoreMap
from ecg12.ecg.errors import ConfigError, UnknownCodeError
from ecg12.ecg.labels.snomed import is_concept_id, lookup
from ecg12.ecg.scores.challenge_csv import Prediction
from ecg12.ecg.signals.recording import Recording
from ecg12.pipeline.compute.window_feeds import Windows, join_windows
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.pictures.plot import caption_of, read_stored, render
from ecg12.pipeline.prediction.explain_config import POSITIVE, TOP, ExplainConfig
from ecg12.pipeline.prediction.interface import Predictor
from ecg12.pipeline.prediction.output_folder import EXPLAINED, WORK
from ecg12.pipeline.prediction.score_maps import RecordMaps, explain_windows, knows
from ecg12.pipeline.recordings.find_recordings import FoundInput
from ecg12.pipeline.recordings.reader_registry import read_complete

FOLDER = EXPLAINED
"""Below the folder of the predictions."""
LAYOUT = "12x1"
"""Ten seconds of every lead: the other layouts show most leads for a part of the time."""


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """A recording, its windows, and where it is from; samples and rate are those before resampling."""

    recording: Recording
    windows: Windows
    n_samples: int
    fs: float
    source: str


def stored(store: Store, row: int, predictor: Predictor) -> Explained:
    """A record of a store."""
    windows = join_windows(list(predictor.cut_windows(store, np.array([row]), 64)))
    n_samples = int(store.column("record/n_samples_source")[row])
    fs = float(store.column("record/fs_source")[row])
    return Explained(read_stored(store, row), windows, n_samples, fs, str(store.datasets[row]))


def from_file(found: FoundInput, name: str, predictor: Predictor, told: InputConfig) -> Explained:
    """A recording of a file."""
    recording = read_complete(found, predictor.leads, told, name)
    windows = predictor.cut_recording(recording, 0)
    return Explained(recording, windows, recording.n_samples, recording.fs, found.source)


class Explainer:
    """Explains one prediction after another, into OUTPUT/explained.

    Parameters
    ----------
    predictor : its network is on `device`
    output : folder of the predictions
    model : what the model is called

    Attributes
    ----------
    n_explained, n_without : records that were explained, and those without any class to be explained

    Raises
    ------
    ConfigError, UnknownCodeError
        If a class that is asked for does not exist, or the model does not know it.
    """

    def __init__(
        self, predictor: Predictor, config: ExplainConfig, output: Path, device: torch.device, model: str
    ) -> None:
        self.predictor, self.config, self.device, self.model = predictor, config, device, model
        self.names = predictor.names
        predictor.network.requires_grad_(False)  # gradients are wanted of the input, not of the weights
        self.folder, self.work = output / FOLDER, output / WORK
        self.wanted = None if config.classes[0] in (POSITIVE, TOP) else _find_classes(config.classes, predictor)
        self.n_explained = self.n_without = 0

    def explain(self, prediction: Prediction, read: Callable[[], Explained]) -> None:
        """Write the shares of a record's scores, and their pictures."""
        columns = self._columns(prediction)
        if not columns:
            self.n_without += 1
            return
        given = read()
        names = [prediction.codes[column] for column in columns]
        maps = explain_windows(
            self.predictor,
            given.windows,
            names,
            self.device,
            n_samples=given.n_samples,
            fs=given.fs,
            n_steps=self.config.n_steps,
            max_windows=self.config.max_windows,
        )
        path = self.folder / f"{prediction.record_name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: Any = self._arrays(prediction, names, maps)
        self._write(path, lambda file: np.savez_compressed(file, **arrays))
        if self.config.form != "none":
            for row, column in enumerate(columns):
                self._draw(prediction, column, given, maps, row)
        self.n_explained += 1

    def read(self, name: str, store: Store | None, named: Mapping[str, FoundInput], told: InputConfig) -> Explained:
        """A recording that was predicted, from its file or from the store."""
        if name in named:
            return from_file(named[name], name, self.predictor, told)
        assert store is not None
        return stored(store, store.index_of(name), self.predictor)

    def _columns(self, prediction: Prediction) -> list[int]:
        """Columns to explain, the highest score first, equivalent classes with the same score once; any number."""
        if self.names.unit is not None:
            return list(range(len(prediction.codes)))
        order = sorted(range(len(prediction.codes)), key=lambda column: -prediction.scores[column])
        if self.wanted is not None:
            return [column for column in order if prediction.codes[column] in self.wanted]
        once: dict[tuple[str, float], int] = {}
        for column in order:
            once.setdefault((self.names.class_of(prediction.codes[column]), prediction.scores[column]), column)
        if self.config.classes[0] == TOP:
            return list(once.values())[:1]
        return [column for column in once.values() if prediction.labels[column]][: self.config.most_classes]

    def _arrays(self, prediction: Prediction, names: Sequence[str], maps: RecordMaps) -> Mapping[str, NDArray[Any]]:
        return {
            "attribution": maps.values,
            "classes": np.array(names),
            "abbreviations": np.array([self.names.abbreviation_of(name) for name in names]),
            "leads": np.array(self.predictor.leads),
            "fs": np.array(maps.fs),
            "score": maps.score,
            "score_without_signal": maps.silent,
            "gap": maps.gap,
            "n_windows": np.array(maps.n_windows),
            "n_explained_windows": np.array(maps.n_explained),
            "n_steps": np.array(maps.n_steps),
            "method": np.array("integrated gradients"),
            "record": np.array(prediction.record_name),
            "model": np.array(self.model),
        }

    def _draw(self, prediction: Prediction, column: int, given: Explained, maps: RecordMaps, row: int) -> None:
        name = prediction.codes[column]
        partly = f", {maps.n_explained} of {maps.n_windows} windows" if maps.n_explained < maps.n_windows else ""
        score_map = ScoreMap(
            name=self.names.name_of(name),
            values=maps.values[row],
            leads=self.predictor.leads,
            fs=maps.fs,
            score=prediction.scores[column],
            silent=float(maps.silent[row]),
            is_positive=prediction.labels[column] == 1 or self.names.unit is not None,
            unit=self.names.unit,
            method=f"integrated gradients, {maps.n_steps} steps{partly}",
        )
        caption = caption_of(given.recording, given.source, prediction, self.names, self.model)
        paper = PaperConfig(layout=LAYOUT, start_s=score_map.find_start(PaperConfig().seconds))
        content = render(
            given.recording, paper, caption, form=self.config.form, dpi=self.config.dpi, score_map=score_map
        )
        path = self.folder / f"{prediction.record_name}.{self._in_file_name(name)}.{self.config.form}"
        self._write(path, lambda file: file.write(content))

    def _in_file_name(self, code: str) -> str:
        """The abbreviation, or the code where another class has the same; what is no part of a name is replaced."""
        short = list(map(self.names.abbreviation_of, self.predictor.classes))
        own = self.names.abbreviation_of(code)
        return re.sub(r'[\\/:*?"<>|\s]', "_", own if short.count(own) == 1 else code)

    def _write(self, path: Path, fill: Callable[[Any], object]) -> None:
        """Write whole or not at all; until then it lies where what is unfinished is removed."""
        partial_path = self.work / "explained.partial"
        with partial_path.open("wb") as file:
            fill(file)
        partial_path.replace(path)


def _find_classes(wanted: Sequence[str], predictor: Predictor) -> frozenset[str]:
    """The predictor's columns that are meant, equivalent ones by one."""
    found, names = set(), predictor.names
    for text in wanted:
        if text in predictor.classes:
            found.add(text)
            continue
        column = names.find(text, predictor.classes) or _find_by_table(text, predictor)
        if column is None:
            raise ConfigError(
                f"explain: the model has no class {text}; expected some of "
                f"{', '.join(map(names.abbreviation_of, predictor.classes))}; paths of recordings stand before "
                "--explain"
            )
        found.add(column)
    unknown = [name for name in sorted(found) if not knows(predictor, name)]
    if unknown:
        raise ConfigError(
            f"explain: the model was not trained for {', '.join(unknown)}; expected classes that it knows"
        )
    return frozenset(found)


def _find_by_table(text: str, predictor: Predictor) -> str | None:
    """The column that stands for what the table of SNOMED's classes calls so; None where the model has none of it."""
    if not any(map(is_concept_id, predictor.classes)):
        return None
    try:
        code = predictor.names.class_of(lookup(text).code)
    except UnknownCodeError as error:
        raise UnknownCodeError(f"explain: {error}; paths of recordings stand before --explain") from None
    columns = [column for column in predictor.classes if predictor.names.class_of(column) == code]
    return code if code in columns else next(iter(columns), None)
