"""What prediction needs of a model, whoever trained it: its windows of a record, and its answer to them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cache.reader import Store
from ecg.decisions import Decided
from ecg.errors import ConfigError
from ecg.filters import filter_zero_phase
from ecg.models.build import ModelConfig
from ecg.quality import compute_scale
from ecg.record import Record
from ecg.resample import resample
from ecg.snomed import EQUIVALENTS, SCORED_CODES
from ecg.window import WindowConfig, plan_windows
from pipeline.batch import Batch, cut_record
from pipeline.batches import WindowBatches
from pipeline.convert import check_checksum, to_clean_microvolts
from pipeline.inference import compute_logits, pool_scores
from pipeline.run_folder import TrainedModel
from pipeline.wfdb_io import read_record


class Predictor(Protocol):
    """A model with everything around its network: how it cuts records, and how it decides."""

    @property
    def classes(self) -> tuple[str, ...]:
        """What the columns of its predictions are called."""

    @property
    def network(self) -> nn.Module:
        """Its network, which runs on the device that it was moved to."""

    def check_store(self, store: Store) -> None:
        """Raise ConfigError if the store is not made for it."""

    def read_windows(self, path: Path, row: int) -> Batch:
        """All windows of the WFDB record at `path`, as record number `row`; raises what reading raises."""

    def cut_windows(self, store: Store, rows: NDArray[np.integer], batch_size: int) -> Iterable[Batch]:
        """All windows of some of a store's records."""

    def predict(self, batches: Iterable[Batch], device: torch.device) -> Decided:
        """Labels and scores of the records whose windows these are, all windows of each."""


class OwnPredictor:
    """A model that this program trained: the mean of scores over windows, against a threshold for each class.

    Scores and labels come in the 27 scored codes, equivalent ones alike, as the official evaluator reads them.
    """

    classes = SCORED_CODES

    def __init__(self, trained: TrainedModel) -> None:
        self.trained = trained
        self.network = trained.network
        self.config = trained.config
        self.windows = WindowConfig(window_length=trained.config.window_length)
        column = {code: number for number, code in enumerate(trained.codes)}
        self._columns = [column.get(EQUIVALENTS.get(code, code)) for code in SCORED_CODES]

    def check_store(self, store: Store) -> None:
        """Raise ConfigError if the store has other leads or another rate."""
        check_fit(store, self.config)

    def read_windows(self, path: Path, row: int) -> Batch:
        """All windows of one record, as the store would give them but for the rounding to whole microvolts."""
        record, signal_uv = read_microvolts(path, self.config.leads)
        signal_uv = resample(signal_uv, record.fs, self.config.fs)
        signal_uv = filter_zero_phase(signal_uv, self.config.fs, highpass=self.config.highpass, notch=self.config.notch)
        plan = plan_windows(np.array([signal_uv.shape[1]]), self.windows)
        return cut_record(signal_uv, plan, scale=float(compute_scale(signal_uv)), row=row)

    def cut_windows(self, store: Store, rows: NDArray[np.integer], batch_size: int) -> Iterable[Batch]:
        """All windows of some of a store's records, in the store's order."""
        return WindowBatches(store, rows, self.windows, batch_size=batch_size)

    def predict(self, batches: Iterable[Batch], device: torch.device) -> Decided:
        """Labels and scores of records; 0 for a class that the model lacks."""
        logits, record = compute_logits(self.network, batches, normalisation=self.config.normalisation, device=device)
        rows, own = pool_scores(logits, record)
        above = own > self.trained.thresholds
        labels = np.zeros((len(rows), len(SCORED_CODES)), np.uint8)
        scores = np.zeros(labels.shape)
        for place, column in enumerate(self._columns):
            if column is not None:
                labels[:, place], scores[:, place] = above[:, column], own[:, column]
        return Decided(rows, labels, scores)


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


def read_microvolts(path: Path, leads: tuple[str, ...]) -> tuple[Record, NDArray[np.float32]]:
    """A WFDB record and its samples in µV, invalid ones interpolated; float32 (lead, sample)."""
    record = read_record(path, leads)
    check_checksum(record)
    signal_uv, _, _ = to_clean_microvolts(record)
    return record, signal_uv
