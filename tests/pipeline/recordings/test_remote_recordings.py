from collections import namedtuple

import pytest

from ecg12.ecg.errors import InputError
from ecg12.pipeline.recordings import remote_recordings as remote
from ecg12.pipeline.recordings.remote_recordings import brought
from tests.cache.small_store import contents
from tests.records import write_corpus


@pytest.fixture
def place(tmp_path, in_memory):
    write_corpus(tmp_path / "data")
    for name, data in contents(tmp_path / "data").items():
        (in_memory / "data" / name).write_bytes(data)
    return in_memory / "data"


def test_what_is_remote_is_here_for_a_while(place, tmp_path):
    out = tmp_path / "out"
    with brought([tmp_path / "mine", place], out) as (mine, folder):
        assert mine == tmp_path / "mine"
        assert folder.name == "data"
        assert contents(folder) == contents(tmp_path / "data")
    assert list(out.iterdir()) == []


def test_one_record_with_its_files_and_no_others(place, tmp_path):
    for name in ("ward/X", "ward/X.hea"):
        with brought([place / name], tmp_path / "out") as (header,):
            assert header.name == "X.hea"
            assert sorted(file.name for file in header.parent.iterdir()) == ["X.hea", "X.mat"]


def test_one_file_of_another_kind(in_memory, tmp_path):
    (in_memory / "ecg.csv").write_text("I,II\n")
    with brought([in_memory / "ecg.csv"], tmp_path) as (file,):
        assert file.read_text() == "I,II\n"


def test_what_cannot_be_brought(place, in_memory, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="memory://place/none: does not exist; expected a store, rec"):
        brought([in_memory / "none"], tmp_path).__enter__()
    (in_memory / "odd" / ".." / "up.hea").write_text("x")
    with pytest.raises(InputError, match=r"odd/\.\./up\.hea: leads out of its own folder"):
        brought([in_memory / "odd"], tmp_path / "out").__enter__()
    assert not (tmp_path / "out" / "up.hea").exists()
    full = namedtuple("Usage", "free")(remote.SPARE_BYTES + 1000)
    monkeypatch.setattr(remote.shutil, "disk_usage", lambda folder: full)
    with pytest.raises(InputError, match=r"memory://place/data: [\d,]+ bytes do not fit the disk of .*; name fewer"):
        brought([place], tmp_path / "out").__enter__()
