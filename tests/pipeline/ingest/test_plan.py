import os

import pytest

from ecg12.cache.schema import Reject, StoreConfig
from ecg12.ecg.errors import ChecksumError, HeaderError, LeadError, SignalError
from ecg12.pipeline.ingest import measure
from ecg12.pipeline.ingest.plan import plan_records, reject_for
from ecg12.pipeline.recordings.patient_groups import patient_group, record_group
from tests.ecg.test_faulty_records import FAULTY, MENDED
from tests.records import pulses_uv, write_record

CONFIG = StoreConfig()


def planned(*inputs, config=CONFIG, **options):
    return plan_records(inputs, config, **options)


def names(plan):
    return [f"{record.dataset}/{record.name}" for record in plan.records]


def test_a_header_gives_a_record_its_place(tmp_path):
    path = write_record(tmp_path / "Training_CPSC", "A0001", pulses_uv(5001))
    (record,) = planned(tmp_path).records
    assert (record.path, record.dataset, record.name) == (path, "cpsc", "A0001")
    assert (record.fs, record.n_samples, record.length) == (500, 5001, 4001)
    assert record.group == record_group("cpsc", "A0001")


def test_records_are_in_the_order_of_dataset_and_name(tmp_path):
    write_record(tmp_path / "a", "I0001", fs=257)
    write_record(tmp_path / "b", "A0002")
    write_record(tmp_path / "c", "A0001")
    assert names(planned(tmp_path)) == ["cpsc/A0001", "cpsc/A0002", "incart/I0001"]


def test_records_of_nobodys_are_called_after_their_input(tmp_path):
    write_record(tmp_path / "ward 7" / "deep", "X")
    write_record(tmp_path / "ward 8", "X")
    assert names(planned(tmp_path / "ward 7", tmp_path / "ward 8")) == ["ward 7/X", "ward 8/X"]


def test_two_records_of_a_name_are_both_taken_by_their_paths(tmp_path):
    for folder in ("a", "b"):
        write_record(tmp_path / "ward" / folder, "X")
    write_record(tmp_path / "ward" / "b", "Y")
    assert names(planned(tmp_path / "ward")) == ["ward/Y", "ward/a/X", "ward/b/X"]


def test_a_second_record_of_a_datasets_name_is_rejected(tmp_path):
    for folder in ("first", "second"):
        write_record(tmp_path / folder, "A0001")
    plan = planned(tmp_path)
    assert [record.path.parent.name for record in plan.records] == ["first"]
    assert plan.rejects == [
        Reject(
            dataset="cpsc",
            record="second/A0001",
            stage="header",
            reason="A0001: a second record of this name in cpsc; the first, by path, was taken",
        )
    ]
    with pytest.raises(HeaderError, match="A0001: a second record of this name in cpsc") as caught:
        planned(tmp_path, strict=True)
    assert caught.value.__notes__ == [f"while planning {tmp_path / 'second' / 'A0001.hea'}"]


def test_a_patient_makes_the_group(tmp_path):
    for name in ("HR00001", "HR00002", "HR00003"):
        write_record(tmp_path, name)
    groups = [record.group for record in planned(tmp_path, patient_of={"HR00001": "7", "HR00003": "7"}).records]
    assert groups == [patient_group("ptb-xl", "7"), record_group("ptb-xl", "HR00002"), patient_group("ptb-xl", "7")]


def damage(path, text):
    path.write_text(text(path.read_text()))


