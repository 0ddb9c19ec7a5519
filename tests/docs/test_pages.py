"""Every command and every block of Python in README and docs is run, small, or not run for a reason that is given.

`tests.docs.running` has what is added to a command to make it quick and the list of those that cannot run here;
`tests.docs.prepared` has what lies in the folder that they run in.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import click
import matplotlib
import pytest

from ecg12.pipeline.download import download as download_module
from tests.docs.pages import LANGUAGES, PAGES, ROOT, Step, blocks_of, name_of, parse, program_words, spans_of, steps_of
from tests.docs.prepared import begin_page, prepare
from tests.docs.running import (
    BLOCKS_RUN_ELSEWHERE,
    READ_ONLY_PAGES,
    SPANS_NOT_TAKEN,
    PageRun,
    is_known,
    made_small,
    unused_reasons,
)
from tests.pipeline.http_server import Server
from tests.pipeline.published import Published

STEPS = [step for page in PAGES for step in steps_of(page)]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, published: Published) -> Path:
    """What every page finds; not to be changed."""
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder, published)
    return folder


@pytest.fixture
def mirror(published: Published, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The release, a table of patients and the weights on this machine, in the published hosts' place."""
    for name, value in {"sources": published.sources, "table": None}.items():
        monkeypatch.setitem(download_module.download.__kwdefaults__, name, value)
    run = ("config.json", "model.pth", "history.csv", "pretrain_config.json", "pretrain_model.pth")
    names = [f"{folder}/{name}" for folder in ("mdl",) for name in (*run, "pretrain_history.csv")]
    with Server(dict(published.release) | dict.fromkeys(names, b"x")) as server:
        yield server


@pytest.mark.parametrize("page", [page for page in PAGES if steps_of(page)], ids=name_of)
def test_what_a_page_says_to_type_works(
    page: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = request.getfixturevalue("mirror")
    if name_of(page) not in READ_ONLY_PAGES:
        begin_page(name_of(page), request.getfixturevalue("prepared"), tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    matplotlib.use("agg")
    before = set(sys.modules)
    page_run = PageRun(tmp_path, server.url)
    steps = sorted(steps_of(page), key=lambda step: step.kind != "file")  # all files are there before the first command
    wrong = [f"{step}\n    {problem}" for step in steps if (problem := page_run.run(step))]
    for name in set(sys.modules) - before:
        places = [getattr(sys.modules[name], "__file__", None), *getattr(sys.modules[name], "__path__", ())]
        if any(str(place).startswith(str(tmp_path)) for place in places):
            del sys.modules[name]
    os.chdir(Path(__file__).parent)
    shutil.rmtree(tmp_path)
    assert not wrong, "\n".join(wrong)


def test_a_block_says_what_it_is() -> None:
    """A command in a block of no language, or of another, would be typed by readers and run by nobody."""
    for page in PAGES:
        for language, line, text in blocks_of(page):
            assert language in LANGUAGES, f"{name_of(page)}:{line}: ```{language}; expected one of {sorted(LANGUAGES)}"
            hidden = language == "text" and re.search(
                r"^(\$ )?(python cli\.py|ecg12|python -m ecg12) ", text, re.MULTILINE
            )
            assert not hidden, f"{name_of(page)}:{line}: a command in a block of output"


def test_every_command_is_run_or_has_a_reason_not_to_be() -> None:
    assert [str(step) for step in STEPS if step.kind == "command" and not is_known(step)] == []
    assert list(unused_reasons(STEPS)) == [], "NOT_RUN and its like have entries that no page needs"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_the_text_are_ones_that_the_program_takes(page: Path) -> None:
    """Options exist and values are accepted; what is only named, or stands for any, need not be whole."""
    for span, is_named in spans_of(page):
        if span in SPANS_NOT_TAKEN:
            continue
        words = [word for word in span.split() if not word.startswith("COMMAND")]
        try:
            parse(words, whole=False)
        except (click.ClickException, ValueError) as error:
            raise AssertionError(f"{name_of(page)}: `{span}`: {getattr(error, 'message', error)}") from error
        assert words or is_named


def test_blocks_that_are_run_elsewhere_are() -> None:
    for page, place in BLOCKS_RUN_ELSEWHERE.items():
        if any(step.kind in ("python", "file") for step in STEPS if step.page == page):
            tests = [ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py")
            named = any(Path(page).name in path.read_text(encoding="utf-8") for path in tests)
            assert named, f"{place} has no test of {page}"


def test_what_is_added_to_commands_is_taken_too() -> None:
    for step in STEPS:
        words = program_words(step.words) if step.kind == "command" else None
        if words and not {"…", "$"} & set(step.text) and words[0] not in ("--version", "--help"):
            parse(made_small(words))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("python cli.py predict docs/sample --model nowhere", "exit code 1"),
        ("python cli.py predict docs/sample --modle demo/run", "is not accepted: No such option"),
        ("python cli.py train --epochs many", "is not accepted: 'many' is not a valid integer"),
        (
            "python cli.py build-cache DATA --sheduler tcp://a:1 --scheduler tcp://a:1",
            "is not accepted: No such option",
        ),
        ("torchrun --nproc-per-node 2 cli.py train --epochs many", "is not accepted: 'many' is not a valid integer"),
        ("make coffee", "NOT_RUN has a reason for"),
        ("rm -rf data", "NOT_RUN has a reason for"),
        ("python -m ecg12 inspect no.zarr", "exit code 1"),
    ],
)
def test_a_wrong_command_does_not_pass(
    line: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    step = Step("docs/any.md", 1, "command", line)
    assert problem in (PageRun(tmp_path, "").run(step) or "passed")


def test_a_wrong_block_does_not_pass(tmp_path: Path) -> None:
    page_run = PageRun(tmp_path, "")
    assert page_run.run(Step("docs/any.md", 1, "python", "number = 6 * 7")) is None
    assert page_run.run(Step("docs/any.md", 5, "python", "assert number == 42")) is None
    assert 'docs/any.md", line 9' in page_run.run(Step("docs/any.md", 9, "python", "assert number == 43"))


def test_steps_are_told_apart(tmp_path: Path) -> None:
    page = ROOT / "docs" / "any.md"
    text = "a `predict x`\n```sh\nmake demo  # a\npython cli.py train \\\n    --epochs 3 && ls\n```\n"
    text += "```python\n# my_net.py\nx = 1\n```\n```python\ny = 2\n```\n```text\nout\n```\n"
    with mock.patch.object(Path, "read_text", return_value=text):
        found = [(step.line, step.kind, step.text, step.file) for step in steps_of(page)]
        assert list(spans_of(page)) == [("predict x", False)]
    assert found == [
        (3, "command", "make demo", ""),
        (4, "command", "python cli.py train     --epochs 3", ""),
        (4, "command", "ls", ""),
        (8, "file", "x = 1", "my_net.py"),
        (12, "python", "y = 2", ""),
    ]
