"""Decoders in a process of their own: whatever they do there is said of the one file, and the next one is read."""

import os
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.files import isolated_process as isolated
from ecg12.pipeline.files.isolated_process import Bounds, bounds_for, decode_isolated, end_helper
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.formats.wfdb.records import read_record
from tests.fuzz import Fuzzed, run_cases
from tests.records import pulses_uv

ROOT = Path(__file__).resolve().parents[3]
TIGHT = Bounds(seconds=30, memory=2**28)


def decode(function: str, path: Path, bounds: Bounds = TIGHT, **arguments: int) -> NDArray[np.generic]:
    return decode_isolated(f"tests.pipeline.files.misbehaving:{function}", path, arguments, bounds, "X: its file")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "X.dat"
    path.write_bytes(bytes(range(10)))
    return path


def test_an_array_comes_back(file: Path) -> None:
    expected = np.arange(10, dtype=np.int16).reshape(2, 5)
    first, second = decode("well", file), decode("well", file, scale=3)
    assert first.dtype == np.int16
    assert np.array_equal(first, expected)
    assert np.array_equal(second, 3 * expected)
    assert decode("nothing", file).shape == (3, 0)
    assert np.array_equal(decode("talking", file), expected)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("aborts", rf"the decoder crashed: signal {int(signal.SIGABRT)}"),
        ("segfaults", rf"the decoder crashed: signal {int(signal.SIGSEGV)}"),
        ("leaves", "the decoder crashed: exit code 3"),
        ("half", "the decoder crashed: exit code 0"),
        ("allocates", "X.dat: cannot be read as a recording .MemoryError: no reason given.; expected a whole file"),
        ("raises", "X.dat: cannot be read as a recording .KeyError: 'frame.n7'.; expected a whole file"),
        ("recurses", "X.dat: cannot be read as a recording .RecursionError: maximum recursion depth.*"),
        ("refuses", "no frame of it"),
        ("not_there", "X.dat: cannot be read as a recording .AttributeError: .*"),
    ],
)
def test_what_ends_a_decoder_is_named_and_the_next_file_is_read(file: Path, function: str, reason: str) -> None:
    with pytest.raises(SignalError, match=rf"^X: its file cannot be decoded \({reason}\)"):
        decode(function, file)
    assert decode("well", file).shape == (2, 5)


def test_one_that_has_no_end_is_ended(file: Path) -> None:
    with pytest.raises(SignalError, match=r"X: its file cannot be decoded \(no end after 1 s\); expected a whole file"):
        decode("sleeps", file, Bounds(seconds=1, memory=2**28))
    assert decode("well", file).shape == (2, 5)


def test_a_large_recording_has_more_time_and_memory() -> None:
    assert bounds_for(0).seconds == 30
    assert bounds_for(500_000_000).seconds == 130
    assert bounds_for(500_000_000).memory > 2_000_000_000


def test_one_process_serves_all_threads_and_goes_with_its_parent(file: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: decode("interpreter", file).tolist(), range(20)))
    assert len({child for child, *_ in found}) == 1
    assert all(parent == os.getpid() and not here for _, parent, here in found)
    child = found[0][0]
    isolated._HELPERS[os.getpid()].process.kill()  # as the system does that lacks memory
    isolated._HELPERS[os.getpid()].process.wait()
    assert decode("interpreter", file)[0] != child
    end_helper()
    assert os.getpid() not in isolated._HELPERS


def test_any_main_program_and_any_folder_will_do(file: Path, tmp_path: Path) -> None:
    """Nothing is imported from where one stands, and nothing of the main program is run again."""
    (tmp_path / "json.py").write_text("raise SystemExit(5)")
    code = (
        f"import sys; sys.path[0] = {str(ROOT)!r}\n"
        "from pathlib import Path\nfrom ecg12.pipeline.files.isolated_process import decode_isolated, bounds_for\n"
        "print(decode_isolated('tests.pipeline.files.misbehaving:well', Path('X.dat'), {}, bounds_for(9), 'X').sum())"
    )
    done = subprocess.run([sys.executable, "-"], input=code, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("45\n", "")


def write_flac(folder: Path, name: str, signal: NDArray[np.integer], fmt: str, **options: object) -> Path:
    """A record as the wfdb package writes it."""
    n = len(signal)
    with warnings.catch_warnings(action="ignore"):
        wfdb.wrsamp(
            name, fs=500, units=["mV"] * n, sig_name=list(LEADS[:n]), d_signal=signal.T.astype(np.int64),
            fmt=[fmt] * n, adc_gain=[1000.0] * n, baseline=[0] * n, write_dir=str(folder), **options,
        )  # fmt: skip
    return folder / f"{name}.hea"


@pytest.mark.parametrize(("fmt", "largest"), [("508", 100), ("516", 30_000), ("524", 8_000_000)])
def test_flac_as_wfdb_writes_and_reads_it(tmp_path: Path, fmt: str, largest: int) -> None:
    signal = np.random.default_rng(0).integers(-largest, largest, (8, 3000))
    path = write_flac(tmp_path, "X", signal, fmt)
    assert np.array_equal(read_record(path, None).signal, signal)
    with warnings.catch_warnings(action="ignore"):
        theirs = wfdb.rdrecord(str(path.with_suffix("")), physical=False).d_signal
    assert np.array_equal(theirs.T, signal)


def test_a_damaged_record_in_flac_is_named_and_the_next_is_read(tmp_path: Path) -> None:
    path = write_flac(tmp_path, "X", pulses_uv(2000)[:8], "516")
    whole = path.with_suffix(".dat").read_bytes()
    path.with_suffix(".dat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SignalError, match=r"^X: its FLAC signal file X.dat cannot be decoded \(.*\)"):
        read_wfdb(path)
    path.with_suffix(".dat").write_bytes(whole)
    text = path.read_text()
    path.write_text(text.replace("516", "508"))
    with pytest.raises(SignalError, match=r"8 channels of PCM_16; expected 8 of at most 8 bits, as the header states"):
        read_wfdb(path)
    path.write_text("".join(line for line in text.replace(" 8 500 ", " 7 500 ").splitlines(True) if " aVF" not in line))
    with pytest.raises(SignalError, match=r"8 channels of PCM_16; expected 7 of at most 16 bits"):
        read_wfdb(path)
    path.write_text(text.replace(" 500 2000", " 500 2001"))
    with pytest.raises(SignalError, match=r"2,000 samples of a lead; expected 2,001: the file is cut short"):
        read_wfdb(path)
    path.write_text(text)
    assert read_wfdb(path, InputConfig()).signal_uv.shape == (8, 2000)


def _flac_seeds() -> list[bytes]:
    with TemporaryDirectory() as folder:
        places = [write_flac(Path(folder), f"X{fmt}", pulses_uv(200)[:8] // 8, fmt) for fmt in ("508", "516", "524")]
        return [place.with_suffix(".dat").read_bytes() for place in places]


def _read_flac(path: Path) -> NDArray[np.generic]:
    arguments = {"fmt": "524", "n_channels": 8, "first": 0, "n_samples": 200}
    return decode_isolated(
        "ecg12.pipeline.formats.flac:decode_flac", path, arguments, bounds_for(8 * 200 * 4), "X: X.dat"
    )


FUZZED = Fuzzed(seeds=_flac_seeds, read=_read_flac, name="X.dat")


def test_damaged_flac_gives_samples_or_a_message(tmp_path: Path) -> None:
    tally = run_cases(FUZZED, tmp_path, range(300))
    assert not tally.failures
    assert tally.n_read > 5  # each frame has a checksum
    assert tally.refusals.total() > 200
