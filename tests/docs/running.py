"""How a step of a page is run: in this process, in the page's folder, with the sizes of `SMALLER`.

Whatever cannot run here stands in `NOT_RUN` with the reason; its calls of the program are parsed all the same. A
command that is neither the program's nor in that list fails the test: a page may not tell anyone to type what nobody
has tried.
"""

import contextlib
import io
import re
import subprocess
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ecg12.commands import main as program
from tests.docs.pages import ROOT, Step, find_command, parse, program_calls, program_words

NOT_RUN = {
    r"make (demo|test)\b": "makes an environment and takes minutes: .ci/run runs both",
    r"source ": "the shell's own",
    r"python3\.\d+ -m venv |pip (install|download|wheel) ": "makes an environment, from a network",
    r"git clone ": "needs a network",
    r"docker (build|run) ": "needs a daemon, and fetches images",
    r"(export )?(HTTPS_PROXY|SSL_CERT_FILE|AWS_\w+|FSSPEC_\w+)=": "a proxy's or a server's, which are not here",
    r"python cli\.py .*(s3|gs)://": "needs that bucket: tests/commands/test_remote.py has one",
    r"python cli\.py .*--scheduler": "needs that cluster: tests/pipeline/ingest/test_dask_cluster.py has one",
    r"torchrun ": "starts processes: tests/pipeline/training has ranks",
    r"(PYTHONPATH=\$PWD )?dask |kubectl ": "needs other machines",
    r"T=": "the shell's own",
    r"python cli\.py bench ": "measures for minutes: tests/pipeline/bench runs each small",
}
"""Commands that are not run here, by how they begin, and why."""

READ_ONLY_PAGES = {
    "docs/benchmarks.md": "what was typed for the figures there, which takes minutes to hours",
    "docs/experiments.md": "what was typed for the figures there, on real records, for hours",
    "docs/scaling.md": "is about clusters",
}
"""Pages whose commands are parsed and not run, and why."""

THE_SYSTEMS = ("cp", "mkdir")
"""Programs of the system that are run as they stand."""

BLOCKS_RUN_ELSEWHERE = {
    "docs/python.md": "tests/ecg12/test_python_page.py",
    "docs/extending.md": "tests/pipeline/plugins",
}
"""Pages whose blocks of Python have a test of their own, where it lies; files among them are written here, too."""

BLOCKS_NOT_RUN = {
    "docs/scaling.md": ("from dask_jobqueue import SLURMCluster", "needs SLURM"),
}
"""Blocks of Python that cannot run, by a line in them, and why."""

SPANS_NOT_TAKEN = {
    "train --model short": "names a plugin that a package of the reader's would have registered",
}
"""Commands in the text that the program does not take here, and why."""

TINY_NET = "--net-filter-size 4,6 --net-seq-length 256,16 --dropout-rate 0"
TINY_STAGES = {
    "cpc": "--dim-encoder 8 --dim-context 8 --context-layers 1 --cpc-steps 2 --negatives 4",
    "lstm": "--hidden-size-rnn 8",
    "mae": "--dim-model 8 --dim-inner 8 --num-heads 2 --num-trans-layers 1 --dim-decoder 8",
    "transformer": "--dim-model 8 --dim-inner 8 --num-heads 2 --num-trans-layers 1 --steps-concat 64",
}
SMALLER = {
    "build-cache": "--workers 1",
    "verify": "--workers 1",
    "simulate": "--records 12 --max-duration 6",
    "train": "--epochs 1 --max-windows-per-record 1 --precision fp32",
    "pretrain": "--epochs 1 --max-windows-per-record 1 --precision fp32 --window-length 1024 --n-total 12",
    "predict": "--precision fp32",
    "report": "--examples 1",
    "evaluate": "--bootstrap 20",
    "plot": "--dpi 40",
}
"""What is added to each command, so that it takes moments: sizes, and nothing that decides what it does."""


def made_small(words: list[str]) -> list[str]:
    """The words with the sizes of `SMALLER`, `TINY_NET` and `TINY_STAGES` behind them."""
    added = SMALLER.get(words[0], "").split()
    if words[0] == "train" and "--only-test" in words:
        return words
    if words[0] == "train" and not {"--probe", "--model"} & {*words}:
        added += TINY_NET.split()
    if words[0] == "train" and "s4d" in words:
        added += "--s4d-features 4 --s4d-layers 1 --s4d-state 2 --s4d-stride 64".split()
    if "--folds" in words:
        added += ["--folds", "2"]
    if words[0] == "pretrain":
        net = words[words.index("--pretrain-model") + 1] if "--pretrain-model" in words else "transformer"
        added += TINY_STAGES[net].split()
    if words[0] == "predict" and "--explain" in words:
        added += "--explain-steps 2 --explain-windows 1 --explain-format none".split()
    return [*words, *added]


