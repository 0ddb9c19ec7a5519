"""What has come so far in one transfer of many files: counted for the user, and held against what there may be."""

from pathlib import Path

from ecg12.pipeline.http.disk_space import Room
from ecg12.pipeline.http.responses import FailedTry
from ecg12.pipeline.runtime.progress import Task


class Meter:
    """Bytes and files, for the progress bar, the disk's room, and the bound of all files together.

    The bar's total follows the true lengths as they are known.

    Parameters
    ----------
    expected_bytes : of all files, as far as they are known before
    most_bytes : of all files, those with wrong bytes that are kept among them; None = there is no bound
    """

    def __init__(self, task: Task, n_files: int, expected_bytes: int, most_bytes: int | None) -> None:
        self.task = task
        self.room = Room()
        self.most_bytes = most_bytes
        self.n_files = n_files
        self.n_ended = 0
        self.n_bytes = 0
        self.n_bad_bytes = 0
        self.left = expected_bytes

    def advance(self, n_bytes: int, path: Path) -> None:
        """So many bytes were written to `path`, or dropped from it.

        Raises
        ------
        FailedTry
            If it is too much in all.
        NoRoomError
            If the disk is nearly full.
        """
        self.n_bytes += n_bytes
        self.task.advance(n_bytes)
        if n_bytes > 0:
            self.room.take(path, n_bytes)
            if self.most_bytes is not None and self.n_bytes + self.n_bad_bytes > self.most_bytes:
                raise FailedTry(
                    f"more than {self.most_bytes:,} bytes came in all; expected a release of the published size "
                    "(--max-file-size lifts the bound)",
                    retriable=False,
                    host_unusable=True,
                )

    def drop(self, n_bytes: int, *, kept: bool) -> None:
        """Take back the bytes of a wrong file, which stay on the disk if it is `kept`."""
        self.n_bytes -= n_bytes
        self.n_bad_bytes += n_bytes if kept else 0
        self.task.advance(-n_bytes)

    def file_ended(self, expected_bytes: int) -> None:
        """One file more has come, or will not."""
        self.n_ended += 1
        self.left -= expected_bytes
        self.task.expect(self.n_bytes + max(self.left, 0))
        self.task.advance(0, files=f"{self.n_ended:,}/{self.n_files:,}")
