"""Several models that predict as one.

Where all members take the same windows and have the same outputs, the logits of each window are averaged, as if one
network had given them. Else each member's probabilities are pooled over a record's windows first and averaged then;
and where members have different outputs, or decide in different ways, each decides for itself and
`ecg.decisions.joint_rules` brings the answers together by code.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecg12.cache.reader import Store
from ecg12.ecg.decisions.joint_rules import (
    AnyRule,
    Vote,
    already_corrected,
    average_known,
    combine_rules,
    corrections_of,
    pooling_of,
)
from ecg12.ecg.decisions.named_mappings import CPSC_LAYER
from ecg12.ecg.decisions.output_parts import LayerPart, parse_layer
from ecg12.ecg.decisions.reference_rules import APRIL_OUTPUTS, AprilRule, Decided, pool_windows
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.output_layers import OutputLayer
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.recording import Recording
from ecg12.ecg.tasks.class_names import ClassNames
from ecg12.pipeline.compute.window_feeds import FeedBatches, Windows
from ecg12.pipeline.compute.window_logits import WindowLogits
from ecg12.pipeline.loading.batch import Batch, join_batches
from ecg12.pipeline.prediction.own_model import OwnPredictor
from ecg12.pipeline.prediction.reference_model import ReferencePredictor
from ecg12.pipeline.runs.checkpoint import CONFIG, read_json
from ecg12.pipeline.runs.reference_folder import ReferenceModel
from ecg12.pipeline.runs.run_folder import THRESHOLDS, load_model
from ecg12.pipeline.runtime.workers import Workers

AVERAGES = ("logits", "scores")

Member = OwnPredictor | ReferencePredictor


class EnsemblePredictor:
    """Several models as one `Predictor`.

    Parameters
    ----------
    members : at least one
    average : "logits" or "scores"; None takes logits where the members allow it
    thresholds : class → threshold, instead of the mean of the members' own; for members that decide by thresholds

    Attributes
    ----------
    average : the one chosen
    rule : the members' common rule, or None where each decides for itself

    Raises
    ------
    ConfigError
        If logits are asked for and the members cannot be averaged so, naming two and the difference; if
        `thresholds` lacks a class; or if some tell classes and others a number, or other numbers.
    """

    def __init__(
        self, members: Sequence[Member], *, average: str | None = None, thresholds: dict[str, float] | None = None
    ) -> None:
        if average not in (None, *AVERAGES):
            raise ConfigError(f"average is {average!r}; expected {' or '.join(AVERAGES)}")
        self.members = tuple(members)
        self.network = nn.ModuleList([member.network for member in members])
        of_member = [((member.task.name, member.task.codes), member.task) for member in reversed(members)]
        self.names = ClassNames(tuple(reversed(dict(of_member).values())))  # each task once, whoever read it
        self.rule = _with_thresholds(combine_rules([member.rule for member in members]), thresholds)
        self._vote = Vote([member.rule for member in members])
        keys = [_feed_of(member) for member in members]
        self._feeds = tuple(members[keys.index(key)] for key in dict.fromkeys(keys))
        self._feed_number = [list(dict.fromkeys(keys)).index(key) for key in keys]
        difference = self._difference()
        if average == "logits" and difference:
            raise ConfigError(f"logits cannot be averaged: {difference}; leave out --average, or take scores")
        self.average = average or ("scores" if difference else "logits")
        self.classes: tuple[str, ...] = self._vote.classes if self.rule is None else self.rule.classes
        own = {lead for member in members for lead in member.leads}
        self.leads = tuple(lead for lead in LEADS if lead in own)
        self.thresholds = _thresholds_of(self.rule, self.classes)

    def _difference(self) -> str:
        """Why window logits cannot be averaged, or ""."""
        if len(self._feeds) > 1:
            one, other = self._feeds[:2]
            return f"{_folder_of(one)} takes {_describe_feed(one)}, {_folder_of(other)} {_describe_feed(other)}"
        if self.rule is None:
            return "the models have other outputs, or decide in other ways: " + ", ".join(
                f"{_folder_of(member)} {type(member.rule).__name__} of {member.model.output_layer.name}"
                for member in self.members
            )
        return ""

    def check_store(self, store: Store) -> None:
        """Raise ConfigError if the store is not made for one of the members."""
        for member in self.members:
            member.check_store(store)

    def cut_recording(self, recording: Recording, row: int) -> Windows:
        """All windows of a recording, in each way that a member wants them."""
        if len(self._feeds) == 1:
            return self._feeds[0].cut_recording(recording, row)
        return FeedBatches(tuple(feed.cut_recording(recording, row) for feed in self._feeds))

    def cut_windows(self, store: Store, rows: NDArray[np.integer], batch_size: int) -> Iterable[Windows]:
        """All windows of some of a store's records, one way of cutting after the other."""
        for number, feed in enumerate(self._feeds):
            for batch in feed.cut_windows(store, rows, batch_size):
                yield batch if len(self._feeds) == 1 else _only(batch, number, len(self._feeds))

    def share_out(self, windows: Windows) -> list[Batch]:
        """The windows as each member wants them."""
        return [join_batches(list(_of_feed([windows], number))) for number in self._feed_number]

    def predict(self, batches: Iterable[Windows], device: torch.device, workers: Workers | None = None) -> Decided:
        """Labels and scores of the records whose windows these are, all windows of each.

        Where scores are averaged they are a record's, and so are the decisions, even of models that alone would decide
        on every window.
        """
        held = list(batches)  # every member goes over them
        found = [
            member.compute_logits(_of_feed(held, number), device, workers)
            for member, number in zip(self.members, self._feed_number, strict=True)
        ]
        if self.rule is None:
            pairs = zip(self.members, found, strict=True)
            return self._vote.join([member.rule.decide(*_score(member, logits)) for member, logits in pairs])
        if self.average == "logits":
            return self.rule.decide(*_score(self.members[0], self._mean_logits(found)))
        return self._decide_on_mean_scores(self.rule, found)

    def _mean_logits(self, found: Sequence[WindowLogits]) -> WindowLogits:
        """Of a softmax all members' logits count, for they only mean something together."""
        _, known = corrections_of([member.rule for member in self.members])
        logits = torch.stack([one.logits for one in found])  # (member, window, output)
        if all(part.decides_each for part in _parts_of(self.members[0])):
            weights = torch.from_numpy(known).to(logits)[:, None]
            mean = (logits * weights).sum(dim=0) / weights.sum(dim=0).clamp(min=1)
        else:
            mean = logits.mean(dim=0)
        return WindowLogits(mean, found[0].record, found[0].number)

    def _decide_on_mean_scores(self, rule: AnyRule, found: Sequence[WindowLogits]) -> Decided:
        factors, known = corrections_of([member.rule for member in self.members])
        pooled = []
        for member, logits, factor in zip(self.members, found, factors, strict=True):
            scores, record = _score(member, logits)
            rows, of_records = pool_windows(scores * factor, record, pooling_of(rule))
            pooled.append(of_records)
        return already_corrected(rule).decide(average_known(np.array(pooled), known), rows)


