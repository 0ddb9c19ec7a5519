"""A small complete store for every test that reads or damages one."""

import shutil
from pathlib import Path

import pytest

from tests.cache.small_store import write_store


@pytest.fixture(scope="session")
def whole_store(tmp_path_factory) -> Path:
    """Not to be changed."""
    path = tmp_path_factory.mktemp("small") / "s.zarr"
    write_store(path, {"B": {"offset": (0,) * 6 + (15000,) + (0,) * 5}})
    return path


@pytest.fixture
def path(whole_store, tmp_path) -> Path:
    """A copy of it, to be damaged; one lead of record B has an offset."""
    return Path(shutil.copytree(whole_store, tmp_path / "s.zarr"))
