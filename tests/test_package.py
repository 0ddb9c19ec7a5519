"""The package as others have it: one name in site-packages, three ways to call it, hostile neighbours, no links."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import ecg12

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("ecg", "cache", "pipeline", "commands")
HOSTILE = "raise SystemExit('the wrong module')\n"


def copy_checkout(folder: Path) -> Path:
    """The checkout's files that a package is made of, links as links."""
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "cli.py"):
        shutil.copy(ROOT / name, folder)
    for name in (*ROOMS, "ecg12"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run(*command: object, cwd: Path, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    line = [str(word) for word in command]
    done = subprocess.run(line, cwd=cwd, env=clean | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout = copy_checkout(tmp_path_factory.mktemp("wheel") / "checkout")
    built = checkout.parent / "built"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "wheel", ".", "--no-deps", "--no-build-isolation", "--wheel-dir", built, cwd=checkout)
    (found,) = built.iterdir()
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an empty environment with the wheel; what it depends on is looked up where it is installed."""
    folder = tmp_path_factory.mktemp("installed") / "env"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", where, cwd=folder.parent).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python]
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=folder.parent)
    return python


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A user's folder whose own modules are called as our rooms are."""
    for name in (*ROOMS, "cli"):
        (tmp_path / f"{name}.py").write_text(HOSTILE, encoding="utf-8")
    return tmp_path


def test_the_wheel_installs_one_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    top = {name.split("/")[0] for name in names}
    assert top == {"ecg12", f"ecg12-{ecg12.__version__}.dist-info"}


def test_the_wheel_has_every_module_and_every_table(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if name.startswith("ecg12/")}
    expected = {"ecg12/py.typed", *(f"ecg12/{path.name}" for path in (ROOT / "ecg12").glob("*.py"))}
    for room in ROOMS:
        expected |= {f"ecg12/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / room).rglob("*.py")}
    tables = [*(ROOT / "ecg" / "tables").glob("*.csv"), *(ROOT / "ecg" / "tasks" / "files").glob("*.toml")]
    assert len(tables) == 17
    data = {f"ecg12/{path.relative_to(ROOT).as_posix()}" for path in tables}
    assert names == expected | data | {"ecg12/cache/FORMAT.md", "ecg12/pipeline/report/drawing/page.css"}


def test_the_three_ways_to_call_it_are_one_program(installed: Path, hostile: Path) -> None:
    command = installed.with_name("ecg12")
    ways = {"ecg12": [command], "python -m ecg12": [installed, "-m", "ecg12"]}
    helps = {name: run(*way, "--help", cwd=hostile) for name, way in ways.items()}
    door = ROOT / "cli.py"
    helps[f"python {door}"] = run(sys.executable, door, "--help", cwd=hostile)
    for name, text in helps.items():
        assert text.startswith(f"Usage: {name} [OPTIONS] COMMAND")
    assert len({text.partition("\n")[2] for text in helps.values()}) == 1
    assert run(command, "--version", cwd=hostile) == f"{ecg12.__version__}\n"


def test_imports_are_the_installed_ones(installed: Path, hostile: Path) -> None:
    code = "import ecg12.cache.reader, ecg12.pipeline.ingest.plan as plan; print(plan.__file__)"
    found = Path(run(installed, "-c", code, cwd=hostile).strip())
    assert installed.parent.parent in found.parents


@pytest.mark.slow
def test_the_demo_runs_installed_beside_hostile_modules(installed: Path, hostile: Path) -> None:
    """With two workers: dask's processes must find the package, and not the user's `cache.py`, either."""
    output = hostile / "demo"
    line = ["demo", "--output", output, "--records", 60, "--workers", 2]
    run(installed.with_name("ecg12"), *line, cwd=hostile, OMP_NUM_THREADS="1")
    assert (output / "run" / "model.pth").is_file()
    assert (output / "scores.csv").is_file()


def test_a_checkout_whose_links_came_as_files_runs(tmp_path: Path) -> None:
    """As git has them on Windows without developer mode, and some archives."""
    checkout = copy_checkout(tmp_path / "checkout")
    for room in ROOMS:
        link = checkout / "ecg12" / room
        link.unlink()
        link.write_text(f"../{room}", encoding="utf-8")
    text = run(sys.executable, checkout / "cli.py", "inspect", "--help", cwd=tmp_path)
    assert text.startswith(f"Usage: python {checkout / 'cli.py'} inspect")
    code = "import ecg12.pipeline.ingest.plan as plan; print(plan.__file__)"
    assert run(sys.executable, "-c", code, cwd=checkout).strip() == str(checkout / "pipeline" / "ingest" / "plan.py")


def test_an_editable_install_is_the_checkout(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env", cwd=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python]
    setuptools = sysconfig.get_path("purelib")
    flags = ("--no-deps", "--no-index", "--no-build-isolation")
    run(*pip, "install", *flags, "--editable", checkout, cwd=tmp_path, PYTHONPATH=setuptools)
    code = "import ecg12.ecg.errors as errors; print(errors.__file__)"
    assert run(python, "-c", code, cwd=tmp_path).strip() == str(checkout / "ecg12" / "ecg" / "errors.py")
