import json
import re
from dataclasses import fields, replace

import pytest

from ecg12.cache.schema import COLUMNS, SIGNAL, Part, RecordRow, Reject, StoreConfig, sha256_of_json, sha256_of_texts
from ecg12.cache.stated import NOTHING, Stated
from ecg12.ecg.errors import ConfigError, StoreError
from ecg12.ecg.signals.quality import LeadFlag
from tests.cache.small_store import record_row

PART = Part(
    partition=3,
    rows=(record_row("A0001", age=None, sex=None, offset=(0,) * 11 + (-12000,)), record_row("A0002")),
    rejects=(Reject(dataset="cpsc", record="A0003", stage="signal", reason='A0003: "cut" short, µV'),),
    chunk_digests={7: "ab", 8: "cd"},
)


def test_config_goes_to_json_and_back():
    config = StoreConfig(fs=500, leads=("II", "V5"), chunk_length=4096, codec="zstd", seed=7, bad_checksum="flag")
    assert StoreConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert StoreConfig.from_dict({}) == StoreConfig()
    filtered = StoreConfig(highpass=1, notch=50)
    assert StoreConfig.from_dict(json.loads(json.dumps(filtered.to_dict()))) == filtered
    assert StoreConfig(highpass=1).digest() == StoreConfig(highpass=1.0).digest()


def test_a_filter_that_is_not_used_is_not_recorded():
    """A store built without filters is the same as before there were any."""
    assert "highpass" not in StoreConfig().to_dict()
    assert StoreConfig(notch=50).to_dict()["notch"] == 50.0


def test_leads_are_known_by_any_usual_spelling():
    assert StoreConfig(leads=("v5", "AVR", "ii")).leads == ("V5", "aVR", "II")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fs": 0.5}, "fs is 0.5; expected 1 to 100,000 Hz"),
        ({"fs": float("nan")}, "fs is nan; expected"),
        ({"leads": ()}, "leads are ; expected each once"),
        ({"leads": ("I", "I")}, "leads are I, I; expected each once, from I, II"),
        ({"leads": ("I", "VX")}, "leads are I, VX; expected"),
        ({"chunk_length": 1023}, "chunk_length is 1023; expected at least 1,024 samples"),
        ({"codec": "gzip"}, "codec is 'gzip'; expected lz4, zstd or pcodec"),
        ({"bad_checksum": "ignore"}, "bad_checksum is 'ignore'; expected reject or flag"),
        ({"highpass": 0}, "highpass is 0 Hz; expected between 0 and half of fs, 200 Hz"),
        ({"fs": 100, "notch": 50.0}, "notch is 50 Hz; expected between 0 and half of fs, 50 Hz"),
        ({"chunks": 5}, "StoreConfig: unknown chunks; expected fs, leads"),
        ({"fs": "fast"}, "StoreConfig: fs is 'fast'; expected float"),
    ],
)
def test_config_out_of_range_is_refused_by_name(values, message):
    with pytest.raises(ConfigError, match=message):
        StoreConfig.from_dict(values)


def test_every_field_of_the_configuration_changes_its_digest():
    base = StoreConfig()
    others = {"fs": 500.0, "leads": ("I",), "chunk_length": 2048, "codec": "zstd", "seed": 1, "bad_checksum": "flag"}
    others |= {"highpass": 0.5, "notch": 50.0}
    assert set(others) == {field.name for field in fields(StoreConfig)}
    digests = {base.digest()} | {replace(base, **{key: value}).digest() for key, value in others.items()}
    assert len(digests) == 1 + len(others)


def test_a_whole_number_for_the_frequency_is_the_same_build():
    assert StoreConfig(fs=400).digest() == StoreConfig(fs=400.0).digest()


