"""FORMAT.md against the schema and real bytes, and the golden store of each released version."""

import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr

import ecg12.cache
from ecg12.cache.optional_columns import FURTHER_COLUMNS, OPTIONAL_COLUMNS
from ecg12.cache.reader import Store
from ecg12.cache.schema import COLUMNS, FORMAT_NAME, FORMAT_VERSION, SIGNAL, StoreConfig
from ecg12.cache.verify import verify_store
from ecg12.ecg.errors import StoreError
from ecg12.ecg.signals.quality import RAILED_SAMPLES, LeadFlag
from tests.cache.golden.labels_recipe import make_golden as make_labelled
from tests.cache.golden.recipe import CONFIG, make_golden, signals_uv
from tests.cache.small_store import flip_byte

FORMAT = (Path(ecg12.cache.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
GOLDEN = Path(__file__).parent / "golden" / "format-1.zarr"


def table_rows(first_heading):
    """The cells of every row of the table whose first heading is `first_heading`."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in FORMAT.splitlines() if line[:1] == "|"
    ]
    start = [row[0] for row in rows].index(first_heading)
    stop = next((n for n in range(start + 2, len(rows)) if set(rows[n][0]) == {"-"}), len(rows) + 1) - 1
    return rows[start + 2 : stop]


def test_the_table_of_arrays_is_the_schema():
    stated = {
        path.strip("`"): (dtype, tuple(dims.split(", ")), unit, missing, presence)
        for path, dtype, dims, unit, missing, presence, _ in table_rows("path")
    }
    assert stated == {
        column.path: (column.dtype, column.dims, column.units or "–", column.missing or "–", presence)
        for presence, columns in (("MUST", (SIGNAL, *COLUMNS)), ("MAY", OPTIONAL_COLUMNS))
        for column in columns
    }


def test_the_table_of_attributes_is_what_stores_have(path):
    stated = [row[0].strip("`") for row in table_rows("attribute")]
    assert stated == list(Store(path).attributes)
    assert [name for name in stated if name != "optional_digest"] == list(Store(GOLDEN).attributes)
    (build,) = (row[2] for row in table_rows("attribute") if row[0] == "`build`")
    assert re.findall(r"`(\w+)`", build) == list(StoreConfig().to_dict())
    assert f'`"{FORMAT_NAME}"`' in FORMAT
    assert f"# Store format {FORMAT_VERSION}" in FORMAT


def test_the_table_of_flags_is_that_of_the_quality_flags():
    stated = {name: int(bit) for bit, name, _ in table_rows("bit")}
    assert stated == {flag.name.lower(): flag.value for flag in LeadFlag}
    assert f"at least {RAILED_SAMPLES} valid" in FORMAT


def snippets(language="python"):
    return re.findall(rf"```{language}\n(.*?)```", FORMAT, re.DOTALL)


@pytest.mark.parametrize("snippet", snippets(), ids=["open", "xarray", "digests"])
def test_the_documents_lines_of_python_run(snippet, capsys):
    exec(compile(snippet, "FORMAT.md", "exec"), {"path": str(GOLDEN)})
    assert "A0001" in capsys.readouterr().out or "digest" in snippet


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: zarr.open_array(path, path="signal", mode="r+").__setitem__((3, 50), 9), "chunk 0 is damaged"),
        (
            lambda path: zarr.open_array(path, path="record/age", mode="r+").__setitem__(0, 9),
            "tables or the attributes",
        ),
        (lambda path: zarr.open_group(path, mode="r+").attrs.update(fs=500.0), "tables or the attributes were changed"),
        (lambda path: flip_byte(path / "signal" / "c" / "0" / "1"), "checksum"),
    ],
)
def test_the_documents_digests_notice_damage(tmp_path, damage, message):
    path = Path(shutil.copytree(GOLDEN, tmp_path / "s.zarr"))
    damage(path)
    with pytest.raises(ValueError, match=message):
        exec(compile(snippets()[2], "FORMAT.md", "exec"), {"path": str(path)})


def test_another_reader_is_refused_an_unfinished_store(tmp_path):
    path = Path(shutil.copytree(GOLDEN, tmp_path / "s.zarr"))
    zarr.open_group(path, mode="r+").attrs.update(complete=False)
    with pytest.raises(ValueError, match="not a complete store of format 1"):
        exec(compile(snippets()[0], "FORMAT.md", "exec"), {"path": str(path)})


def test_the_documents_layout_rules_hold():
    store = Store(GOLDEN)
    width = store.chunk_length
    for start, length in zip(store.starts, store.lengths, strict=True):
        assert start % width == 0 if length > width else start // width == (start + length - 1) // width
    assert verify_store(GOLDEN) == ()


def test_the_documents_scale_is_the_stores():
    store = Store(GOLDEN)
    for row in range(store.n_records):
        signal = store.read_record(row).astype(float)
        samples = np.sort((signal - np.median(signal, axis=1, keepdims=True)).ravel())
        last = len(samples) - 1
        kept = samples[int(np.floor(0.01 * last)) : int(np.ceil(0.99 * last)) + 1]
        assert store.column("record/scale")[row] == pytest.approx(np.sqrt(np.mean(kept**2)), rel=1e-6)


def test_the_documents_groups_are_the_stores():
    store = Store(GOLDEN)
    for row, text in ((2, "record\0georgia\0E00001"), (5, "patient\0ptb-xl\x007")):
        assert store.column("record/group")[row] == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_xarray_sees_every_array():
    tree = xarray.open_datatree(GOLDEN, engine="zarr", consolidated=False)
    for column in (SIGNAL, *COLUMNS):
        variable = tree[column.path]
        assert variable.dims == column.dims
        assert variable.attrs["long_name"] == column.meaning
        expected = zarr.open_array(GOLDEN, path=column.path, mode="r")[...]
        assert np.array_equal(variable.values, expected, equal_nan=column.dtype == "float32")
    assert tree.attrs["complete"] is True


# The golden store. Made once with: python -m tests.cache.golden.recipe tests/cache/golden

NAMES = ["A0001", "Q0001", "E00001", "X", "I0001", "HR00001", "HR00002"]
NONE = [0] * 12
TABLES = {
    "record/name": NAMES,
    "record/dataset": ["cpsc", "cpsc-extra", "georgia", "hospital", "incart", "ptb-xl", "ptb-xl"],
    "record/start": [16384, 4096, 2241, 0, 8192, 6096, 800],
    "record/length": [2000, 2000, 1200, 800, 4670, 2000, 1441],
    "record/fs_source": [500, 500, 500, 400, 257, 500, 500],
    "record/n_samples_source": [2500, 2500, 1500, 800, 3000, 2500, 1801],
    "record/age": [57, None, None, None, 60, 300, 60],
    "record/sex": [1, -1, 0, 1, 0, 0, 0],
    "record/group": [
        "86b99184073aa6e4", "86b99184073aa6e4", "56e63d645c8ceadc", "2d84c87d34b5b9ce", "be6324cb7d2da02a",
        "0359199f8fc272d7", "0359199f8fc272d7",
    ],
    "record/n_invalid": [0, 0, 5, 0, 0, 0, 0],
    "record/n_clipped": [0, 0, 0, 3, 0, 0, 0],
    "record/lead_flags": [
        NONE, NONE, [0] * 6 + [1, 0, 32, 0, 0, 0], [0] * 11 + [2], [64] * 12, NONE, NONE
    ],
    "record/offset": [NONE, NONE, [0] * 8 + [15007, 0, 0, 0], NONE, NONE, NONE, NONE],
    "label/code": [
        "164889003", "17338001", "270492004", "426783006", "59118001", "67741000119109", "713427006", "OWN"
    ],
    "label/annotated": [True, True, False, True, True, True, True],
}  # fmt: skip
CODES = [
    ["164889003", "59118001"],
    ["270492004"],
    [],
    ["OWN"],
    ["17338001"],
    ["426783006"],
    ["67741000119109", "713427006"],
]
SCORED = [["164889003", "713427006"], ["270492004"], [], [], ["427172004"], ["426783006"], ["713427006"]]
SIGNALS = {
    "A0001": "aa440988ca1d08e198d9bc4b9ba51064be642ae30a2d95a22bc9177e0135750b",
    "Q0001": "aa440988ca1d08e198d9bc4b9ba51064be642ae30a2d95a22bc9177e0135750b",
    "E00001": "fa62b1ef8b90ebec036a3f0a0086b61f9bf1f43c22345f73e9084623d06bb49f",
    "X": "83498824c8d46773cdaa3764bea25e82d453f1a2a56ffc5f259d2ece8e9b8e59",
    "I0001": "3bc9e5c71e3f8e1db315c162ac564c73dc73ce6f4b716c892a3ee7b80c2b26f7",
    "HR00001": "e332aad29168c9b780cd72d117d1e1979c55110f31fcfe077660770070e85434",
    "HR00002": "10eb0257ecfc3c098052ca3d9292128450c12974fff2705cce6adf7ea5054d53",
}
"""SHA-256 of each record's samples as read, int16 little-endian, lead after lead."""


@pytest.fixture(scope="module")
def golden():
    return Store(GOLDEN)


def test_the_golden_store_is_whole(golden):
    assert verify_store(GOLDEN) == ()
    assert golden.attributes["digest"] == "00c975152c578490bdcd2e0ec1b9783f1e2582265b18adb1b408f36e2d6d330c"
    assert golden.config == CONFIG
    assert sum(file.stat().st_size for file in GOLDEN.rglob("*") if file.is_file()) < 300_000


@pytest.mark.parametrize("path", TABLES)
def test_the_golden_tables(golden, path):
    values = golden.column(path).tolist()
    assert [None if value != value else value for value in values] == TABLES[path]


def test_the_golden_labels(golden):
    assert [list(golden.dx_codes(row)) for row in range(7)] == CODES
    classes = golden.column("label/scored_code")
    assert len(classes) == 24
    assert [sorted(classes[row == 1]) for row in golden.column("label/scored")] == SCORED


def test_the_golden_store_has_no_order_of_labels(golden):
    assert not golden.has("label/rank")
    with pytest.raises(StoreError, match=r"does not keep the order of a record's labels \(label/rank\), which decides"):
        golden.label_rank()


def test_a_new_store_passes_the_documents_digests(path):
    exec(compile(snippets()[2], "FORMAT.md", "exec"), {"path": str(path)})


def test_the_golden_samples(golden):
    found = {name: hashlib.sha256(golden.read_record(row).tobytes()).hexdigest() for row, name in enumerate(NAMES)}
    assert found == SIGNALS
    sources = {name: hashlib.sha256(signal.T.tobytes()).hexdigest() for name, signal in signals_uv().items()}
    assert dict(zip(NAMES, golden.column("record/digest"), strict=True)) == sources


def test_the_golden_rejects(golden):
    (reject,) = golden.attributes["rejects"]
    assert (reject["dataset"], reject["record"], reject["stage"]) == ("cpsc", "A0002", "signal")
    assert reject["reason"].startswith("A0002: lead V6 missing: found I, II")
    assert golden.attributes["datasets"]["cpsc"] == {"records": 1, "rejects": 1, "hours": 0.001389}


def test_this_version_makes_the_same_store(golden, tmp_path):
    """Equal in all but float32 rounding, which may differ from one processor to the next."""
    store = Store(make_golden(tmp_path))
    exact = {column.path for column in COLUMNS} - {"record/scale", "chunk/digest"}
    for path in exact:
        assert np.array_equal(store.column(path), golden.column(path), equal_nan=path == "record/age"), path
    assert store.column("record/scale") == pytest.approx(golden.column("record/scale"), rel=1e-3)
    for chunk in range(golden.n_chunks):
        assert np.abs(store.read_chunk(chunk).astype(int) - golden.read_chunk(chunk)).max() <= 1
    assert (store.label_rank() > 0).tolist() == (golden.column("label/matrix") == 1).tolist()
    assert verify_store(store.path) == ()
    changing = {"digest", "optional_digest"}
    assert {key: value for key, value in store.attributes.items() if key not in changing} == {
        key: value for key, value in golden.attributes.items() if key not in changing
    }


# The golden store with what tables of labels state. Made once with: python -m tests.cache.golden.labels_recipe
# tests/cache/golden

LABELLED = GOLDEN.with_name("format-1-labels.zarr")
NAN = None
STATED = {
    "label/code": ["426783006", "713427006", "AMI", "NORM", "OWN", "SR", "own"],
    "label/vocabulary": ["snomed-ct", "snomed-ct", "scp-ecg", "scp-ecg", "own", "scp-ecg", "own"],
    "label/likelihood": [
        [NAN] * 7, [NAN] * 7, [NAN, NAN, NAN, 100, NAN, 0, NAN], [NAN, NAN, 35, NAN, NAN, NAN, 50]
    ],
    "label/annotated": [True, False, True, True],
    "record/name": ["X", "Y", "HR00001", "HR00002"],
    "record/age": [44, NAN, 57, 60],
    "record/sex": [1, -1, 1, 0],
    "record/fold": ["", "", "3", "9"],
    "record/site": ["", "", "0", "1"],
    "record/device": ["", "", "CS-12", ""],
    "record/date": ["", "", "1984-11-09T09:17:34", ""],
    "record/quality_note": ["", "", "static_noise: I-V1", ""],
    "target/name": ["qtc", "weight"],
    "target/value": [[NAN, 70], [NAN, NAN], [412, 81.5], [398, NAN]],
}  # fmt: skip


def none_for_nan(values):
    if isinstance(values, list):
        return [none_for_nan(value) for value in values]
    return None if values != values else values


@pytest.mark.parametrize("path", STATED)
def test_the_golden_store_with_labels_has_what_was_stated(path):
    assert none_for_nan(Store(LABELLED).optional(path).tolist()) == STATED[path]


def test_the_golden_store_with_labels_is_whole():
    store = Store(LABELLED)
    assert verify_store(LABELLED) == ()
    assert store.attributes["digest"] == "d17c240d070a8cc2c41ffccf6697242155f557c8d33cd1af866ecbd11a97f69f"
    assert store.listed_arrays.keys() == {column.path for column in FURTHER_COLUMNS}
    assert store.attributes["label_tables"] == {"records": 3, "records_without_row": 1, "rows_without_record": 0}
    assert sorted(store.attributes["remarks"]) == ["label_age", "label_code", "label_sex"]
    assert [sorted(store.column("label/scored_code")[row == 1]) for row in store.column("label/scored")] == [
        ["426783006"], [], ["426783006"], ["713427006"]
    ]  # fmt: skip


@pytest.mark.parametrize("snippet", snippets(), ids=["open", "xarray", "digests"])
def test_the_documents_lines_of_python_run_on_it_too(snippet, capsys):
    exec(compile(snippet, "FORMAT.md", "exec"), {"path": str(LABELLED)})
    assert "400.0" in (out := capsys.readouterr().out) or "HR00001" in out or "digest" in snippet


@pytest.mark.parametrize("path", ["label/rank", "record/fold", "target/value"])
def test_the_documents_digests_notice_damage_of_what_may_be_there(tmp_path, path):
    store = Path(shutil.copytree(LABELLED, tmp_path / "s.zarr"))
    array = zarr.open_array(store, path=path, mode="r+")
    array[0] = "9" if array.dtype.kind == "T" else 9
    with pytest.raises(ValueError, match=f"{path} was changed"):
        exec(compile(snippets()[2], "FORMAT.md", "exec"), {"path": str(store)})


def test_xarray_sees_what_tables_state():
    tree = xarray.open_datatree(LABELLED, engine="zarr", consolidated=False)
    for column in FURTHER_COLUMNS:
        variable = tree[column.path]
        assert variable.dims == column.dims
        assert variable.attrs == column.attributes()


def test_this_version_makes_the_same_store_with_labels(tmp_path):
    store, golden = Store(make_labelled(tmp_path)), Store(LABELLED)
    for path in STATED:
        assert none_for_nan(store.optional(path).tolist()) == STATED[path]
    changing = {"digest"}
    assert {key: value for key, value in store.attributes.items() if key not in changing} == {
        key: value for key, value in golden.attributes.items() if key not in changing
    }