def reason_not_to_run(step: Step) -> str | None:
    """Why a command is not run here, None if it is."""
    if step.page in READ_ONLY_PAGES:
        return READ_ONLY_PAGES[step.page]
    return next((reason for begins, reason in NOT_RUN.items() if re.match(begins, step.text)), None)


@dataclass
class PageRun:
    """A page's folder while its steps are run, one after another.

    Attributes
    ----------
    folder : the working folder by then
    mirror : address of the release's server, which takes the published hosts' place
    names : what the page's blocks of Python have bound, a page having one namespace
    """

    folder: Path
    mirror: str
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def run(self, step: Step) -> str | None:
        """What went wrong, None if nothing did."""
        if step.kind == "file":
            path = self.folder / step.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text, encoding="utf-8")
            return None
        if step.kind == "python":
            return None if step.page in BLOCKS_RUN_ELSEWHERE else self._run_block(step)
        if step.kind == "script" or reason_not_to_run(step):
            return _parse_calls(step)
        if step.words[0] in THE_SYSTEMS:
            done = subprocess.run(step.words, cwd=self.folder, capture_output=True, text=True)
            return done.stderr or None
        words = program_words(step.words)
        if words is None:
            return "neither a command of the program nor one that NOT_RUN has a reason for"
        with pytest.MonkeyPatch.context() as patch:
            for name, value in step.variables.items():
                patch.setenv(name, value)
            return self._run_command(words)

    def _run_command(self, words: list[str]) -> str | None:
        refused = _refusal(words)  # as it stands: behind it a size takes the place of one that is wrong
        if refused:
            return refused
        words = made_small(words)
        if words[0] == "download":
            words += ["--url" if "--weights" in words else "--mirror", self.mirror]
        result = CliRunner().invoke(program.main, words, prog_name="python cli.py")
        if result.exit_code == 0:
            return None
        seen = result.exception if not isinstance(result.exception, SystemExit) else ""
        return f"exit code {result.exit_code}: {result.output[-600:]} {seen or ''}"

    def _run_block(self, step: Step) -> str | None:
        line, reason = BLOCKS_NOT_RUN.get(step.page, ("", ""))
        code = compile("\n" * (step.line - 1) + step.text, step.page, "exec")
        if reason and line in step.text:
            return None
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, self.names)
        except Exception:
            return traceback.format_exc(limit=-3)
        return None


def _parse_calls(step: Step) -> str | None:
    """Parse every call of the program in a step that is not run."""
    target = re.match(r"make (\w+)", step.text)
    if target and not re.search(rf"^{target[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE):
        return f"the Makefile has no target {target[1]}"
    own = program_words(step.words) if step.kind == "command" else None
    refused = (_refusal(words) for words in ([own] if own else program_calls(step.text)))
    return next(filter(None, refused), None)


def _refusal(words: list[str]) -> str | None:
    """What the program says against a command, None if it takes it; what stands for any value is left out."""
    given = [word for word in words if "$" not in word and "…" not in word]
    try:
        parse(given, whole=given == words)
    except (click.ClickException, ValueError) as error:
        return f"is not accepted: {getattr(error, 'message', error)}"
    return None


def unused_reasons(steps: list[Step]) -> Iterator[str]:
    """Entries of `NOT_RUN` and of the other lists that no page has a use for any more."""
    commands = [step for step in steps if step.kind == "command"]
    for begins in NOT_RUN:
        if not any(re.match(begins, step.text) for step in commands):
            yield begins
    for page in [*READ_ONLY_PAGES, *BLOCKS_NOT_RUN]:
        if not any(step.page == page for step in steps):
            yield page


def is_known(step: Step) -> bool:
    """Whether a command is one of the two: run, or not run for a reason."""
    words = program_words(step.words)
    is_ours = words is not None and (find_command(words)[0] is not program.main or words[0].startswith("--"))
    return reason_not_to_run(step) is not None or is_ours or step.words[0] in THE_SYSTEMS