def load_ensemble(
    models: Sequence[Path], *, average: str | None = None, plugins: Sequence[str] = ()
) -> Member | EnsemblePredictor:
    """The models of some folders, ready to predict as one.

    Parameters
    ----------
    models : run folders, ours or the reference system's, or folders of such, which are taken in name order. A folder
        of run folders may have thresholds of its own, as a cross-validation leaves them: they are used if it is the
        only one.
    average : see `EnsemblePredictor`; ignored for a single model
    plugins : modules, or import paths, of code from outside that a model may need, see `pipeline.plugins.consent`

    Raises
    ------
    RunFolderError, PluginError
        If one cannot be loaded.
    ConfigError
        If they cannot be averaged as asked.
    """
    folders = [folder for path in models for folder in find_run_folders(path)]
    members = [load_member(folder, plugins) for folder in folders]
    if len(members) == 1:
        return members[0]
    thresholds = None
    if len(models) == 1 and (models[0] / THRESHOLDS).is_file():
        thresholds = _read_thresholds(models[0] / THRESHOLDS)
    return EnsemblePredictor(members, average=average, thresholds=thresholds)


def find_run_folders(path: Path) -> list[Path]:
    """The run folder at `path`, or those in it, in name order.

    Raises
    ------
    RunFolderError
        If there is none.
    """
    if (path / CONFIG).is_file() or not path.is_dir():
        return [path]
    folders = sorted(config.parent for config in path.glob(f"*/{CONFIG}"))
    if not folders:
        raise RunFolderError(
            f"{path}: no {CONFIG} in it or in a folder of it; expected a run folder, or a folder of run folders"
        )
    return folders


