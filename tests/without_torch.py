"""A plugin of pytest (`-p tests.without_torch`) for a Python without torch: what needs it is named, counted, left out.

Torch from the package index is several gigabytes, too much for a second interpreter. A test needs torch if importing
its module, or running it, says that there is none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

FILES: list[str] = []
TESTS: list[str] = []


def pytest_configure() -> None:
    if find_spec("torch") is not None:
        raise pytest.UsageError("torch is there: run the tests without -p tests.without_torch")


def pytest_pycollect_makemodule(module_path: object, parent: pytest.Collector) -> pytest.Module:
    return _Module.from_parent(parent, path=module_path)


class _Module(pytest.Module):
    def collect(self) -> list[pytest.Item | pytest.Collector]:
        try:
            return list(super().collect())
        except self.CollectError as error:
            if not _wants_torch(error.__cause__):
                raise
            FILES.append(self.nodeid)
            return []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with _left_out(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with _left_out(item):
        return (yield)


@contextmanager
def _left_out(item: pytest.Item) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if not _wants_torch(error):
            raise
        TESTS.append(item.nodeid)
        pytest.skip("needs torch")


def _wants_torch(error: BaseException | None) -> bool:
    return isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == "torch"


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:  # a worker of pytest-xdist: all of them collect the same files, each runs tests of its own
        output["left out"] = (FILES, TESTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    files, tests = node.workeroutput["left out"]
    FILES[:] = files
    TESTS.extend(tests)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("left out for want of torch")
    for name in (*FILES, *TESTS):
        terminalreporter.line(name)
    what = f"{len(FILES)} files and {len(TESTS)} tests of others"
    terminalreporter.line(f"{what}: torch, several gigabytes, is not installed")
