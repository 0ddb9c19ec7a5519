"""Labels as outputs: the last in the header wins, equivalents count once, frequencies are of labelled records."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.decisions.named_mappings import named_mapping
from ecg12.ecg.decisions.output_mapping import parse_mapping
from ecg12.ecg.errors import ConfigError, StoreError
from ecg12.ecg.labels.annotations import parse_annotations
from ecg12.ecg.labels.snomed import SCORED_CLASSES, SCORED_CODES
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.pipeline.formats.wfdb.files import read_header
from ecg12.pipeline.formats.wfdb.find_headers import find_records, name_records
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.targets import (
    choose_mapping,
    make_targets,
    output_names,
    target_values,
    warn_of_missing_classes,
)
from tests.cache.test_format import GOLDEN
from tests.records import pulses_uv, write_record

CHALLENGE = named_task(CHALLENGE_2020)

DX = {
    "A0001": "164889003,713427006",
    "A0002": "713427006,164889003",
    "A0003": "59118001,713427006",
    "A0004": "",
    "A0005": "OWN,426783006",
    "A0006": "164889003,426783006,164889003",
    "A0007": "270492004,164889003,713427006,164909002,63593006",
}
"""Names → labels in the header's order."""


def values_of(store, mapping):
    """`target_values` of a store's own codes."""
    codes = tuple(map(str, store.column("label/code")))
    return target_values(codes, store.column("label/matrix"), mapping, store.label_rank)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("labels")
    for seed, (name, dx) in enumerate(DX.items()):
        write_record(folder / "in", name, pulses_uv(1000, seed=seed), dx=dx)
    build_cache([folder / "in"], folder / "ecg.zarr", StoreConfig(chunk_length=4096))
    return Store(folder / "ecg.zarr")


