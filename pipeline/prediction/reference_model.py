"""Prediction with a model of the reference system: its windows, its output layer, its rule."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.decisions.reference_rules import APRIL_OUTPUTS, AprilRule
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.signals.recording import Recording
from ecg12.ecg.signals.reference_input import MIN_PIECE, is_decimated, resample_as_reference, samples_from_header
from ecg12.ecg.signals.resample import resampled_length
from ecg12.ecg.signals.window import WindowConfig, plan_windows
from ecg12.pipeline.loading.batch import Batch, cut_record
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.prediction.interface import NetworkPredictor
from ecg12.pipeline.prediction.store_match import check_fit
from ecg12.pipeline.runs.reference_folder import ReferenceModel


class ReferencePredictor(NetworkPredictor):
    """A model of the reference system, fed millivolts as it was trained on.

    Gains are the true ones (see `ecg.signals.adc.true_gain`): where the reference believed a wrong one of an early
    header, its input was scaled by it and these predictions differ.
    """

    def __init__(self, model: ReferenceModel) -> None:
        super().__init__(model, WindowConfig(window_length=model.config.window_length, min_piece=MIN_PIECE))
        self.model = model
        self.thresholds = _thresholds_of(model)

    def check_store(self, store: Store) -> None:
        """Raise ConfigError if the store has other leads, another rate, or records resampled by another filter."""
        check_fit(store, self.config)
        rates = store.column("record/fs_source")
        n_decimated = sum(is_decimated(float(fs), self.config.fs) for fs in rates)
        if n_decimated:
            raise ConfigError(
                f"{store.path}: {n_decimated} of its {store.n_records} records were resampled from an integer multiple "
                f"of {self.config.fs:g} Hz, which the reference system does with another filter than the store; "
                "predict on the records themselves"
            )

    def length_of(self, n_samples: int, fs: float) -> int:
        """Samples at the model's rate that are cut into windows, of a recording with so many at so many Hz."""
        return self._length(resampled_length(n_samples, fs, self.config.fs), n_samples, fs)

    def cut_recording(self, recording: Recording, row: int) -> Batch:
        """All windows of one recording."""
        recording = recording.complete(self.leads)
        signal_uv = resample_as_reference(recording.signal_uv, recording.fs, self.config.fs)
        length = self._length(signal_uv.shape[1], recording.n_samples, recording.fs)
        return cut_record(signal_uv, plan_windows(np.array([length]), self.windows), scale=1.0, row=row)

    def cut_windows(self, store: Store, rows: NDArray[np.integer], batch_size: int) -> Iterator[Batch]:
        """All windows of some of a store's records, in the store's order, offsets put back."""
        sources = zip(
            store.column("record/n_samples_source")[rows], store.column("record/fs_source")[rows], strict=True
        )
        lengths = [
            self._length(int(length), int(n_samples), float(fs))
            for length, (n_samples, fs) in zip(store.lengths[rows], sources, strict=True)
        ]
        offsets = store.column("record/offset")
        for batch in WindowBatches(
            store, rows, self.windows, batch_size=batch_size, lengths=np.array(lengths, np.int64)
        ):
            offset = torch.from_numpy(offsets[batch.record.numpy()].astype(np.float32))
            yield _put_back(batch, offset) if offset.any() else batch

    def _length(self, n_resampled: int, n_samples: int, fs: float) -> int:
        """Samples of a record that are cut into windows."""
        if self.model.generation == "april":
            return n_resampled
        return min(n_resampled, samples_from_header(n_samples, fs, self.config.fs))


def _thresholds_of(model: ReferenceModel) -> tuple[float | None, ...]:
    """April's threshold of each class; August decides by rank, and Normal by what it is not."""
    rule = model.rule
    if not isinstance(rule, AprilRule):
        return (None,) * len(rule.classes)
    stated = dict(zip(APRIL_OUTPUTS, map(float, rule.thresholds), strict=True))
    return tuple(stated.get(name) for name in rule.classes)


def _put_back(batch: Batch, offset: torch.Tensor) -> Batch:
    """The batch with each lead's offset (window, lead) added where something was recorded."""
    position = torch.arange(batch.signal.shape[2])
    # recorded: (window, 1, sample)
    recorded = (position >= batch.pad[:, None]) & (position < (batch.pad + batch.valid)[:, None])
    return replace(batch, signal=batch.signal.float() + offset[:, :, None] * recorded[:, None, :])
