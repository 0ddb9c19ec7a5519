"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real records and reference files; a test that wants it is skipped where it is missing.

    Unless ECG_REQUIRE_SHARED is set, as the project's own CI does: there it fails.
    """
    path = Path(os.environ.get("ECG_SHARED", REPOSITORY.parent / "shared"))
    if not (path / "data" / "challenge2020").is_dir():
        missing = pytest.fail if os.environ.get("ECG_REQUIRE_SHARED") else pytest.skip
        missing(f"needs the real records: no data/challenge2020 in {path} (set ECG_SHARED)")
    return path
