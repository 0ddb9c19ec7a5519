"""The sample recordings are what their script makes, and other programs read them, too."""

import numpy as np
import wfdb

from docs.write_sample import FOLDER, TABLE_FS, sample_files
from ecg12.ecg.datasets import DATASETS
from ecg12.ecg.labels.snomed import abbreviation_of
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.synthetic import plan_corpus
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.recordings.find_recordings import find_inputs, name_inputs
from ecg12.pipeline.recordings.reader_registry import read_complete

MOST_BYTES = 400_000


def test_the_sample_is_what_its_script_makes_byte_for_byte() -> None:
    lying = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert lying.keys() == sample_files().keys()
    for name, body in sample_files().items():
        assert lying[name] == body, f"{name}: python docs/write_sample.py writes another"
    assert sum(map(len, lying.values())) < MOST_BYTES


def test_the_sample_shows_one_normal_heart_and_two_findings() -> None:
    planned = plan_corpus(3, seed=439, datasets=["ptb-xl"])
    assert [set(map(abbreviation_of, one.dx_codes)) for one in planned] == [{"NSR"}, {"LBBB", "SB"}, {"AF"}]
    assert len({one.patient_id for one in planned}) == 3


def test_no_record_of_the_sample_can_be_taken_for_a_published_one() -> None:
    for header in FOLDER.glob("*.hea"):
        assert not any(dataset.matches(header.stem) for dataset in DATASETS)
        assert header.read_text().startswith(f"{header.stem} 12 500 5000 ")


def test_other_programs_read_the_sample_as_this_one_does() -> None:
    told = InputConfig()
    found = {name: one for name, one in name_inputs(find_inputs([FOLDER], told))}
    assert sorted(found) == ["my-ecg", "simulated_af", "simulated_normal"]
    for name in ("simulated_normal", "simulated_af"):
        theirs = wfdb.rdrecord(str(FOLDER / name))
        ours = read_complete(found[name], LEADS, told, name)
        assert (theirs.fs, theirs.sig_name, theirs.p_signal.shape) == (500, list(LEADS), (5000, 12))
        np.testing.assert_allclose(ours.signal_uv, theirs.p_signal.T * 1000, atol=1e-3)
    table = np.loadtxt(FOLDER / "my-ecg.csv", delimiter=",", skiprows=3)
    ours = read_complete(found["my-ecg"], LEADS, told, "my-ecg")
    assert (ours.fs, table.shape) == (TABLE_FS, (10 * TABLE_FS, 12))
    np.testing.assert_allclose(ours.signal_uv, table.T, atol=1e-3)
