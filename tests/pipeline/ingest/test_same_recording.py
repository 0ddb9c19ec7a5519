"""The same ECG twice in one tree: at two rates as PTB-XL is published, in two formats; and what only looks like it."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from scipy.signal import resample_poly

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import InputError
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.ingest.plan import plan_records
from ecg12.pipeline.recordings.path_patterns import PathPatterns
from tests.pipeline.formats.files import write_dicom, write_edf
from tests.records import pulses_uv, write_record

CONFIG = StoreConfig()
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # of wfdb


def names_of(folder: Path, **patterns: tuple[str, ...]) -> list[str]:
    plan = plan_records([folder], CONFIG, patterns=PathPatterns(**patterns))
    return [record.name for record in plan.records]


@pytest.fixture
def ptbxl(tmp_path: Path) -> Path:
    """PTB-XL 1.0.3 as PhysioNet has it, three records of it, written by wfdb in its format 16."""
    root = tmp_path / "ptb-xl-1.0.3"
    for number in (1, 2, 3):
        signal = pulses_uv(5000, seed=number).astype(float)
        for rate, end in ((500, "hr"), (100, "lr")):
            folder = root / f"records{rate}" / "00000"
            folder.mkdir(parents=True, exist_ok=True)
            samples = signal if rate == 500 else resample_poly(signal, 1, 5, axis=1)
            wfdb.wrsamp(
                f"{number:05d}_{end}",
                fs=rate,
                units=["mV"] * 12,
                sig_name=[lead.upper() for lead in LEADS],
                p_signal=samples.T / 1000,
                fmt=["16"] * 12,
                write_dir=str(folder),
            )
    (root / "ptbxl_database.csv").write_text(
        "ecg_id,patient_id,age,sex,filename_lr,filename_hr\n"
        + "".join(
            f"{n},{100.0 + n},60.0,1,records100/00000/{n:05d}_lr,records500/00000/{n:05d}_hr\n" for n in (1, 2, 3)
        )
    )
    (root / "scp_statements.csv").write_text(",description,diagnostic\nNORM,normal ECG,1.0\n")
    (root / "RECORDS").write_text("records100/00000/00001_lr\n")
    (root / "LICENSE.txt").write_text("CC BY 4.0\n")
    return root


def test_ptbxl_as_published_is_asked_about_and_one_option_decides(ptbxl, tmp_path):
    with pytest.raises(InputError) as caught:
        build_cache([ptbxl], tmp_path / "s.zarr", CONFIG)
    assert str(caught.value) == (
        "ptb-xl-1.0.3: 3 recordings are there twice, in records100 and in records500 (records100/00000/00001_lr.hea at "
        "100 Hz and records500/00000/00001_hr.hea at 500 Hz are the same ECG); expected each once: say which with "
        "--exclude records100 or --exclude records500"
    )
    summary = build_cache([ptbxl], tmp_path / "s.zarr", CONFIG, exclude=("records100",))
    assert Store(tmp_path / "s.zarr").names.tolist() == ["00001_hr", "00002_hr", "00003_hr"]
    assert (summary.n_known, summary.n_left_out, summary.unused_patterns) == (3, 3, ())
    assert [one.relative for one in summary.aside] == [
        "LICENSE.txt",
        "RECORDS",
        "ptbxl_database.csv",
        "scp_statements.csv",
    ]
    assert names_of(ptbxl, include=("records100",)) == ["00001_lr", "00002_lr", "00003_lr"]
    assert names_of(ptbxl, include=("*_hr.hea",)) == ["00001_hr", "00002_hr", "00003_hr"]


def test_both_rates_in_one_folder(ptbxl):
    for path in (ptbxl / "records100" / "00000").iterdir():
        path.rename(ptbxl / "records500" / "00000" / path.name)
    with pytest.raises(InputError, match=r"say which with --exclude '\*_hr\.hea' or --exclude '\*_lr\.hea'"):
        names_of(ptbxl)
    assert names_of(ptbxl, exclude=("*_lr.hea",)) == ["00001_hr", "00002_hr", "00003_hr"]


def test_one_ecg_in_two_formats(tmp_path):
    for number in range(2):
        signal = pulses_uv(3000, seed=number)
        write_edf(tmp_path / "a" / f"{number}.edf", signal)
        write_dicom(tmp_path / "a" / f"{number}.dcm", signal)
        write_record(tmp_path / "b" / "wfdb", f"{number}", signal)
        write_edf(tmp_path / "b" / "edf" / f"{number}.edf", signal)
    with pytest.raises(
        InputError, match=r"2 recordings are .* say which with --exclude '\*\.dcm' or --exclude '\*\.edf'"
    ):
        names_of(tmp_path / "a")
    assert names_of(tmp_path / "a", exclude=("*.dcm",)) == ["0", "1"]
    with pytest.raises(InputError, match=r"in edf and in wfdb .* --exclude edf or --exclude wfdb"):
        names_of(tmp_path / "b")


def test_what_only_has_the_same_name_is_left_in_peace(tmp_path):
    for number in range(3):
        write_edf(tmp_path / "wards" / "a" / f"{number}.edf", pulses_uv(5000, seed=number), fs=500)
        write_edf(tmp_path / "wards" / "b" / f"{number}.edf", pulses_uv(2500, fs=250, seed=number + 9), fs=250)
    assert len(names_of(tmp_path / "wards")) == 6
    write_record(tmp_path / "ends", "x_lr", pulses_uv(5000, seed=1))
    write_record(tmp_path / "ends", "x_hr", pulses_uv(5000, seed=1))  # copies at one rate become one group
    write_record(tmp_path / "ends", "y_lr", pulses_uv(1000, seed=1), fs=100)
    write_record(tmp_path / "ends", "y_hr", pulses_uv(9000, seed=1))
    assert len(names_of(tmp_path / "ends")) == 4


def test_two_inputs_are_two_answers(ptbxl):
    plan = plan_records([ptbxl / "records100", ptbxl / "records500"], CONFIG)
    assert len(plan.records) == 6


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [
        ("records100", False),
        ("records100/", False),
        ("00000", False),
        ("*_lr.hea", False),
        ("*/00001_*", False),
        ("00001_lr", False),
        ("00001_lr.hea", False),
        ("records100/00000", False),
        ("./records100", False),
        ("records[1-2]00", False),
        ("Records100", True),
        ("records10", True),
        ("00000/00001_lr.hea", True),
        ("00001", True),
    ],
)
def test_patterns(pattern, taken):
    assert PathPatterns(exclude=(pattern,)).takes("records100/00000/00001_lr.hea") is taken
    assert PathPatterns(include=(pattern,)).takes("records100/00000/00001_lr.hea") is not taken


def test_patterns_that_match_nothing_are_told(tmp_path):
    write_record(tmp_path / "in", "W1")
    summary = build_cache([tmp_path / "in"], tmp_path / "s.zarr", CONFIG, exclude=("w1", "*.dat"))
    assert (summary.unused_patterns, summary.n_left_out) == (("w1", "*.dat"), 0)
    with pytest.raises(InputError, match="no recording there"):
        build_cache([tmp_path / "in"], tmp_path / "t.zarr", CONFIG, include=("w1",))


@pytest.mark.shared
def test_no_two_real_recordings_are_taken_for_one(shared):
    """All of PTB-XL's 306 beside one another at two rates: none but its own pair is the same."""
    from ecg12.pipeline.formats.wfdb.reading import read_wfdb

    lead_two = []
    for path in sorted((shared / "data" / "challenge2020" / "Training_PTB-XL").glob("*.hea"))[:120]:
        recording = read_wfdb(path)
        if recording.n_samples == 5000:
            lead_two.append(recording.signal_uv[1] - recording.signal_uv[1].mean())
    signals = np.array(lead_two)
    correlated = np.corrcoef(signals) - np.eye(len(signals))
    assert correlated.max() < 0.9
