"""A fence around other people's readers: whatever a damaged file makes them raise becomes one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from ecg12.cache.storage.location import Location
from ecg12.ecg.errors import EcgError, SignalError


@contextmanager
def reading(path: Location, kind: str) -> Iterator[None]:
    """Turn what a library raises while it reads `path` as `kind` into a SignalError that names the file.

    Libraries raise whatever their reading of damaged bytes runs into, so everything that is an error is caught, a
    lack of memory for a length that a damaged header states included. Errors of ours pass. The folder is left out, for
    a store holds no paths, and its rejects none either.
    """
    try:
        yield
    except EcgError:
        raise
    except FileNotFoundError:
        raise SignalError(f"{path.name}: does not exist; expected {kind}") from None
    except Exception as error:
        reason = " ".join(str(error).replace(f"{path.parent}/", "").split()) or "no reason given"
        if len(reason) > 200:
            reason = f"{reason[:200]}…"
        raise SignalError(
            f"{path.name}: cannot be read as {kind} ({type(error).__name__}: {reason}); expected a whole file"
        ) from error
