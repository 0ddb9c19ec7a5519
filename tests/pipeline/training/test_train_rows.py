"""Who trains and who validates: id files first, whole groups, some of the records, and names that are not there."""

from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.errors import RunFolderError, StoreError
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.train_rows import choose_rows, rows_of, take_some

CHALLENGE = named_task(CHALLENGE_2020)


@pytest.fixture(scope="module")
def store(simulated_store: Path) -> Store:
    return Store(simulated_store)


def test_shares_of_nothing_and_of_all(store: Store, tmp_path: Path) -> None:
    labelled = np.flatnonzero(store.column("label/annotated")).tolist()
    none = choose_rows(store, tmp_path, TrainConfig(valid_split=0.0), CHALLENGE)
    assert (none.train.tolist(), none.valid.tolist(), none.test.tolist()) == (labelled, [], [])
    everything = choose_rows(store, tmp_path, TrainConfig(valid_split=1.0), CHALLENGE)
    assert (everything.train.tolist(), everything.valid.tolist()) == ([], labelled)


def test_some_records_are_the_same_ones_every_time(store: Store, tmp_path: Path) -> None:
    rows = choose_rows(store, tmp_path, TrainConfig(n_total=20), CHALLENGE)
    assert len(rows.train) + len(rows.valid) == 20
    more = choose_rows(store, tmp_path, TrainConfig(n_total=30), CHALLENGE)
    few = set(rows.train) | set(rows.valid)
    assert few < set(more.train) | set(more.valid)
    other = choose_rows(store, tmp_path, TrainConfig(n_total=20, seed=9), CHALLENGE)
    assert few != set(other.train) | set(other.valid)
    assert take_some(store, np.arange(5), 7, seed=1).tolist() == [0, 1, 2, 3, 4]


def test_ids_of_the_folder_go_before_those_of_its_pretraining(store: Store, tmp_path: Path) -> None:
    annotated = np.flatnonzero(store.column("label/annotated"))
    names = store.ids[annotated]
    files.write_ids(tmp_path / "pretrain_train_ids.txt", list(store.ids[:40]))
    files.write_ids(tmp_path / "pretrain_valid_ids.txt", list(store.ids[40:]))
    rows = choose_rows(store, tmp_path, TrainConfig(), CHALLENGE)
    assert rows.train.tolist() == [row for row in range(40) if row in annotated]
    files.write_ids(tmp_path / "train_ids.txt", list(names[:3]))
    with pytest.raises(RunFolderError, match=r"valid_ids\.txt: missing beside train_ids\.txt; expected both or none"):
        choose_rows(store, tmp_path, TrainConfig(), CHALLENGE)
    files.write_ids(tmp_path / "valid_ids.txt", list(names[3:5]))
    rows = choose_rows(store, tmp_path, TrainConfig(), CHALLENGE)
    assert (rows.train.tolist(), rows.valid.tolist()) == (annotated[:3].tolist(), annotated[3:5].tolist())


def test_a_name_that_is_not_there_is_told_with_its_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("A0001,nobody")
    with pytest.raises(StoreError, match="no record called 'nobody'") as caught:
        rows_of(store, tmp_path / "ids.txt")
    assert caught.value.__notes__ == [f"in {tmp_path / 'ids.txt'}"]


def test_a_name_with_its_dataset_will_do(store: Store, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text(f"{store.datasets[4]}/{store.names[4]},{store.names[2]},{store.names[4]}")
    assert rows_of(store, tmp_path / "ids.txt").tolist() == [2, 4]
