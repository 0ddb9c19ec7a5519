"""Groups of a column: names as they are, ages by decades, folds in the order of their numbers."""

import numpy as np
import pytest

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.tasks.column_groups import groups_of


def shown(name: str, values: list[object], dtype: type = object) -> dict[str, list[int]]:
    return {group: rows.tolist() for group, rows in groups_of(name, np.array(values, dtype)).items()}


def test_names_come_in_order_and_what_is_not_known_last() -> None:
    assert shown("site", ["ward", "", "clinic", "ward"]) == {"clinic": [2], "ward": [0, 3], "unknown": [1]}
    assert list(shown("fold", ["10", "9", "", "1"])) == ["1", "9", "10", "unknown"]


def test_ages_go_by_decades() -> None:
    """300 is PTB-XL's mark for older than 89."""
    found = shown("age", [0.5, 9.99, 10, 89, 90, 104, 300, np.nan, -1], float)
    assert found == {"0 to 9": [0, 1], "10 to 19": [2], "80 to 89": [3], "90 or older": [4, 5, 6], "unknown": [7, 8]}


def test_numbers_are_no_groups() -> None:
    with pytest.raises(ConfigError, match="column target:height holds numbers; expected one of names"):
        shown("target:height", [160.0, 170.0], float)
