"""Splits that somebody else made: official, by ids, by a column; and what tears patients apart."""

from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, StoreError
from ecg12.ecg.tasks.reading import parse_task
from ecg12.pipeline.training.given_sides import given_sides, has_given_sides
from ecg12.pipeline.training.split import Sides

SPLIT = '\n[split]\ncolumn = "dataset"\ntrain = ["cpsc", "georgia"]\nvalid = ["ptb-xl"]\ntest = ["incart", "ptb"]'
TASK = parse_task('name = "t"\nclasses = ["A"]', where="t")
OFFICIAL = parse_task(f'name = "t"\nclasses = ["A"]{SPLIT}', where="t")


@pytest.fixture(scope="module")
def store(simulated_store: Path) -> Store:
    return Store(simulated_store)


def sides(store: Store, split: str, task=TASK, *, torn: bool = False) -> Sides:
    return given_sides(store, task, split, np.arange(store.n_records), torn_patients=torn)


def test_the_official_sides(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    found = sides(store, "official", OFFICIAL, torn=True)
    assert set(store.datasets[found.train]) == {"cpsc", "georgia"}
    assert set(store.datasets[found.valid]) == {"ptb-xl"}
    assert set(store.datasets[found.test]) == {"incart", "ptb"}
    n_extra = int((store.datasets == "cpsc-extra").sum())
    assert f"{n_extra} of {store.n_records} labelled records are on no side and left out" in caplog.text


def test_auto_is_official_where_it_can_be(store: Store) -> None:
    assert has_given_sides(store, OFFICIAL, "auto")
    assert not has_given_sides(store, TASK, "auto")
    assert not has_given_sides(store, OFFICIAL, "random")
    elsewhere = parse_task('name = "t"\nclasses = ["A"]\n[split]\ncolumn = "fold"\ntrain = ["1"]', where="t")
    assert not has_given_sides(store, elsewhere, "auto")
    with pytest.raises(ConfigError, match="has no column fold, in which the official split of task t stands"):
        sides(store, "official", elsewhere)
    with pytest.raises(ConfigError, match="task t has no official split; expected random, TABLE:COLUMN"):
        sides(store, "official")


def write_sides(folder: Path, store: Store, **rows: np.ndarray) -> None:
    for side, own in rows.items():
        (folder / f"{side}_ids.txt").write_text(",".join(store.ids[own]))


def halves(store: Store) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three sides of whole groups."""
    groups = store.column("record/group")
    part = np.unique(groups.astype(str), return_inverse=True)[1] % 3
    return tuple(np.flatnonzero(part == number) for number in range(3))  # type: ignore[return-value]


def test_files_of_ids(store: Store, tmp_path: Path) -> None:
    train, valid, test = halves(store)
    write_sides(tmp_path, store, train=train, valid=valid, test=test)
    found = sides(store, str(tmp_path))
    for side, own in ((found.train, train), (found.valid, valid), (found.test, test)):
        np.testing.assert_array_equal(np.flatnonzero(side), own)
    (tmp_path / "valid_ids.txt").unlink()
    assert not sides(store, str(tmp_path)).valid.any()
    (tmp_path / "test_ids.txt").write_text(f"{store.ids[train[0]]}")
    with pytest.raises(ConfigError, match=r"test_ids\.txt: .* is on side train, too; expected one"):
        sides(store, str(tmp_path))
    (tmp_path / "test_ids.txt").write_text("NOBODY")
    with pytest.raises(StoreError, match="no record called 'NOBODY'") as refused:
        sides(store, str(tmp_path))
    assert "test_ids.txt" in refused.value.__notes__[0]
    (tmp_path / "train_ids.txt").unlink()
    with pytest.raises(ConfigError, match=r"no train_ids\.txt there"):
        sides(store, str(tmp_path))


@pytest.mark.parametrize(
    ("delimiter", "words"), [(",", ("train", "valid", "test")), (";", ("Training", "val", "TEST"))]
)
def test_a_column_of_a_table(store: Store, tmp_path: Path, delimiter: str, words: tuple[str, ...]) -> None:
    parts = halves(store)
    lines = [f"split{delimiter}Record"]
    for word, own in zip(words, parts, strict=True):
        lines += [f"{word}{delimiter}records500/{store.names[row]}" for row in own]
    (tmp_path / "table.csv").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    found = sides(store, f"{tmp_path / 'table.csv'}:split")
    for side, own in zip((found.train, found.valid, found.test), parts, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(side), own)


def test_a_column_may_name_what_the_tasks_split_names(store: Store, tmp_path: Path) -> None:
    task = parse_task('name = "t"\nclasses = ["A"]\n[split]\ncolumn = "fold"\ntrain = ["1"]\nvalid = ["9"]', where="t")
    train, valid, _ = halves(store)
    lines = [
        "record,fold",
        *(f"{name},1" for name in store.names[train]),
        *(f"{name},9" for name in store.names[valid]),
    ]
    (tmp_path / "folds.csv").write_text("\n".join(lines))
    found = sides(store, f"{tmp_path / 'folds.csv'}:fold", task)
    np.testing.assert_array_equal(np.flatnonzero(found.train), train)
    np.testing.assert_array_equal(np.flatnonzero(found.valid), valid)


def test_ptbxls_own_table_finds_the_challenges_records(store: Store, tmp_path: Path) -> None:
    """Its columns in its order: `ecg_id` 7 is HR00007 there, and the files' names are the original ones."""
    rows = [row for row, name in enumerate(store.names) if str(name).startswith("HR")]
    assert rows
    lines = ["ecg_id,patient_id,strat_fold,filename_lr,filename_hr"]
    for row in rows:
        number = int(str(store.names[row])[2:])
        fold = "valid" if row == rows[0] else "train"
        name = f"00000/{number:05d}"
        lines.append(f"{number},1.0,{fold},records100/{name}_lr,records500/{name}_hr")
    (tmp_path / "ptbxl_database.csv").write_text("\n".join(lines))
    found = sides(store, f"{tmp_path / 'ptbxl_database.csv'}:strat_fold", torn=True)
    np.testing.assert_array_equal(np.flatnonzero(found.train), rows[1:])
    np.testing.assert_array_equal(np.flatnonzero(found.valid), rows[:1])


MISTAKES = {
    "record,split\nA0001,1\n": r"values 1; expected train, valid and test; task \w+ has no \[split\]",
    "split\ntrain\n": "columns split; expected split, and the record's name in one of record",
    "record,side\nA0001,train\n": "columns record, side; expected split",
    "record,split\nNOBODY,train\n": "names none of the 80 records of .*, in column record; expected names such as ",
    "record,split\nX,train\nX,test\n": "record X on sides train and test; expected one",
    "record,split\nA0001,test\n": "none of the 80 labelled records is to train",
    'record,split\n"A0001,train\n': "cannot be read as a table",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_every_mistake_in_a_table_is_named(store: Store, tmp_path: Path, text: str) -> None:
    name = next(str(name) for name, dataset in zip(store.names, store.datasets, strict=True) if dataset == "cpsc")
    (tmp_path / "t.csv").write_text(text.replace("A0001", name))
    with pytest.raises(ConfigError, match=MISTAKES[text]):
        sides(store, f"{tmp_path / 't.csv'}:split")


def test_what_is_no_split_at_all(store: Store) -> None:
    with pytest.raises(ConfigError, match="split 'nonsense': no column of the store, no folder, and no TABLE:COLUMN"):
        sides(store, "nonsense")
    with pytest.raises(ConfigError, match=r"split 'none\.csv:x'"):
        sides(store, "none.csv:x")


def test_patients_are_not_torn_apart_unless_told(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    groups = store.column("record/group").astype(str)
    name, _ = next((one, n) for one, n in zip(*np.unique(groups, return_counts=True), strict=True) if n > 1)
    own = np.flatnonzero(groups == name)
    write_sides(tmp_path, store, train=np.setdiff1d(np.arange(store.n_records), own[:1]), test=own[:1])
    with pytest.raises(
        ConfigError, match=r"1 of \d+ patients \(or duplicates\) are on several sides; .*--torn-patients"
    ):
        sides(store, str(tmp_path))
    assert sides(store, str(tmp_path), torn=True).test.sum() == 1
    assert "on several sides" in caplog.text


def test_colons_in_a_path_and_in_a_column(store: Store, tmp_path: Path) -> None:
    (tmp_path / "C:").mkdir()
    rows = "".join(f"{one},{'train' if number % 2 else 'test'}\n" for number, one in enumerate(store.ids))
    (tmp_path / "C:" / "x.csv").write_text(f"record,target:side\n{rows}")
    found = sides(store, f"{tmp_path}/C:/x.csv:target:side", torn=True)
    assert (found.train.sum(), found.test.sum()) == (store.n_records // 2, (store.n_records + 1) // 2)


@pytest.mark.parametrize("split", ["x" * 5000, "x" * 5000 + ":side", "C:\\x.csv:fold", "a\0b:side", ":"])
def test_what_cannot_be_a_path_is_none(store: Store, split: str) -> None:
    with pytest.raises(ConfigError, match=r"split .{1,220}: no column of the store, no folder, and no TABLE:COLUMN"):
        sides(store, split)


def test_values_in_a_message_are_short_and_of_one_line(store: Store, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"record,side\n{store.ids[0]},{'y' * 9000}\n{store.ids[1]},a\x1b[31m\n")
    with pytest.raises(ConfigError, match="expected train, valid and test") as caught:
        sides(store, f"{tmp_path / 't.csv'}:side")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