MAPPINGS = {
    "softmax": named_mapping("softmax"),
    "sigmoid": named_mapping("sigmoid"),
    "cpsc": named_mapping("cpsc"),
    "pairs": parse_mapping("standard_softmax\nNone->2\n713427006,0,1\n164889003,0,2\n713427006,0,2\n"),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_the_last_label_of_a_header_wins(store: Store, name: str) -> None:
    """The oracle takes the labels of each header in their order, one after another."""
    mapping = MAPPINGS[name]
    expected = np.stack([mapping.targets_of([code for code in dx.split(",") if code]) for dx in DX.values()])
    np.testing.assert_array_equal(values_of(store, mapping), expected)


def test_a_repeated_label_counts_at_its_last_place(store: Store) -> None:
    values = values_of(store, MAPPINGS["softmax"])[:, 0]
    by_name = dict(zip(store.names, values, strict=True))
    assert by_name["A0006"] == by_name["A0002"] != by_name["A0001"]


def test_a_store_without_the_order_is_refused_only_where_it_matters() -> None:
    golden = Store(GOLDEN)  # A0001 has AF and RBBB
    assert make_targets(golden, CHALLENGE, TrainConfig()).labels.sum() > 0
    with pytest.raises(StoreError, match="does not keep the order of a record's labels"):
        make_targets(golden, CHALLENGE, TrainConfig(output_layer="softmax"))
    one = parse_mapping("softmax\n0->1\n164889003,0,1\n")
    assert values_of(golden, one)[:, 0].sum() == 1


def test_targets_of_the_default(store: Store) -> None:
    targets = make_targets(store, CHALLENGE, TrainConfig())
    assert targets.columns == SCORED_CODES
    assert targets.classes == SCORED_CLASSES
    np.testing.assert_array_equal(targets.truth, store.column("label/scored"))
    np.testing.assert_array_equal(targets.labels, store.column("label/scored"))
    seen = targets.labels.any(axis=0)
    np.testing.assert_array_equal(targets.correction, seen.astype(float))


def test_correction_factors_follow_the_labelled_records(store: Store) -> None:
    targets = make_targets(store, CHALLENGE, TrainConfig(output_layer="softmax", correction_factor="uniform"))
    af = next(p.value for p in targets.mapping.pairs if p.code == "164889003") - 1
    # of six labelled records, A0002 and A0006 have AF last
    assert targets.correction[af] == pytest.approx(6 / 2)
    assert targets.correction.min() == 0
    limited = TrainConfig(output_layer="softmax", correction_factor="uniform", correction_limits=(0.5, 2.0))
    assert set(make_targets(store, CHALLENGE, limited).correction) == {0.5, 2.0}


def test_all_classes_of_the_store(store: Store) -> None:
    targets = make_targets(store, CHALLENGE, TrainConfig(train_classes="dset", valid_classes="dset"))
    assert set(targets.mapping.codes) == set(store.column("label/code"))
    assert targets.columns == (*SCORED_CODES, "OWN")
    assert targets.classes == (*SCORED_CLASSES, "OWN")
    assert targets.truth[:, -1].tolist() == [int("OWN" in dx) for dx in DX.values()]
    # RBBB and CRBBB share an output
    assert targets.mapping.n_outputs == len(set(store.column("label/code"))) - 1


def test_mappings_by_name_and_by_path(tmp_path: Path) -> None:
    assert choose_mapping("challenge_sigmoid", "dset", ("OWN",), CHALLENGE).codes == SCORED_CODES
    assert choose_mapping("softmax", "dset", ("OWN",), CHALLENGE).codes == ("OWN",)
    (tmp_path / "layer").write_text("softmax\n0->1\n1,0,1\n")
    assert choose_mapping(str(tmp_path / "layer"), "scored", (), CHALLENGE).codes == ("1",)
    with pytest.raises(ConfigError, match=r"no such file; expected softmax, sigmoid, .*, or a"):
        choose_mapping("logistic", "scored", (), CHALLENGE)
    with pytest.raises(ConfigError, match="cannot be read"):
        choose_mapping(str(tmp_path), "scored", (), CHALLENGE)
    with pytest.raises(ConfigError, match=r"label 'X#1' cannot stand in out_layer\.txt; expected codes without # and"):
        choose_mapping("softmax", "dset", ("1", "X#1"), CHALLENGE)
    assert choose_mapping("softmax", "scored", ("X#1",), CHALLENGE).codes == SCORED_CODES


def test_missing_classes_are_warned_of_or_refused(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    targets = make_targets(store, CHALLENGE, TrainConfig())
    warn_of_missing_classes(targets, np.arange(3), store)
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("no positive among the 3 records to train on for IAVB, AFL,")
    assert "AF," not in message.replace("AFL,", "")
    with pytest.raises(ConfigError, match="none of the 1 records to train on has one of the model's classes"):
        warn_of_missing_classes(targets, np.array([3]), store)
    warn_of_missing_classes(targets, np.array([], int), store)  # nothing is trained


def test_outputs_are_called_by_their_classes() -> None:
    assert output_names(MAPPINGS["cpsc"], CHALLENGE)[:4] == ["AF", "IAVB", "RBBB", "LBBB"]
    assert output_names(parse_mapping("softmax\n0->2\n164889003,0,1\n"), CHALLENGE) == ["AF", "target 0 value 2"]


class Labels:
    """What `target_values` needs of a store, from the labels of each record in their order."""

    path = Path("labels")

    def __init__(self, dx: list[list[str]]) -> None:
        self.n_records = len(dx)
        codes = sorted({code for own in dx for code in own})
        self.rank = np.array([[own.index(code) + 1 if code in own else 0 for code in codes] for own in dx], np.uint8)
        self.columns = {"label/code": np.array(codes, object), "label/matrix": (self.rank > 0).astype(np.uint8)}

    def column(self, path: str) -> np.ndarray:
        return self.columns[path]

    def label_rank(self) -> np.ndarray:
        return self.rank


CODES = "abcdef"
MAPPING_TEXTS = st.lists(
    st.tuples(st.sampled_from(CODES), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=10
)


@given(
    dx=st.lists(st.lists(st.sampled_from(CODES), unique=True, max_size=5), min_size=1, max_size=8), pairs=MAPPING_TEXTS
)
def test_any_mapping_gives_what_reading_the_headers_gives(
    dx: list[list[str]], pairs: list[tuple[str, int, int]]
) -> None:
    lines = "".join(f"{code},{target},{value}\n" for code, target, value in pairs)
    mapping = parse_mapping(f"concat:softmax:3-standard_softmax:4-softmax:3\n0->3/None->3/1->3\n{lines}")
    values = values_of(Labels(dx), mapping)
    np.testing.assert_array_equal(values, [mapping.targets_of(own) for own in dx])


@pytest.mark.shared
@pytest.mark.parametrize("name", ["softmax", "cpsc"])
def test_labels_of_the_real_records_are_those_of_their_headers(real_store: Path, shared: Path, name: str) -> None:
    store, mapping = Store(real_store), named_mapping(name)
    found = name_records(find_records([shared / "data" / "challenge2020"]))
    headers = [parse_annotations(read_header(found[name].path).comments).dx_codes for name in store.names]
    np.testing.assert_array_equal(values_of(store, mapping), [mapping.targets_of(codes) for codes in headers])
    several = [sum(code in mapping.codes for code in codes) for codes in headers]
    assert sum(n > 1 for n in several) > 20  # where the order decides
