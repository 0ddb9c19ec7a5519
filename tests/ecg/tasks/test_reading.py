"""Tasks as people write them, and every mistake answered by its name."""

import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.tasks.reading import parse_task
from ecg12.ecg.tasks.task import CLASS_FIGURES, METRIC, Term
from ecg12.ecg.tasks.writing import format_task

CONDUCTION = """
name = "conduction"
vocabulary = "snomed-ct"
[classes]
LBBB = ["164909002", "733534002"]
RBBB = ["59118001", "713427006"]
AVB = "270492004"
"""


def read(text: str):
    return parse_task(text, where="own.toml")


def test_classes_by_name_with_their_codes() -> None:
    task = read(CONDUCTION)
    assert task.codes == task.columns == ("LBBB", "RBBB", "AVB")
    assert task.classes[0].codes == (Term("snomed-ct", "164909002"), Term("snomed-ct", "733534002"))
    assert (task.kind, task.select, task.report, task.thresholds) == ("many-of-many", "auroc", CLASS_FIGURES, "f1")
    assert not task.is_by_code  # a prediction's LBBB is no code that a record has


def test_classes_as_a_list_of_codes() -> None:
    task = read('name = "three"\nvocabulary = "scp-ecg"\nclasses = ["AFIB", "SR", "PVC"]')
    assert task.codes == ("AFIB", "SR", "PVC")
    assert task.is_by_code
    assert task.name_of("AFIB") == "atrial fibrillation"


def test_classes_with_columns_for_all_their_codes() -> None:
    task = read(
        'name = "two"\nvocabulary = "snomed-ct"\ncolumns = ["59118001", "713427006", "164889003"]\n'
        '[[classes]]\ncodes = ["713427006", "59118001"]\n[[classes]]\ncodes = ["164889003"]\nabbreviation = "Afib"'
    )
    assert task.codes == ("713427006", "164889003")
    assert task.by_class.class_of("59118001") == "713427006"
    assert task.is_by_code
    assert task.abbreviation_of("164889003") == "Afib"


def test_a_hierarchy_takes_what_lies_below() -> None:
    task = read(
        'name = "h"\n[hierarchy]\nMI = ["AMI", "IMI"]\nAMI = ["ASMI"]\n[classes]\ninfarct = ["MI"]\nanterior = "AMI"'
    )
    assert [term.code for term in task.classes[0].codes] == ["MI", "AMI", "ASMI", "IMI"]
    assert [term.code for term in task.classes[1].codes] == ["AMI", "ASMI"]


def test_weights_beside_and_in_the_file() -> None:
    text = (
        'name = "m"\nvocabulary = "own"\n[metric]\nnormal = "N"\nweights = "w.csv"\n'
        '[classes]\nN = ["N"]\nA = ["A", "B"]'
    )
    task = parse_task(text, where="own.toml", read_beside={"w.csv": ",A|B,N\nA|B,1,0.25\nN,0.5,1\n"}.__getitem__)
    assert task.metric is not None
    np.testing.assert_array_equal(task.metric.weights, [[1, 0.5], [0.25, 1]])
    assert (task.select, task.thresholds, task.report[0]) == (METRIC, "metric", METRIC)
    again = read(format_task(task))
    assert again.metric is not None
    np.testing.assert_array_equal(again.metric.weights, task.metric.weights)
    with pytest.raises(ConfigError, match=r"own\.toml: metric: weights in the file 'w\.csv'; expected them here"):
        read(text)


def test_a_number() -> None:
    task = read('name = "ef"\nkind = "number"\ncolumn = "target:ejection_fraction"\n[number]\nunit = "%"\nleast = 0')
    assert task.codes == ("ejection_fraction",)
    assert task.number is not None
    assert math.isnan(task.number.centre)
    assert (task.number.least, task.number.most, task.select) == (0.0, math.inf, "mae")
    assert read(format_task(task)).number == task.number or math.isnan(task.number.centre)


