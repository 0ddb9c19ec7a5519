"""Recordings with the same samples, and the groups that they make one."""

from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.signals.duplicates import duplicates_of, unite_groups

FLAT, NORMAL = (4,) * 12, (0,) * 12


def test_duplicates_are_named_in_order_and_flat_records_never_count():
    names, digests = ["b", "a", "c", "d", "e", "f"], ["1", "1", "2", "0", "0", "2"]
    flags = [NORMAL, NORMAL, (4,) * 11 + (0,), FLAT, FLAT, (4,) * 11 + (0,)]
    assert duplicates_of(names, digests, flags) == (("a", "b"), ("c", "f"))


def test_the_first_in_text_order_stands_for_all_that_hang_together():
    assert unite_groups([{"q", "b"}, {"q", "p"}, {"x"}, {"p", "a"}]) == {"b": "a", "p": "a", "q": "a"}
    assert unite_groups([]) == {}


@given(st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=3), max_size=12))
def test_groups_are_united_as_by_flooding(together):
    """Against the slow way: a group's mates, and their mates, until there are no more."""

    def flood(group):
        mates = {group}
        while True:
            more = mates.union(*(groups for groups in together if groups & mates))
            if more == mates:
                return min(mates)
            mates = more

    becomes = unite_groups(together)
    assert {group: becomes.get(group, group) for group in "abcdefgh"} == {group: flood(group) for group in "abcdefgh"}
    assert all(group != leader for group, leader in becomes.items())
