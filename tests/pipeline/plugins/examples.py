"""The package of docs/extending.md, written outside the repository, put on Python's path and taken away again."""

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecg12.pipeline.recordings import plugin_readers

PAGE = Path(__file__).resolve().parents[3] / "docs" / "extending.md"
PACKAGE = "ecg_plus"

BLOCK = re.compile(r"```python\n# (\S+\.py)\n(.*?)```", re.DOTALL)
ENTRY_POINTS = re.compile(r'\[project\.entry-points\."([^"]+)"\]\n(\S+) = "([^"]+)"')


def example_modules() -> dict[str, str]:
    """File name → source, as the page has them."""
    return dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))


def example_entry_points() -> list[tuple[str, str, str]]:
    """Group, name and value of each."""
    return ENTRY_POINTS.findall(PAGE.read_text(encoding="utf-8"))


def write_package(site: Path, package: str = PACKAGE) -> None:
    """The examples, below the name of a package."""
    for name, source in example_modules().items():
        path = site / name.replace(PACKAGE, package)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")


def register(site: Path, *entries: tuple[str, str, str], name: str = "ecg-plus", version: str = "1.2") -> None:
    """What an installation leaves beside a package: its name, its version, and what it registers."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    text = "".join(f"[{group}]\n{key} = {value}\n" for group, key, value in entries)
    (folder / "entry_points.txt").write_text(text, encoding="utf-8")


def forget(package: str = PACKAGE) -> None:
    """As in a process that has imported nothing of it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    plugin_readers._load.cache_clear()
    importlib.invalidate_caches()


@contextmanager
def on_path(site: Path, package: str = PACKAGE) -> Iterator[None]:
    """With a folder among the places that Python looks for modules in."""
    with pytest.MonkeyPatch.context() as patch:
        forget(package)
        patch.syspath_prepend(str(site))
        try:
            yield
        finally:
            forget(package)
