"""Damaged files for readers of other people's bytes: whatever is in a file, an `EcgError` or a result comes of it.

`python -m tests.fuzz --reader dicom --cases 100000 --keep found` reads mutated files in a child process and watches it:
a crash, a case of more than 5 seconds of work, growth above four times the file and 200 MB, and an exception that is no
`EcgError` are counted and their files kept. Case n is a pure function of the seed and n, so it can be had again. Tests
of readers run some hundreds of cases in their own process through `run_cases`.

A reader joins by an entry in `READERS`: where its seeds come from, how a file is read, what may be wrapped around it.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np

from ecg12.ecg.errors import EcgError

SLOW_S = 5.0
GROWTH = 4
GROWTH_BYTES = 200 * 10**6
_HANG_S = 300
_NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
_TEXTS = tuple(
    text.encode() for text in "0 -1 1e9 1e308 nan inf 99999999 2147483648 0.00001 1,5 \0\0\0\0 \xff -0 1_0".split(" ")
)


@dataclass(frozen=True, kw_only=True)
class Fuzzed:
    """A reader and what it is given.

    Attributes
    ----------
    seeds : whole files that it reads, from which the damaged ones are made
    read : what is to survive them
    name : of the file that it is given
    wraps : what may be done to a damaged file in the end, such as compressing it
    """

    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[Path], object]
    name: str
    wraps: tuple[Callable[[bytes], bytes], ...] = ()


READERS = {
    "checkpoint": "tests.pipeline.runs.test_checkpoint_limits:FUZZED",
    "dicom": "tests.pipeline.formats.test_dicom:FUZZED",
    "edf": "tests.pipeline.formats.test_edf:FUZZED",
    "flac": "tests.pipeline.files.test_isolated_process:FUZZED",
    "matlab": "tests.pipeline.formats.test_matlab:FUZZED",
    "npy": "tests.pipeline.formats.test_bare_arrays:FUZZED",
    "store": "tests.cache.test_decompression:FUZZED",
    "table": "tests.pipeline.formats.test_tables:FUZZED",
    "tarball": "tests.pipeline.recordings.test_tarballs:FUZZED",
    "wfdb": "tests.pipeline.formats.wfdb.test_fuzz:FUZZED",
}
"""Where each `Fuzzed` is: a module and a name in it."""


@dataclass
class Tally:
    """What came of some cases: how many were read and refused, and the numbers of those that failed."""

    n_read: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    slowest_s: float = 0.0
    largest_growth: float = 0.0

    def add(self, other: "Tally") -> None:
        """Take up another's figures."""
        self.n_read += other.n_read
        self.refusals += other.refusals
        self.failures |= other.failures
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.largest_growth = max(self.largest_growth, other.largest_growth)


def mutate(seeds: Sequence[bytes], random: np.random.Generator, *, limit: int = 4_000_000) -> bytes:
    """A damaged file: up to three mutations of one of the seeds, most of them where headers are."""
    content = bytearray(seeds[int(random.integers(len(seeds)))])
    for _ in range(1 + int(random.random() < 0.4) + int(random.random() < 0.2)):
        if not content:
            break
        at = _place(len(content), random)
        _WAYS[random.integers(len(_WAYS))](content, at, random, seeds)
    return bytes(content[:limit])


def _place(length: int, random: np.random.Generator) -> int:
    within = length if random.random() < 0.3 else min(length, 4000 if random.random() < 0.7 else 300)
    return int(random.integers(within))


def _flip(content: bytearray, at: int, random: np.random.Generator, seeds: Sequence[bytes]) -> None:
    content[at] ^= 1 << int(random.integers(8))


def _set(content: bytearray, at: int, random: np.random.Generator, seeds: Sequence[bytes]) -> None:
    n = int(random.integers(1, 9))
    content[at : at + n] = random.bytes(n)