def test_columns_are_told_apart_and_named_after_the_row():
    paths = [column.path for column in COLUMNS]
    assert len(set(paths)) == len(paths)
    assert all(column.path.startswith(("record/", "label/", "chunk/")) for column in COLUMNS)
    in_tables = {path.removeprefix("record/") for path in paths if path.startswith("record/")}
    assert in_tables == {field.name for field in fields(RecordRow)} - {"dx_codes", "remarks", "stated"}


def test_flag_names_are_those_of_the_quality_flags():
    column = next(column for column in COLUMNS if column.path == "record/lead_flags")
    stated = dict(zip(column.flag_meanings.split(), column.flag_masks, strict=True))
    # two came later, and are not named, so that the metadata of every store is the same
    later = (LeadFlag.DERIVED, LeadFlag.ABSENT)
    assert stated == {flag.name.lower(): flag.value for flag in LeadFlag if flag not in later}


def test_attributes_hold_what_the_column_states_and_nothing_else():
    columns = {column.path: column.attributes() for column in COLUMNS}
    assert columns["record/name"] == {"long_name": "record name"}
    assert columns["record/sex"]["flag_values"] == [-1, 0, 1]
    assert columns["record/sex"]["missing"] == "-1"
    assert SIGNAL.attributes()["units"] == "uV"
    json.dumps(columns)


def test_what_a_source_states_goes_to_json_and_back():
    stated = Stated(
        vocabularies={"NORM": "scp-ecg"}, likelihoods={"NORM": 80.0}, targets={"qtc": 412.5}, fold="3", annotated=True
    )
    part = replace(PART, rows=(replace(PART.rows[0], stated=stated), *PART.rows[1:]))
    assert Part.from_json(part.to_json(), where="part") == part
    assert NOTHING.to_dict() == {}


@pytest.mark.parametrize(
    "values", [{"fold": 3}, {"targets": {"a": "b"}}, {"vocabularies": {"a": 1}}, {"annotated": "no"}, {"colour": "red"}]
)
def test_stated_values_of_another_form_are_refused(values):
    with pytest.raises((TypeError, ValueError)):
        Stated.from_dict(values)


def test_an_entry_without_what_sources_state_is_an_earlier_versions():
    values = json.loads(PART.to_json())
    place = values["columns"].index("stated")
    for row in (values["columns"], *values["rows"]):
        del row[place]
    assert Part.from_json(json.dumps(values), where="part") == PART


def test_part_goes_to_json_and_back():
    assert Part.from_json(PART.to_json(), where="part") == PART
    assert Part.from_json(PART.to_json().encode(), where="part") == PART


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        PART.to_json()[:200].encode(),
        PART.to_json().replace('"scale"', '"size"').encode(),
        PART.to_json().replace('"reason"', '"why"').encode(),
        PART.to_json().replace('{"7"', '{"seven"').encode(),
        PART.to_json().replace('"rejects"', '"refused"').encode(),
        PART.to_json().replace('"partition": 3', '"partition": "3"').encode(),
        PART.to_json().replace('"rows": [[', '"rows": [[[],').encode(),
        b"[" * 100_000,
        b'{"partition": ' + b"9" * 10_000 + b"}",
    ],
)
def test_a_journal_entry_that_is_none_is_refused_by_name(text):
    with pytest.raises(StoreError, match=re.escape("part-3.json: not a part of this version's build journal")):
        Part.from_json(text, where="part-3.json")


def test_digests_are_those_of_the_plain_text():
    # sha256 of {"a":[1,2.5,null],"b":"µ"} and of a NUL b, computed with sha256sum
    assert sha256_of_json({"b": "µ", "a": [1, 2.5, None]}) == sha256_of_json({"a": [1, 2.5, None], "b": "µ"})
    assert (
        sha256_of_json({"b": "µ", "a": [1, 2.5, None]})
        == "86edb368f11fac20e96e254843e6144a2b8db99ba271f3c4078418f85af1d68e"
    )
    assert sha256_of_texts(["a", "b"]) == "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138"
    with pytest.raises(ValueError, match="not JSON compliant"):
        sha256_of_json(float("nan"))
