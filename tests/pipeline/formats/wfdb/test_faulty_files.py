"""Known faulty records on disk and behind a URL: refused with what is known of them, a mended copy is not."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from ecg12.cache.storage.location import locate
from ecg12.ecg.errors import HeaderError
from ecg12.ecg.faulty_records import FAULTY_BY_NAME
from ecg12.pipeline.formats.wfdb.faulty_files import refuse_faulty
from tests.ecg.test_faulty_records import FAULTY, MENDED
from tests.pipeline.http_server import Server
from tests.records import write_record


@pytest.mark.parametrize("name", FAULTY)
def test_a_header_with_the_fault_is_refused_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.hea"
    with pytest.raises(HeaderError, match=f"^{name}: known to be faulty in .*1.0"):
        refuse_faulty(path, FAULTY[name])
    refuse_faulty(path, MENDED[name])
    refuse_faulty(tmp_path / "another.hea", FAULTY[name])


@pytest.fixture
def js13118(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A record whose signal has the digest that is known to be wrong."""
    path = write_record(tmp_path / "g3", "JS13118")
    digest = hashlib.sha256(path.with_suffix(".mat").read_bytes()).hexdigest()
    monkeypatch.setitem(FAULTY_BY_NAME, "JS13118", replace(FAULTY_BY_NAME["JS13118"], signal_sha256=digest))
    return path


def test_a_signal_that_is_not_the_published_one_is_known_by_its_digest(js13118: Path) -> None:
    with pytest.raises(HeaderError, match=r"^JS13118: known to be faulty in challenge-2021 1.0.3: JS13118.mat is not"):
        refuse_faulty(js13118, js13118.read_text())
    signal = js13118.with_suffix(".mat")
    with Server({name.name: name.read_bytes() for name in (js13118, signal)}) as server:
        with pytest.raises(HeaderError, match=r"JS13118\.mat is not what was published"):
            refuse_faulty(locate(f"{server.url}/JS13118.hea"), js13118.read_text())
    signal.write_bytes(signal.read_bytes()[:-1] + b"\x55")
    refuse_faulty(js13118, js13118.read_text())


@pytest.mark.parametrize("there", ["nothing", "folder", "long"])
def test_a_signal_that_cannot_be_read_is_for_its_reader_to_tell(there: str, js13118: Path) -> None:
    signal = js13118.with_suffix(".mat")
    signal.unlink()
    if there == "folder":
        signal.mkdir()
    elif there == "long":
        signal.write_bytes(bytes(1_000_001))
    refuse_faulty(js13118, js13118.read_text())
