"""A record in memory: what its parts must agree on, and the selection of leads."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from ecg12.ecg.errors import EcgError, LeadError, SignalError
from ecg12.ecg.signals.digital_record import Record
from ecg12.ecg.signals.leads import LEADS
from tests.ecg.memory import make_record, make_signal

FIFTEEN = (*LEADS, "vx", "vy", "vz")


def numbered_record(leads: tuple[str, ...], **fields) -> Record:
    """A record in which every value of a lead follows from its row."""
    rows = np.arange(len(leads))
    return make_record(
        np.repeat(rows[:, None], 4, axis=1).astype(np.int16),
        leads=leads,
        adc_gain=1000.0 + rows,
        baseline=-rows,
        checksum=tuple(int(row) for row in rows),
        **fields,
    )


def test_n_samples_is_the_length_of_a_lead():
    assert make_record(make_signal(n_samples=321)).n_samples == 321


def test_optional_fields_say_that_nothing_is_known():
    record = make_record()
    assert (record.dx_codes, record.age, record.sex, record.stated_gain) == ((), None, None, None)


def test_a_record_is_frozen():
    with pytest.raises(FrozenInstanceError, match="fs"):
        make_record().fs = 400.0  # type: ignore[misc]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_any_signed_integer_will_do(dtype):
    assert make_record(np.ones((12, 5), dtype)).signal.dtype == dtype


class TestSelect:
    def test_takes_the_twelve_out_of_fifteen(self):
        record = numbered_record(FIFTEEN)
        selected = record.select()
        assert selected.leads == LEADS
        np.testing.assert_array_equal(selected.signal, record.signal[:12])
        np.testing.assert_array_equal(selected.adc_gain, record.adc_gain[:12])
        np.testing.assert_array_equal(selected.baseline, record.baseline[:12])
        assert selected.checksum == record.checksum[:12]

    def test_every_field_of_a_lead_goes_with_it(self):
        record = numbered_record(FIFTEEN[::-1], stated_gain=np.arange(15.0))
        selected = record.select(("V6", "I", "aVR"))
        rows = [3, 14, 11]
        assert selected.leads == ("V6", "I", "aVR")
        assert selected.signal[:, 0].tolist() == rows
        assert selected.adc_gain.tolist() == [1003.0, 1014.0, 1011.0]
        assert selected.baseline.tolist() == [-3, -14, -11]
        assert selected.checksum == tuple(rows)
        assert selected.stated_gain.tolist() == rows

    def test_the_rest_stays(self):
        record = numbered_record(FIFTEEN, dx_codes=("270492004",), age=63.0, sex="Female", fs=257.0)
        selected = record.select()
        for field in ("name", "fs", "invalid_sample", "dx_codes", "age", "sex", "stated_gain"):
            assert getattr(selected, field) == getattr(record, field)

    def test_a_record_that_has_just_these_leads_is_itself(self):
        record = make_record()
        assert record.select() is record
        assert record.select([lead.lower() for lead in LEADS]) is record

    def test_other_spellings_are_understood(self):
        assert make_record().select(("ECG Lead avr", "v1")).leads == ("aVR", "V1")

    def test_a_lead_that_is_not_among_the_twelve_can_be_selected(self):
        assert numbered_record(FIFTEEN).select(("vz", "I")).signal[:, 0].tolist() == [14, 0]

    def test_a_missing_lead_is_an_error_with_both_names(self):
        record = make_record(make_signal()[:3])
        with pytest.raises(LeadError, match=r"^N0001: lead aVR, V6 missing: found I, II, III; expected I, aVR, V6$"):
            record.select(("I", "aVR", "V6"))

    def test_a_lead_that_is_there_twice_is_an_error(self):
        record = make_record(make_signal()[:3], leads=("I", "II", "I"))
        with pytest.raises(LeadError, match=r"^N0001: lead I occurs 2 times; expected once$"):
            record.select(("I",))
        assert record.select(("II",)).leads == ("II",)


class TestWhatMustAgree:
    def test_signal_and_leads(self):
        with pytest.raises(
            SignalError, match=r"^N0001: signal of shape \(2, 100\); expected \(3, samples\) for leads I, "
        ):
            make_record(make_signal()[:2], leads=LEADS[:3])

    def test_a_signal_of_one_dimension(self):
        with pytest.raises(SignalError, match=r"signal of shape \(7,\); expected \(12, samples\)"):
            make_record(np.ones(7, np.int16), leads=LEADS, checksum=())

    @pytest.mark.parametrize("shape", [(12, 0), (0, 100), (0, 0)])
    def test_a_record_holds_at_least_one_sample(self, shape):
        with pytest.raises(
            SignalError, match=rf"^N0001: {shape[0]} leads of {shape[1]} samples; expected at least one"
        ):
            make_record(np.zeros(shape, np.int16))

    @pytest.mark.parametrize("dtype", [np.float32, np.uint16, np.bool_])
    def test_samples_are_signed_integers(self, dtype):
        with pytest.raises(SignalError, match=rf"^N0001: samples of type {np.dtype(dtype)}; expected integers in adu"):
            make_record(np.ones((12, 5), dtype))

    @pytest.mark.parametrize("field", ["adc_gain", "baseline", "stated_gain"])
    @pytest.mark.parametrize("shape", [(11,), (1,), (), (12, 1)])
    def test_one_value_for_each_lead(self, field, shape):
        with pytest.raises(SignalError, match=rf"^N0001: {field} of shape .*; expected \(12,\)$"):
            make_record(**{field: np.ones(shape)})

    @pytest.mark.parametrize("n_checksums", [0, 11, 13])
    def test_one_checksum_for_each_lead(self, n_checksums):
        with pytest.raises(SignalError, match=rf"^N0001: {n_checksums} checksums; expected 12, one for each lead$"):
            make_record(checksum=(None,) * n_checksums)

    def test_the_error_is_both_ours_and_a_value_error(self):
        for kind in (EcgError, ValueError):
            with pytest.raises(kind, match="checksums"):
                make_record(checksum=())
