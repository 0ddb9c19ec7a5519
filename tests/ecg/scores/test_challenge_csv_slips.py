"""Other people's prediction files: read as the official evaluator reads them, and what that lost."""

import csv
import io
import re

import numpy as np
import pytest

from ecg12.ecg.labels.snomed import SCORED_CODES
from ecg12.ecg.scores.challenge_csv import to_scored_matrices
from ecg12.ecg.scores.challenge_csv_slips import GRAVE, MEANINGS, read_outputs

AF, NSR = "164889003", "426783006"
CODES = ",".join(SCORED_CODES)
LABELS = ",".join(str(int(code == AF)) for code in SCORED_CODES)
VALUES = ",".join("0.9" if code == AF else "0.1" for code in SCORED_CODES)
RIGHT = f"#r0\n{CODES}\n{LABELS}\n{VALUES}\n"


def slips_of(content: bytes | str) -> dict[str, str]:
    content = content.encode() if isinstance(content, str) else content
    return {slip.kind: slip.text for slip in read_outputs(content, "r0")[1]}


def counts(content: bytes | str) -> tuple[int, float]:
    """Positive labels and the sum of scores over the 24 classes."""
    content = content.encode() if isinstance(content, str) else content
    labels, scores = to_scored_matrices([read_outputs(content, "r0")[0]])
    return int(labels.sum()), float(scores.sum())


def spreadsheet(delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL, decimal: str = ".") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting)
    for line in RIGHT.splitlines():
        writer.writerow([cell.replace(".", decimal) for cell in line.split(",")])
    return text.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        RIGHT,
        RIGHT.replace("\n", "\r\n"),
        RIGHT.replace("\n", "\r"),
        RIGHT.replace(",", " , "),
        f"\n\n{RIGHT}\n\n",
        RIGHT.removeprefix("#r0\n"),
        f"{CODES}\n{LABELS.replace('1', 'True').replace('0', 'False')}\n{VALUES}",
        f"{CODES}\n{LABELS.replace('0', '0.0')}\n{VALUES}",  # zeros are meant as the zeros that they become
        spreadsheet(),
    ],
)
def test_a_right_file_says_nothing(content: str) -> None:
    assert slips_of(content) == {}
    assert counts(content)[0] == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \r\n\n", "empty"),
        (RIGHT.encode("utf-8-sig"), "begins with a byte order mark"),
        (RIGHT.encode("utf-16"), "UTF-16 text"),
        (RIGHT.encode("utf-16-le"), "UTF-16 text"),
        (b"\x89PNG\r\n\0\0", "not a text"),
        (spreadsheet(";"), "line 2: ';' where ',' is expected"),
        (spreadsheet("\t"), "line 2: a tab where ',' is expected"),
        (spreadsheet(";", decimal=","), "line 2: ';' where ',' is expected"),
        (spreadsheet(quoting=csv.QUOTE_ALL).replace('"#r0"', "#r0"), "line 2: '\"270492004\"' where 270492004 is"),
        (RIGHT.replace("0.", "0,"), "line 4: 54 fields; expected 27, as many as in line 2; decimal commas?"),
        (RIGHT.replace("0.9", "0,9"), "line 4: 28 fields; expected 27, as many as in line 2"),
        (RIGHT.replace("#r0", "r0"), "line 2: 27 fields; expected 1, as many as in line 1"),
        (f"#r0\n{CODES}\n{LABELS}\n", "2 of three lines; expected codes, labels and scores"),
        (f"#r0\n{CODES}\n", "1 of three lines"),
        (f"{RIGHT}done\n", "line 5: 1 fields; expected 27"),
        (f"#r0\n{LABELS}\n{CODES}\n{VALUES}\n", "line 2: '0' where a code .* lines in another order?"),
        (
            f"#r0\n{','.join(f'{code}.0' for code in SCORED_CODES)}\n{LABELS}\n{VALUES}\n",
            r"line 2: '270492004\.0' where 270492004 is expected",
        ),
        ("#r0\nAFIB,SR\n1,0\n0.9,0.1\n", "line 2: 'AFIB' where a code .* and no other of 2 is one"),
    ],
)
def test_nothing_is_read_and_the_reason_is_told(content: bytes | str, reason: str) -> None:
    found = slips_of(content)
    assert list(found) == ["nothing"]
    assert re.search(reason, found["nothing"]), found
    assert counts(content) == (0, 0.0)


