"""What installed packages register, and from where nothing counts as installed."""

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from ecg12.ecg.errors import PluginError
from ecg12.pipeline.plugins.choosing import installed_names, spell_plugin
from ecg12.pipeline.plugins.consent import NOTHING
from ecg12.pipeline.plugins.entry_points import (
    describe_distribution,
    distribution_of,
    find_registered,
    is_implied,
    registered,
)
from ecg12.pipeline.plugins.kinds import KINDS, MODEL, READER
from ecg12.pipeline.plugins.loading import load_plugin
from tests.pipeline.plugins.examples import example_entry_points, register


def test_each_kind_has_its_group_on_the_page() -> None:
    assert [group for group, _, _ in example_entry_points()] == [kind.group for kind in KINDS]


def test_what_is_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(tmp_path, *example_entry_points())
    monkeypatch.syspath_prepend(str(tmp_path))
    (one,) = registered(MODEL)
    assert (one.name, one.path, one.distribution, one.version) == ("short", "ecg_plus.nets:ShortNet", "ecg-plus", "1.2")
    assert installed_names(READER) == ("json-ecg",)
    assert find_registered(MODEL, "shorter") is None
    assert spell_plugin(MODEL, "short", ()) == "plugin:short"
    assert spell_plugin(MODEL, "short", ("short",)) == "short"  # one of our own goes first
    assert spell_plugin(MODEL, "other", ()) == "other"


def test_the_same_package_twice_on_the_path_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("a", "b"):
        register(tmp_path / place, *example_entry_points())
        monkeypatch.syspath_prepend(str(tmp_path / place))
    assert len(registered(MODEL)) == 1


def test_the_current_directory_counts_where_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for entry in ("", ".", str(tmp_path), f"{tmp_path}/../{tmp_path.name}"):
        assert is_implied(entry)
    assert not is_implied(str(tmp_path.parent))
    for named in (str(tmp_path), f"/nowhere{os.pathsep}{tmp_path}", "."):
        monkeypatch.setenv("PYTHONPATH", named)
        assert not is_implied(str(tmp_path))
    for named in ("/nowhere", "", f"{os.pathsep}/nowhere", f"/nowhere{os.pathsep}"):
        monkeypatch.setenv("PYTHONPATH", named)
        assert is_implied(str(tmp_path))


def test_the_distribution_of_a_module() -> None:
    numpy = sys.modules["numpy"]
    assert distribution_of("numpy.linalg", numpy.__file__) == ("numpy", numpy.__version__)
    dateutil = pytest.importorskip("dateutil")  # called otherwise than its distribution
    found = distribution_of("dateutil", dateutil.__file__)
    assert found is not None
    assert found[0] == "python-dateutil"
    assert distribution_of("tests", __file__) is None


def test_what_is_broken_is_said_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    register(tmp_path, ("ecg12.models", "short", "ecg_plus.nets:ShortNet"), ("ecg12.models", "a|b", "x:Y"))
    register(tmp_path, ("ecg12.models", "odd", "not a path"), name="odd")
    (tmp_path / "~orn-1.0.dist-info").mkdir()
    (tmp_path / "~orn-1.0.dist-info" / "entry_points.txt").write_text("[ecg12.models]\ntorn = torn:Net\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {one.name: (one.path, one.distribution) for one in registered(MODEL)}
    assert found == {
        "short": ("ecg_plus.nets:ShortNet", "ecg-plus"),
        "odd": ("not a path:", "odd"),
        "torn": ("torn:Net", "?"),
    }
    assert caplog.messages == ["ecg-plus 1.2 registers the model 'a|b', which is no name for one: left out"]
    with pytest.raises(PluginError, match=r"^model plugin:odd: no module not a path; looked for in"):
        load_plugin(MODEL, "plugin:odd", NOTHING)
    assert distribution_of("torn", None) is None


@pytest.mark.parametrize("kind", [TypeError, KeyError, FileNotFoundError])
def test_whoever_finds_a_broken_distribution_it_is_described(kind: type[Exception]) -> None:
    """importlib's own says it with a TypeError or KeyError; importlib_metadata, once imported, finds them its way."""

    class Broken(metadata.PathDistribution):
        @property
        def metadata(self):
            raise kind("No package metadata was found.")

    assert describe_distribution(Broken(Path("broken-1.dist-info"))) == ("?", "?")
