"""A model with everything around its network, as one module: millivolts in, scores and labels of classes out.

It is what a run folder is exported as. What `predict` does to a record before its windows are cut stays outside:
reading, resampling and filtering. Everything after that is in here.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecg12.ecg.decisions.reference_rules import Rule
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.networks.heads import RecurrentHead
from ecg12.ecg.models.output_layers import OutputLayer
from ecg12.ecg.models.portable.amplitude import compute_amplitude, normalise, patient_channels, split_recorded
from ecg12.ecg.models.portable.decision_layer import build_decision

OUTPUTS = ("scores", "labels")


@dataclass(frozen=True, kw_only=True, slots=True)
class PortableInput:
    """One input of a portable model.

    Attributes
    ----------
    name : as the exported model calls it
    shape : axes, by name or size
    unit, meaning : in words
    default : what stands for "not known", the same for every record; None where the input is needed
    """

    name: str
    shape: tuple[str | int, ...]
    unit: str
    meaning: str
    default: float | None = None


def plan_inputs(config: ModelConfig, *, recordings: bool) -> tuple[PortableInput, ...]:
    """The inputs that a model has, in order; all are float32."""
    axes = ("batch", "windows") if recordings else ("batch",)
    what = "recordings, cut into windows" if recordings else "windows"
    inputs = [
        PortableInput(
            name="signal",
            shape=(*axes, len(config.leads), config.window_length),
            unit="mV",
            meaning=f"{what}; NaN in all leads where nothing was recorded"
            + (", and in the whole of a window that a recording has not got" if recordings else ""),
        )
    ]
    if config.normalisation == "record":
        own = "of the windows given" if recordings else "of the window alone"
        inputs.append(
            PortableInput(
                name="scale",
                shape=("batch",),
                unit="mV",
                meaning=f"amplitude of the whole recording; 0 takes that {own}",
                default=0.0,
            )
        )
    if config.patient:
        unknown = float("nan")
        inputs.append(
            PortableInput(name="age", shape=("batch",), unit="years", meaning="NaN if not known", default=unknown)
        )
        inputs.append(
            PortableInput(
                name="sex", shape=("batch",), unit="", meaning="0 female, 1 male, -1 if not known", default=-1.0
            )
        )
    return tuple(inputs)


class PortableModel(nn.Module):
    """Signals in mV → scores (float32) and labels (int64), both (batch, class).

    Parameters
    ----------
    config : of the model
    network : as `ecg.models.build.build_model` makes it
    output_layer, rule : of the same run folder
    recordings : take whole recordings, (batch, window, lead, sample), whose windows are pooled, and which a recurrent
        head reads from first to last; else windows, (batch, lead, sample), each of which is a recording
    """

    def __init__(
        self, config: ModelConfig, network: nn.Sequential, output_layer: OutputLayer, rule: Rule, *, recordings: bool
    ) -> None:
        super().__init__()
        self.config, self.recordings, self.output_layer = config, recordings, output_layer
        self.classes = rule.classes
        self.inputs = plan_inputs(config, recordings=recordings)
        self.network, self.decision = network, build_decision(rule)

    def forward(self, signal: Tensor, *known: Tensor) -> tuple[Tensor, Tensor]:
        """`signal` and, in the order of `inputs`, what else is known of each recording."""
        values = dict(zip([one.name for one in self.inputs[1:]], known, strict=True))
        n_leads, n_samples = signal.shape[-2:]
        n_windows = signal.shape[1] if self.recordings else 1
        windows, recorded = split_recorded(signal.reshape(-1, n_leads, n_samples))
        x = windows
        if self.config.normalisation == "record":
            x = normalise(windows, recorded, self._scale_of_windows(windows, recorded, values["scale"], n_windows))
        if self.config.patient:
            x = torch.cat([x, self._patient_of_windows(x, values["age"], values["sex"], n_windows)], dim=1)
        logits = self._logits(x, n_windows)
        scores = self.output_layer.compute_scores(logits).double()
        present = recorded.any(dim=1) if self.recordings else torch.ones_like(recorded[:, 0])
        decided, labels = self.decision(scores.reshape(-1, n_windows, scores.shape[1]), present.reshape(-1, n_windows))
        return decided.float(), labels

    def _scale_of_windows(self, windows: Tensor, recorded: Tensor, stated: Tensor, n_windows: int) -> Tensor:
        """The amplitude of each window's recording: as stated, else that of its windows together."""
        n_leads, n_samples = windows.shape[1:]
        if self.recordings:
            windows = windows.reshape(-1, n_windows, n_leads, n_samples).transpose(1, 2).flatten(2)
            recorded = recorded.reshape(-1, n_windows * n_samples)
        return _repeat(torch.where(stated > 0, stated, compute_amplitude(windows, recorded)), n_windows)

    def _patient_of_windows(self, x: Tensor, age: Tensor, sex: Tensor, n_windows: int) -> Tensor:
        """What is known of each window's patient, at each sample: (window, 4, sample).

        By a sum with nothing, because a single age and sex may stand for all recordings.
        """
        nothing = torch.zeros_like(x[:, :1]).reshape(-1, n_windows, 1, x.shape[2])
        return (patient_channels(age, sex)[:, None, :, None] + nothing).flatten(0, 1)

    def _logits(self, x: Tensor, n_windows: int) -> Tensor:
        """(window, channel, sample) → float32 (window, output); a recurrent head goes from window to window."""
        head = self.network[-1]
        if not (self.recordings and isinstance(head, RecurrentHead)):
            return self.network(x).float()
        features = self.network[:-1](x)
        n_filters, n_positions = features.shape[1:]
        over_time = features.transpose(1, 2).reshape(-1, n_windows * n_positions, n_filters)
        hidden = head.rnn(over_time)[0] + head.skip_connection(over_time)
        return head.linear(hidden.reshape(x.shape[0], n_positions * hidden.shape[2])).float()


def _repeat(values: Tensor, n_windows: int) -> Tensor:
    """A row for each window instead of each recording."""
    if isinstance(n_windows, int) and n_windows == 1:
        return values
    return values[:, None].expand(-1, n_windows, *values.shape[1:]).flatten(0, 1)
