"""A folder that predictions are written into: by one process at a time, and without anything of a run before.

While predict works, the hidden folder `.predicting` in it holds a lock and all that is half-written, unpacked or
fetched. From the first prediction on it holds a mark, too, which goes when all is written: where a mark without a
process is found, that run was interrupted, and what it wrote is removed by the next. What predict wrote is told by
what stands in it, so that other files stay.
"""

import json
import os
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ecg12.ecg.errors import InputError
from ecg12.pipeline.runs.predicted_folder import NUMBER_COLUMNS as NUMBER_COLUMNS
from ecg12.pipeline.runs.predicted_folder import TABLE as TABLE
from ecg12.pipeline.runs.predicted_folder import TABLE_COLUMNS as TABLE_COLUMNS
from ecg12.pipeline.runs.prediction_folders import GAIN_SWEEP
from ecg12.pipeline.runtime.folder_lock import claimed, name_holder
from ecg12.pipeline.runtime.scratch import LOCK, WORK, clear_old_litter, is_no_room, remove, unwritable
from ecg12.pipeline.tasks.task_files import drop_task

EXPLAINED = "explained"
JSON_BEGIN = '{"model": '

_MARK = "unfinished"
_AGAIN = " and predict again, which begins by removing what was written so far"
_HEAD_BYTES = 2**16
_PICTURES = (".png", ".svg", ".pdf")


@dataclass(slots=True)
class PredictionFolder:
    """A folder that is held.

    Attributes
    ----------
    output, work : it, and the folder in it for what is unfinished
    foreign : paths in it, relative, of CSV files that predict did not write
    folds_case : whether its file system takes names for the same that differ by case alone
    """

    output: Path
    work: Path
    foreign: frozenset[str] = frozenset()
    folds_case: bool = False
    is_begun: bool = False
    _names: dict[str, str] = field(default_factory=dict)

    def begin(self, folders: Sequence[str] = ()) -> None:
        """Remove what earlier runs wrote; from here on this run is unfinished until `finish`.

        Parameters
        ----------
        folders : names of folders in it that this run predicts into, too
        """
        if self.is_begun:
            return
        mark = self.work / _MARK
        of_others = _sweep_folders(self.output) | (set(mark.read_text("utf-8").split("\n")) if mark.exists() else set())
        of_others = {name for name in of_others if name and Path(name).name == name}
        mark.write_text("\n".join(sorted(of_others.union(folders))), "utf-8")
        for name in sorted(of_others):
            _empty(self.output / name)
        self.foreign = clear_predictions(self.output)
        self.folds_case = _folds_case(self.work)
        self.is_begun = True

    def finish(self) -> None:
        """All is written."""
        (self.work / _MARK).unlink(missing_ok=True)

    def path_of(self, record: str) -> Path:
        """Where the prediction of a record goes.

        Raises
        ------
        InputError
            If that is no place below the folder, or taken by another record or a file of somebody else's.
        """
        path = self.output / f"{record}.csv"
        parts = record.split("/")
        if "" in parts or "." in parts or ".." in parts or parts[0] == WORK:
            raise InputError(f"{record!r}: no name for a file in {self.output}; rename the record")
        if os.name == "nt" and re.search(r'[\\:*?"<>|]', record):
            raise InputError(f"{record!r}: no name for a file on this system; rename the record")
        if f"{record}.csv" in self.foreign:
            raise InputError(f"{path}: there already, and no prediction of predict's; move it, or rename the record")
        if self.folds_case:
            key = unicodedata.normalize("NFC", record).casefold()
            if self._names.setdefault(key, record) != record:
                raise InputError(
                    f"{path}: for this file system the same as {self._names[key]}.csv; rename one of the two records"
                )
        return path


@contextmanager
def held_output(output: Path, *, force: bool) -> Iterator[PredictionFolder]:
    """Have a folder for predictions, which is made if need be, and goes again if it stays empty.

    What is half-written, unpacked or fetched in it by processes that are dead goes at once, and so does what this one
    leaves. Predictions of an interrupted run are no reason to refuse it, and go as `PredictionFolder.begin` is called.

    Raises
    ------
    InputError
        If another process predicts into it, it cannot be written, or as `check_output` says.
    """
    check_output(output, force=force)
    is_new = not output.exists()
    work = output / WORK
    try:
        with ExitStack() as stack:
            try:
                is_held = stack.enter_context(claimed(work / LOCK, "predict"))
            except OSError as error:
                raise unwritable(output, error, _AGAIN) from error
            if not is_held:
                raise InputError(
                    f"{output}: {name_holder(work / LOCK)} is writing into it; wait for it or stop it, or choose "
                    "another --output"
                )
            _clear_litter(output, work)
            try:
                yield PredictionFolder(output, work)
            except OSError as error:
                if not is_no_room(error):
                    raise
                raise unwritable(output, error, _AGAIN) from error
            finally:
                _leave(work)
    finally:
        if is_new:
            with suppress(OSError):  # not empty: predictions are there
                output.rmdir()


