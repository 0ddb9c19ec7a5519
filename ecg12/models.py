"""Trained models: loaded from run folders, asked about recordings of any kind."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from ecg12.cache.reader import Store as HeldStore
from ecg12.cache.schema import Reject
from ecg12.cache.storage.location import Location
from ecg12.ecg.errors import ConfigError, InputError, SignalError
from ecg12.ecg.scores.challenge_csv import Prediction
from ecg12.ecg.signals.recording import Recording as Held
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.prediction.given_inputs import check_names, predict_all
from ecg12.pipeline.prediction.interface import Predictor
from ecg12.pipeline.prediction.output_files import RecordFacts
from ecg12.pipeline.prediction.predict import make_predictor
from ecg12.pipeline.prediction.predict_precision import set_precision
from ecg12.pipeline.prediction.store_match import open_fitting
from ecg12.pipeline.prediction.stream import Predicted
from ecg12.pipeline.recordings.find_recordings import FoundInput, find_inputs, name_inputs
from ecg12.pipeline.recordings.remote_recordings import brought
from ecg12.pipeline.recordings.tarballs import unpacked
from ecg12.pipeline.runtime.device import choose_device
from ecg12.pipeline.runtime.progress import silent
from ecg12.pipeline.runtime.record_fence import name_reason
from ecg12.pipeline.runtime.workers import workers_for
from ecg12.places import PathLike, Paths, to_folder, to_places
from ecg12.predictions import Predictions, join_predictions
from ecg12.recordings import Recording
from ecg12.stores import Store

Given: TypeAlias = Recording | NDArray | PathLike
"""One recording: in memory, as an array, or by its path."""

ON_ERROR = ("raise", "reject")

Found = tuple[str, Prediction, RecordFacts]


class Model:
    """A model ready to predict, or several that predict as one; `load_model` makes it.

    Attributes
    ----------
    folders : it was loaded from
    classes : codes of the columns of its predictions, as its task has them
    class_names : the same in words
    thresholds : above which score each class's label is 1; None where another rule decides
    leads : that it is fed, in order
    """

    def __init__(self, predictor: Predictor, folders: Sequence[str], device: torch.device) -> None:
        self._predictor, self._device = predictor, device
        self.folders = tuple(folders)
        self.classes: tuple[str, ...] = predictor.classes
        self.class_names: tuple[str, ...] = tuple(map(predictor.names.name_of, predictor.classes))
        self.thresholds: tuple[float | None, ...] = predictor.thresholds
        self.leads: tuple[str, ...] = predictor.leads

    def __repr__(self) -> str:
        return f"Model({', '.join(self.folders)!r}, {len(self.classes)} classes)"

    def predict(
        self,
        given: "Store | Given | Sequence[Given]",
        *,
        fs: float | None = None,
        leads: Sequence[str] | None = None,
        units: str | None = None,
        missing_leads: str = "error",
        keep_flat: bool = False,
        bad_checksum: str = "reject",
        on_error: str = "raise",
    ) -> Predictions:
        """Labels and scores, equal to those that the command `predict` writes of the same.

        Parameters
        ----------
        given : a `Store`; paths as the command takes them (stores, folders, tarballs, recordings of any kind); or
            recordings in memory: `Recording`s, of a store among them, and arrays of numbers of shape (lead, sample).
            One, or a list of them; an array of three axes is a list of recordings
        fs, leads, units : of arrays: sampling frequency in Hz, names of the rows (None for the twelve in their standard
            order) and "mV" (None means that), "uV" or "V"; of files what they do not say, see `read_recording`
        missing_leads : "error", or "zero" for zeros in the place of a lead that can neither be found nor derived
        keep_flat : predict on recordings without any deflection, too
        bad_checksum : of files, see `read_recording`
        on_error : "raise" at the first recording that has no prediction; or "reject": go on, and name it in `rejects`

        Raises
        ------
        InputError
            If a recording has no prediction, and not `on_error="reject"`; or there is nothing to predict on.
        ConfigError
            If an option makes no sense, or a store has not the leads, rate or filters of the model.
        SignalError
            If an array is none of a recording's samples.
        StoreError, RemoteError
            If a store, or what is behind a URL, cannot be read.
        """
        if on_error not in ON_ERROR:
            raise ConfigError(f"on_error is {on_error!r}; expected {' or '.join(ON_ERROR)}")
        told = InputConfig(
            fs=fs,
            leads=None if leads is None else tuple(leads),
            units=units,
            missing_leads=missing_leads,
            keep_flat=keep_flat,
            bad_checksum=bad_checksum,
        )
        asked = _Asked(told, stops=on_error == "raise")
        found = self._find(given, asked)
        return join_predictions(found, self.classes, self.thresholds, asked.rejects, self._predictor.names)

    def _find(self, given: "Store | Given | Sequence[Given]", asked: "_Asked") -> list[Found]:
        if isinstance(given, Store):
            return self._of_store(given._held, None, asked)
        if isinstance(given, np.ndarray) and given.ndim != 3:
            listed: list[Given] = [given]
        elif isinstance(given, Recording) or not isinstance(given, Sequence | np.ndarray) or isinstance(given, str):
            listed = [given]
        else:
            listed = list(given)
        if not listed:
            raise InputError("nothing to predict on; expected a store, paths, recordings or arrays")
        paths = [one for one in listed if isinstance(one, str | os.PathLike)]
        if len(paths) == len(listed):
            return self._of_paths(to_places(paths), asked)
        for one in listed:
            if not isinstance(one, Recording | np.ndarray):
                raise InputError(
                    f"{type(one).__name__} among recordings; expected a store, paths alone, or recordings and arrays "
                    "(read_recording reads a path)"
                )
        return self._of_recordings(list(_name_recordings(listed, asked.told)), asked)

    def _predict(
        self,
        store: HeldStore | None,
        named: Mapping[str, FoundInput | Held],
        asked: "_Asked",
        rows: NDArray[np.integer] | None = None,
    ) -> Iterator[Predicted]:
        with workers_for(self._device) as workers:
            given = store, named, self._predictor, asked.told, self._device, asked.rejects
            for one in predict_all(*given, silent("predict", 0, "records"), 1.0, workers, rows=rows):
                asked.check()
                yield one
        asked.check()

    def _of_store(self, store: HeldStore, rows: NDArray[np.integer] | None, asked: "_Asked") -> list[Found]:
        """Of some of a store's records, in the order of its rows."""
        self._predictor.check_store(store)
        found = {one.record_name: (one, facts) for one, facts in self._predict(store, {}, asked, rows)}
        return [(name, *found[name]) for name in map(str, store.ids) if name in found]

    def _of_paths(self, places: list[Location], asked: "_Asked") -> list[Found]:
        stores = [path for path in places if (path / "zarr.json").exists()]
        store = open_fitting(stores, self._predictor, asked.rejects, alone=len(stores) == len(places))
        asked.check()
        with (
            TemporaryDirectory(prefix="ecg12-") as work,
            brought([path for path in places if path not in stores], Path(work)) as local,
            unpacked(local, Path(work)) as folders,
        ):
            named = dict(name_inputs(find_inputs(folders, asked.told))) if folders else {}
            check_names(store, named)
            found = {one.record_name: (one, facts) for one, facts in self._predict(store, named, asked)}
        order = [*(map(str, store.ids) if store else ()), *named]
        return [(name, *found[name]) for name in order if name in found]

    def _of_recordings(self, named: "list[tuple[str, Recording]]", asked: "_Asked") -> list[Found]:
        """Those of a store by their rows of it, so that they are what the store's own are; the others as read."""
        found: dict[str, tuple[Prediction, RecordFacts]] = {}
        rows_of: dict[int, list[tuple[str, HeldStore, int]]] = {}
        plain: dict[str, FoundInput | Held] = {}
        for name, recording in named:
            if recording._stored is None:
                plain[name] = replace(recording._held, name=name)
            else:
                store, row = recording._stored
                rows_of.setdefault(id(store), []).append((name, store, row))
        for entries in rows_of.values():
            store = entries[0][1]
            by_id = {one: (two, three) for one, two, three in self._of_store(store, _rows(entries), asked)}
            found.update((name, by_id[str(store.ids[row])]) for name, _, row in entries if str(store.ids[row]) in by_id)
        found.update((one.record_name, (one, facts)) for one, facts in self._predict(None, plain, asked))
        return [(name, *found[name]) for name, _ in named if name in found]


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What is told of recordings, what has no prediction, and whether the first such is an error."""

    told: InputConfig
    stops: bool
    rejects: list[Reject] = field(default_factory=list)

    def check(self) -> None:
        """Raise InputError if a recording has no prediction, and that is an error."""
        if self.stops and self.rejects:
            raise InputError(name_reason(self.rejects[0].record, self.rejects[0].reason))


def _rows(entries: "list[tuple[str, HeldStore, int]]") -> NDArray[np.int64]:
    return np.unique([row for _, _, row in entries])


def _name_recordings(listed: "Sequence[Given]", told: InputConfig) -> "Iterator[tuple[str, Recording]]":
    """Recordings with names that differ: a second one of a name gets its number behind it, an array its place."""
    times: Counter[str] = Counter()
    for place, one in enumerate(listed):
        recording = one if isinstance(one, Recording) else _to_recording(one, str(place), told)
        times[recording.name] += 1
        number = times[recording.name]
        yield (recording.name if number == 1 else f"{recording.name}-{number}"), recording


def _to_recording(array: "Given", name: str, told: InputConfig) -> Recording:
    if told.fs is None:
        raise SignalError(f"array {name}: has no sampling frequency; tell it with fs")
    units = told.units or "mV"
    return Recording(np.asarray(array), told.fs, leads=told.lead_names, units=units, name=name)


def load_model(
    folders: Paths,
    *,
    average: str | None = None,
    precision: str = "fp32",
    plugins: Sequence[str] = (),
    cuda: bool = False,
) -> Model:
    """Load a trained model, or several that predict as one.

    Nothing that a folder holds is run: weights are read as numbers, and code of others that a folder names is imported
    only where `plugins` names its module, too, or an installed package has registered it.

    Parameters
    ----------
    folders : run folders, ours or the reference system's, or folders of such
    average : of several models: "logits" of each window, or "scores" of each record; None takes logits where they fit
    precision : of the arithmetic: "fp32", "bf16", "fp16", or "auto" for bf16 where it is much faster
    plugins : modules of yours that the folders may name: "package.module", or a package with all below it
    cuda : run on the GPU

    Raises
    ------
    RunFolderError
        If one cannot be loaded.
    PluginError
        If it needs code that is not there or was not named.
    ConfigError
        If they cannot be averaged as asked, or there is no such precision or GPU.
    """
    named = [folders] if isinstance(folders, str | os.PathLike) else list(folders)
    local = [to_folder(folder) for folder in named]
    device = choose_device(cuda=cuda)
    predictor = make_predictor(local, average=average, plugins=plugins)
    predictor.network.to(device)
    set_precision(predictor, precision, device)
    return Model(predictor, [str(path) for path in local], device)
