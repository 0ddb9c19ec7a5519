"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real records and reference files; a test that wants it is skipped where it is missing."""
    path = Path(os.environ.get("ECG_SHARED", REPOSITORY.parent / "shared"))
    if not (path / "data" / "challenge2020").is_dir():
        pytest.skip(f"needs the real records: no data/challenge2020 in {path} (set ECG_SHARED)")
    return path