@pytest.mark.parametrize(
    ("spoil", "stage", "reason"),
    [
        (lambda path: path.write_text(""), "header", "header: no record line found"),
        (lambda path: path.write_bytes(b"\0\1\2\xff"), "header", "record name not understood"),
        (
            lambda path: damage(path, lambda text: text.partition("A0002.mat")[0]),
            "header",
            "0 signal lines; expected 12",
        ),
        (lambda path: (path.unlink(), path.symlink_to("gone")), "header", "cannot be read"),
        (
            lambda path: damage(path, lambda text: text.replace("A0002 12 500 5000", "A0002 12")),
            "header",
            "no sampling",
        ),
        (lambda path: damage(path, lambda text: text.replace(" 500 5000", " 0.0001 5000")), "header", "expected 10 to"),
        (lambda path: path.rename(path.with_name("A,2.hea")), "header", "A,2: a record name with a comma; rename"),
        (
            lambda path: path.rename(path.with_name(os.fsdecode(b"A\xff.hea"))),
            "header",
            r"'A\udcff': a record name that cannot be printed; rename the record",
        ),
    ],
)
def test_what_cannot_be_planned_is_rejected_by_name_and_stage(tmp_path, spoil, stage, reason):
    write_record(tmp_path / "ward", "A0001")
    spoil(write_record(tmp_path / "ward", "A0002"))
    plan = planned(tmp_path)
    assert names(plan) == ["cpsc/A0001"]
    (reject,) = plan.rejects
    assert reject.stage == stage
    assert reason in reject.reason
    assert reject.record.startswith("ward/A")
    assert str(tmp_path) not in reject.reason
    plan.digest(CONFIG)
    with pytest.raises((HeaderError, SignalError)) as caught:
        planned(tmp_path, strict=True)
    assert caught.value.__notes__[0].startswith(f"while planning {tmp_path / 'ward'}/A")


def test_a_length_with_a_slip_costs_one_record_and_no_room(tmp_path):
    write_record(tmp_path, "A0001")
    write_record(tmp_path, "A0002", stated_length=50_000_000_000)
    plan = planned(tmp_path)
    assert names(plan) == ["cpsc/A0001"]
    assert [(reject.stage, reject.record) for reject in plan.rejects] == [("signal", "A0002")]


@pytest.mark.parametrize(
    ("error", "stage"),
    [
        (HeaderError("x"), "header"),
        (SignalError("x"), "signal"),
        (LeadError("x"), "signal"),
        (ChecksumError("x"), "checksum"),
    ],
)
def test_the_stage_is_where_a_record_failed(error, stage):
    assert reject_for(error, "cpsc", "A1") == Reject(dataset="cpsc", record="A1", stage=stage, reason="x")


def test_the_digest_is_of_all_the_bytes_depend_on(tmp_path):
    for name in ("A0001", "A0002"):
        write_record(tmp_path / "data", name)
    digest = planned(tmp_path / "data").digest(CONFIG)
    assert planned(tmp_path / "data").digest(CONFIG) == digest
    (tmp_path / "data").rename(tmp_path / "moved")
    assert planned(tmp_path / "moved").digest(CONFIG) == digest
    assert planned(tmp_path / "moved").digest(StoreConfig(seed=1)) != digest
    assert planned(tmp_path / "moved", patient_of={"A0001": "7"}).digest(CONFIG) != digest
    write_record(tmp_path / "moved", "A0003", fs=None)
    assert planned(tmp_path / "moved").digest(CONFIG) != digest


@pytest.mark.parametrize("change", [{"dx": "164889003"}, {"age": "61"}, {"gain": "200/mV"}, {"checksums": [0] * 12}])
def test_a_corrected_header_is_another_build(tmp_path, change):
    write_record(tmp_path, "A0001")
    digest = planned(tmp_path).digest(CONFIG)
    write_record(tmp_path, "A0001", **change)
    assert planned(tmp_path).digest(CONFIG) != digest


@pytest.mark.shared
def test_the_six_datasets_are_recognised_in_the_real_records(shared):
    plan = planned(shared / "data" / "challenge2020")
    assert plan.rejects == []
    counts = {
        name: sum(record.dataset == name for record in plan.records) for name in {r.dataset for r in plan.records}
    }
    assert counts == {"cpsc": 110, "cpsc-extra": 18, "georgia": 49, "ptb": 3, "ptb-xl": 306}


@pytest.mark.shared
def test_headers_of_every_dialect_are_planned(shared):
    """Their signal files are not there, which a plan does not ask for; several folders hold the same record."""
    plan = planned(shared / "data" / "headers")
    assert len(plan.records) == 36
    assert {reject.reason.partition(": ")[2].partition(";")[0] for reject in plan.rejects} <= {
        f"a second record of this name in {dataset}"
        for dataset in ("cpsc", "cpsc-extra", "georgia", "incart", "ptb", "ptb-xl")
    }


