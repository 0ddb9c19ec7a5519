import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg12.ecg.errors import PredictionError
from ecg12.ecg.labels.snomed import SCORED_CLASSES, SCORED_CODES
from ecg12.ecg.scores.challenge_csv import (
    Prediction,
    format_prediction,
    parse_prediction,
    sort_scores,
    to_scored_matrices,
)

AF, NSR, RBBB, CRBBB = "164889003", "426783006", "59118001", "713427006"

EXAMPLE = Prediction("A0001", (AF, NSR), (1, 0), (0.9, 0.125))
EXAMPLE_TEXT = f"#A0001\n{AF},{NSR}\n1,0\n0.9,0.125\n"

float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)
visible = st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters=",#")


def test_scores_are_told_in_words_highest_first_and_equivalent_ones_once():
    found = sort_scores(Prediction("A1", (AF, CRBBB, NSR, RBBB), (0, 1, 1, 1), (0.2, 0.4, 0.9, 0.4)))
    assert [(score, label) for _, score, label in found] == [(0.9, True), (0.4, True), (0.2, False)]
    assert found[0][0] == "sinus rhythm"


@st.composite
def predictions(draw):
    codes = draw(st.lists(st.text(visible, min_size=1), min_size=1, max_size=30, unique=True))
    n = len(codes)
    return Prediction(
        draw(st.text(visible, min_size=1)),
        tuple(codes),
        tuple(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))),
        tuple(draw(st.lists(float32s, min_size=n, max_size=n))),
    )


class TestRoundTrip:
    @settings(deadline=None)
    @given(prediction=predictions(), strict=st.booleans())
    def test_everything_comes_back(self, prediction, strict):
        text = format_prediction(prediction)
        again = parse_prediction(text, strict=strict)
        assert (again.record_name, again.codes, again.labels) == (
            prediction.record_name,
            prediction.codes,
            prediction.labels,
        )
        np.testing.assert_array_equal(np.float32(again.scores), np.float32(prediction.scores))
        assert format_prediction(again) == text

    def test_form(self):
        assert format_prediction(EXAMPLE) == EXAMPLE_TEXT
        assert parse_prediction(EXAMPLE_TEXT, strict=True) == EXAMPLE

    def test_float32_score_is_written_short(self):
        score = float(np.float32(0.9))
        assert score != 0.9
        assert format_prediction(Prediction("A0001", (AF, NSR), (1, 0), (score, 0.125))) == EXAMPLE_TEXT

    def test_all_scored_codes(self):
        text = format_prediction(Prediction("E00001", SCORED_CODES, (0,) * 27, (0.0,) * 27))
        assert text.splitlines()[1] == ",".join(SCORED_CODES)
        assert text.splitlines()[2:] == [",".join(["0"] * 27), ",".join(["0.0"] * 27)]

    def test_numpy_bool_label_is_written_as_a_digit(self):
        prediction = Prediction("A0001", (AF, NSR), (np.True_, np.uint8(0)), (0.9, 0.125))
        assert format_prediction(prediction) == EXAMPLE_TEXT


class TestPrediction:
    def test_numbers_differ(self):
        with pytest.raises(PredictionError, match=r"A0001: 1 codes, 2 labels, 1 scores; expected as many"):
            Prediction("A0001", (AF,), (1, 0), (0.5,))

    def test_label_out_of_range(self):
        with pytest.raises(PredictionError, match=r"A0001 class 164889003: label 2; expected 0 or 1"):
            Prediction("A0001", (AF,), (2,), (0.5,))


class TestFormatRefuses:
    @pytest.mark.parametrize("name", ["", " A0001", "A\n1", "A\r1"])
    def test_record_name(self, name):
        with pytest.raises(PredictionError, match=r"record name .* cannot be written; expected one line"):
            format_prediction(Prediction(name, (AF,), (1,), (0.5,)))

    @pytest.mark.parametrize("code", ["1,2", "#1", "1\n", "x "])
    def test_code(self, code):
        with pytest.raises(PredictionError, match=r"A0001: class .* cannot be written; expected a SNOMED CT"):
            format_prediction(Prediction("A0001", (code,), (1,), (0.5,)))

    def test_empty_code(self):
        with pytest.raises(PredictionError, match="A0001: an empty code"):
            format_prediction(Prediction("A0001", ("",), (1,), (0.5,)))

    def test_code_twice(self):
        with pytest.raises(PredictionError, match="A0001: code 164889003 occurs 2 times; expected once"):
            format_prediction(Prediction("A0001", (AF, AF), (1, 1), (0.5, 0.5)))

    def test_no_classes(self):
        with pytest.raises(PredictionError, match="A0001: no classes; expected at least one"):
            format_prediction(Prediction("A0001", (), (), ()))

    @pytest.mark.parametrize("score", [np.nan, np.inf, 1e300])
    def test_score(self, score):
        with pytest.raises(PredictionError, match=r"A0001 class 164889003: score .*expected a finite float32"):
            format_prediction(Prediction("A0001", (AF,), (1,), (score,)))


