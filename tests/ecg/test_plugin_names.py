"""Names of plugins by their form alone, and their options there and back."""

import pytest

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.plugin_names import is_plugin_name, pack_options, parse_options, unpack_options


@pytest.mark.parametrize("name", ["a:B", "a.b_c.d1:E", "plugin:short", "plugin:json-ecg", "plugin:a.b_c", "größe:Netz"])
def test_names_of_plugins(name: str) -> None:
    assert is_plugin_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ":",
            "a",
            "a:",
            ":B",
            "a.:B",
            ".a:B",
            "a:B.c",
            "a:B()",
            "a b:C",
            "a:b:C",
            "a/b:C",
            "C:\\maps\\a.txt",
            "1a:B",
        ),
        *("plugin:", "plugin:-a", "plugin:a b", "plugin:a/b", "concat:sigmoid:2-sigmoid:2", f"{'a' * 600}:B", "a:B\n"),
    ],
)
def test_what_is_none(name: str) -> None:
    assert not is_plugin_name(name)


def test_options_there_and_back() -> None:
    values = {"width": 8, "rate": 0.5, "kind": "wide", "sizes": [1, 2], "deep": {"a": None}, "on": True}
    packed = pack_options(values)
    assert packed[0] == 'deep={"a": null}'
    assert unpack_options(packed) == values
    assert list(packed) == sorted(packed)


def test_options_as_a_person_writes_them() -> None:
    assert parse_options("width=8, rate=0.5 kind=wide,on=true") == pack_options(
        {"width": 8, "rate": 0.5, "kind": "wide", "on": True}
    )
    assert parse_options('{"sizes": [1, 2]}') == ("sizes=[1, 2]",)
    assert parse_options("") == ()


@pytest.mark.parametrize("text", ["width", "=8", "width=1,width=2", "{", '{"a b": 1}', "a-b=1", '{"a": NaN}'])
def test_options_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^model_options: "):
        parse_options(text)


@pytest.mark.parametrize("packed", [("width",), ("width=",), ("a=1", "a=2"), ("a=[",), ("a b=1",), ("a=NaN",)])
def test_packed_options_that_are_none(packed: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"^model_options: "):
        unpack_options(packed)
