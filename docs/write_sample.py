"""Writes the sample recordings in docs/sample/: `python docs/write_sample.py`.

They are simulated: nobody's heart, under names that no published record has. Two are WFDB records as PTB-XL's are in
the Challenge, one normal and one with atrial fibrillation; the third, with a left bundle branch block, is a table such
as a spreadsheet or a script writes it.
"""

import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.synthetic import plan_corpus, simulate_record
from ecg12.ecg.synthetic.corpus import SimulatedRecord

FOLDER = Path(__file__).with_name("sample")
SEED = 439
"""The first whose three records show these three things, from three hearts."""

TABLE_FS = 250
"""Hz: half of what the records have, so that the table is no longer than they are."""


def sample_files() -> dict[str, bytes]:
    """Name → bytes of every file of the sample."""
    normal, left_bundle, fibrillation = plan_corpus(3, seed=SEED, datasets=["ptb-xl"])
    at_table_fs = replace(left_bundle, fs=TABLE_FS, n_samples=10 * TABLE_FS)
    files = {"my-ecg.csv": _format_table(simulate_record(at_table_fs))}
    named = replace(normal, record_name="simulated_normal"), replace(fibrillation, record_name="simulated_af")
    for record in map(simulate_record, named):
        files[f"{record.record_name}.hea"] = record.header_text.encode()
        files[f"{record.record_name}.mat"] = record.mat_bytes
    return files


def _format_table(record: SimulatedRecord) -> bytes:
    """The record as text: what the numbers are, the leads' names, and a row for each sample, µV."""
    text = io.StringIO()
    text.write(f"# fs: {record.fs:g}\n# units: uV\n{','.join(LEADS)}\n")
    np.savetxt(text, record.signal.T, fmt="%d", delimiter=",")
    return text.getvalue().encode()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, body in sample_files().items():
        (FOLDER / name).write_bytes(body)
