"""What prediction needs of a model, whoever trained it: its windows of a record, and its answer to them."""

from collections.abc import Iterable
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecg12.cache.reader import Store
from ecg12.ecg.decisions.joint_rules import AnyRule
from ecg12.ecg.decisions.reference_rules import Decided
from ecg12.ecg.signals.recording import Recording
from ecg12.ecg.signals.window import WindowConfig
from ecg12.ecg.tasks.class_names import ClassNames
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.pipeline.compute.window_feeds import Windows
from ecg12.pipeline.compute.window_logits import WindowLogits, compute_window_logits
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.runs.reference_folder import ReferenceModel
from ecg12.pipeline.runs.run_folder import TrainedModel
from ecg12.pipeline.runtime.workers import Workers


class Predictor(Protocol):
    """A model with everything around its network: how it cuts records, and how it decides."""

    @property
    def classes(self) -> tuple[str, ...]:
        """What the columns of its predictions are called."""

    @property
    def names(self) -> ClassNames:
        """What these columns are called, by the model's task."""

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


class NetworkPredictor:
    """What predictors of one network share: the answer to windows, by the model's output layer and rule.

    Attributes
    ----------
    model : network, configuration, output layer and rule, as the run folder has them
    task : what it was trained for
    windows : how recordings are cut
    """

    def __init__(self, model: TrainedModel | ReferenceModel, windows: WindowConfig) -> None:
        self.network = model.network
        self.classes = model.rule.classes
        self.task = model.task if isinstance(model, TrainedModel) else named_task(CHALLENGE_2020)
        self.names = ClassNames((self.task,))
        self.config = model.config
        self.leads = model.config.leads
        self.windows = windows
        self.rule = cast(AnyRule, model.rule)  # the protocol's three
        self._output_layer = model.output_layer

    def compute_logits(
        self, batches: Iterable[Batch], device: torch.device, workers: Workers | None = None
    ) -> WindowLogits:
        """Logits of every window, each record's in order."""
        found = compute_window_logits(
            self.network, batches, normalisation=self.config.normalisation, device=device, workers=workers
        )
        return found.sorted()

    def predict(self, batches: Iterable[Batch], device: torch.device, workers: Workers | None = None) -> Decided:
        """Labels and scores of records, by the model's rule; 0 for a class that it lacks."""
        found = self.compute_logits(batches, device, workers)
        scores = self._output_layer.compute_scores(found.logits)
        return self.rule.decide(scores.double().cpu().numpy(), found.record.cpu().numpy())
