"""What a store's labels came from, said by build-cache and inspect."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ecg12.cache.reader import Store
from ecg12.cache.verify import verify_store
from ecg12.commands import main as program
from ecg12.ecg.labels.snomed import NORMAL_CODE
from ecg12.pipeline.ingest.describe_store import describe_store
from tests.records import pulses_uv, write_record

AF = "164889003"
DX = {
    "a-plain": NORMAL_CODE,
    "b-float": f"{NORMAL_CODE}.0",
    "c-list": str([int(NORMAL_CODE), int(AF)]),
    "d-pipe": f"{NORMAL_CODE}|{AF}",
    "e-lost": "4.27E+08",
    "f-words": "Sinus rhythm",
    "g-lost": "4.27E+08",
    "h-own": "AFIB",
    "i-number": "426783007",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels") / "ward"
    for seed, (name, dx) in enumerate(DX.items()):
        write_record(folder, name, pulses_uv(600, seed=seed), dx=dx, sex="1" if name == "h-own" else "M")
    return folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(program.main, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


EXPECTED = (
    "codes that no class table knows: 426783007 (1 record, no SNOMED CT identifier), "
    "AFIB (1 record, no SNOMED CT identifier)\n"
    "values of Dx that are no codes, and so no labels: 3 records: '4.27E+08' (2 records, first: ward/e-lost), "
    "'Sinus rhythm' (1 record, first: ward/f-words)\n"
    "values of Dx that were read as the codes they had been: 3 records: '426783006.0' (1 record, first: ward/b-float), "
)


def test_mangled_values_are_codes_or_named_and_counted(folder: Path, tmp_path: Path) -> None:
    built = run("build-cache", folder, "--output", tmp_path / "s.zarr", "--workers", 1)
    inspected = run("inspect", tmp_path / "s.zarr")
    for output in (built, inspected):
        assert EXPECTED in output
        assert "sexes that are not understood: 1 record: '1' (1 record, first: ward/h-own)\n" in output
    store = Store(tmp_path / "s.zarr")
    assert {name: set(store.dx_codes(row)) for row, name in enumerate(store.names)} == {
        **{"a-plain": {NORMAL_CODE}, "b-float": {NORMAL_CODE}, "c-list": {NORMAL_CODE, AF}},
        **{"d-pipe": {NORMAL_CODE, AF}, "e-lost": set(), "f-words": set(), "g-lost": set()},
        **{"h-own": {"AFIB"}, "i-number": {"426783007"}},
    }
    assert describe_store(tmp_path / "s.zarr").n_labelled == 6
    assert not verify_store(tmp_path / "s.zarr")


def test_two_stores_say_what_one_says(folder: Path, tmp_path: Path) -> None:
    """Their records in two folders of one name, so that they are of one dataset."""
    for part, names in (("1", list(DX)[:5]), ("2", list(DX)[5:])):
        (tmp_path / part / "ward").mkdir(parents=True)
        for name in names:
            for suffix in (".hea", ".mat"):
                (tmp_path / part / "ward" / f"{name}{suffix}").write_bytes((folder / f"{name}{suffix}").read_bytes())
        run("build-cache", tmp_path / part / "ward", "--output", tmp_path / f"{part}.zarr", "--workers", 1)
    assert EXPECTED in run("inspect", tmp_path / "1.zarr", tmp_path / "2.zarr")


def test_plain_labels_leave_no_trace(tmp_path: Path) -> None:
    write_record(tmp_path / "ward", "a", pulses_uv(600), dx=f"{NORMAL_CODE},{AF}", age="NaN", sex="Unknown")
    output = run("build-cache", tmp_path / "ward", "--output", tmp_path / "s.zarr", "--workers", 1)
    assert "values" not in output
    assert "no class table" not in output
    assert "remarks" not in json.loads((tmp_path / "s.zarr" / "zarr.json").read_text())["attributes"]
