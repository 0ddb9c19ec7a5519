"""Going on with the run that a folder holds: its last state, or none where it has not begun."""

from pathlib import Path

from ecg12.ecg.errors import RunFolderError
from ecg12.pipeline.runs import run_folder as files
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
