"""Damaged WFDB records of every kind: a record or a refusal comes of each.

A case is a record's files in one: their names and contents, the header first. What is damaged is mostly the header's
text, as it stands in front.
"""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import wfdb

from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import EcgError
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.ingest.convert import convert_record
from ecg12.pipeline.ingest.plan import plan_records
from tests.fuzz import Fuzzed, run_cases
from tests.pipeline.formats.wfdb.test_signals import write_frames
from tests.records import pulses_uv, write_record

_CUT = b"\n=====\n"
_FLAG = InputConfig(bad_checksum="flag")


def packed(folder: Path) -> bytes:
    """All files of a folder in one, X.hea first."""
    files = sorted(folder.iterdir(), key=lambda path: (path.name != "X.hea", path.name))
    return _CUT.join(path.name.encode() + b"\n" + path.read_bytes() for path in files)


def _seeds() -> list[bytes]:
    seeds = []
    for make in (_plain, _packed_212, _segments, _frames, _flac):
        with TemporaryDirectory() as folder:
            make(Path(folder))
            seeds.append(packed(Path(folder)))
    return seeds


def _plain(folder: Path) -> None:
    write_record(folder, "X", pulses_uv(200))


def _packed_212(folder: Path) -> None:
    _by_wfdb(folder, "212")


def _flac(folder: Path) -> None:
    _by_wfdb(folder, "516")


def _by_wfdb(folder: Path, fmt: str) -> None:
    leads = LEADS[:8]  # all that FLAC has room for
    with warnings.catch_warnings(action="ignore"):
        wfdb.wrsamp(
            "X", fs=500, units=["mV"] * 8, sig_name=list(leads), d_signal=pulses_uv(200)[:8].T.astype(np.int64),
            fmt=[fmt] * 8, adc_gain=[1000.0] * 8, baseline=[0] * 8, write_dir=str(folder),
        )  # fmt: skip


def _segments(folder: Path) -> None:
    write_record(folder, "X_1", pulses_uv(100))
    write_record(folder, "X_2", pulses_uv(100)[:3], leads=LEADS[:3])
    (folder / "X.hea").write_text("X/4 12 500 250\nX_1 100\n~ 30\nX_2 100\n~ 20\n# Age: 50\n")


def _frames(folder: Path) -> None:
    signal = [np.arange(40), *pulses_uv(200)]
    write_frames(
        folder, "X", signal, fs=100, n_frames=40, spf=[1] + [5] * 12, skew=[0] * 12 + [2], names=["RESP", *LEADS]
    )


def read(path: Path) -> None:
    """A case as predict and as build-cache take it, whatever its checksum."""
    folder = path.with_name("record")
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for content in path.read_bytes().split(_CUT):
        name, _, data = content.partition(b"\n")
        if name in (b"X.hea", b"X.mat", b"X.dat", b"X_1.hea", b"X_2.hea", b"X_1.mat", b"X_2.mat"):
            (folder / name.decode()).write_bytes(data)
    first: EcgError | None = None
    try:
        read_wfdb(folder / "X.hea", _FLAG).complete(missing="zero")
    except EcgError as error:
        first = error
    plan = plan_records([folder / "X.hea"], StoreConfig(leads=LEADS[:3]))
    for planned in plan.records:
        convert_record(planned, 0, StoreConfig(leads=LEADS[:3], bad_checksum="flag"))
    if first is not None:
        raise first


FUZZED = Fuzzed(seeds=_seeds, read=read, name="case")


def test_damaged_records_give_samples_or_a_message(tmp_path: Path) -> None:
    tally = run_cases(FUZZED, tmp_path, range(500))
    assert not tally.failures
    assert tally.n_read > 20
    assert tally.refusals.total() > 200
