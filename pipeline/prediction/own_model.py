"""Prediction with a model that this program trained: its windows, its output layer, its rule."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.schema import SEX_CODES
from ecg12.ecg.decisions.reference_rules import AugustRule
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.patient_features import make_patient_features
from ecg12.ecg.signals.cleaning import lead_offsets
from ecg12.ecg.signals.filters import filter_zero_phase
from ecg12.ecg.signals.quality import compute_scale
from ecg12.ecg.signals.recording import Recording
from ecg12.ecg.signals.resample import resample, resampled_length
from ecg12.ecg.signals.window import WindowConfig, plan_windows
from ecg12.pipeline.loading.batch import Batch, cut_record
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.prediction.interface import NetworkPredictor
from ecg12.pipeline.prediction.store_match import check_fit
from ecg12.pipeline.runs.run_folder import TrainedModel


class OwnPredictor(NetworkPredictor):
    """A model that this program trained: its output layer, and the rule it was trained with."""

    def __init__(self, model: TrainedModel) -> None:
        super().__init__(model, WindowConfig(window_length=model.config.window_length))
        self.model = model
        self.thresholds = _thresholds_of(model.rule)

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


def _thresholds_of(rule: ThresholdRule | AugustRule) -> tuple[float | None, ...]:
    if not isinstance(rule, ThresholdRule):
        return (None,) * len(rule.classes)
    return rule.stated_thresholds
