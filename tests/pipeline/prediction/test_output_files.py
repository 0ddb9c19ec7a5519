"""A record's file is there whole, or nothing of it."""

from pathlib import Path

import pytest

from ecg12.pipeline.prediction import output_files as prediction_files


def test_what_cannot_get_its_name_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_source: object, _target: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "A0001.csv"
    prediction_files.replace_text(path, "before\n", f"{tmp_path}/partial")
    monkeypatch.setattr(prediction_files.os, "replace", no_room)
    with pytest.raises(OSError, match="No space left"):
        prediction_files.replace_text(path, "after\n", f"{tmp_path}/partial")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "before\n"
