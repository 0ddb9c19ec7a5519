"""What every configuration can do, on a family of small ones."""

import json
from dataclasses import dataclass, field

import pytest

from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner(Config):
    depth: int = 3
    sizes: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ConfigError(f"depth is {self.depth}; expected at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer(Config):
    rate: float = 400.0
    name: str = "a"
    fast: bool = False
    limit: int | None = 8
    share: float | None = None
    pairs: tuple[tuple[float, ...], ...] = ()
    inner: Inner = field(default_factory=Inner)
    second: Inner | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Demanding(Config):
    seed: int


@pytest.mark.parametrize(
    "config",
    [
        Outer(),
        Outer(rate=257.5, name="µ", fast=True, limit=None, share=0.25, pairs=((1.0, 2.0), (), (3.0,))),
        Outer(inner=Inner(depth=1, sizes=()), second=Inner(depth=9)),
        Demanding(seed=0),
    ],
)
def test_json_round_trip(config):
    again = type(config).from_dict(json.loads(json.dumps(config.to_dict(), allow_nan=False)))
    assert again == config
    assert repr(again) == repr(config)  # tuples are tuples again, 400.0 is not 400


def test_to_dict_holds_plain_json_values_under_the_fields_names():
    assert Outer(pairs=((1.0,),)).to_dict() == {
        "rate": 400.0,
        "name": "a",
        "fast": False,
        "limit": 8,
        "share": None,
        "pairs": [[1.0]],
        "inner": {"depth": 3, "sizes": [1, 2]},
        "second": None,
    }


def test_absent_keys_take_their_defaults():
    assert Outer.from_dict({}) == Outer()
    assert Outer.from_dict({"inner": {"depth": 5}}) == Outer(inner=Inner(depth=5))


def test_a_configuration_may_stand_where_an_object_would():
    assert Outer.from_dict({"inner": Inner(depth=5)}) == Outer.from_dict({"inner": {"depth": 5}})


def test_a_tuple_may_stand_where_a_list_would():
    assert Inner.from_dict({"sizes": (4, 5)}) == Inner.from_dict({"sizes": [4, 5]}) == Inner(sizes=(4, 5))


def test_a_whole_number_becomes_a_float_where_one_is_expected():
    """400 and 400.0 are equal but not the same text, from which digests are made."""
    config = Outer.from_dict({"rate": 400, "share": 1, "pairs": [[1]]})
    assert json.dumps(config.to_dict()) == json.dumps(Outer(share=1.0, pairs=((1.0,),)).to_dict())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rat": 1}, r"^Outer: unknown rat; expected rate, name, fast, limit, share, pairs, inner, second$"),
        ({"b": 1, "rate": 1.0, "a": 2}, "^Outer: unknown a, b; expected rate, "),
        ({1: 1, "x": 2}, "^Outer: unknown 1, x; expected"),
        ({"inner": {"width": 2}}, "^Inner: unknown width; expected depth, sizes$"),
    ],
)
def test_unknown_keys_are_refused_by_name(values, message):
    with pytest.raises(ConfigError, match=message):
        Outer.from_dict(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": "400"}, "^Outer: rate is '400'; expected float$"),
        ({"rate": None}, "^Outer: rate is None; expected float$"),
        ({"rate": True}, "^Outer: rate is True; expected float$"),
        ({"name": 3}, "^Outer: name is 3; expected str$"),
        ({"name": ["a"]}, r"^Outer: name is \['a'\]; expected str$"),
        ({"fast": 1}, "^Outer: fast is 1; expected bool$"),
        ({"limit": 8.0}, "^Outer: limit is 8.0; expected int$"),
        ({"limit": False}, "^Outer: limit is False; expected int$"),
        ({"pairs": [1.0]}, r"^Outer: pairs is 1.0; expected tuple\[float, ...\]$"),
        ({"pairs": [["x"]]}, "^Outer: pairs is 'x'; expected float$"),
        ({"pairs": "12"}, "^Outer: pairs is '12'; expected tuple"),
        ({"inner": 3}, "^Inner is 3; expected an object$"),
        ({"inner": None}, "^Inner is None; expected an object$"),
        ({"inner": {"sizes": 64}}, r"^Inner: sizes is 64; expected tuple\[int, ...\]$"),
        ({"inner": {"sizes": [64, "128"]}}, "^Inner: sizes is '128'; expected int$"),
    ],
)
def test_values_of_another_type_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Outer.from_dict(values)


@pytest.mark.parametrize("values", [[], [["rate", 1.0]], "rate", None, 3])
def test_anything_but_an_object_is_refused(values):
    with pytest.raises(ConfigError, match=r"^Outer is .*; expected an object$"):
        Outer.from_dict(values)


def test_values_out_of_range_are_the_configurations_own_error():
    with pytest.raises(ConfigError, match=r"^depth is 0; expected at least 1$"):
        Outer.from_dict({"inner": {"depth": 0}})


def test_a_missing_key_without_a_default_is_named():
    with pytest.raises(ConfigError, match=r"^Demanding: .*'seed'"):
        Demanding.from_dict({})


def test_what_is_unsaid_is_written_once_it_differs() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Later(Config):
        unsaid = frozenset({"new"})

        old: int = 1
        new: tuple[int, ...] = ()

    assert Later().to_dict() == {"old": 1}
    assert Later().to_whole_dict() == {"old": 1, "new": []}
    assert Later(new=(2,)).to_dict() == {"old": 1, "new": [2]}
    assert Later.from_dict({"old": 1}) == Later.from_dict(Later().to_whole_dict()) == Later()
