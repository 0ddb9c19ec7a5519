"""Proofs: digests of bytes, and the headers' own checksums of the samples."""

import hashlib
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from ecg12.ecg.errors import DownloadError
from ecg12.ecg.headers.header import parse_header
from ecg12.pipeline.download import prove_files as proof
from ecg12.pipeline.download.prove_files import hash_file, prove_file, prove_files, stated_checksums, sums_by_lead
from tests.records import write_record


def test_a_record_is_proven_by_digest_and_by_its_header(tmp_path: Path) -> None:
    header = write_record(tmp_path, "A0001")
    found = prove_file(header, headers=True)
    assert found.sha256 == hashlib.sha256(header.read_bytes()).hexdigest() == hash_file(header, "sha256")
    assert (found.size, found.mtime_ns) == (header.stat().st_size, header.stat().st_mtime_ns)
    assert (found.record, found.unstated) == ("", 0)
    assert prove_file(header, headers=False).record is None
    assert prove_file(header.with_suffix(".mat"), headers=True).record is None
    assert hash_file(header, "md5") == hashlib.md5(header.read_bytes()).hexdigest()


def test_what_is_wrong_with_a_record_is_told(tmp_path: Path) -> None:
    header = write_record(tmp_path, "A0001", checksums=[7] * 12)
    told = prove_file(header, headers=True).record
    assert told is not None
    assert told.startswith("A0001: the samples of I, II, III")
    assert told.endswith("do not have the header's checksum")
    header.with_suffix(".mat").unlink()
    assert "A0001.mat: No such file" in (prove_file(header, headers=True).record or "")


@pytest.mark.parametrize("n_samples", [1, 63, 64, 65, 640, 5001])
@pytest.mark.parametrize("n_leads", [1, 12, 15])
def test_sums_are_those_of_a_plain_loop(n_samples: int, n_leads: int) -> None:
    values = np.random.default_rng(n_samples).integers(-32768, 32768, (n_samples, n_leads)).astype(np.int16)
    plain = [sum(map(int, column)) % 65536 for column in values.T]
    assert [int(total) % 65536 for total in sums_by_lead(values.ravel(), n_leads)] == plain


def test_the_short_way_reads_the_challenges_form_only(tmp_path: Path) -> None:
    header = write_record(tmp_path, "A0001")
    text = header.read_bytes()
    stated = parse_header(text.decode())
    assert stated_checksums(text, "A0001") == (stated.n_samples, [spec.checksum for spec in stated.signals])
    for old, new in [
        (b"A0001.mat 16+24", b"other.mat 16+24"),
        (b"A0001.mat 16+24", b"A0001.mat 212+24"),
        (b" 12 500 5000", b" 13 500 5000"),
        (b" 12 500 5000", b" 12 500 0"),
        (b" 12 500 5000", b" 12 500"),
        (b" 0 V6", b" 0 lead V6"),
        (b" 0 V6", b"0000 0 V6"),
        (b"A0001 ", b"# a comment\nA0001 "),
    ]:
        assert old in text
        assert stated_checksums(text.replace(old, new), "A0001") is None, new


@pytest.mark.parametrize("form", ["16x1+24", "16+24", "16"])
@pytest.mark.parametrize("what", ["right", "unsigned", "damaged", "short", "long", "no signal"])
def test_the_short_way_says_what_a_full_reading_says(
    form: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = write_record(tmp_path, "A0001", fmt=form)
    signal = header.with_suffix(".mat")
    body = bytearray(signal.read_bytes())
    if form == "16":
        body = body[24:]
    if what == "damaged":
        body[5000] ^= 1
    if what == "unsigned":
        fields = [line.split(" ") for line in header.read_text().splitlines()]
        unsigned = [[*f[:6], str(int(f[6]) % 65536), *f[7:]] if f[0] == "A0001.mat" else f for f in fields]
        header.write_text("".join(" ".join(line) + "\n" for line in unsigned))
    signal.write_bytes(body[:-2] if what == "short" else body + b"xx" if what == "long" else body)
    if what == "no signal":
        signal.unlink()
    short = prove_file(header, headers=True)
    assert (short.record == "") == (what in ("right", "unsigned", "long"))
    monkeypatch.setattr(proof, "stated_checksums", lambda header, name: None)
    assert prove_file(header, headers=True) == short


def test_large_files_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = write_record(tmp_path, "A0001")
    paths = [header, header.with_suffix(".mat")]
    whole = list(prove_files(paths, headers=True, workers=1))
    monkeypatch.setattr(proof, "_WHOLE_BYTES", 1000)
    assert list(prove_files(paths, headers=True, workers=1)) == whole
    assert list(prove_files(paths[::-1], headers=True, workers=1)) == whole[::-1]


def test_a_missing_file_has_no_digest(tmp_path: Path) -> None:
    found = prove_file(tmp_path / "nowhere.hea", headers=True)
    assert (found.size, found.sha256, found.record) == (0, None, None)


def test_many_files_are_proven_by_processes_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = [write_record(tmp_path, f"A{number:04d}") for number in range(20)]
    paths = sorted([*headers, *(path.with_suffix(".mat") for path in headers)])
    alone = list(prove_files(paths, headers=True, workers=1))
    assert [found.path for found in alone] == paths
    monkeypatch.setattr(proof, "FILES_WORTH_PROCESSES", 10)
    monkeypatch.setattr(proof, "BATCH_FILES", 3)
    assert list(prove_files(paths, headers=True, workers=2)) == alone


def test_a_killed_worker_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "FILES_WORTH_PROCESSES", 0)
    with (
        mock.patch.object(proof, "_in_order", side_effect=BrokenProcessPool),
        pytest.raises(DownloadError, match="was killed, perhaps for want of memory; try again with --workers 1"),
    ):
        list(prove_files([tmp_path / "x"], headers=True, workers=2))
