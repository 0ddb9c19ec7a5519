"""`import ecg12`: its names, their types for editors, and how little it imports."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ecg12

ROOT = Path(__file__).resolve().parents[2]
SLOW = {"torch", "zarr", "dask", "distributed", "pandas", "numpy", "scipy", "wfdb", "click"}


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_it_imports_nothing_that_is_slow() -> None:
    modules = modules_after("import ecg12; dir(ecg12); ecg12.__all__; ecg12.__version__")
    assert not modules & SLOW
    rooms = {name for name in modules if name.startswith(("ecg12.ecg", "ecg12.cache", "ecg12.pipeline"))}
    assert rooms == {"ecg12.ecg", "ecg12.ecg.version"}


def test_stores_and_recordings_need_no_torch_and_no_dask() -> None:
    modules = modules_after("import ecg12; ecg12.open_store, ecg12.build_store, ecg12.read_recording, ecg12.EcgError")
    assert not modules & {"torch", "dask", "distributed", "pandas", "wfdb"}


def test_every_public_name_is_there_and_no_other_is_made_up() -> None:
    for name in ecg12.__all__:
        assert getattr(ecg12, name) is not None
    assert list(ecg12.__all__) == sorted(ecg12.__all__)
    assert set(ecg12.__all__) <= set(dir(ecg12))
    assert {name for name in dir(ecg12) if not name.startswith("_")} == set(ecg12.__all__)
    with pytest.raises(AttributeError, match="module 'ecg12' has no attribute 'open_stor'"):
        ecg12.open_stor  # noqa: B018


def test_type_checkers_see_the_names_that_are_imported_when_asked_for() -> None:
    """They follow `if TYPE_CHECKING:`, the running program the table: both have every name, from the same module."""
    tree = ast.parse((ROOT / "ecg12" / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = {
        alias.asname: statement.module
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert seen == {name: f"ecg12.{module}" for name, module in ecg12._MODULES.items()} | {"errors": "ecg12"}
    assert set(seen) == set(ecg12.__all__)
    assert (ROOT / "ecg12" / "py.typed").is_file()


@pytest.mark.parametrize("name", [name for name in ecg12.__all__ if name != "errors"])
def test_every_name_is_documented_and_annotated(name: str) -> None:
    value = getattr(ecg12, name)
    assert value.__doc__
    members = [value] if inspect.isfunction(value) else [*vars(value).values()]
    for member in members:
        function = member.fget if isinstance(member, property) else getattr(member, "func", member)
        if not inspect.isfunction(function) or (function.__name__.startswith("_") and function is not value):
            continue
        assert function.__doc__, f"{name}.{function.__name__}"
        assert "return" in function.__annotations__, f"{name}.{function.__name__}"
        parameters = list(inspect.signature(function).parameters.values())
        assert all(p.annotation is not p.empty for p in parameters if p.name != "self"), f"{name}.{function.__name__}"


def test_errors_are_those_of_the_rooms() -> None:
    from ecg12.ecg import errors

    own = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.EcgError)
    }
    assert set(ecg12.errors.__all__) == own
    assert ecg12.EcgError is ecg12.errors.EcgError is errors.EcgError


def test_a_training_has_the_options_of_the_command() -> None:
    from collections.abc import Mapping
    from typing import get_origin, get_type_hints

    from ecg12.commands.shared.train_options import TRAIN_OPTIONS
    from ecg12.ecg.models.config.model import ModelConfig
    from ecg12.pipeline.runs.train_config import TrainConfig
    from ecg12.train_options import TrainOptions

    fields = get_type_hints(TrainConfig) | get_type_hints(ModelConfig)
    hints = get_type_hints(TrainOptions)
    assert set(hints) == {name for rows in TRAIN_OPTIONS.values() for name, _, _ in rows}
    written = hints.pop("model_options")  # as a mapping, which the configuration keeps as texts
    assert get_origin(written) is Mapping
    assert hints == {name: fields[name] for name in hints}


def test_what_callers_write_is_type_checked() -> None:
    """`make lint` runs mypy, which takes half a minute over what it imports: too long for a test of its own."""
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert "tests/ecg12/typed_use.py" in settings["files"]
    assert settings["warn_unused_ignores"]
    text = (ROOT / "tests" / "ecg12" / "typed_use.py").read_text(encoding="utf-8")
    assert set(ecg12.__all__) - {"EcgError", "Evaluation", "Model"} <= set(re.findall(r"ecg12\.(\w+)", text))
