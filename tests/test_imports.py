"""The rooms and the arrows between them, read from the code: cli → commands → pipeline → cache → ecg, and inside those.

A room is a folder. `ROOMS` is the whole plan: each room with the rooms that it may use, those below it first; the tests
hold it against every import, so that it is neither crossed nor left with arrows that nobody needs.
"""

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP = ("ecg", "cache", "pipeline", "commands")
MODULES = sorted(path for room in TOP for path in (ROOT / room).rglob("*.py"))
DOOR = sorted(path for path in (ROOT / "ecg12").glob("*.py") if path.stem != "__main__")

ROOMS = {
    "ecg": "",
    "ecg.headers": "ecg",
    "ecg.labels": "ecg",
    "ecg.signals": "ecg",
    "ecg.tasks": "ecg ecg.labels",
    "ecg.decisions": "ecg ecg.labels",
    "ecg.scores": "ecg ecg.labels ecg.tasks",
    "ecg.drawing": "ecg ecg.signals",
    "ecg.synthetic": "ecg ecg.labels ecg.signals",
    "ecg.models.config": "ecg ecg.signals",
    "ecg.models.networks": "ecg ecg.models.config",
    "ecg.models": "ecg ecg.decisions ecg.models.config ecg.models.networks ecg.tasks",
    "ecg.models.portable": "ecg ecg.decisions ecg.models ecg.models.config ecg.models.networks",
    "cache.storage": "ECG",
    "cache": "ECG cache.storage",
    "cache.writing": "ECG cache cache.storage",
    "pipeline.runtime": "ECG cache.storage",
    "pipeline.tasks": "ECG cache cache.storage",
    "pipeline.plugins": "ECG",
    "pipeline.files": "ECG cache.storage runtime",
    "pipeline.http": "ECG runtime",
    "pipeline.loading": "ECG cache runtime",
    "pipeline.formats": "ECG cache files",
    "pipeline.formats.dicom": "ECG files formats",
    "pipeline.formats.edf": "ECG files formats",
    "pipeline.formats.text_tables": "ECG files formats",
    "pipeline.formats.wfdb": "ECG cache.storage files formats runtime",
    "pipeline.recordings": "ECG cache cache.storage files formats formats.dicom formats.edf formats.text_tables "
    "formats.wfdb plugins runtime",
    "pipeline.download": "ECG cache.storage files formats.wfdb http recordings runtime",
    "pipeline.labels": "ECG cache cache.storage files formats.text_tables runtime",
    "pipeline.ingest": "ECG cache cache.storage cache.writing files formats formats.wfdb labels recordings runtime",
    "pipeline.compute": "ECG loading runtime",
    "pipeline.runs": "ECG cache.storage compute files plugins runtime tasks",
    "pipeline.training": "ECG cache cache.storage compute loading plugins runs runtime tasks",
    "pipeline.pretraining": "ECG cache compute loading runs runtime training",
    "pipeline.pictures": "ECG cache formats recordings runs runtime",
    "pipeline.prediction": "ECG cache cache.storage compute formats loading pictures recordings runs runtime tasks",
    "pipeline.evaluation": "ECG cache cache.storage compute formats.wfdb loading prediction runs runtime "
    "tasks training",
    "pipeline.export": "ECG cache cache.storage evaluation formats formats.wfdb loading prediction recordings runs "
    "runtime",
    "pipeline.report.drawing": "ECG cache.storage",
    "pipeline.report.of_store": "ECG cache cache.storage recordings report.drawing runtime",
    "pipeline.report.of_run": "ECG cache cache.storage evaluation pictures prediction report.drawing runs runtime "
    "tasks training",
    "pipeline.report": "ECG cache.storage evaluation report.drawing report.of_run report.of_store runtime",
    "pipeline": "ECG cache cache.storage evaluation formats ingest prediction runtime training",
    "pipeline.bench": "ECG cache cache.storage cache.writing compute download formats formats.wfdb http ingest "
    "loading pipeline plugins prediction pretraining recordings runs runtime training",
    "commands.shared": "ECG cache cache.storage plugins runs runtime",
    "commands": "ECG cache bench commands.shared compute download evaluation export formats http ingest "
    "labels pictures pipeline prediction pretraining recordings report runs runtime tasks training",
}
"""`ECG` is any room of `ecg`; the pipeline's rooms are named without `pipeline.`."""

WORK = {"numpy", "torch", "scipy", "zarr", "numcodecs", "dask", "distributed", "wfdb", "matplotlib"}
DOES_NOT_KNOW = {
    "ecg": {"zarr", "numcodecs", "dask", "distributed", "click", "tqdm", "pathlib", "os", "shutil", "time", "datetime"}
    | {"urllib", "http", "socket", "requests", "httpx", "torch"},
    "cache": {"torch", "click", "tqdm", "dask", "distributed", "urllib", "http", "socket", "wfdb", "datetime"},
    "pipeline": {"click", "tqdm"},
    "commands": WORK,
}
MOST_MODULES = 25
MOST_LINES = 350


def name_of(path: Path) -> str:
    """The module at `path`, as it is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("ecg12", *(parts[:-1] if parts[-1] == "__init__" else parts)))


FILES = {name_of(path): path for path in MODULES}


def room_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parent.parts)


def imported(path: Path) -> set[str]:
    """What a module imports, anywhere in it, by text ("package.module:name") too; our own modules in full."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names |= {full if (full := f"{module}.{alias.name}") in FILES else module for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("ecg12."):
            names |= {node.value.partition(":")[0]} & FILES.keys()
    return names


IMPORTED = {name: imported(path) for name, path in FILES.items()}