def load_member(folder: Path, plugins: Sequence[str] = ()) -> Member:
    """The model of one run folder, ours or the reference system's; arguments and errors as of `load_model`."""
    model = load_model(folder, plugins)
    return ReferencePredictor(model) if isinstance(model, ReferenceModel) else OwnPredictor(model)


def _read_thresholds(path: Path) -> dict[str, float]:
    stated = read_json(path)
    try:
        return {str(code): float(value) for code, value in stated.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise RunFolderError(f"{path}: {error}; expected a threshold for each class") from error


def _parts_of(member: Member) -> tuple[LayerPart, ...]:
    rule = member.rule
    return parse_layer(CPSC_LAYER, len(APRIL_OUTPUTS)) if isinstance(rule, AprilRule) else rule.mapping.parts


def _folder_of(member: Member) -> Path:
    return member.model.folder


def _layer_of(member: Member) -> OutputLayer:
    return member.model.output_layer


def _score(member: Member, found: WindowLogits) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Window scores of a member's output layer, and the windows' records."""
    scores = _layer_of(member).compute_scores(found.logits)
    return scores.double().cpu().numpy(), found.record.cpu().numpy()


def _feed_of(member: Member) -> tuple[object, ...]:
    """What decides which windows a member takes, and of which samples."""
    config: ModelConfig = member.config
    return (_generation_of(member), config.fs, config.leads, config.highpass, config.notch, member.windows)


def _generation_of(member: Member) -> str:
    return member.model.generation if isinstance(member, ReferencePredictor) else "own"


def _describe_feed(member: Member) -> str:
    config, generation = member.config, _generation_of(member)
    text = f"{config.window_length} samples of {len(config.leads)} leads at {config.fs:g} Hz"
    if (config.highpass, config.notch) != (None, None):
        text += f", filtered at {config.highpass} and {config.notch} Hz"
    return text if generation == "own" else f"{text}, cut as the reference system did in {generation.capitalize()}"


def _only(batch: Batch, number: int, n_feeds: int) -> FeedBatches:
    return FeedBatches(tuple(batch if place == number else None for place in range(n_feeds)))


def _of_feed(held: Sequence[Windows], number: int) -> Iterable[Batch]:
    """The batches of one way of cutting."""
    for windows in held:
        batch = windows.batches[number] if isinstance(windows, FeedBatches) else windows
        if batch is not None:
            yield batch


def _with_thresholds(rule: AnyRule | None, stated: dict[str, float] | None) -> AnyRule | None:
    if stated is None or not isinstance(rule, ThresholdRule):
        return rule
    missing = [code for code in rule.merged if code not in stated]
    if missing:
        raise ConfigError(f"{THRESHOLDS} of the ensemble lacks {', '.join(missing)}; expected each of its classes")
    return replace(rule, thresholds=np.array([stated[code] for code in rule.merged]))


def _thresholds_of(rule: AnyRule | None, classes: Sequence[str]) -> tuple[float | None, ...]:
    if not isinstance(rule, ThresholdRule):
        return (None,) * len(classes)
    return rule.stated_thresholds
