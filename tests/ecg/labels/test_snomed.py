import csv
import json
import pickle
import re

import numpy as np
import pytest

from ecg12.ecg.datasets import DATASETS
from ecg12.ecg.errors import UnknownCodeError
from ecg12.ecg.labels import snomed
from ecg12.ecg.labels.snomed import (
    CLASSES,
    EQUIVALENTS,
    SCORED_CLASSES,
    SCORED_CODES,
    TEXT_LABELS,
    WEIGHTS,
    is_concept_id,
)

PUBLISHED_COLUMN = {
    "cpsc": "CPSC",
    "cpsc-extra": "CPSC-Extra",
    "incart": "StPetersburg",
    "ptb": "PTB",
    "ptb-xl": "PTB-XL",
    "georgia": "Georgia",
}


def read_published(shared, part):
    with open(shared / "data" / "dx" / f"dx_mapping_{part}.csv", newline="") as file:
        return list(csv.DictReader(file))


class TestTables:
    def test_sizes(self):
        assert (len(CLASSES), len(SCORED_CODES), len(SCORED_CLASSES)) == (111, 27, 24)

    def test_datasets_are_ours(self):
        names = {dataset.name for dataset in DATASETS}
        assert all(set(info.n_records) == names for info in CLASSES.values())

    def test_counts_add_up(self):
        assert CLASSES["164889003"].n_records["cpsc"] == 1221
        assert CLASSES["164889003"].n_records_total == 3475

    def test_code_is_a_string_of_digits_however_long(self):
        assert all(re.fullmatch(r"\d{6,14}", code) for code in CLASSES)
        assert CLASSES["67741000119109"].abbreviation == "LAE"

    def test_class_info_is_hashable_and_travels(self):
        info = CLASSES["164889003"]
        assert pickle.loads(pickle.dumps(info)) == info
        assert len(set(CLASSES.values())) == 111

    @pytest.mark.shared
    def test_rows_are_the_published_ones(self, shared):
        rows = read_published(shared, "scored") + read_published(shared, "unscored")
        assert [row["SNOMED CT Code"] for row in rows] == list(CLASSES)
        for row, info in zip(rows, CLASSES.values(), strict=True):
            assert (row["Dx"], row["Abbreviation"]) == (info.name, info.abbreviation)
            assert {key: int(row[column]) for key, column in PUBLISHED_COLUMN.items()} == info.n_records
            assert int(row["Total"]) == info.n_records_total

    @pytest.mark.shared
    def test_scored_codes_are_in_published_order(self, shared):
        assert SCORED_CODES == tuple(row["SNOMED CT Code"] for row in read_published(shared, "scored"))

    @pytest.mark.shared
    def test_equivalents_are_the_noted_pairs(self, shared):
        notes = {tuple(re.findall(r"\d{8,}", row["Notes"])) for row in read_published(shared, "scored")}
        assert notes - {()} == {(kept, code) for code, kept in EQUIVALENTS.items()}

    @pytest.mark.shared
    def test_merging_the_weights_lost_nothing(self, shared):
        with open(shared / "data" / "dx" / "weights.csv", newline="") as file:
            header, *rows = csv.reader(file)
        published = np.array([row[1:] for row in rows], dtype=np.float64)
        assert tuple(header[1:]) == tuple(row[0] for row in rows) == SCORED_CODES
        index = [SCORED_CLASSES.index(snomed.representative(code)) for code in SCORED_CODES]
        np.testing.assert_array_equal(WEIGHTS[np.ix_(index, index)], published)

    @pytest.mark.shared
    def test_classes_are_in_the_official_evaluators_order(self, shared):
        official = json.loads((shared / "fixtures" / "evaluation" / "official_scores.json").read_text())
        assert tuple(official["expected"]["classes"]) == SCORED_CLASSES
        assert tuple(official["codes"]) == SCORED_CODES


class TestWeights:
    def test_symmetric_with_full_reward_for_the_truth(self):
        assert WEIGHTS.dtype == np.float64
        np.testing.assert_array_equal(WEIGHTS, WEIGHTS.T)
        np.testing.assert_array_equal(np.diag(WEIGHTS), 1.0)

    def test_read_only(self):
        with pytest.raises(ValueError, match="read-only"):
            WEIGHTS[0, 0] = 2.0

    def test_normal_index(self):
        assert SCORED_CLASSES[snomed.NORMAL_INDEX] == snomed.NORMAL_CODE == "426783006"


class TestEquivalents:
    def test_the_first_of_a_pair_in_scored_order_represents_it(self):
        for code, kept in EQUIVALENTS.items():
            assert SCORED_CODES.index(kept) < SCORED_CODES.index(code)

    @pytest.mark.parametrize(
        ("code", "kept"),
        [
            ("59118001", "713427006"),
            ("63593006", "284470004"),
            ("17338001", "427172004"),
            ("713427006", "713427006"),
            ("164889003", "164889003"),
            ("HOSPITAL-7", "HOSPITAL-7"),
        ],
    )
    def test_representative(self, code, kept):
        assert snomed.representative(code) == kept


