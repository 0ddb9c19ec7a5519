"""The models behind a predictor one by one: what each is made of, how it decides, and what it is shown."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ecg12.ecg.decisions.joint_rules import AnyRule, corrections_of
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.output_layers import OutputLayer
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.compute.window_feeds import Windows
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.prediction.ensemble import EnsemblePredictor, Member
from ecg12.pipeline.prediction.interface import Predictor
from ecg12.pipeline.prediction.own_model import OwnPredictor
from ecg12.pipeline.prediction.reference_model import ReferencePredictor


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MemberInput:
    """A model of a predictor, and what it is shown.

    Attributes
    ----------
    correction : float64 array, shape (output,)
    windows : how it cuts a record
    batch : windows as it wants them
    length_of : samples at the model's rate that are cut into windows, of a recording with so many samples at so many Hz
    """

    config: ModelConfig
    network: nn.Module
    output_layer: OutputLayer
    rule: AnyRule
    correction: NDArray[np.float64]
    windows: WindowConfig
    batch: Batch
    length_of: Callable[[int, float], int]


def rules_of(predictor: Predictor) -> list[AnyRule]:
    """How each of the models behind a predictor decides."""
    return [member.rule for member in _members(predictor)]


def shown_members(predictor: Predictor, windows: Windows) -> list[MemberInput]:
    """The models behind a predictor, each with its share of the windows."""
    if isinstance(predictor, EnsemblePredictor):
        return [_shown(*pair) for pair in zip(predictor.members, predictor.share_out(windows), strict=True)]
    assert isinstance(windows, Batch)
    return [_shown(member, windows) for member in _members(predictor)]


def _members(predictor: Predictor) -> tuple[Member, ...]:
    if isinstance(predictor, EnsemblePredictor):
        return predictor.members
    assert isinstance(predictor, OwnPredictor | ReferencePredictor)
    return (predictor,)


def _shown(member: Member, batch: Batch) -> MemberInput:
    rule = member.rule
    return MemberInput(
        config=member.config,
        network=member.network,
        output_layer=member.model.output_layer,
        rule=rule,
        correction=corrections_of([rule])[0][0],
        windows=member.windows,
        batch=batch,
        length_of=member.length_of,
    )
