"""The rooms and the arrows between them, read from the code: cli → commands → pipeline → cache → ecg."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("ecg", "cache", "pipeline", "commands")
MODULES = [*sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")), ROOT / "cli.py"]

MAY_IMPORT = {
    "ecg": {"ecg"},
    "cache": {"cache", "ecg"},
    "pipeline": {"pipeline", "cache", "ecg"},
    "commands": {"commands", "pipeline", "cache", "ecg"},
    "cli.py": {"commands", "ecg"},
}
WORK = {"numpy", "torch", "scipy", "zarr", "numcodecs", "dask", "distributed", "wfdb", "matplotlib"}
DOES_NOT_KNOW = {
    "ecg": {"zarr", "numcodecs", "dask", "distributed", "click", "tqdm", "pathlib", "os", "shutil", "time", "datetime"}
    | {"urllib", "http", "socket", "requests", "httpx", "torch"},
    "cache": {"torch", "click", "tqdm", "dask", "distributed", "urllib", "http", "socket", "wfdb", "datetime"},
    "pipeline": {"click", "tqdm"},
    "commands": WORK,
    "cli.py": WORK,
}


def imported(path: Path) -> set[str]:
    """Top-level names of everything a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add((node.module or "").split(".")[0])
    return names


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    room = room_of(path)
    names = imported(path)
    assert names & {*ROOMS, "cli"} <= MAY_IMPORT[room]
    forbidden = DOES_NOT_KNOW[room]
    if "models" in path.relative_to(ROOT).parts:
        forbidden = forbidden - {"torch"}
    assert not names & forbidden


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) == "pipeline"], ids=lambda path: path.name)
def test_pipeline_does_not_print(path: Path) -> None:
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def test_no_module_hides_the_standard_library_or_a_dependency() -> None:
    taken = set(sys.stdlib_module_names) | {"utils", "torch", "zarr", "dask", "numpy", "scipy", "wfdb", "click", "tqdm"}
    assert not [path for path in MODULES if path.stem in taken and path.stem != "__init__"]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_opens_with_its_rule(room: str) -> None:
    text = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert "Nothing here" in text


def test_the_door_opens_without_what_is_slow_to_import() -> None:
    """`cache.schema`, whose defaults the help shows, has numpy; all else waits for the command that needs it."""
    code = "import cli, sys; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {name.split(".")[0] for name in modules.split()} & (WORK - {"numpy"} | {"pipeline"})


def test_the_help_of_every_command_needs_nothing_that_is_slow_to_import() -> None:
    """Torch alone takes two seconds; the defaults that the help shows stand in modules that do without it."""
    code = """
import sys
import click
from click.testing import CliRunner
import cli

def commands(group, path=()):
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))

for path in commands(cli.main):
    result = CliRunner().invoke(cli.main, [*path, "--help"])
    assert result.exit_code == 0, (path, result.output)
    print("called", *path)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *called, modules = done.stdout.splitlines()
    assert {"called train", "called pretrain", "called bench train"} <= set(called)
    assert not {name.split(".")[0] for name in modules.split()} & (WORK - {"numpy"})
