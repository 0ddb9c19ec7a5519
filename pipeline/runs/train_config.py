"""How a training is configured."""

import math
from dataclasses import dataclass, field

from ecg12.ecg.config import Config
from ecg12.ecg.decisions.reference_rules import CORRECTIONS, LARGEST_CORRECTION, RANK_FACTORS, STRATEGIES
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.option_names import CLASS_WEIGHTS, OWN_LOSS, check_names
from ecg12.ecg.plugin_names import EXPECTED, is_plugin_name
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.pipeline.runs.hold_out import HoldOut
from ecg12.pipeline.runtime.option_names import KERNELS, OPTIMIZERS, PRECISIONS, SCHEDULES, check_residency

CLASS_SETS = ("scored", "dset")
DECISIONS = ("thresholds", "rank")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig(Config):
    """How to train and decide; what is trained stands in `model`.

    Attributes
    ----------
    seed : of weights, order, split and dropout
    epochs : passes over the training windows
    batch_size, valid_batch_size : windows in a batch
    lr : highest learning rate
    optimizer, weight_decay : see `pipeline.training.optimise`
    schedule, milestones, lr_factor : the same; milestones and factor are those of "steps"
    valid_split : share of the records to validate on, of those that are not held out; with 1 nothing trains
    folds, fold, leave_out : what is held out for testing, see `pipeline.training.split.HoldOut`; nothing by default
    n_total : so many of the records, chosen by a hash of their names; None takes all
    shuffle : a new order in each epoch; else the store's
    max_windows_per_record : random windows of a longer record in each epoch; None takes all
    residency : where windows are while an epoch lasts, see `pipeline.loading.window_batches`; a run folder has the one
        that "auto" chose when the run began, so that a run goes on in the same order wherever it does
    check : hold each chunk against its crc32c when it is first decoded
    output_layer : "softmax", "sigmoid", "challenge_sigmoid", "cpsc", the path of a mapping file, or a plugin's name
    train_classes : what softmax and sigmoid are made for: the "scored" classes, or all of the store ("dset")
    valid_classes : what is judged and predicted: the same choice
    correction_factor, correction_limits : see `ecg.decisions.reference_rules.compute_correction`
    decision : labels where scores exceed fitted "thresholds", or by the reference system's "rank"
    scale_by_rank : factors of `ecg.decisions.reference_rules.scale_by_rank`, for decision "rank"
    combination_strategy : how a record's windows become one: "mean", "max" or "last"
    predict_before_collapse : for decision "rank": decide on each window, and take a label that any of them has
    precision, kernels : in which the network runs, see `pipeline.compute.float_precision`; a run folder has those that
        "auto" chose when the run began
    compile : let torch compile the ResNet; that takes a minute or so
    augment : changes to training windows, see `ecg.models.augment`; plugins' names among them
    loss : "layer", the output layer's own; or a plugin's name, see `ecg.plugin_names`
    ema : decay of the weights' moving average that is validated and kept, see `pipeline.training.averaging`; 0 for none
    class_weights : in the loss of a sigmoid output layer: "none", or by the challenge "metric"
    label_smoothing : of the same loss, see `ecg.models.loss`
    finetuning : train the pretrained stage, too
    layer_decay : the learning rate of each block of a stage that is trained, over that of the block above it
    random_stage : leave the stage's weights at their random start: what a pretraining is measured against
    train_share : share of the training records' groups to learn from, chosen by a hash; validation stays as it is
    save_last : the last weights are the model, instead of those of the best epoch
    save_logits : write logits.csv with the model
    task : name of the task, see `ecg.tasks`; the run folder carries it as a file
    select_by : the figure by which the best epoch is chosen: the task's with "auto"
    split : "auto", the task's official sides where it has any and the store knows them; "official"; "random"; or where
        sides stand, see `pipeline.training.given_sides`
    torn_patients : take a split that has a patient on two sides
    """

    unsaid = frozenset({"loss", "task", "select_by", "split", "torn_patients"})

    seed: int = 2
    epochs: int = 30
    batch_size: int = 32
    valid_batch_size: int = 256
    lr: float = 2e-3
    optimizer: str = "adamw"
    weight_decay: float = 1e-2
    schedule: str = "one_cycle"
    milestones: tuple[int, ...] = (75, 125, 175)
    lr_factor: float = 0.1
    valid_split: float = 0.3
    folds: int | None = None
    fold: int | None = None
    leave_out: str | None = None
    n_total: int | None = None
    shuffle: bool = True
    max_windows_per_record: int | None = 8
    residency: str = "auto"
    check: bool = True
    output_layer: str = "sigmoid"
    train_classes: str = "scored"
    valid_classes: str = "scored"
    correction_factor: str = "train"
    correction_limits: tuple[float, ...] = (0.0, LARGEST_CORRECTION)
    decision: str = "thresholds"
    scale_by_rank: tuple[float, ...] = RANK_FACTORS
    combination_strategy: str = "mean"
    predict_before_collapse: bool = False
    precision: str = "auto"
    kernels: str = "auto"
    compile: bool = False
    augment: tuple[str, ...] = ()
    loss: str = OWN_LOSS
    ema: float = 0.0
    class_weights: str = "none"
    label_smoothing: float = 0.0
    finetuning: bool = False
    layer_decay: float = 1.0
    random_stage: bool = False
    train_share: float = 1.0
    save_last: bool = False
    save_logits: bool = False
    task: str = CHALLENGE_2020
    select_by: str = "auto"
    split: str = "auto"
    torn_patients: bool = False
    model: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "valid_batch_size", "n_total", "max_windows_per_record"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; expected at least 1")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; expected 0 or more")
        for name in ("lr", "lr_factor"):
            value = getattr(self, name)
            if not value > 0 or not math.isfinite(value):
                raise ConfigError(f"{name} is {value}; expected a positive number")
        if not 0 <= self.weight_decay < math.inf:
            raise ConfigError(f"weight_decay is {self.weight_decay}; expected 0 or more")
        for name in ("layer_decay", "train_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected more than 0, at most 1")
        if not 0 <= self.valid_split <= 1:
            raise ConfigError(f"valid_split is {self.valid_split}; expected 0 to 1")
        if list(self.milestones) != sorted(set(self.milestones)) or min(self.milestones, default=0) < 0:
            raise ConfigError(f"milestones are {self.milestones}; expected epochs of 0 or more, ascending")
        check_residency(self.residency)
        check_names(self.augment)
        self._check_loss()
        self._check_choices()
        self._check_decision()
        if self.hold_out.tests and self.valid_split == 1:
            raise ConfigError(f"valid_split is {self.valid_split}; expected below 1 where records are held out to test")

    @property
    def hold_out(self) -> HoldOut:
        """What is held out for testing."""
        return HoldOut(folds=self.folds, fold=self.fold, leave_out=self.leave_out)

    def _check_choices(self) -> None:
        choices = {
            "optimizer": OPTIMIZERS,
            "schedule": SCHEDULES,
            "precision": PRECISIONS,
            "kernels": KERNELS,
            "class_weights": CLASS_WEIGHTS,
            "train_classes": CLASS_SETS,
            "valid_classes": CLASS_SETS,
            "correction_factor": CORRECTIONS,
            "decision": DECISIONS,
            "combination_strategy": STRATEGIES,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected {', '.join(allowed)}")

    def _check_loss(self) -> None:
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ema is {self.ema}; expected a decay below 1, such as 0.99, or 0 for none")
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label_smoothing is {self.label_smoothing}; expected 0 or more and below 1")
        if self.loss == OWN_LOSS:
            return
        if not is_plugin_name(self.loss):
            raise ConfigError(f"loss is {self.loss!r}; expected {OWN_LOSS}, or {EXPECTED}")
        if self.class_weights != "none" or self.label_smoothing:
            raise ConfigError(f"class_weights and label_smoothing are for the output layer's loss, not {self.loss}")

    def _check_decision(self) -> None:
        limits = self.correction_limits
        if len(limits) != 2 or not 0 <= limits[0] <= limits[1] < math.inf:
            raise ConfigError(f"correction_limits are {limits}; expected the smallest factor and the largest")
        if not self.scale_by_rank or not all(0 <= factor < math.inf for factor in self.scale_by_rank):
            raise ConfigError(f"scale_by_rank is {self.scale_by_rank}; expected at least one factor of 0 or more")
        if self.predict_before_collapse and self.decision != "rank":
            raise ConfigError(
                "predict_before_collapse is set, but decision is 'thresholds', which are fitted to whole records; "
                "expected decision 'rank' with it"
            )