def short(room: str) -> str:
    """A room as the table names it."""
    return "ECG" if room.split(".")[0] == "ecg" else room.removeprefix("pipeline.")


def rooms_used(room: str) -> set[str]:
    """The rooms that the modules of one import from, itself left out."""
    used: set[str] = set()
    for name, path in FILES.items():
        if room_of(path) == room:
            used |= {room_of(FILES[other]) for other in IMPORTED[name] if other in FILES}
    return used - {room}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_knows_only_what_its_room_may(path: Path) -> None:
    top, names = path.relative_to(ROOT).parts[0], {name.split(".")[0] for name in IMPORTED[name_of(path)]}
    forbidden = DOES_NOT_KNOW[top]
    if room_of(path).startswith("ecg.models") and room_of(path) != "ecg.models.config":
        forbidden = forbidden - {"torch"}
    assert not names & forbidden
    assert not names & {*TOP, "cli"}, "import ecg12.…"


def test_every_room_is_in_the_table() -> None:
    assert {room_of(path) for path in MODULES if path.name != "__init__.py"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_the_arrows_are_those_of_the_table(room: str) -> None:
    used = rooms_used(room)
    inside = room.split(".")[0] == "ecg"
    assert {one if inside else short(one) for one in used} == set(ROOMS[room].split())


def test_arrows_between_rooms_run_one_way() -> None:
    """A table without a circle has an order; each room stands below all that use it."""
    order = list(TopologicalSorter({room: rooms_used(room) for room in ROOMS}).static_order())
    assert set(order) == set(ROOMS)
    place = {room: number for number, room in enumerate(ROOMS)}
    assert not [(room, used) for room in ROOMS for used in rooms_used(room) if place[used] > place[room]]


@pytest.mark.parametrize("path", DOOR, ids=lambda path: path.stem)
def test_the_door_for_python_uses_the_rooms_and_is_used_by_none(path: Path) -> None:
    """`ecg12/` itself: what it promises is made of what lies below, and no command stands between."""
    names = imported(path)
    assert not {name.split(".")[0] for name in names} & {"click", "tqdm"}
    assert not [name for name in names if name.startswith("ecg12.commands")]
    own = "ecg12" if path.stem == "__init__" else f"ecg12.{path.stem}"
    using = {name for name, found in IMPORTED.items() if own in found}
    assert using <= {"ecg12.commands.bench_batches"}  # which measures two classes of it


def test_no_files_import_one_another_in_a_circle() -> None:
    graph = {name: {other for other in names if other in FILES} for name, names in IMPORTED.items()}
    assert set(TopologicalSorter(graph).static_order()) == set(FILES)  # raises CycleError with the circle


def test_rooms_are_small_enough_to_be_seen_at_a_glance() -> None:
    counts: dict[str, int] = defaultdict(int)
    for path in MODULES:
        counts[room_of(path)] += path.name != "__init__.py"
    assert {room: count for room, count in counts.items() if count > MOST_MODULES} == {}
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_nothing_lies_flat_in_the_pipeline_but_what_runs_through_all_of_it() -> None:
    assert {path.stem for path in (ROOT / "pipeline").glob("*.py")} == {"__init__", "demo", "simulate"}


def test_the_tests_mirror_the_rooms() -> None:
    """A folder of tests for each room that is tested by itself, and none for a room that is not there."""
    tests = {room_of(path).removeprefix("tests.") for path in (ROOT / "tests").rglob("test_*.py")}
    rooms = {room for room in tests if room.split(".")[0] in TOP and ".golden" not in room}
    assert rooms <= set(ROOMS)
    untested = {"ecg.models.config", "commands.shared"}  # by the tests of what they serve
    parted = {"pipeline.formats.dicom", "pipeline.formats.edf", "pipeline.formats.text_tables"}  # as a whole
    assert set(ROOMS) - rooms == untested | parted | {"pipeline.report"}


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path).startswith("pipeline")], ids=name_of)
def test_pipeline_does_not_print(path: Path) -> None:
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def test_no_module_hides_the_standard_library_or_a_dependency() -> None:
    taken = set(sys.stdlib_module_names) | {"utils", "torch", "zarr", "dask", "numpy", "scipy", "wfdb", "click", "tqdm"}
    assert not [path for path in MODULES if path.stem in taken and path.stem != "__init__"]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_opens_with_its_rule(room: str) -> None:
    text = ast.get_docstring(ast.parse((ROOT / room.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")))
    what, nothing, *_ = (text or "").split("\n\n")
    assert what.endswith(".")
    assert nothing.startswith("Nothing here")


def test_the_door_opens_without_what_is_slow_to_import() -> None:
    """`cache.schema`, whose defaults the help shows, has numpy; all else waits for the command that needs it."""
    code = "import ecg12.commands.main, sys; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {name.split(".")[0] for name in modules.split()} & (WORK - {"numpy"} | {"pipeline"})


def test_the_help_of_every_command_needs_nothing_that_is_slow_to_import() -> None:
    """Torch alone takes two seconds; the defaults that the help shows stand in modules that do without it."""
    code = """
import sys
import click
from click.testing import CliRunner
from ecg12.commands import main as program

def commands(group, path=()):
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))

for path in commands(program.main):
    result = CliRunner().invoke(program.main, [*path, "--help"])
    assert result.exit_code == 0, (path, result.output)
    print("called", *path)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *called, modules = done.stdout.splitlines()
    assert {"called train", "called pretrain", "called bench train"} <= set(called)
    assert not {name.split(".")[0] for name in modules.split()} & (WORK - {"numpy"})