@pytest.mark.parametrize(
    ("content", "kind", "text", "n_positive"),
    [
        (RIGHT.replace(LABELS, LABELS.replace("1", "1.0")), "labels", f"line 3: '1.0' for {AF}", 0),
        (RIGHT.replace(LABELS, LABELS.replace("1", "yes")), "labels", f"line 3: 'yes' for {AF}", 0),
        (RIGHT.replace(LABELS, LABELS.replace("1", "TRUE")), "labels", f"line 3: 'TRUE' for {AF}", 0),
        (f"#r0\n{CODES}\n{VALUES}\n{LABELS}\n", "labels", f"line 3: '0.1' for {SCORED_CODES[0]}", 0),
        (RIGHT.replace("0.9", "90%"), "scores", f"line 4: '90%' for {AF}", 1),
        (RIGHT.replace("0.9", "nan"), "scores", f"line 4: 'nan' for {AF}", 1),
        (RIGHT.replace("0.9", "inf"), "scores", f"line 4: 'inf' for {AF}", 1),
        (f"#r0\n{AF},{NSR}\n1,0\n0.9,0.1\n", "lacking", "22 of 24, such as 270492004", 1),
        (f"#r0\n{CODES},164884008\n{LABELS},1\n{VALUES},0.5\n", "outside", "1 of 28, such as '164884008'", 1),
        (f"#r0\n{CODES},{AF}\n{LABELS},0\n{VALUES},0.5\n", "repeated", f"{AF}, 2 times", 1),
        (RIGHT.replace(NSR, f'"{NSR}"'), "mangled lacking", f"1 of 27, such as '\"{NSR}\"'", 1),
        (RIGHT.replace(NSR, f"{NSR}.0"), "mangled lacking", f"1 of 27, such as '{NSR}.0'", 1),
        (RIGHT.replace(NSR, "4.26783006E+08"), "mangled lacking", "1 of 27, such as '4.26783006E+08'", 1),
        (RIGHT.replace(NSR, f"SNOMED:{NSR}"), "mangled lacking", f"1 of 27, such as 'SNOMED:{NSR}'", 1),
        (RIGHT.replace(NSR, f"{NSR}\0"), "mangled lacking", f"1 of 27, such as '{NSR}\\x00'", 1),
        ("\ufeff" + RIGHT.partition("\n")[2], "mangled lacking", f"1 of 27, such as '\\ufeff{SCORED_CODES[0]}'", 1),
        (f"{RIGHT}{VALUES}\n", "lines", "line 5: '0.1", 1),
        (RIGHT.replace("#r0", "#r1"), "name", "'r1'", 1),
    ],
)
def test_what_is_lost_in_part(content: str, kind: str, text: str, n_positive: int) -> None:
    found = slips_of(content)
    kinds = kind.split()
    assert set(found) == set(kinds)
    assert found[kinds[0]].startswith(text)
    assert counts(content)[0] == n_positive


@pytest.mark.parametrize("field", [SCORED_CODES[0], "0.9", ",1,", "r0"])
def test_a_giant_field_makes_no_giant_line(field: str) -> None:
    found = slips_of(RIGHT.replace(field, field[:-1] + "x" * 100_000 + field[-1], 1))
    assert found
    assert all(len(text) < 200 for text in found.values())


def test_a_record_in_a_folder_of_folders_has_either_name() -> None:
    for name in ("r0", "a/r0"):
        assert read_outputs(RIGHT.replace("#r0", f"#{name}").encode(), "a/r0")[1] == ()


def test_every_kind_has_a_meaning() -> None:
    assert set(GRAVE) < set(MEANINGS)


def test_nothing_vanishes_in_silence() -> None:
    """Whatever is done to a file, either its one positive and its scores count, or a slip says why not."""
    rng = np.random.default_rng(5)
    letters = list(",;\n\r\"'#.0 1x\t\0\ufeff")
    for _ in range(300):
        text = list(RIGHT)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(len(text)))
            text[at : at + int(rng.integers(2))] = [str(rng.choice(letters))]
        content = "".join(text)
        n_positive, total = counts(content)
        if not (n_positive or total):
            assert "nothing" in slips_of(content)
