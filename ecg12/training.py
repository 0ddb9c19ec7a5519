"""Training a classifier from Python."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from ecg12.ecg.models.config.model import ModelConfig
from ecg12.places import PathLike, Paths, to_folder, to_places
from ecg12.stores import Store
from ecg12.train_options import TrainOptions

if TYPE_CHECKING:
    import pandas as pd

    from ecg12.pipeline.training.train import TrainSummary

_MODEL_OPTIONS = frozenset(ModelConfig.__dataclass_fields__)


class TrainedRun:
    """What a training did; `train` makes it.

    Attributes
    ----------
    folder : the run folder, which `load_model` takes
    n_train, n_valid : records that it was trained and validated on
    n_test : records that its split keeps for testing; their names stand in test_ids.txt of the folder
    task : name of what it was trained for
    best_epoch : whose weights are the model, from 0
    figure : what the best epoch was chosen by, a column of `history`
    interrupted : whether Ctrl-C ended it before its last epoch; the same call goes on
    """

    def __init__(self, summary: "TrainSummary") -> None:
        self._summary = summary
        self.folder: Path = summary.folder
        self.n_train: int = summary.n_train
        self.n_valid: int = summary.n_valid
        self.n_test: int = summary.n_test
        self.task: str = summary.task
        self.best_epoch: int = summary.best_epoch
        self.figure: str = summary.figure
        self.interrupted: bool = summary.interrupted

    def __repr__(self) -> str:
        return f"TrainedRun({str(self.folder)!r}, {len(self._summary.history)} epochs, best {self.best_epoch})"

    @cached_property
    def history(self) -> "pd.DataFrame":
        """A row an epoch: losses, validation figures, windows a second."""
        import pandas as pd

        return pd.DataFrame([dict(row) for row in self._summary.history]).set_index("epoch")


def train(
    store: Store | Paths,
    folder: PathLike,
    *,
    preset: str | None = None,
    pretrained: PathLike | None = None,
    plugins: Sequence[str] = (),
    cuda: bool = False,
    report: Callable[[Mapping[str, float]], None] | None = None,
    **options: Unpack[TrainOptions],
) -> TrainedRun:
    """Train a classifier on the labelled records of a store, or go on with the run in `folder`.

    Under torchrun each process calls this; they train one network together.

    Parameters
    ----------
    store : the store, or several that are read as one
    folder : the run folder; one that holds an unfinished run is gone on with
    preset : "reference" for all defaults of the reference system
    pretrained : folder of a pretraining that gives the network its first stage; None for `folder`, if it holds one
    plugins : modules of yours that a run to go on with may name; what `options` name needs no consent
    cuda : train on the GPU
    report : called with each epoch's figures
    options : as of the command `train`, with _ for -: epochs, batch_size, lr, valid_split, window_length, …

    Raises
    ------
    ConfigError
        If an option is unknown or makes no sense, stores do not go together, or there is nothing to train on.
    StoreError
        If a store cannot be read.
    RunFolderError
        If `folder` holds a run that cannot be gone on with this way, or cannot be written.
    TrainingError
        If the loss is not a number any more.
    """
    from ecg12.pipeline.training import train as training

    summary = training.train(
        to_places(store.paths if isinstance(store, Store) else store),
        folder=to_folder(folder),
        preset=preset,
        options={name: value for name, value in options.items() if name not in _MODEL_OPTIONS},
        model_options={name: value for name, value in options.items() if name in _MODEL_OPTIONS},
        pretrained=None if pretrained is None else to_folder(pretrained),
        plugins=plugins,
        cuda=cuda,
        report=report or _say_nothing,
    )
    return TrainedRun(summary)


def _say_nothing(row: Mapping[str, float]) -> None:
    """Forget it."""