class TestLenient:
    """The official evaluator's reading of other people's files."""

    @pytest.mark.parametrize("label", ["1", "True", "true", "T", "t"])
    def test_positive(self, label):
        assert parse_prediction(f"#A\n{AF}\n{label}\n0.5\n").labels == (1,)

    @pytest.mark.parametrize("label", ["0", "1.0", "TRUE", "yes", "+1", "01", "2", "nan", "F"])
    def test_negative(self, label):
        assert parse_prediction(f"#A\n{AF}\n{label}\n0.5\n").labels == (0,)

    @pytest.mark.parametrize(
        ("text", "score"), [("0.25", 0.25), ("1e-3", 1e-3), ("2.5", 2.5), ("inf", np.inf), ("x", 0), ("0.5.1", 0)]
    )
    def test_score(self, text, score):
        assert parse_prediction(f"#A\n{AF}\n1\n{text}\n").scores == (score,)

    def test_empty_fields(self):
        assert parse_prediction(f"#A\n{AF},{NSR}\n,1\n,0.5\n").labels == (0, 1)
        assert parse_prediction(f"#A\n{AF},{NSR}\n,1\n,0.5\n").scores == (0.0, 0.5)

    def test_nan_survives_parsing_and_becomes_zero_in_the_matrix(self):
        prediction = parse_prediction(f"#A\n{AF}\n1\nnan\n")
        assert np.isnan(prediction.scores[0])
        assert to_scored_matrices([prediction])[1][0, 1] == 0

    @pytest.mark.parametrize(
        "text",
        [
            f"#A0001\n{AF}, {NSR}\n1 ,0\n 0.9 , 0.125",
            f"\n\n# A0001 \r\n{AF},{NSR}\r\n\r\n1,0\r\n# remark\r\n0.9,0.125\r\n",
            f"#A0001\r{AF},{NSR}\r1,0\r0.9,0.125\r",
            EXAMPLE_TEXT + "x,y\n",  # a fourth line of the same width is not looked at
        ],
    )
    def test_same_meaning(self, text):
        assert parse_prediction(text) == EXAMPLE

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "#A0001\n",
            f"#A0001\n{AF},{NSR}\n1,0\n",  # fewer than three lines after the name
            f"#A0001\n{AF},{NSR}\n1,0,0\n0.9,0.1,0.1\n",
            f"#A0001\n{AF},{NSR}\n1,0\n0.9\n",
            EXAMPLE_TEXT + "done\n",  # a fourth line of another width
            f"A0001\n{AF},{NSR}\n1,0\n0.9,0.1\n",  # without # the name is the first line, one field wide
        ],
    )
    def test_all_negative(self, text):
        prediction = parse_prediction(text)
        assert prediction.codes == prediction.labels == prediction.scores == ()
        labels, scores = to_scored_matrices([prediction])
        assert not labels.any()
        assert not scores.any()

    def test_without_a_name_line(self):
        prediction = parse_prediction(f"{AF},{NSR}\n1,0\n0.9,0.125\n")
        assert prediction == Prediction("", EXAMPLE.codes, EXAMPLE.labels, EXAMPLE.scores)

    def test_rare_line_separators_do_not_break_a_line(self):
        assert parse_prediction("#A\u2028B\nx\u2028y\n1\n0.5\n").codes == ("x\u2028y",)


