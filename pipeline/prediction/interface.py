"""What prediction needs of a model, whoever trained it: its windows of a record, and its answer to them."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecg12.cache.reader import Store
from ecg12.cache.schema import SEX_CODES, Reject
from ecg12.cache.several_stores import open_stores
from ecg12.cache.storage.location import Location
from ecg12.cache.verify import require_tables
from ecg12.ecg.decisions.reference_rules import AugustRule, Decided
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import representative
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.patient_features import make_patient_features
from ecg12.ecg.signals.cleaning import lead_offsets
from ecg12.ecg.signals.filters import filter_zero_phase
from ecg12.ecg.signals.quality import compute_scale
from ecg12.ecg.signals.recording import Recording
from ecg12.ecg.signals.resample import resample, resampled_length
from ecg12.ecg.signals.window import WindowConfig, plan_windows
from ecg12.pipeline.compute.window_feeds import Windows
from ecg12.pipeline.compute.window_logits import WindowLogits, compute_window_logits
from ecg12.pipeline.loading.batch import Batch, cut_record
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.runs.run_folder import TrainedModel
from ecg12.pipeline.runtime.workers import Workers


class Predictor(Protocol):
    """A model with everything around its network: how it cuts records, and how it decides."""

    @property
    def classes(self) -> tuple[str, ...]:
        """What the columns of its predictions are called."""

    @property
    def leads(self) -> tuple[str, ...]:
        """The leads it is fed, in order."""

    @property
    def thresholds(self) -> tuple[float | None, ...]:
        """Above which score each column's label is 1; None where another rule decides."""

    @property
    def network(self) -> nn.Module:
        """Its network, which runs on the device that it was moved to."""

    def check_store(self, store: Store) -> None:
        """Raise ConfigError if the store is not made for it."""

    def cut_recording(self, recording: Recording, row: int) -> Windows:
        """All windows of a recording that has the model's leads, as record number `row`."""

    def cut_windows(self, store: Store, rows: NDArray[np.integer], batch_size: int) -> Iterable[Windows]:
        """All windows of some of a store's records."""

    def predict(self, batches: Iterable[Any], device: torch.device, workers: Workers | None = None) -> Decided:
        """Labels and scores of the records whose windows these are, all windows of each, `workers` helping on a CPU."""


class OwnPredictor:
    """A model that this program trained: its output layer, and the rule it was trained with."""

    def __init__(self, trained: TrainedModel) -> None:
        self.trained = trained
        self.network = trained.network
        self.classes = trained.rule.classes
        self.config = trained.config
        self.windows = WindowConfig(window_length=trained.config.window_length)
        self.leads = trained.config.leads
        self.thresholds = _thresholds_of(trained.rule)

    def check_store(self, store: Store) -> None:
        """Raise ConfigError if the store has other leads or another rate."""
        check_fit(store, self.config)

    def length_of(self, n_samples: int, fs: float) -> int:
        """Samples at the model's rate that are cut into windows, of a recording with so many at so many Hz."""
        return resampled_length(n_samples, fs, self.config.fs)

    def cut_recording(self, recording: Recording, row: int) -> Batch:
        """All windows of one recording, as the store would give them but for the rounding to whole microvolts."""
        recording = recording.complete(self.leads)
        signal_uv = resample(recording.signal_uv, recording.fs, self.config.fs)
        signal_uv = filter_zero_phase(signal_uv, self.config.fs, highpass=self.config.highpass, notch=self.config.notch)
        signal_uv = signal_uv - lead_offsets(signal_uv)[:, None].astype(np.float32)  # as the store has it
        plan = plan_windows(np.array([signal_uv.shape[1]]), self.windows)
        age = np.nan if recording.age is None else recording.age
        patient = make_patient_features([age], [SEX_CODES[recording.sex]])[0]
        return cut_record(signal_uv, plan, scale=float(compute_scale(signal_uv)), row=row, patient=patient)

    def cut_windows(self, store: Store, rows: NDArray[np.integer], batch_size: int) -> Iterable[Batch]:
        """All windows of some of a store's records, in the store's order."""
        return WindowBatches(store, rows, self.windows, batch_size=batch_size)

    def compute_logits(
        self, batches: Iterable[Batch], device: torch.device, workers: Workers | None = None
    ) -> WindowLogits:
        """Logits of every window, each record's in order."""
        found = compute_window_logits(
            self.network, batches, normalisation=self.config.normalisation, device=device, workers=workers
        )
        return found.sorted()

    def predict(self, batches: Iterable[Batch], device: torch.device, workers: Workers | None = None) -> Decided:
        """Labels and scores of records; 0 for a class that the model lacks."""
        found = self.compute_logits(batches, device, workers)
        scores = self.trained.output_layer.compute_scores(found.logits)
        return self.trained.rule.decide(scores.double().cpu().numpy(), found.record.cpu().numpy())


def _thresholds_of(rule: ThresholdRule | AugustRule) -> tuple[float | None, ...]:
    if not isinstance(rule, ThresholdRule):
        return (None,) * len(rule.classes)
    stated = dict(zip(rule.merged, map(float, rule.thresholds), strict=True))
    return tuple(stated[representative(code)] for code in rule.classes)


def check_fit(store: Store, config: ModelConfig) -> None:
    """Raise ConfigError if a store's leads, sampling frequency or filters are not the model's."""
    if (store.fs, store.leads) != (config.fs, config.leads):
        raise ConfigError(
            f"{store.path}: {', '.join(store.leads)} at {store.fs:g} Hz; the model expects "
            f"{', '.join(config.leads)} at {config.fs:g} Hz: build such a store, or predict on the records themselves"
        )
    stored, expected = (store.config.highpass, store.config.notch), (config.highpass, config.notch)
    if stored != expected:
        raise ConfigError(
            f"{store.path}: high-pass and notch filter at {stored[0]} and {stored[1]} Hz; the model expects "
            f"{expected[0]} and {expected[1]}: build such a store, or predict on the records themselves"
        )


def open_fitting(
    paths: Sequence[Location], predictor: Predictor, rejects: list[Reject], *, alone: bool
) -> Store | None:
    """The stores that are made for a model, as one; the records of others go to `rejects`.

    Parameters
    ----------
    alone : whether these stores are all there is to predict on

    Raises
    ------
    ConfigError
        If none of them is made for the model, and they are all there is.
    """
    fitting: list[Location] = []
    for path in paths:
        store = open_stores([path])
        require_tables(store)
        try:
            predictor.check_store(store)
        except ConfigError as error:
            if alone and path == paths[-1] and not fitting:
                raise
            for dataset, name in zip(store.datasets, store.ids, strict=True):
                rejects.append(Reject(dataset=str(dataset), record=str(name), stage="read", reason=str(error)))
        else:
            fitting.append(path)
    return open_stores(fitting) if fitting else None
