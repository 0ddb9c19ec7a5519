"""What a record is by a task: positive, negative, unknown, or none of its business."""

import numpy as np
import pytest

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.tasks.named import named_task
from ecg12.ecg.tasks.reading import parse_task
from ecg12.ecg.tasks.truth import StoredLabels, read_labels

CODES = ("164889003", "426783006", "AFIB", "OWN", "SR")
VOCABULARY = ("snomed-ct", "snomed-ct", "scp-ecg", "own", "scp-ecg")
RECORDS = [{"164889003"}, {"426783006"}, {"AFIB", "SR"}, {"SR"}, {"OWN"}, set(), {"164889003", "AFIB", "OWN"}]


def stored(
    records=RECORDS, codes=CODES, vocabulary: tuple[str, ...] | None = VOCABULARY, annotated=None, **more
) -> StoredLabels:
    matrix = np.array([[code in own for code in codes] for own in records], np.uint8).reshape(len(records), len(codes))
    values = {"likelihood": None, "column": lambda name: None} | more
    return StoredLabels(
        codes=codes,
        vocabulary=vocabulary,
        matrix=matrix,
        annotated=matrix.any(axis=1) if annotated is None else np.array(annotated),
        **values,
    )


def task(text: str):
    return parse_task(f'name = "t"\n{text}', where="t")


def test_a_code_counts_in_its_own_vocabulary_alone() -> None:
    found = read_labels(task('vocabulary = "scp-ecg"\nclasses = ["AFIB", "OWN"]'), stored())
    assert found.matrix.tolist() == [[0, 0], [0, 0], [1, 0], [0, 0], [0, 0], [0, 0], [1, 0]]
    # who has a code of the vocabulary is negative for what he lacks; the others are not asked
    assert found.labelled.tolist() == [False, False, True, True, False, False, True]
    of_class = read_labels(task('vocabulary = "scp-ecg"\nlabelled = "class"\nclasses = ["AFIB"]'), stored())
    assert of_class.labelled.tolist() == [False, False, True, False, False, False, True]


def test_codes_of_several_vocabularies_in_one_class() -> None:
    both = 'vocabulary = ["snomed-ct", "scp-ecg"]\n[classes]\nAF = ["164889003", "scp-ecg:AFIB"]'
    found = read_labels(task(both), stored())
    assert found.matrix[:, 0].tolist() == [1, 0, 1, 0, 0, 0, 1]
    assert found.labelled.tolist() == [True, True, True, True, False, False, True]


def test_a_store_of_headers_alone_has_one_vocabulary() -> None:
    old = stored(vocabulary=None)
    assert read_labels(named_task("challenge2020"), old).labelled.tolist() == [bool(own) for own in RECORDS]
    # own codes are told by their form
    assert read_labels(task('classes = ["OWN"]'), old).matrix[:, 0].tolist() == [0, 0, 0, 0, 1, 0, 1]


def test_who_is_said_to_have_nothing_is_negative_where_nothing_else_could_be_meant() -> None:
    zeros = [set(), {"OWN"}]
    one = stored(zeros, ("OWN",), ("own",), annotated=[True, True])
    assert read_labels(task('classes = ["OWN"]'), one).labelled.tolist() == [True, True]
    two = stored(zeros, ("OWN", "SR"), ("own", "scp-ecg"), annotated=[True, True])
    assert read_labels(task('classes = ["OWN"]'), two).labelled.tolist() == [False, True]


def test_what_is_left_of_the_vocabulary() -> None:
    found = read_labels(named_task("normal-abnormal"), stored())
    abnormal, normal = found.matrix.T.tolist()
    assert abnormal == [1, 0, 1, 0, 0, 0, 1]
    assert normal == [0, 1, 0, 0, 0, 0, 0]
    assert found.labelled.tolist() == [True, True, True, False, False, False, True]  # SR alone says too little