def test_whatever_one_record_raises_the_others_are_planned(tmp_path, monkeypatch):
    for name in ("A0001", "A0002"):
        write_record(tmp_path / "ward", name)
    (tmp_path / "ward" / f"{'x' * 245}.hea").write_bytes((tmp_path / "ward" / "A0001.hea").read_bytes())
    parse = measure.parse_header

    def trip(text):
        if text.startswith("A0002"):
            raise MemoryError("of a header")
        return parse(text)

    monkeypatch.setattr(measure, "parse_header", trip)
    plan = planned(tmp_path)
    assert names(plan) == ["cpsc/A0001"]
    assert sorted(reject.reason[:60] for reject in plan.rejects) == [
        "A0002.hea: cannot be read as a WFDB record (MemoryError: of ",
        f"{'x' * 50}…: a recor",
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without FIFOs")
def test_a_fifo_is_a_reject_and_not_waited_for(tmp_path):
    write_record(tmp_path / "ward", "A0001")
    os.mkfifo(tmp_path / "ward" / "A0002.hea")
    plan = planned(tmp_path)
    assert names(plan) == ["cpsc/A0001"]
    assert [reject.reason for reject in plan.rejects] == ["A0002.hea: a FIFO; expected a regular file"]


def test_faulty_public_records_are_rejected_by_name_and_mended_copies_are_taken(tmp_path):
    folder = tmp_path / "WFDBRecords"
    for name in FAULTY:
        write_record(folder, name)
        (folder / f"{name}.hea").write_text(FAULTY[name])
    write_record(folder, "JS23075")
    plan = planned(tmp_path)
    assert names(plan) == ["ningbo/JS23075"]
    assert [(reject.record, reject.stage) for reject in plan.rejects] == [
        (f"WFDBRecords/{name}", "header") for name in ("JS01052", "JS23074", "S23074")
    ]
    assert all("known to be faulty in" in reject.reason for reject in plan.rejects)
    for name in ("JS01052", "JS23074"):
        (folder / f"{name}.hea").write_text(MENDED[name])
    assert names(planned(tmp_path)) == ["chapman-shaoxing/JS01052", "ningbo/JS23074", "ningbo/JS23075"]
    with pytest.raises(HeaderError, match=r"^S23074: known to be faulty in challenge-2021 1\.0\.3: it is Ningbo's"):
        planned(tmp_path, strict=True)


def test_the_eight_datasets_are_told_apart_wherever_their_records_lie(tmp_path):
    """As in the release of 2021, and as in ecg-arrhythmia 1.0.0, which has the last two in folders by number."""
    of_2021 = {
        "training/cpsc_2018/g1": "A0001",
        "training/cpsc_2018_extra/g1": "Q0001",
        "training/georgia/g1": "E00001",
        "training/ptb-xl/g1": "HR00001",
        "training/chapman_shaoxing/g1": "JS00001",
        "training/chapman_shaoxing/g11": "JS10646",
        "training/ningbo/g1": "JS10647",
        "WFDBRecords/46/460": "JS45551",
    }
    for folder, name in of_2021.items():
        write_record(tmp_path / folder, name)
    write_record(tmp_path / "training/ptb/g1", "S0001", fs=1000)
    write_record(tmp_path / "training/st_petersburg_incart/g1", "I0001", fs=257)
    found = {(record.dataset, record.name) for record in planned(tmp_path).records}
    assert found == {
        ("cpsc", "A0001"),
        ("cpsc-extra", "Q0001"),
        ("georgia", "E00001"),
        ("ptb-xl", "HR00001"),
        ("ptb", "S0001"),
        ("incart", "I0001"),
        ("chapman-shaoxing", "JS00001"),
        ("chapman-shaoxing", "JS10646"),
        ("ningbo", "JS10647"),
        ("ningbo", "JS45551"),
    }
