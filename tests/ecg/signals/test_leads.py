"""Lead names in the spellings that occur, and the selection of the twelve."""

import pytest

from ecg12.ecg.errors import LeadError
from ecg12.ecg.signals.leads import LEADS, canonical_lead, select_leads

PTB_NAMES = "i ii iii avr avl avf v1 v2 v3 v4 v5 v6 vx vy vz".split()


def test_leads_are_in_the_order_of_the_challenge():
    assert LEADS == ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


@pytest.mark.parametrize("spell", [str, str.lower, str.upper, "Lead {}".format, "ECG_{}".format, " {} ".format])
def test_canonical_lead_knows_every_spelling_of_every_lead(spell):
    assert [canonical_lead(spell(lead)) for lead in LEADS] == list(LEADS)


@pytest.mark.parametrize("name", ["lead avr", "LEAD_AVR", "lead-aVr", "ekg avr", "EKG_aVR", "ecg  AVR"])
def test_canonical_lead_drops_prefixes(name):
    assert canonical_lead(name) == "aVR"


@pytest.mark.parametrize(("name", "expected"), [("vx", "vx"), (" MLII ", "MLII"), ("V7", "V7"), ("", "")])
def test_canonical_lead_leaves_other_names(name, expected):
    assert canonical_lead(name) == expected


def test_canonical_lead_is_idempotent():
    names = [*PTB_NAMES, "Lead aVR", " other name "]
    assert [canonical_lead(canonical_lead(name)) for name in names] == [canonical_lead(name) for name in names]


def test_select_leads_takes_the_twelve_out_of_fifteen():
    assert select_leads(PTB_NAMES) == list(range(12))


def test_select_leads_returns_rows_in_the_wanted_order():
    names = list(reversed(PTB_NAMES))
    rows = select_leads(names)
    assert [canonical_lead(names[row]) for row in rows] == list(LEADS)
    assert select_leads(names, ("V6", "I")) == [names.index("v6"), names.index("i")]


def test_select_leads_refuses_missing_leads_by_name():
    with pytest.raises(LeadError, match=r"^lead III, V6 missing: found I, II, .*; expected I, II, III, "):
        select_leads([lead for lead in LEADS if lead not in ("III", "V6")])


def test_select_leads_refuses_a_record_without_leads():
    with pytest.raises(LeadError, match="missing: found none; expected I, II"):
        select_leads([])


def test_select_leads_refuses_a_lead_that_occurs_twice():
    with pytest.raises(LeadError, match="lead aVR occurs 2 times; expected once"):
        select_leads([*LEADS, "AVR"])


def test_select_leads_ignores_repeats_of_leads_nobody_wants():
    assert select_leads([*LEADS, "vx", "vx"]) == list(range(12))
