"""The golden store with the arrays that stores have had since tables of labels, and how it was made.

    python -m tests.cache.golden.labels_recipe FOLDER

writes FOLDER/format-1-labels.zarr with this version of the program. The store beside this file was made so once and is
never made again.
"""

import sys
import tempfile
from pathlib import Path

from ecg12.cache.schema import StoreConfig
from ecg12.pipeline.ingest.build_cache import build_cache
from tests.records import pulses_uv, write_record

CONFIG = StoreConfig(fs=400.0, chunk_length=4096)
TABLE = """record,scp_codes,age,sex,patient_id,fold,site,device,recording_date,static_noise,qtc,weight
HR00001,"{'NORM': 100.0, 'SR': 0.0}",57,male,7,3,0.0,CS-12,1984-11-09 09:17:34," , I-V1,  ",412,81.5
HR00002,"{'AMI': 35.0, 'own': 50.0}",,female,7,9,1.0,,,,398,
X,['426783006'],44,,,,,,,,,70
"""


def write_records(folder: Path) -> None:
    """Four records; of one the table says nothing."""
    write_record(folder, "HR00001", pulses_uv(2500, seed=2), comment="# ", age="56")
    write_record(folder, "HR00002", pulses_uv(1801, seed=3), dx="713427006", comment="# ")
    write_record(folder, "X", pulses_uv(800, fs=400, seed=6), fs=400, dx="OWN", age=None, sex="M")
    write_record(folder, "Y", pulses_uv(900, fs=400, seed=7), fs=400, dx="", age=None, sex=None)


def make_golden(folder: Path) -> Path:
    """Write the store into `folder` and give back its path."""
    store = folder / "format-1-labels.zarr"
    with tempfile.TemporaryDirectory() as scratch:
        records, table = Path(scratch) / "hospital", Path(scratch) / "labels.csv"
        write_records(records)
        table.write_text(TABLE)
        build_cache([records], store, CONFIG, labels=[table])
    return store


if __name__ == "__main__":
    print(make_golden(Path(sys.argv[1])))