class TestStrict:
    @pytest.mark.parametrize("label", ["1", "True", "true", "T", "t", "0", "False", "false", "F", "f"])
    def test_accepts_the_evaluators_spellings(self, label):
        expected = int(label in ("1", "True", "true", "T", "t"))
        assert parse_prediction(f"#A\n{AF}\n{label}\n0.5\n", strict=True).labels == (expected,)

    def test_blanks_and_blank_lines_are_no_slip(self):
        text = f"\n#A0001\n{AF}, {NSR}\n1 ,0\n 0.9 , 0.125\n\n"
        assert parse_prediction(text, strict=True) == EXAMPLE

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (" \n", r"^A0001.csv: empty; expected four lines: #record_name, codes, labels, scores"),
            (f"{AF}\n1\n0.5\n", r"^A0001.csv line 1: '164889003' is no record name; expected four lines"),
            (f"\n#\n{AF}\n1\n0.5\n", r"^A0001.csv line 2: '#' is no record name"),
            (f"#A0001\n{AF}\n#1\n0.5\n", r"^A0001.csv line 3: a second # line, '#1'"),
            (f"#A0001\n{AF}\n1\n", r"^A0001.csv line 3: the last of 3 lines; expected four lines"),
            (EXAMPLE_TEXT + "x,y\n", r"^A0001.csv line 5: the last of 5 lines; expected four lines"),
            (f"#A0001\n{AF}\n\n1,0\n0.5\n", r"^A0001.csv line 4: 2 fields; expected 1, one per code"),
            (f"#A0001\n{AF},{NSR}\n1,0\n0.5\n", r"^A0001.csv line 4: 1 fields; expected 2"),
            (f"#A0001\n{AF},\n1,0\n0.5,0.5\n", r"^A0001.csv line 2: an empty code"),
            (f"#A0001\n{AF},{AF}\n1,0\n0.5,0.5\n", r"^A0001.csv line 2: code 164889003 occurs 2 times"),
            (f"#A0001\n{AF}\n1.0\n0.5\n", r"^A0001.csv line 3: label '1.0' of class 164889003 not understood"),
            (f"#A0001\n{AF}\n1\nx\n", r"^A0001.csv line 4: score 'x' of class 164889003; expected a finite"),
            (f"#A0001\n{AF}\n1\nnan\n", r"^A0001.csv line 4: score 'nan' of class 164889003"),
        ],
    )
    def test_names_the_line(self, text, message):
        with pytest.raises(PredictionError, match=message):
            parse_prediction(text, where="A0001.csv", strict=True)

    def test_without_a_place(self):
        with pytest.raises(PredictionError, match=r"^prediction: empty"):
            parse_prediction("", strict=True)


def naive_scored_rows(predictions):
    """Record by record and class by class, as the rule is worded."""
    labels = np.zeros((len(predictions), 24))
    scores = np.zeros((len(predictions), 24))
    equal = {RBBB: CRBBB, "63593006": "284470004", "17338001": "427172004"}
    for row, prediction in enumerate(predictions):
        for column, kept in enumerate(SCORED_CLASSES):
            mine = [k for k, code in enumerate(prediction.codes) if equal.get(code, code) == kept]
            labels[row, column] = any(prediction.labels[k] for k in mine)
            numbers = [prediction.scores[k] for k in mine if not np.isnan(prediction.scores[k])]
            scores[row, column] = sum(numbers) / len(numbers) if numbers else 0.0
    return labels, scores


class TestToScoredMatrices:
    def test_mean_is_over_the_columns_that_are_there(self):
        both = Prediction("A1", (CRBBB, RBBB), (0, 1), (0.2, 0.6))
        one = Prediction("A2", (RBBB,), (1,), (0.6,))
        half = Prediction("A3", (RBBB, CRBBB), (0, 0), (0.6, np.nan))
        labels, scores = to_scored_matrices([both, one, half])
        column = SCORED_CLASSES.index(CRBBB)
        np.testing.assert_array_equal(labels[:, column], [1, 1, 0])
        np.testing.assert_allclose(scores[:, column], [0.4, 0.6, 0.6], rtol=1e-15)

    def test_any_mixture_of_class_lists(self):
        rng = np.random.default_rng(3)
        mixture = []
        for record in range(60):
            codes = rng.permutation([*SCORED_CODES, "164884008"])[: rng.integers(0, 29)].tolist()
            if record % 3:
                codes = codes[:2]
            scores = rng.choice([0.1, 0.4, 0.8, np.nan], len(codes)).tolist()
            labels = rng.integers(0, 2, len(codes)).tolist()
            mixture.append(Prediction(f"A{record:04}", tuple(codes), tuple(labels), tuple(scores)))
        labels, scores = to_scored_matrices(mixture)
        expected_labels, expected_scores = naive_scored_rows(mixture)
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, expected_labels)
        np.testing.assert_allclose(scores, expected_scores, rtol=1e-15)

    def test_no_predictions(self):
        labels, scores = to_scored_matrices([])
        assert labels.shape == scores.shape == (0, 24)