def _leave(work: Path) -> None:
    """Remove all but the lock and the mark; these too, if there is no mark."""
    for path in work.iterdir():
        if path.name not in (LOCK, _MARK):
            remove(path)
    if not (work / _MARK).exists():
        with suppress(OSError):  # where open files cannot be removed, the folder stays, empty but for the lock
            (work / LOCK).unlink()
            work.rmdir()


def _clear_litter(output: Path, work: Path) -> None:
    for path in work.iterdir():
        if path.name not in (LOCK, _MARK):
            remove(path)
    clear_old_litter(output)


def is_interrupted(output: Path) -> bool:
    """Whether a folder has the mark of a run that did not come to its end, or has not yet."""
    return (output / WORK / _MARK).exists()


def check_output(output: Path, *, force: bool) -> None:
    """Refuse a folder for predictions that is a file, or that holds some already.

    Raises
    ------
    InputError
        Saying which, unless `force` allows the second, or the run that they are of was interrupted.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; expected a folder for the predictions")
    if force or not output.is_dir() or is_interrupted(output):
        return
    if any(output.glob("*.csv")):
        raise InputError(f"{output}: holds CSV files already; choose another --output, or --force to write into it")
    if (output / GAIN_SWEEP).exists():
        raise InputError(f"{output}: holds a gain sweep already; choose another --output, or --force to write into it")


def clear_predictions(output: Path) -> frozenset[str]:
    """Remove what predict wrote into a folder, explanations included; of a gain sweep, its file.

    Returns
    -------
    relative paths of the CSV files that are left: other people's
    """
    foreign: set[str] = set()
    (output / GAIN_SWEEP).unlink(missing_ok=True)
    drop_task(output)
    _clear_explained(output / EXPLAINED)
    for root, folders, files in os.walk(output, topdown=True):
        folders[:] = [one for one in folders if not one.startswith(".") and not _is_store(Path(root, one))]
        below = Path(root)
        n_removed = 0
        for name in files:
            relative = (below / name).relative_to(output).as_posix()
            if name.endswith((".csv", ".json")) and _is_ours(below / name, relative):
                (below / name).unlink()
                n_removed += 1
            elif name.endswith(".csv"):
                foreign.add(relative)
        if n_removed and below != output:
            _remove_empty(below)
    return frozenset(foreign)


def _empty(folder: Path) -> None:
    """Remove predictions from a folder of a gain sweep, and the folder if nothing else is in it."""
    if folder.is_dir():
        with held_output(folder, force=True) as held:
            held.begin()
            held.finish()
        _remove_empty(folder)


def _sweep_folders(output: Path) -> set[str]:
    """Folders of a gain sweep, by what its file says."""
    try:
        entries = json.loads((output / GAIN_SWEEP).read_text(encoding="utf-8"))["gains"]
        return {str(entry["folder"]) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _is_store(folder: Path) -> bool:
    return (folder / "zarr.json").exists()


def _is_ours(path: Path, relative: str) -> bool:
    """By its first line: the name of its own record, the table's columns, or how the JSON begins."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    if relative.endswith(".json"):
        return "/" not in relative and head.startswith(JSON_BEGIN.encode()) and b'"records": [' in head
    first = head.partition(b"\n")[0]
    if relative == TABLE:
        return first in {",".join(columns).encode() for columns in (TABLE_COLUMNS, NUMBER_COLUMNS)}
    return first == f"#{relative.removesuffix('.csv')}".encode(errors="surrogateescape")


def _clear_explained(folder: Path) -> None:
    """Remove arrays of explanations, and the pictures that are called after them."""
    for path in sorted(folder.rglob("*.npz")):
        try:
            with zipfile.ZipFile(path) as arrays:
                is_ours = "attribution.npy" in arrays.namelist()
        except (OSError, zipfile.BadZipFile):
            is_ours = False
        if is_ours:
            for beside in path.parent.iterdir():
                if beside.suffix in _PICTURES and beside.name.startswith(f"{path.stem}."):
                    beside.unlink()
            path.unlink()
            _remove_empty(path.parent)
    _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # not empty, or not there
        folder.rmdir()


def _folds_case(folder: Path) -> bool:
    """Whether a file system takes two names for the same that differ by case alone."""
    upper = folder / "CaseTried"
    upper.touch()
    try:
        return (folder / "casetried").exists()
    finally:
        upper.unlink()
