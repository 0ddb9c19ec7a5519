"""The records of the golden store of format 1, and how the store was made from them.

    python -m tests.cache.golden.recipe FOLDER

writes FOLDER/format-1.zarr with this version of the program. The store beside this file was made so once and is
never made again: it shows that stores of that version can still be read.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.schema import StoreConfig
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.ingest.build_cache import build_cache
from tests.records import pulses_uv, write_record

CONFIG = StoreConfig(fs=400.0, chunk_length=4096)
PATIENTS = "record,patient_id\nHR00001,7\nHR00002,7\n"


def signals_uv() -> dict[str, NDArray[np.int16]]:
    """The source samples by record name.

    I0001 is longer than a chunk after resampling; Q0001 repeats A0001; E00001 has five invalid samples in V1 and an
    offset of 15 mV on V3; X is at the store's own frequency and has three samples beyond its range.
    """
    signals = {
        "A0001": pulses_uv(2500, seed=1),
        "HR00001": pulses_uv(2500, seed=2),
        "HR00002": pulses_uv(1801, seed=3),
        "I0001": pulses_uv(3000, fs=257, seed=4),
        "E00001": pulses_uv(1500, seed=5),
        "X": pulses_uv(800, fs=400, seed=6),
    }
    signals["Q0001"] = signals["A0001"]
    signals["E00001"][6, 100:105] = -32768
    signals["E00001"][8] += 15000
    signals["X"][11, 10:13] = 20000
    return signals


def write_records(folder: Path) -> None:
    """Seven good records in several dialects, and one of eleven leads."""
    uv = signals_uv()
    write_record(folder, "A0001", uv["A0001"], dx="164889003,59118001,59118001", age="57", sex="Male")
    write_record(folder, "Q0001", uv["Q0001"], dx="270492004", age="-1", sex=None)
    write_record(folder, "HR00001", uv["HR00001"], comment="# ", fmt="16x1+24", gain="1000.0(0)/mv", age="300")
    write_record(folder, "HR00002", uv["HR00002"], dx="713427006,67741000119109", comment="# ")
    write_record(folder, "I0001", uv["I0001"], fs=257, gain="500000/mV", dx="17338001", sex="F")
    write_record(folder, "E00001", uv["E00001"], stated_name="E00001.mat", dx="", age="NaN")
    write_record(folder, "X", uv["X"], fs=400, gain="500/mV", dx="OWN", age=None, sex="M")
    write_record(folder, "A0002", uv["A0001"][:11], leads=LEADS[:11])


def make_golden(folder: Path) -> Path:
    """Write the store into `folder` and give back its path."""
    store = folder / "format-1.zarr"
    with tempfile.TemporaryDirectory() as scratch:
        records, patients = Path(scratch) / "hospital", Path(scratch) / "patients.csv"
        write_records(records)
        patients.write_text(PATIENTS)
        build_cache([records], store, CONFIG, patients=[patients])
    return store


if __name__ == "__main__":
    print(make_golden(Path(sys.argv[1])))
