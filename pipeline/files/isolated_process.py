"""Native decoders of other people's bytes, run in a process of their own: what ends it is said of the one file.

A library in C that is given damaged bytes may crash, never end, or take all memory, and no `except` holds any of that.
So it runs in a helper process, a fresh interpreter that is started when the first file needs it and lives as long as
this process; a helper that died is replaced for the next file. Requests are lines of JSON, answers a line of JSON and
the bytes of an array. The helper ends itself when this process goes, however it goes: nobody writes to it any more.

It takes 0.3 s to start and a millisecond a file. Threads take turns. A forked process starts its own.
"""

import atexit
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Event, Lock, Timer
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.files.foreign_readers import reading

try:
    import resource
except ImportError:  # Windows: there the time is bounded, the memory not
    resource = None  # type: ignore[assignment]

SECONDS = 30.0
BYTES_A_SECOND = 5_000_000
"""A decoder gets `SECONDS`, and one more for so many bytes of samples; it takes a tenth of that on a slow disk."""

SPARE_BYTES = 200 * 2**20
"""Memory that a decoder may take beside four times its samples."""

# the folder that a user stands in is no place to import from: -I, and the parent's own places
_START = "import sys; sys.path[:] = sys.argv[1:]; from ecg12.pipeline.files.isolated_process import serve; serve()"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """What a decoder may take: `seconds` of wall clock, `memory` in bytes beside what it has when it begins."""

    seconds: float
    memory: int


def bounds_for(n_bytes: int) -> Bounds:
    """What decoding so many bytes of samples may take."""
    return Bounds(seconds=SECONDS + n_bytes / BYTES_A_SECOND, memory=SPARE_BYTES + 4 * n_bytes)


def decode_isolated(
    function: str, path: Path, arguments: dict[str, Any], bounds: Bounds, what: str
) -> NDArray[np.generic]:
    """The array that a function makes of a file, in a helper process.

    Parameters
    ----------
    function : as `module:name`; called as `function(path, **arguments)`, gives a numeric array
    arguments : which JSON can hold
    what : what the file is, for errors, such as "X: its FLAC signal file X.dat"

    Raises
    ------
    SignalError
        As the function raises it, or if it raises anything else, crashes, takes longer or more memory than allowed.
    """
    with _LOCK:
        helper = _HELPERS.get(os.getpid())
        if helper is not None and helper.process.poll() is not None:
            helper.end()
            helper = None
        if helper is None:
            helper = _HELPERS[os.getpid()] = _Helper()
        request = {"function": function, "path": os.fspath(path), "arguments": arguments, "memory": bounds.memory}
        answer, data = helper.ask(request, bounds)
    if "error" in answer:
        raise SignalError(f"{what} cannot be decoded ({answer['error']})")
    if "died" in answer:
        raise SignalError(f"{what} cannot be decoded ({answer['died']}); expected a whole file")
    return np.frombuffer(data, np.dtype(answer["dtype"])).reshape(answer["shape"])


class _Helper:
    """A process that decodes."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-c", _START, *map(os.path.abspath, sys.path)]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment, bufsize=0
        )

    def ask(self, request: dict[str, Any], bounds: Bounds) -> tuple[dict[str, Any], bytearray]:
        """The answer and its bytes; how it died where there is none."""
        too_late = Event()

        def stop() -> None:
            too_late.set()
            self.process.kill()

        timer = Timer(bounds.seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            found = self._talk(json.dumps(request).encode() + b"\n")
        except BaseException:  # Ctrl-C: half an answer is still to come, which nobody waits for
            self.end()
            raise
        finally:
            timer.cancel()
        if found is None:
            self.end()
            code = self.process.returncode
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return {
                "died": f"no end after {bounds.seconds:.0f} s" if too_late.is_set() else f"the decoder crashed: {how}"
            }, bytearray()
        return found

    def _talk(self, line: bytes) -> tuple[dict[str, Any], bytearray] | None:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(line)
        except OSError:
            return None
        head = bytearray()
        while not head.endswith(b"\n"):
            letter = stdout.read(1)
            if not letter:
                return None
            head += letter
        answer = json.loads(head)
        data = bytearray(answer.get("size", 0))
        rest = memoryview(data)
        while rest.nbytes:
            n_bytes = stdout.readinto(rest)  # type: ignore[attr-defined]  # without a buffer it is a FileIO
            if not n_bytes:
                return None
            rest = rest[n_bytes:]
        return answer, data

    def end(self) -> None:
        """End it and wait for that."""
        if self.process.stdout is not None and self.process.poll() is None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            try:
                self.process.wait(1)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


_HELPERS: dict[int, _Helper] = {}
"""The helper of this process, by the process's number: a forked one finds none of its own."""
_LOCK = Lock()


def end_helper() -> None:
    """End this process's helper; the next file starts another."""
    with _LOCK:
        helper = _HELPERS.pop(os.getpid(), None)
    if helper is not None:
        helper.end()


def _new_lock() -> None:
    global _LOCK
    _LOCK = Lock()


atexit.register(end_helper)
if hasattr(os, "register_at_fork"):  # a thread of the parent may hold the lock for ever
    os.register_at_fork(after_in_child=_new_lock)


def serve() -> None:
    """The helper's own work: answer requests until there are no more."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent ends this one
    # what a library prints must not get among the answers
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin.buffer:
        _answer(json.loads(line), answers)


def _answer(request: dict[str, Any], answers: BinaryIO) -> None:
    path, head, data = Path(request["path"]), dict[str, Any](), memoryview(b"")
    try:
        with reading(path, "a recording"):
            module, _, name = request["function"].partition(":")
            function = getattr(import_module(module), name)
            _bound_memory(request["memory"])
            found = np.ascontiguousarray(function(path, **request["arguments"]))
    except SignalError as error:
        head = {"error": str(error)}
    else:
        data = found.data.cast("B") if found.size else data
        head = {"dtype": found.dtype.str, "shape": found.shape, "size": found.nbytes}
    answers.write(json.dumps(head).encode() + b"\n")
    answers.write(data)
    answers.flush()


def _bound_memory(n_bytes: int) -> None:
    """Let this process take so much more than it has; where the system does not tell or hold that, the time must do."""
    if resource is None:
        return
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + n_bytes
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (OSError, ValueError):
        return
