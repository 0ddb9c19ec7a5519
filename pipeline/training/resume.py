"""Going on with the run that a folder holds, and what is kept of each epoch so that this is possible."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ecg12.ecg.errors import RunFolderError
from ecg12.pipeline.compute.ranks import Ranks
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.safe_writing import check_space, saving
from ecg12.pipeline.training.loop import TrainState


def resume(state: TrainState, path: Path, history: Path, command: str) -> bool:
    """Give `state` and its network what the last state at `path` holds, and say whether there is one.

    Parameters
    ----------
    history : the table of epochs, for a last state that is older than the rows in it
    command : the one that wrote both, for the message

    Raises
    ------
    RunFolderError
        If it is damaged, or the last state of another run.
    """
    if not path.exists():
        return False
    saved = files.load_weights(state.network, path)
    try:
        state.restore(saved)
    except (KeyError, ValueError, TypeError) as error:
        raise RunFolderError(
            f"{path}: not the last state of this run ({type(error).__name__}: {error}); expected what "
            f"{command} wrote: choose another --folder"
        ) from error
    if not state.history:  # an older one: the table is all there is, and the epoch's other files came before it
        state.history = files.read_history(history)[: state.next_epoch]
        state.outcome = None
    return True


def settle_in(
    history: Path,
    state: TrainState,
    ranks: Ranks,
    *,
    begun: bool,
    write_beginning: Callable[[], None],
    write_epoch: Callable[[], None],
) -> None:
    """Write what is known before the first epoch, and what a kill kept the last epoch of an earlier run from having.

    Parameters
    ----------
    history : the table of epochs, in the run's folder
    begun : whether `resume` found a last state
    """
    folder = history.parent
    ranks.wait()  # nobody may still be looking at the folder as it was
    if not ranks.writes:
        return
    with saving(folder, "the beginning of the run"):
        write_beginning()
        if begun and not files.is_history(history, state.history):
            write_epoch()
    check_space(folder, state.size_bytes(begun=begun))


def keep_epoch(
    last_state: Path,
    state: TrainState,
    row: Mapping[str, Any],
    score: float,
    ranks: Ranks,
    *,
    outcome: Callable[[bool], dict[str, Any] | None],
    write_epoch: Callable[[], None],
) -> None:
    """Write an epoch's results: the state to go on from first, from which the others can be made after a kill.

    Parameters
    ----------
    row : the epoch's row of the history
    score : by which the best epoch is chosen; the more, the better
    outcome : what is to be written of the epoch beside its state, if that is to be written, given whether it is the
        best so far
    """
    epoch = row["epoch"]
    state.outcome = outcome(state.is_best(epoch, score))
    state.next_epoch = epoch + 1
    if not ranks.writes:
        return
    with saving(last_state.parent, f"epoch {epoch + 1}"):
        files.save_checkpoint(last_state, state.last_checkpoint(epoch))
        write_epoch()
