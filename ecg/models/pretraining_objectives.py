"""What pretraining asks of a net, and the loss that belongs to it.

Every objective leaves its batch as it is, draws what is random from a generator on the batch's device, and counts
recorded samples only: padding teaches nothing. A loss comes as a sum and a weight, so that means over batches of
different sizes are true means.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.objective import ObjectiveConfig
from ecg12.ecg.models.config.option_names import RECURRENT_KINDS
from ecg12.ecg.models.config.stage import StageConfig, check_window, count_columns, count_tokens
from ecg12.ecg.models.networks.cpc import CpcNet, sample_negatives
from ecg12.ecg.models.networks.mae import MaeNet, PatchMask, draw_patch_mask
from ecg12.ecg.models.networks.masks import count_blocks, draw_attention_mask, draw_input_mask
from ecg12.ecg.models.networks.transformer_xl import Memory, TransformerXlStage


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """A batch as an objective sees it.

    Attributes
    ----------
    given : (window, lead, sample), what the net gets; with noise, where noise is asked for
    wanted : the same without noise
    recorded : bool (window, sample), False in padding and in windows that do not count
    reset : bool (window,), true where a row begins a record; see `pipeline.loading.record_batches`
    """

    given: Tensor
    wanted: Tensor
    recorded: Tensor
    reset: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """A sum over a batch and the weight of what was summed, both scalars; what the next batch is to remember."""

    total: Tensor
    weight: Tensor
    memory: Memory | None = None

    @property
    def mean(self) -> Tensor:
        """Of the batch; 0 where nothing counts."""
        return self.total / self.weight.clamp(min=1e-12)


class Objective(Protocol):
    """A task that needs no labels."""

    @property
    def remembers(self) -> bool:
        """Whether the net carries something from a record's window to the next: then batches go row by row."""

    def compute_loss(
        self,
        net: Any,  # noqa: ANN401 - each objective has its own kind of net
        windows: Windows,
        generator: torch.Generator,
        memory: Memory | None = None,
    ) -> Loss:
        """The loss of a net on a batch."""


def make_objective(stage: StageConfig, config: ObjectiveConfig, *, n_leads: int, window_length: int) -> Objective:
    """The objective that belongs to a net.

    Raises
    ------
    ConfigError
        If windows are too short for it, or there would be nothing to hide.
    """
    check_window(stage, window_length)
    if stage.pretrain_model in RECURRENT_KINDS:
        return StepsAhead(stage.k_steps_ahead)
    if stage.pretrain_model == "cpc":
        return Contrast(config.negatives)
    if stage.pretrain_model == "mae":
        objective = Reconstruction(config, stage.patch_length)
        objective.draw(1, n_leads, count_columns(window_length, stage.patch_length), torch.Generator())
        return objective
    if stage.pretrain_model == "transformer" and stage.trans_train_type == "flipping":
        return Flipping()
    n_tokens = count_tokens(window_length, stage.steps_concat)
    if not count_blocks(n_tokens, config):
        raise ConfigError(
            f"{n_tokens} tokens, {config.perc_masked_samp:.0%} of them to be masked {config.num_masked_samples} at a "
            "time: none; expected longer windows, more, or fewer at a time"
        )
    return Masking(config, stage.steps_concat, remembers=stage.pretrain_model == "transformerxl")