def _number(content: bytearray, at: int, random: np.random.Generator, seeds: Sequence[bytes]) -> None:
    """A length or a count that is as large, as small or as odd as it can be."""
    width = (1, 2, 4, 8)[random.integers(4)]
    value = _NUMBERS[random.integers(len(_NUMBERS))] % 256**width
    content[at : at + width] = value.to_bytes(width, "little" if random.random() < 0.7 else "big")


def _text(content: bytearray, at: int, random: np.random.Generator, seeds: Sequence[bytes]) -> None:
    text = _TEXTS[random.integers(len(_TEXTS))]
    content[at : at + 8] = text.ljust(8) if random.random() < 0.5 else text


def _delete(content: bytearray, at: int, random: np.random.Generator, seeds: Sequence[bytes]) -> None:
    del content[at : at + int(random.integers(1, 2 ** int(random.integers(1, 13))))]


def _truncate(content: bytearray, at: int, random: np.random.Generator, seeds: Sequence[bytes]) -> None:
    del content[at:]


def _insert(content: bytearray, at: int, random: np.random.Generator, seeds: Sequence[bytes]) -> None:
    content[at:at] = random.bytes(int(random.integers(1, 64)))


def _repeat(content: bytearray, at: int, random: np.random.Generator, seeds: Sequence[bytes]) -> None:
    """The same block many times: nested beginnings, ten thousand empty items."""
    block = content[at : at + int(random.integers(1, 64))]
    content[at:at] = block * int(random.integers(1, 2 ** int(random.integers(1, 14))))


def _copy(content: bytearray, at: int, random: np.random.Generator, seeds: Sequence[bytes]) -> None:
    there, n = _place(len(content), random), int(random.integers(1, 512))
    content[at : at + n] = content[there : there + n]


def _splice(content: bytearray, at: int, random: np.random.Generator, seeds: Sequence[bytes]) -> None:
    other = seeds[int(random.integers(len(seeds)))]
    content[at:] = other[_place(len(other), random) :]


_WAYS = (_flip, _set, _number, _text) * 3 + (_delete, _truncate, _insert, _repeat, _copy, _splice)