MISTAKES = {
    "name = 3": "task: name is 3; expected text",
    "": "name is ''; expected a name of the task",
    'name = "x"': r"no classes; expected \[classes\] with a line NAME",
    'name = "x"\nclases = ["A"]': "task: unknown key 'clases'; expected name, title",
    'name = "x"\nclasses = []': "0 classes; expected at least one",
    'name = "x"\nclasses = ["A", "A"]': "class A twice",
    'name = "x"\nclasses = [164889003]': "expected a code in quotes",
    'name = "x"\n[classes]\nA = [164889003]': "class A: codes: 164889003; expected a list of texts",
    'name = "x"\n[classes]\nA = 164889003': "class 'A' is 164889003",
    'name = "x"\n[classes.A]\ncode = "A"\ncods = ["B"]': "class A: unknown key 'cods'",
    'name = "x"\nclasses = ["A,B"]': "class 'A,B'; expected a code without comma",
    'name = "x"\nvocabulary = "icd-10"\nclasses = ["A"]': "vocabulary is 'icd-10'; expected snomed-ct, scp-ecg, own",
    'name = "x"\nkind = "some-of-many"\nclasses = ["A"]': "kind is 'some-of-many'; expected many-of-many",
    'name = "x"\nkind = "one-of-many"\nclasses = ["A"]': "one class of one-of-many; expected at least two",
    'name = "x"\nlikelihood = "50"\nclasses = ["A"]': "task: likelihood is '50'; expected number$",
    'name = "x"\nlikelihood = 101\nclasses = ["A"]': "likelihood is 101; expected per cent",
    'name = "x"\nselect = "f1"\nclasses = ["A"]': "figure 'f1'; expected auroc",
    'name = "x"\nselect = "challenge_metric"\nclasses = ["A"]': r"challenge_metric needs \[metric\] weights",
    'name = "x"\nthresholds = "metric"\nclasses = ["A"]': r"thresholds by the metric; expected \[metric\] with weights",
    'name = "x"\ncolumns = ["B"]\nclasses = ["A"]': "columns: B; expected codes of one class",
    'name = "x"\ncolumns = ["A", "B", "c"]\n[classes]\nA = ["c"]\nB = ["c"]': "columns: c; expected codes of one class",
    'name = "x"\ncolumns = ["A"]\n[classes]\nA = ["c"]\nB = ["d"]': "columns: none of class B; expected at least one",
    'name = "x"\nclasses = ["A"]\n[split]\ncolumn = "fold"': "split: expected column, and which of its values",
    'name = "x"\nclasses = ["A"]\n[split]\ncolumn = "fold"\ntrain = [1]': "split: train: 1; expected a list of texts",
    'name = "x"\nclasses = ["A"]\n[split]\ncolumn = "fold"\ntrain = ["1"]\ntest = ["1"]': "each value once",
    'name = "x"\nclasses = ["A"]\n[metric]\nweights = [[1]]': "metric: normal is ''; expected weights, and the class",
    'name = "x"\nclasses = ["A"]\n[metric]\nnormal = "A"\nweights = [[1, 2]]': r"weights of shape \(1, 2\); expected 1",
    'name = "x"\nclasses = ["A"]\n[metric]\nnormal = "A"\nweights = [["a"]]': "weights are no rows of numbers",
    'name = "x"\nkind = "number"\ncolumn = "age"\n[number]\nscale = 0': "and a scale above 0",
    'name = "x"\nkind = "number"\ncolumn = "age"\n[number]\nleast = 5\nmost = 1': "from 5 to 1, .*least below most",
    'name = "x"\nkind = "number"\ncolumn = "age"\n[number]\ncentre = inf': "centre inf, .*neither beyond 1e",
    'name = "x"\nkind = "number"\ncolumn = "age"\n[number]\nscale = 1e-320': "scale 9.99989e-321; expected",
    'name = "x"\nkind = "number"\ncolumn = "age"\n[number]\nleast = nan': "from nan to inf",
    f'name = "x"\nkind = "number"\ncolumn = "age"\n[number]\nmost = {"9" * 400}': "most is beyond any number",
    f'name = "x"\nclasses = ["A"]\nlikelihood = {"9" * 400}': "likelihood is beyond any number",
    'name = "x"\nclasses = ["A"]\nreport = ["auroc", "auroc"]': "report has a figure twice",
    'name = "x"\nclasses = ["own:"]': "codes 'own:': one is empty",
    'name = "x"\nclasses = ["A"]\n[metric]\nnormal = "A"\nweights = [["1"]]': "weights are no rows of numbers",
    'name = "x\\u0007y"\nclasses = ["A"]': "name is 'x.x07y'; expected one line of at most 200 letters",
    'name = "x"\ntitle = "a\\nb"\nclasses = ["A"]': "title is 'a.nb'; expected one line",
    'name = "x"\nclasses = ["A\\u001b[31m"]': "class 'A.x1b.31m': code is .*expected one line",
    'name = "x"\n[classes.A]\nname = "\\u202eA"': "class 'A': name is '.u202eA'; expected one line",
    f'name = "x"\nclasses = ["{"A" * 201}"]': "code is .*expected one line of at most 200",
    'name = "x"\nclasses = ["A"]\n[hierarchy]\nA = ["B"]\nB = ["A"]': "hierarchy: A > B > A; expected no circle",
    "name = ": "no TOML",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_every_mistake_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"own\.toml: .*{MISTAKES[text]}"):
        read(text)