def sum_squares(found: Tensor, wanted: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of squared differences where `counts`, which broadcasts, and the number of them; both float32 scalars."""
    squares = (found.float() - wanted).square()
    counts = counts.expand(squares.shape)
    return torch.where(counts, squares, 0.0).sum(), counts.sum().float()


@dataclass(frozen=True, slots=True)
class StepsAhead:
    """Predict the signal some samples ahead from all samples before: mean squared error over leads and steps."""

    steps: tuple[int, ...]
    remembers = False

    def compute_loss(
        self, net: nn.Module, windows: Windows, generator: torch.Generator, memory: Memory | None = None
    ) -> Loss:
        """Of a net that gives (window, step × lead, sample)."""
        n = windows.given.shape[2] - max(self.steps)
        found = net(windows.given[:, :, :n]).unflatten(1, (len(self.steps), -1))
        # found, wanted: (window, step, lead, sample)
        wanted = torch.stack([windows.wanted[:, :, step : step + n] for step in self.steps], dim=1)
        recorded = torch.stack([windows.recorded[:, step : step + n] for step in self.steps], dim=1)
        return Loss(*sum_squares(found, wanted, (recorded & windows.recorded[:, None, :n])[:, :, None]))


@dataclass(frozen=True, slots=True)
class Masking:
    """Give the signal back where it could not be seen: mean squared error, see `ObjectiveConfig`'s mask.

    `remembers` is set for transformer-XL, which is given the memory of the windows before.
    """

    config: ObjectiveConfig
    steps_concat: int
    remembers: bool = False

    def compute_loss(
        self, net: nn.Module, windows: Windows, generator: torch.Generator, memory: Memory | None = None
    ) -> Loss:
        """Of a net that gives (window, lead, sample)."""
        given, counts = windows.given, windows.recorded[:, None]
        n_tokens = given.shape[2] // self.steps_concat
        if self.config.mask != "attention":
            hidden = draw_input_mask(len(given), n_tokens, self.config, generator)
            hidden = hidden.repeat_interleave(self.steps_concat, dim=1)[:, None]
            given, counts = torch.where(hidden, 0.0, given), counts & hidden
        mask = None
        if self.config.mask != "input":
            n_before = net.mem_len if isinstance(net, TransformerXlStage) else 0
            mask = draw_attention_mask(n_tokens, n_before + n_tokens, self.config, generator)
        if isinstance(net, TransformerXlStage):
            found, memory = net.step(given, memory, windows.reset, mask)
        else:
            found, memory = net(given, mask), None
        return Loss(*sum_squares(found, windows.wanted, counts), memory)


@dataclass(frozen=True, slots=True)
class Flipping:
    """Tell what was done to each lead: nothing, sign, time, or both; mean cross-entropy over leads."""

    remembers = False

    def compute_loss(
        self, net: nn.Module, windows: Windows, generator: torch.Generator, memory: Memory | None = None
    ) -> Loss:
        """Of a net that gives (window, lead, 4)."""
        choice = torch.randint(4, windows.given.shape[:2], generator=generator, device=generator.device)
        logits = net(flip_leads(windows.given, choice)).float()
        losses = functional.cross_entropy(logits.flatten(0, 1), choice.flatten(), reduction="none")
        counts = windows.recorded.any(dim=1)[:, None].expand(choice.shape)
        return Loss(torch.where(counts, losses.view(choice.shape), 0.0).sum(), counts.sum().float())


def flip_leads(signal: Tensor, choice: Tensor) -> Tensor:
    """A copy of (window, lead, sample) with leads flipped by choice (window, lead): 1 sign, 2 time, 3 both."""
    in_time = torch.where((choice >= 2)[:, :, None], signal.flip(2), signal)
    return torch.where((choice % 2 == 1)[:, :, None], -in_time, in_time)


@dataclass(frozen=True, slots=True)
class Contrast:
    """InfoNCE: tell the latent some positions ahead from others, half of them of the same window.

    Negatives in padding are left out, and so is the true one where it is drawn by chance.
    Source: van den Oord et al. 2018, equation 4.
    """

    negatives: int
    remembers = False

    def compute_loss(
        self, net: CpcNet, windows: Windows, generator: torch.Generator, memory: Memory | None = None
    ) -> Loss:
        """Of a `CpcNet`."""
        latent, predicted = net(windows.given)
        latent, predicted = latent.float(), predicted.float() * latent.shape[2] ** -0.5
        n_windows, n_positions, _ = latent.shape
        recorded = windows.recorded.unflatten(1, (n_positions, -1)).all(dim=2)  # (window, position)
        own = sample_negatives(n_windows, n_positions, self.negatives // 2, generator)
        others = sample_negatives(1, n_windows * n_positions, self.negatives - self.negatives // 2, generator)[0]
        place = torch.arange(n_windows, device=own.device)[:, None]
        among = self._scores(predicted, latent[place, own], recorded[place, own])
        among = self._without_true(among, own)
        anywhere = self._scores(predicted, latent.flatten(0, 1)[others][None], recorded.flatten()[others][None])
        anywhere = self._without_true(anywhere, others - place * n_positions)
        total, weight = latent.new_zeros(()), latent.new_zeros(())
        for step in range(1, net.n_steps + 1):
            n = n_positions - step
            true = (predicted[:, step - 1, :n] * latent[:, step:]).sum(dim=2, keepdim=True)
            scores = torch.cat([true, among[:, step - 1, :n], anywhere[:, step - 1, :n]], dim=2)
            counts = recorded[:, :n] & recorded[:, step:]
            losses = torch.logsumexp(scores, dim=2) - true[:, :, 0]
            total, weight = total + torch.where(counts, losses, 0.0).sum(), weight + counts.sum()
        return Loss(total, weight)

    @staticmethod
    def _scores(predicted: Tensor, negatives: Tensor, recorded: Tensor) -> Tensor:
        """(window, step, position, negative), -inf where the negative is padding."""
        scores = predicted.flatten(1, 2) @ negatives.transpose(1, 2)
        return scores.masked_fill(~recorded[:, None], -torch.inf).unflatten(1, predicted.shape[1:3])

    @staticmethod
    def _without_true(scores: Tensor, places: Tensor) -> Tensor:
        """-inf where a negative, at `places` (window, negative) of the window, is what was to be predicted."""
        _, n_steps, n_positions, _ = scores.shape
        device = scores.device
        true = torch.arange(n_positions, device=device) + torch.arange(1, n_steps + 1, device=device)[:, None]
        return scores.masked_fill(places[:, None, None] == true[None, :, :, None], -torch.inf)


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Give hidden patches back: mean squared error over their recorded samples."""

    config: ObjectiveConfig
    patch_length: int
    remembers = False

    def compute_loss(
        self, net: MaeNet, windows: Windows, generator: torch.Generator, memory: Memory | None = None
    ) -> Loss:
        """Of a `MaeNet`."""
        n_windows, n_leads, n_samples = windows.given.shape
        mask = self.draw(n_windows, n_leads, count_columns(n_samples, self.patch_length), generator)
        hidden = mask.hidden.repeat_interleave(self.patch_length, dim=2)
        return Loss(*sum_squares(net(windows.given, mask), windows.wanted, hidden & windows.recorded[:, None]))

    def draw(self, n_windows: int, n_leads: int, n_columns: int, generator: torch.Generator) -> PatchMask:
        """The patches to hide."""
        return draw_patch_mask(
            n_windows,
            n_leads,
            n_columns,
            n_hidden_leads=self.config.hidden_leads,
            share_hidden=self.config.hidden_share,
            span=self.config.hidden_span,
            generator=generator,
        )
