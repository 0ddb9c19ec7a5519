"""The release's list: as sha256sum writes it, and nothing else."""

import pytest

from ecg.errors import DownloadError
from pipeline.fetch.release import parse_list

DIGEST = "0123456789abcdef" * 4


def test_a_list_is_read() -> None:
    text = f"{DIGEST}  LICENSE.txt\n{DIGEST.upper()} *./training/ptb/g1/S0001.hea\n"
    assert parse_list(text, where="x") == {"LICENSE.txt": DIGEST, "training/ptb/g1/S0001.hea": DIGEST}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x: is empty; expected a SHA-256 and a path on each line"),
        ("<html>\n", "x line 1: '<html>'; expected a SHA-256 and a path"),
        (f"{DIGEST}  a\n{DIGEST[1:]}  b\n", "x line 2: .*; expected a SHA-256 and a path"),
        (f"{DIGEST}  a\n{DIGEST}  a\n", "x line 2: a is listed twice; expected each file once"),
        (f"{DIGEST}  ../a\n", r"x line 1: the path '\.\./a' is refused"),
        (f"{DIGEST}  /etc/passwd\n", "x line 1: the path '/etc/passwd' is refused"),
    ],
)
def test_a_list_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(DownloadError, match=message):
        parse_list(text, where="x")