def test_a_class_may_exclude_a_code_or_leave_it_open() -> None:
    text = 'vocabulary = "snomed-ct"\n[classes.AF]\ncodes = ["164889003"]\nwithout = ["own:OWN"]'
    assert read_labels(task(text), stored()).matrix[:, 0].tolist() == [1, 0, 0, 0, 0, 0, 0]
    text = 'vocabulary = ["snomed-ct", "own"]\n[classes.AF]\ncodes = ["164889003"]\nunknown = ["own:OWN"]'
    found = read_labels(task(text), stored())
    assert found.known is not None
    # who has the class for certain has it, whatever else would have left it open
    assert found.known[:, 0].tolist() == [True, True, True, True, False, True, True]


@pytest.mark.parametrize(
    ("doubtful", "known", "labelled"), [("negative", None, 3), ("unknown", 2, 3), ("leave-out", None, 2)]
)
def test_likelihoods_below_the_cut(doubtful: str, known: int | None, labelled: int) -> None:
    likelihood = np.array([[80.0], [15.0], [np.nan]], np.float32)
    three = stored([{"AFIB"}] * 3, ("AFIB",), ("scp-ecg",), likelihood=likelihood)
    text = f'vocabulary = "scp-ecg"\nlikelihood = 50\ndoubtful = "{doubtful}"\nclasses = ["AFIB"]'
    found = read_labels(task(text), three)
    assert found.matrix[:, 0].tolist() == [1, 0, 1]  # what states no likelihood is certain
    assert found.n_doubtful == 1
    assert found.labelled.sum() == labelled
    assert (None if found.known is None else int(found.known.sum())) == known


def test_one_of_many_is_one() -> None:
    text = 'kind = "one-of-many"\nvocabulary = ["snomed-ct", "own"]\n{}classes = ["snomed-ct:164889003", "own:OWN"]'
    left_out = read_labels(task(text.format("")), stored())
    assert left_out.labelled.tolist() == [True, False, False, False, True, False, False]
    assert left_out.n_several == 1
    first = read_labels(task(text.format('several = "first"\n')), stored())
    assert first.matrix[6].tolist() == [1, 0]
    assert first.labelled[6]


def test_columns_and_numbers() -> None:
    columns = {"sex": np.array(["female", "", "male"], object), "age": np.array([54.0, 300.0, np.nan])}
    three = stored([set()] * 3, column=columns.get)
    sex = read_labels(named_task("sex"), three)
    assert sex.matrix.tolist() == [[1, 0], [0, 0], [0, 1]]
    assert sex.labelled.tolist() == [True, False, True]
    age = read_labels(named_task("age"), three)
    assert age.number is not None
    np.testing.assert_array_equal(age.number, [54.0, np.nan, np.nan])  # 300 is PTB-XL's mark for older than 89
    assert age.labelled.tolist() == [True, False, False]
    site = task('kind = "one-of-many"\ncolumn = "site"\n[classes]\nA = ["1"]\nB = ["2"]')
    numbers = stored([set()] * 3, column={"site": np.array([1.0, 2.0, np.nan])}.get)
    assert read_labels(site, numbers).matrix.tolist() == [[1, 0], [0, 1], [0, 0]]
    with pytest.raises(ConfigError, match="task t: the store has no column 'site'; expected sex, age"):
        read_labels(site, three)
    with pytest.raises(ConfigError, match="column 'sex' holds texts; expected numbers"):
        read_labels(task('kind = "number"\ncolumn = "sex"'), three)


def test_the_challenges_labels_by_hand() -> None:
    records = [{"164889003"}, {"59118001", "713427006"}, {"164884008", "HOSPITAL-7"}, set()]
    codes = tuple(sorted(set().union(*records)))
    found = read_labels(named_task("challenge2020"), stored(records, codes, None))
    expected = np.zeros((4, 24))
    expected[0, 1] = expected[1, 4] = 1  # one class by two codes; neither of the third record's is scored
    np.testing.assert_array_equal(found.matrix, expected)
    assert found.matrix.dtype == np.uint8
    assert found.labelled.tolist() == [True, True, True, False]
