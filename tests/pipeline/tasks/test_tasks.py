"""Tasks from files and folders, held against stores: what is read, and what is counted before anything trains."""

import os
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.ecg.tasks.writing import format_task
from ecg12.pipeline.tasks.check_task import check_task
from ecg12.pipeline.tasks.stored_labels import column_of, labels_of
from ecg12.pipeline.tasks.task_files import TASK, carry_task, drop_task, read_task, task_of_folder

OWN = """
name = "conduction"
title = "Bundle branch blocks"
vocabulary = "snomed-ct"
[classes]
LBBB = ["164909002", "733534002"]
RBBB = ["59118001", "713427006"]
"""


def test_a_task_by_name_and_from_a_file(tmp_path: Path) -> None:
    assert read_task("sex") is named_task("sex")
    (tmp_path / "own.toml").write_text(OWN)
    assert read_task(str(tmp_path / "own.toml")).codes == ("LBBB", "RBBB")
    with pytest.raises(
        ConfigError, match=r"task 'own\.toml': no such file; expected challenge2020, .*, or a TOML file"
    ):
        read_task("own.toml")
    with pytest.raises(ConfigError, match="a folder; expected"):
        read_task(str(tmp_path))
    (tmp_path / "bad.toml").write_text(OWN.replace("classes", "clases"))
    with pytest.raises(ConfigError, match=r"bad\.toml: task: unknown key 'clases'"):
        read_task(str(tmp_path / "bad.toml"))
    (tmp_path / "latin.toml").write_bytes(OWN.replace("blocks", "bl\xf6cke").encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml: cannot be read"):
        read_task(str(tmp_path / "latin.toml"))


def test_weights_lie_beside_their_task(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text(",LBBB,RBBB\nLBBB,1,0.5\nRBBB,0.5,1\n")
    text = OWN.replace("[classes]", '[metric]\nnormal = "RBBB"\nweights = "w.csv"\n[classes]')
    text = text.replace('["164909002", "733534002"]', '["own:LBBB", "164909002"]').replace(
        '["59118001"', '["own:RBBB", "59118001"'
    )
    (tmp_path / "own.toml").write_text(text)
    task = read_task(str(tmp_path / "own.toml"))
    assert task.metric is not None
    np.testing.assert_array_equal(task.metric.weights, [[1, 0.5], [0.5, 1]])
    (tmp_path / "w.csv").unlink()
    with pytest.raises(ConfigError, match=r"w\.csv: cannot be read"):
        read_task(str(tmp_path / "own.toml"))


def test_a_folder_carries_its_task(tmp_path: Path) -> None:
    assert task_of_folder(tmp_path).name == CHALLENGE_2020
    (tmp_path / TASK).write_text(format_task(named_task("cpsc2018")))
    assert format_task(task_of_folder(tmp_path)) == format_task(named_task("cpsc2018"))
    (tmp_path / TASK).write_text("name = ")
    with pytest.raises(ConfigError, match=r"task\.toml: no TOML"):
        task_of_folder(tmp_path)


def test_the_challenge_finds_what_the_store_has_scored(simulated_store: Path) -> None:
    store = Store(simulated_store)
    found = labels_of(store, named_task(CHALLENGE_2020))
    np.testing.assert_array_equal(found.matrix, store.column("label/scored"))
    np.testing.assert_array_equal(found.labelled, store.column("label/annotated"))
    assert found.known is None


@pytest.mark.shared
def test_of_the_real_records_as_well(real_store: Path) -> None:
    store = Store(real_store)
    found = labels_of(store, named_task(CHALLENGE_2020))
    np.testing.assert_array_equal(found.matrix, store.column("label/scored"))
    np.testing.assert_array_equal(found.labelled, store.column("label/annotated"))
    # of the same records the Challenge of 2021 scores the same but for its own classes
    later = labels_of(store, named_task("challenge2021"))
    here, there = named_task(CHALLENGE_2020), named_task("challenge2021")
    for place, one in enumerate(there.classes):
        if one.code in here.codes and one.code not in ("164909002",):
            np.testing.assert_array_equal(later.matrix[:, place], found.matrix[:, here.codes.index(one.code)])


def test_columns_by_their_names(simulated_store: Path) -> None:
    store = Store(simulated_store)
    sex = column_of(store, "sex")
    assert sex is not None
    assert set(sex) <= {"female", "male", ""}
    age = column_of(store, "age")
    np.testing.assert_array_equal(age, store.column("record/age").astype(np.float64))
    assert column_of(store, "dataset") is store.datasets
    for name in ("fold", "site", "device", "target:ef", "nonsense"):
        assert column_of(store, name) is None


def test_what_a_task_finds_is_counted(simulated_store: Path, tmp_path: Path) -> None:
    store = Store(simulated_store)
    (tmp_path / "own.toml").write_text(OWN)
    found = check_task(read_task(str(tmp_path / "own.toml")), store)
    codes, matrix = list(store.column("label/code")), store.column("label/matrix")
    rbbb = matrix[:, [codes.index(code) for code in ("59118001", "713427006") if code in codes]].any(axis=1)
    assert found.classes[1].n_positive == rbbb.sum()
    assert found.n_labelled == store.column("label/annotated").sum()
    assert found.n_records == store.n_records
    assert "CLBBB" in found.absent  # no simulated record has 733534002
    assert sum(found.unused.values()) + found.classes[0].n_positive + rbbb.sum() <= matrix.sum()
    assert "NSR" in found.unused
    assert sum(found.datasets.values()) == found.n_labelled
    assert found.sides == {}
    age = check_task(named_task("age"), store)
    values = store.column("record/age")
    assert age.number is not None
    assert age.number[3] == pytest.approx(np.median(values[values <= 130]))
    assert age.classes == ()
    assert check_task(named_task("ptbxl-form"), store).n_labelled == 0


def test_a_code_of_the_wrong_vocabulary_is_not_called_as_the_right_one(simulated_store: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\nvocabulary = "scp-ecg"\n[classes]\nLBBB = ["733534002", "own:X", "CLBBB"]\n')
    found = check_task(read_task(str(own)), Store(simulated_store))
    assert found.absent == ("scp-ecg:733534002", "own:X", "CLBBB")


def test_a_side_that_no_record_is_on_is_counted_as_0(simulated_store: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(f'{OWN}\n[split]\ncolumn = "dataset"\ntrain = ["cpsc", "ptb", "ptb-xl"]\nvalid = ["gorgia"]\n')
    found = check_task(read_task(str(own)), Store(simulated_store))
    assert (found.sides["valid"], found.sides["test"]) == (0, 0)
    assert found.sides["train"] > 0


def test_predictions_carry_their_task_and_nobody_elses_is_removed(tmp_path: Path) -> None:
    carry_task(tmp_path, named_task(CHALLENGE_2020))
    assert not (tmp_path / TASK).exists()  # a folder of the Challenge's own form stays as it is
    carry_task(tmp_path, named_task("sex"))
    assert format_task(task_of_folder(tmp_path)) == format_task(named_task("sex"))
    drop_task(tmp_path)
    assert not (tmp_path / TASK).exists()
    drop_task(tmp_path)
    (tmp_path / TASK).write_text(OWN)
    drop_task(tmp_path)
    assert (tmp_path / TASK).read_text() == OWN


@pytest.mark.parametrize("act", ["loop", "dangling", "fifo", "folder"])
def test_a_task_that_is_no_file_is_not_taken_for_none(tmp_path: Path, act: str) -> None:
    path = tmp_path / TASK
    if act == "fifo":
        os.mkfifo(path)
    elif act == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if act == "loop" else tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"task\.toml: cannot be read"):
        task_of_folder(tmp_path)


def test_a_runs_task_is_the_one_that_its_configuration_names(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"train": {"task": "sex"}}')
    with pytest.raises(ConfigError, match=r"task\.toml: missing; expected task sex, which .*config\.json names"):
        task_of_folder(tmp_path)
    (tmp_path / TASK).write_text(format_task(named_task("sex")))
    assert task_of_folder(tmp_path).name == "sex"
    (tmp_path / TASK).write_text(format_task(named_task("age")))
    with pytest.raises(ConfigError, match=r"task\.toml: task age; expected sex, which"):
        task_of_folder(tmp_path)
    (tmp_path / "config.json").write_text('{"train": {}}')
    (tmp_path / TASK).unlink()
    assert task_of_folder(tmp_path) is named_task(CHALLENGE_2020)