def test_a_class_that_another_one_names_keeps_its_column() -> None:
    task = read('name = "x"\n[classes]\nA = ["B"]\nB = ["A", "c"]\n')
    assert task.columns == task.by_class.merged(task.columns) == ("A", "B")
    assert task.class_of == {}


def test_more_classes_or_codes_than_any_task_has_are_refused() -> None:
    with pytest.raises(ConfigError, match="2,001 classes; expected at most 2,000"):
        read(f'name = "x"\nclasses = {[f"c{number}" for number in range(2001)]}')
    levels = "\n".join(f'c{number} = ["c{number + 1}"]' for number in range(500))
    with pytest.raises(ConfigError, match="codes of classes; expected at most 100,000: leave levels out"):
        read(f'name = "x"\nclasses = {[f"c{number}" for number in range(500)]}\n[hierarchy]\n{levels}')


def test_weights_beside_that_are_no_csv_are_refused() -> None:
    text = 'name = "x"\nclasses = ["A"]\n[metric]\nnormal = "A"\nweights = "w.csv"'
    with pytest.raises(ConfigError, match=r"own\.toml: w\.csv: cannot be read as a CSV"):
        parse_task(text, where="own.toml", read_beside=lambda _: 'a,"' + "x" * 200_000)


def test_what_is_no_task_at_all() -> None:
    with pytest.raises(ConfigError, match="expected a task of at most"):
        read("#" * 5_000_000)
    with pytest.raises(ConfigError, match="no TOML"):
        read("a = " + "[" * 10_000)


TEXTS = st.text(st.characters(exclude_characters='#,\n\r"\\', exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@given(names=st.lists(TEXTS, min_size=1, max_size=5, unique=True), data=st.data())
def test_whatever_a_task_is_called_it_comes_back(names: list[str], data: st.DataObject) -> None:
    codes = {name: data.draw(st.lists(TEXTS, max_size=3)) for name in names}
    lines = [
        f'[[classes]]\ncode = "{name}"\ncodes = [{", ".join(f"{chr(34)}own:{c}{chr(34)}" for c in own)}]'
        for name, own in codes.items()
    ]
    task = read('name = "any"\n' + "\n".join(lines))
    again = read(format_task(task))
    assert (again.classes, again.columns) == (task.classes, task.columns)


@given(st.text(max_size=200))
def test_no_text_is_worse_than_refused(text: str) -> None:
    with suppress(ConfigError):
        assert read(text).name
