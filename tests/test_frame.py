"""The files around the code tell one story: requirements, environment, metadata, Dockerfile, README."""

import re
import tomllib
from pathlib import Path

import click
from packaging.requirements import Requirement

from ecg12.commands import main as program

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RANGES = [Requirement(text) for text in PYPROJECT["project"]["dependencies"]]


def pins(name: str) -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return dict(line.split("==") for line in lines if "==" in line)


def test_every_requirement_is_pinned_exactly() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(r"#.*|-r requirements\.txt|[\w.-]+==[\w.]+", line), line


def test_torch_is_pinned_without_a_build_tag() -> None:
    assert pins("requirements.txt")["torch"] == "2.13.0"


def test_pins_lie_in_the_ranges_of_pyproject() -> None:
    pinned = {name.lower(): version for name, version in pins("requirements.txt").items()}
    for requirement in RANGES:
        assert requirement.specifier.contains(pinned[requirement.name]), requirement


def test_environment_installs_the_same_requirements_on_the_same_python() -> None:
    lines = [line.strip() for line in (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()]
    assert "- python=3.11" in lines
    assert "- -r requirements.txt" in lines
    assert not [line for line in lines if "==" in line]
    assert "python:3.11-slim" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_readme_gives_a_reason_for_every_dependency() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for requirement in RANGES:
        assert re.search(rf"^\| {requirement.name}\b.* \| .+ \|$", readme, re.MULTILINE), requirement.name


def test_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in program.main.commands:
        assert f"python cli.py {name}" in readme, name


def test_the_page_of_commands_says_what_help_says() -> None:
    from docs.write_commands import PAGE, commands_page

    assert PAGE.read_text(encoding="utf-8") == commands_page(), "run make docs"


def test_every_option_has_help() -> None:
    for name, command in program.main.commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"
        assert command.help, name


def test_console_script_is_the_door() -> None:
    assert PYPROJECT["project"]["scripts"] == {"ecg12": "ecg12.commands.main:main"}
    assert PYPROJECT["tool"]["pytest"]["ini_options"]["filterwarnings"][0] == "error"


def test_the_rooms_that_the_second_interpreter_tests_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (text,) = re.findall(r"^SECOND_TESTS \?=((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    whole, prefix, below = re.fullmatch(r"(.*)\$\(addprefix (\S+),(.*)\)", text.replace("\\\n", " ")).groups()
    for path in [*whole.split(), *(prefix + name for name in below.split())]:
        assert (ROOT / path).exists(), path