class TestLookup:
    @pytest.mark.parametrize("text", ["164889003", "AF", "af", "atrial fibrillation", "Atrial Fibrillation", " AF "])
    def test_code_name_abbreviation(self, text):
        assert snomed.lookup(text).code == "164889003"

    def test_every_class_is_found_by_each_of_its_three_handles(self):
        for info in CLASSES.values():
            for text in (info.code, info.name.upper(), info.abbreviation.lower()):
                assert snomed.lookup(text) is info

    def test_no_name_or_abbreviation_means_two_things(self):
        handles = [text.lower() for info in CLASSES.values() for text in (info.name, info.abbreviation)]
        assert len(set(handles)) == len(handles)

    def test_abbreviation_is_the_tables_and_not_the_text_labels(self):
        assert snomed.lookup("PVC").code == "427172004" != TEXT_LABELS["PVC"]
        assert snomed.lookup("VEB").code == TEXT_LABELS["PVC"]

    def test_abbreviation_is_the_codes_own_and_not_its_representatives(self):
        assert snomed.lookup("RBBB").code == "59118001"
        assert snomed.lookup("CRBBB").code == "713427006"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("atrial fibrilation", r"'atrial fibrilation' not found; .*did you mean atrial fibrillation"),
            ("164889004", r"expected one of its 111 SNOMED CT codes.*did you mean 164889003"),
            ("normal", r"the early text label Normal is 426783006"),
            ("", r"class table: '' not found; .*check the spelling"),
        ],
    )
    def test_unknown(self, text, message):
        with pytest.raises(UnknownCodeError, match=message):
            snomed.lookup(text)


class TestNames:
    def test_known(self):
        assert snomed.name_of("426783006") == "sinus rhythm"
        assert snomed.abbreviation_of("426783006") == "NSR"

    def test_a_hospitals_code_stands_for_itself(self):
        assert snomed.name_of("999") == snomed.abbreviation_of("999") == "999"


class TestTextLabels:
    def test_codes_are_in_the_table(self):
        assert set(TEXT_LABELS.values()) <= set(CLASSES)

    def test_cpsc_was_annotated_with_these_and_nothing_else(self):
        assert {code for code, info in CLASSES.items() if info.n_records["cpsc"]} == set(TEXT_LABELS.values())

    @pytest.mark.shared
    def test_cpsc_headers_use_these_codes(self, shared):
        found = set()
        for path in (shared / "data" / "challenge2020" / "Training_CPSC").rglob("*.hea"):
            text = path.read_text()
            found |= set(re.search(r"^# ?Dx: *(.*)$", text, re.MULTILINE).group(1).strip().split(","))
        assert found == set(TEXT_LABELS.values())


class TestConceptIds:
    # Multiplication table and permutation as they are printed everywhere; the function builds both itself.
    TABLE = (
        "0123456789 1234067895 2340178956 3401289567 4012395678 5987604321 6598710432 7659821043 8765932104 9876543210"
    ).split()
    PERMUTATIONS = ("0123456789 1576283094 5803796142 8916043527 9453126870 4286573901 2793806415 7046913258").split()

    def check(self, code: str) -> bool:
        total = 0
        for place, digit in enumerate(reversed(code)):
            total = int(self.TABLE[total][int(self.PERMUTATIONS[place % 8][int(digit)])])
        return total == 0

    def test_all_classes_have_one(self):
        assert all(map(is_concept_id, CLASSES))

    @pytest.mark.shared
    def test_so_have_those_of_the_next_years_challenge(self, shared):
        for path in sorted((shared / "data/dx2021").glob("dx_*.csv")):
            with path.open() as file:
                assert all(is_concept_id(row["SNOMEDCTCode"]) for row in csv.DictReader(file))

    def test_the_check_digit_is_verhoeffs(self):
        for number in range(100_000, 101_000):
            code = f"{number}004"
            assert is_concept_id(code) == self.check(code)

    def test_a_wrong_digit_or_a_swap_is_found(self):
        for code in CLASSES:
            for at in range(len(code)):
                other = code[:at] + str((int(code[at]) + 3) % 10) + code[at + 1 :]
                assert not is_concept_id(other)
            for at in range(len(code) - 1):
                swapped = code[:at] + code[at + 1] + code[at] + code[at + 2 :]
                assert swapped == code or not is_concept_id(swapped)

    @pytest.mark.parametrize(
        "text", ["", "AFIB", "12", "426783006.0", " 426783006", "0426783006", "4" * 19, "４２６７８３００６"]
    )
    def test_what_is_none(self, text):
        assert not is_concept_id(text)

    def test_other_identifiers_than_concepts(self):
        """A description's (01) and a relationship's (02) have a check digit, too, and are no diagnoses."""
        for code in ("1223979019", "100022"):
            assert self.check(code)
            assert not is_concept_id(code)
