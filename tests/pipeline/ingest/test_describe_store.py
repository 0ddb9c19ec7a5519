import pytest

from ecg12.cache.schema import Reject, StoreConfig
from ecg12.ecg.errors import StoreError
from ecg12.pipeline.ingest.describe_store import describe_record, describe_store
from tests.cache.golden.recipe import make_golden


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_golden(tmp_path_factory.mktemp("golden"))


def test_a_store_in_figures(store):
    description = describe_store(store)
    assert (description.path, description.fs, description.codec) == (store, 400, "lz4")
    assert description.leads == StoreConfig().leads
    assert (description.n_records, description.n_labelled, description.n_groups) == (7, 6, 5)
    assert description.n_chunks == 5
    assert description.n_bytes == sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    assert description.duplicates == (("cpsc-extra/Q0001", "cpsc/A0001"),)


def test_datasets_and_their_flags(store):
    description = describe_store(store)
    assert description.datasets["ptb-xl"]["records"] == 2
    assert set(description.flags) == {"cpsc", "cpsc-extra", "georgia", "hospital", "incart", "ptb-xl"}
    set_flags = {dataset: {name: n for name, n in counts.items() if n} for dataset, counts in description.flags.items()}
    assert set_flags == {
        "cpsc": {}, "cpsc-extra": {}, "georgia": {"invalid": 1, "offset": 1}, "hospital": {"clipped": 1},
        "incart": {"gain_corrected": 1}, "ptb-xl": {},
    }  # fmt: skip


def test_classes_by_how_often_they_occur(store):
    classes = describe_store(store).classes
    assert [entry.n_records for entry in classes] == [1] * 8
    assert [entry.code for entry in classes] == sorted(entry.code for entry in classes)
    by_code = {entry.code: entry for entry in classes}
    assert (by_code["164889003"].abbreviation, by_code["164889003"].scored) == ("AF", True)
    assert by_code["164889003"].name == "atrial fibrillation"
    assert not by_code["OWN"].scored


def test_rejects_are_named(store):
    (reject,) = describe_store(store).rejects
    assert isinstance(reject, Reject)
    assert (reject.record, reject.stage) == ("A0002", "signal")


def test_a_record_in_words(store):
    record = describe_record(store, "E00001")
    assert record.facts["dataset"] == "georgia"
    assert record.facts["length"] == "1,200 samples at 400 Hz, 3.000 s"
    assert record.facts["source"] == "1,500 samples at 500 Hz"
    assert (record.facts["age"], record.facts["sex"]) == ("unknown", "female")
    assert (record.facts["samples interpolated"], record.facts["samples clipped"]) == ("5", "0")
    assert record.facts["first column"] == "2,241 (chunk 0)"
    assert record.labels == ()
    v3 = record.leads[8]
    assert (v3.lead, v3.offset_uv, v3.flags) == ("V3", 15007, "offset")
    assert 13.4 < v3.lowest_mv < v3.highest_mv < 15.6  # the filter takes the signal for zero before its start
    assert record.leads[6].flags == "invalid"
    assert record.leads[0].flags == "none"


@pytest.mark.parametrize(
    ("name", "age", "sex"),
    [("HR00001", "older than 89", "female"), ("A0001", "57", "male"), ("Q0001", "unknown", "unknown")],
)
def test_age_and_sex_in_words(store, name, age, sex):
    facts = describe_record(store, name).facts
    assert (facts["age"], facts["sex"]) == (age, sex)


def test_labels_of_a_record(store):
    record = describe_record(store, "ptb-xl/HR00002")
    assert [(label.code, label.n_records) for label in record.labels] == [("67741000119109", 1), ("713427006", 1)]


def test_a_record_that_is_not_there(store):
    with pytest.raises(StoreError, match="no record called 'A0002'; expected one: name it as DATASET/NAME"):
        describe_record(store, "A0002")
    with pytest.raises(StoreError, match=r"none\.zarr: no store there"):
        describe_store(store.with_name("none.zarr"))