def case(fuzzed: Fuzzed, seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """The file of a case."""
    random = np.random.default_rng((seed, number))
    content = mutate(seeds, random)
    if fuzzed.wraps and random.random() < 0.4:
        content = fuzzed.wraps[int(random.integers(len(fuzzed.wraps)))](content)
    return content


def run_cases(fuzzed: Fuzzed, folder: Path, numbers: Iterable[int], *, seed: int = 0, watch: bool = False) -> Tally:
    """Read the files of some cases in this process.

    Parameters
    ----------
    watch : also hold time and memory against the limits, and print each number before its file is read
    """
    tally, path, seeds = Tally(), folder / fuzzed.name, fuzzed.seeds()
    for number in numbers:
        content = case(fuzzed, seeds, seed, number)
        path.write_bytes(content)
        if watch:
            print(number, flush=True)
        before, began = (_reset_peak() if watch else 0), time.process_time()
        try:
            fuzzed.read(path)
            tally.n_read += 1
        except EcgError as error:
            tally.refusals[_kind_of(str(error))] += 1
            if "\n" in str(error):
                tally.failures[number] = f"a refusal of several lines: {error}"
        except BaseException:  # a MemoryError or a SystemExit is as much a failure as any other
            tally.failures[number] = traceback.format_exc(limit=-4)
        if watch:
            _hold(tally, number, time.process_time() - began, _peak() - before, len(content))
    return tally


def _kind_of(text: str) -> str:
    """A refusal without its numbers and names, so that like ones are counted together."""
    return "".join("#" if sign.isdigit() else sign for sign in text.partition(": ")[2])[:60]


def _hold(tally: Tally, number: int, seconds: float, growth: int, size: int) -> None:
    tally.slowest_s = max(tally.slowest_s, seconds)
    tally.largest_growth = max(tally.largest_growth, growth)
    if seconds > SLOW_S:
        tally.failures[number] = f"{seconds:.1f} s"
    elif growth > GROWTH * size + GROWTH_BYTES:
        tally.failures[number] = f"grew by {growth:,} bytes for a file of {size:,}"


def _reset_peak() -> int:
    """Memory in use, bytes; from now on `_peak` is counted anew (Linux: proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024


def find(name: str) -> Fuzzed:
    """A reader by its name."""
    module, _, attribute = READERS[name].partition(":")
    return getattr(import_module(module), attribute)


def watch_child(name: str, first: int, end: int, seed: int) -> Iterator[tuple[int, Tally]]:
    """Run cases in child processes, a new one after each that dies; yields the cases that are done and their tally."""
    step = 2000
    while first < end:
        until, step = min(first + step, end), 2000
        command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz", "--reader", name, "--seed", str(seed), "--child"]
        with subprocess.Popen([*command, str(first), str(until)], stdout=subprocess.PIPE, text=True) as child:
            last, tally = first, Tally()
            timer = _Killer(child)
            for line in child.stdout or ():
                timer.alive()
                if line.startswith("{"):
                    facts = json.loads(line)
                    facts["failures"] = {int(number): text for number, text in facts["failures"].items()}
                    tally = Tally(**{**facts, "refusals": Counter(facts["refusals"])})
                else:
                    last = int(line)
            timer.stop()
        if child.wait() and last > first:  # the cases before the one that killed it are counted first
            step = last - first
            continue
        if child.returncode:
            why = f"no end after {_HANG_S} s" if timer.killed else f"the child died, exit code {child.returncode}"
            tally, until = Tally(failures={first: why}), first + 1
        yield until - first, tally
        first = until


class _Killer:
    """Kills a child that says nothing for too long."""

    def __init__(self, child: subprocess.Popen) -> None:
        from threading import Event, Thread

        self.killed, self._child, self._event, self._last = False, child, Event(), time.monotonic()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def alive(self) -> None:
        """The child has spoken."""
        self._last = time.monotonic()

    def stop(self) -> None:
        """The child has ended."""
        self._event.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._event.wait(1):
            if time.monotonic() - self._last > _HANG_S:
                self.killed = True
                self._child.kill()
                return


def main() -> int:
    """Run many cases and say what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reader", choices=sorted(READERS), required=True)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="Folder for the files of failures.")
    parser.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        memory = Path("/dev/shm")  # files are opened ten times as fast there
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
            tally = run_cases(find(options.reader), Path(folder), range(*options.child), seed=options.seed, watch=True)
        print(json.dumps(vars(tally)), flush=True)
        return 0
    total, done, began = Tally(), 0, time.monotonic()
    for n, tally in watch_child(options.reader, options.first, options.first + options.cases, options.seed):
        done += n
        total.add(tally)
        print(f"{done:,} cases, {len(total.failures)} failures, {time.monotonic() - began:.0f} s", flush=True)
    if options.keep and total.failures:
        _keep(options.keep, options.reader, options.seed, total.failures)
    print(f"read {total.n_read:,}, refused {total.refusals.total():,}, failed {len(total.failures):,}")
    print(f"slowest {total.slowest_s:.2f} s, largest growth {total.largest_growth / 1e6:.0f} MB")
    for kind, n in total.refusals.most_common(40):
        print(f"{n:8,}  {kind}")
    for number, text in list(total.failures.items())[:20]:
        print(f"case {number}: {text}")
    return int(bool(total.failures))


def _keep(folder: Path, name: str, seed: int, failures: Iterable[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fuzzed = find(name)
    seeds = fuzzed.seeds()
    for number in failures:
        (folder / f"{number}-{fuzzed.name}").write_bytes(case(fuzzed, seeds, seed, number))


if __name__ == "__main__":
    sys.exit(main())
