"""The fence around one record: what it makes the program raise is said of that record, and the others go on.

Whatever bytes a file has, and whatever a reader has not foreseen of them, ends here, with its kind if it is not one of
our own errors; so does a lack of memory. What is nobody's fault among the records, such as a full disk, does not occur
in reading, and what ends a process (Ctrl-C) passes.
"""

from ecg12.ecg.errors import EcgError, RemoteError
from ecg12.pipeline.runtime.printable_names import in_one_line

FENCED = (Exception,)
"""EcgError, OSError, MemoryError, RecursionError and whatever else: all that a single record can be the cause of."""


def reason_of(error: BaseException) -> str:
    """What to say of a record that could not be used, in one line that prints, whatever names its file has in it."""
    if isinstance(error, EcgError):
        return in_one_line(str(error))
    if isinstance(error, MemoryError):
        return "takes more memory than there is; expected a recording that fits"
    what = " ".join(str(error).split()) or "no reason given"
    return in_one_line(f"cannot be used ({type(error).__name__}: {what[:200]})")


def name_reason(name: str, reason: str) -> str:
    """A reason behind the record's name, which many begin with themselves."""
    return reason if reason.startswith(f"{name}: ") else f"{name}: {reason}"


def raise_if_of_all(error: Exception) -> None:
    """Raise again what no single record of several that were computed together is the cause of.

    One may be damaged where it is stored, or take too much memory (which torch says in a RuntimeError). A server that
    cannot be had, a network that fails or a mistake of ours concern them all.
    """
    is_lack = isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "memory" in str(error).lower())
    if isinstance(error, RemoteError) or not (is_lack or isinstance(error, EcgError | OSError)):
        raise error
