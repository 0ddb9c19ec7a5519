"""The options of a training as types, so that an editor offers them and a type checker knows a misspelt one.

They are the fields of `pipeline.runs.train_config.TrainConfig` and `ecg.models.config.model.ModelConfig`, where their
meaning and defaults stand; a test holds the three together.
"""

from collections.abc import Mapping
from typing import TypedDict


class TrainOptions(TypedDict, total=False):
    """Options of a training; first how to train and decide, then what is trained. Rate and leads are the store's."""

    seed: int
    epochs: int
    batch_size: int
    valid_batch_size: int
    lr: float
    optimizer: str
    weight_decay: float
    schedule: str
    milestones: tuple[int, ...]
    lr_factor: float
    valid_split: float
    folds: int | None
    fold: int | None
    leave_out: str | None
    n_total: int | None
    shuffle: bool
    max_windows_per_record: int | None
    residency: str
    check: bool
    output_layer: str
    train_classes: str
    valid_classes: str
    correction_factor: str
    correction_limits: tuple[float, ...]
    decision: str
    scale_by_rank: tuple[float, ...]
    combination_strategy: str
    predict_before_collapse: bool
    precision: str
    kernels: str
    compile: bool
    augment: tuple[str, ...]
    loss: str
    ema: float
    class_weights: str
    label_smoothing: float
    finetuning: bool
    layer_decay: float
    random_stage: bool
    train_share: float
    save_last: bool
    save_logits: bool
    task: str
    select_by: str
    split: str
    torn_patients: bool
    window_length: int
    normalisation: str
    model: str
    net_filter_size: tuple[int, ...]
    net_seq_length: tuple[int, ...]
    kernel_size: int
    dropout_rate: float
    pred_stage_type: str
    pred_stage_hidd: int
    pred_stage_n_layer: int
    pooling: str
    squeeze_excitation: bool
    patient: bool
    pretrain_output_size: int
    eval_transformer: bool
    probe: bool
    s4d_features: int
    s4d_layers: int
    s4d_state: int
    s4d_stride: int
    s4d_dropout: float
    model_options: Mapping[str, object]
