"""Draws docs/rooms.svg and docs/journey.svg, and writes the table of rooms in docs/architecture.md: `make docs`.

Rooms and arrows are read from the imports, and what a room is for from its `__init__.py`, so that a test can hold
picture and table to the code. An arrow that follows from others is left out: where A uses B and B uses C, A may use C,
and the picture says so without a line. Where boxes stand is decided by `docs.floors`.
"""

import ast
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from docs.floors import BOX, MARGIN, WIDTH, Arrows, Place, floor_of, place

ROOT = Path(__file__).resolve().parent.parent
PAGE, ROOMS, JOURNEY = (Path(__file__).with_name(name) for name in ("architecture.md", "rooms.svg", "journey.svg"))
TOP = ("ecg", "cache", "pipeline", "commands")

STAGES = {
    "download": "records",
    "ingest": "store",
    "loading": "batches",
    "training": "run folder",
    "prediction": "predictions",
    "evaluation": "scores",
    "report": "a page",
}
"""The rooms that a record goes through in `pipeline`, in order, and what comes out of each."""

HEIGHT, FLOOR = 34, 78
"""Pixels: of a box, from floor to floor."""

STYLE = """
.ground { fill: #ffffff }
.band { fill: #eef1f5 }
.box { fill: #ffffff; stroke: #57606a; stroke-width: 1.2 }
.stage { fill: #dbeafe; stroke: #1d4ed8; stroke-width: 1.6 }
.line { fill: none; stroke: #6e7781; stroke-width: 1.2 }
.head { fill: #6e7781 }
.badge { fill: #1d4ed8 }
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; text-anchor: middle }
.small { font-size: 12px; fill: #57606a }
.left { text-anchor: start }
.number { font-size: 11px; font-weight: 700; fill: #ffffff }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117 }
.band { fill: #1b222c }
.box { fill: #0d1117; stroke: #8b949e }
.stage { fill: #12305e; stroke: #6ea8fe }
.line { stroke: #8b949e }
.head { fill: #8b949e }
.badge { fill: #6ea8fe }
text { fill: #e6edf3 }
.small { fill: #9da7b1 }
.number { fill: #0d1117 }
}
"""


@cache
def read_arrows() -> dict[str, frozenset[str]]:
    """Which rooms each room uses; a module beside the pipeline's rooms, such as the demonstration, is drawn as one."""
    found: dict[str, set[str]] = {}
    for path in sorted(path for top in TOP for path in (ROOT / top).rglob("*.py")):
        own = _room_of(path.relative_to(ROOT).with_suffix("").parts)
        uses = found.setdefault(own, set())
        for module in _imported(path):
            uses |= {_room_of(tuple(module.split(".")[1:]))} - {own}
    return {room: frozenset(uses - {""}) for room, uses in found.items()}


def _imported(path: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ecg12."):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("ecg12."))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # what is imported when it is first needed: "ecg12.pipeline.formats.edf.reading:read_edf"
            yield from re.findall(r"^ecg12(?:\.\w+)+(?=:\w+$)", node.value)


def _room_of(parts: Sequence[str]) -> str:
    """`pipeline.formats` of pipeline/formats/edf/header.py, `ecg` of ecg/errors.py, `pipeline.demo` of itself."""
    if len(parts) < 2 or parts[0] not in TOP or parts[0] in ("cache", "commands"):
        return parts[0] if parts and parts[0] in TOP else ""
    if (ROOT / parts[0] / parts[1]).is_dir():
        return ".".join(parts[:2])
    return f"pipeline.{parts[1]}" if parts[0] == "pipeline" and parts[1] != "__init__" else parts[0]


LEFT_OUT = "Arrows that follow from others are left out. Numbers: the journey of a record."


def rooms_picture(arrows: Arrows) -> str:
    """The house: commands, below them the pipeline's rooms and the store, and `ecg` as ground that all stand on."""
    upper = {
        room.removeprefix("pipeline."): frozenset(
            used.removeprefix("pipeline.") for used in uses if not used.startswith("ecg") and used != "pipeline"
        )
        for room, uses in arrows.items()
        if not room.startswith("ecg") and room != "pipeline"
    }
    ground = {
        room.removeprefix("ecg."): frozenset(used.removeprefix("ecg.") for used in uses if used.startswith("ecg."))
        for room, uses in arrows.items()
        if room.startswith("ecg.")
    }
    house, cellar = place(upper), place(ground)
    ground_top = 46 + FLOOR * (len(house) - 1) + HEIGHT + 30
    height = ground_top + 46 + FLOOR * (len(cellar) - 1) + HEIGHT + 22
    band = f'x="8" y="{ground_top}" width="{WIDTH - 16}" height="{height - ground_top - 8}" rx="8"'
    parts = [
        _text(MARGIN, 24, f"An arrow means: uses. {LEFT_OUT}", "small left"),
        *_draw(house, ground_top - 30 - HEIGHT),
        f'<rect class="band" {band}/>',
        _text(MARGIN, ground_top + 24, "ecg: what signals and labels mean. All above may use it.", "small left"),
        *_draw(cellar, height - 22 - HEIGHT),
    ]
    return _svg(height, parts, "The rooms of the program and which uses which")


def _draw(floors: Sequence[Sequence[Place]], lowest: float) -> list[str]:
    """Lines first, boxes over them; `lowest` is the upper edge of the lowest floor's boxes."""
    top = {id(box): lowest - number * FLOOR for number, floor in enumerate(floors) for box in floor}
    lines, boxes = [], []
    for box in (box for floor in floors for box in floor if box.room):
        boxes += _box(box.x, top[id(box)], box.room)
        for number, lower in enumerate(sorted(box.down, key=lambda place: place.x), start=1):
            begin = box.x + BOX * 0.7 * (number / (len(box.down) + 1) - 0.5)
            lines.append(_line(begin, box, lower, top))
    return [*lines, *boxes]


def _line(begin: float, box: Place, lower: Place, top: Mapping[int, float]) -> str:
    """From a box down to the next, past the floors between."""
    path = [f"M{begin:.1f} {top[id(box)] + HEIGHT:.1f}"]
    x, y, above = begin, top[id(box)] + HEIGHT, box
    while True:
        end = top[id(lower)]
        to = lower.x
        if lower.room:
            order = sorted(lower.up, key=lambda place: place.x)
            to += BOX * 0.7 * ((order.index(above) + 1) / (len(order) + 1) - 0.5)
            end -= 5
        half = (y + end) / 2
        path.append(f"C{x:.1f} {half:.1f} {to:.1f} {half:.1f} {to:.1f} {end:.1f}")
        if lower.room:
            return f'<path class="line" marker-end="url(#head)" d="{" ".join(path)}"/>'
        path.append(f"V{end + HEIGHT:.1f}")
        x, y, above, lower = to, end + HEIGHT, lower, lower.down[0]


def _box(x: float, top: float, room: str) -> list[str]:
    kind = "stage" if room in STAGES else "box"
    parts = [
        f'<rect class="{kind}" x="{x - BOX / 2:.1f}" y="{top:.1f}" width="{BOX}" height="{HEIGHT}" rx="5"/>',
        _text(x, top + HEIGHT / 2 + 4.5, room),
    ]
    if room in STAGES:
        number = list(STAGES).index(room) + 1
        parts += [
            f'<circle class="badge" cx="{x - BOX / 2:.1f}" cy="{top:.1f}" r="9"/>',
            _text(x - BOX / 2, top + 4, str(number), "number"),
        ]
    return parts


def journey_picture() -> str:
    """The rooms that a record goes through, and what lies between them."""
    step = (WIDTH - 2 * MARGIN - BOX * 0.86) / (len(STAGES) - 1)
    width = BOX * 0.86
    parts = []
    for number, (room, result) in enumerate(STAGES.items(), start=1):
        x = MARGIN + width / 2 + step * (number - 1)
        if number < len(STAGES):
            way = f"M{x + width / 2:.1f} 41H{x + step - width / 2 - 6:.1f}"
            parts.append(f'<path class="line" marker-end="url(#head)" d="{way}"/>')
        parts += [
            f'<rect class="stage" x="{x - width / 2:.1f}" y="24" width="{width:.1f}" height="{HEIGHT}" rx="5"/>',
            _text(x, 24 + HEIGHT / 2 + 4.5, room),
            f'<circle class="badge" cx="{x - width / 2:.1f}" cy="24" r="9"/>',
            _text(x - width / 2, 28, str(number), "number"),
            _text(x, 78, result, "small"),
        ]
    return _svg(96, parts, "The journey of a record: " + ", ".join(STAGES))


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="3" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="head" d="M0 0L8 4L0 8z"/></marker>'
)


def _size(height: float) -> str:
    return f'width="{WIDTH}" height="{height:.0f}"'


def _svg(height: float, parts: Sequence[str], title: str) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" {_size(height)} role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f"<defs>{HEAD}</defs>",
            f'<rect class="ground" {_size(height)} rx="8"/>',
            *parts,
            "</svg>\n",
        ]
    )


def page_with_table(page: str) -> str:
    """docs/architecture.md with the table of rooms as the rooms themselves say it."""
    head = ("| room | what it is for | nothing here … | why |", "|---|---|---|---|")
    rows = [*head, *map(_row, _rooms_in_table())]
    return re.sub(
        r"(<!-- rooms: made by docs/draw_rooms\.py -->\n).*?(<!-- end -->)",
        lambda found: found[1] + "\n".join([*rows, found[2]]),
        page,
        flags=re.DOTALL,
    )


def _rooms_in_table() -> list[str]:
    """From above down, as the picture has them."""
    arrows = read_arrows()
    folders = [room for room in arrows if (ROOT / room.replace(".", "/")).is_dir() and room != "pipeline"]
    return sorted(folders, key=lambda room: (-TOP.index(room.split(".")[0]), -floor_of(room, arrows), room))


def _row(room: str) -> str:
    folder = room.replace(".", "/")
    text = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    first, second = (re.split(r"\.(?=\s|$)", " ".join(part.split()))[0] for part in text.split("\n\n")[:2])
    pages = re.findall(r"docs/(decisions/(\w+)\.md)", text)
    why = ", ".join(f"[{name}]({page})" for page, name in pages)
    return f"| `{folder}` | {first} | {second.removeprefix('Nothing here ')} | {why} |"


def made() -> dict[Path, str]:
    """Every file that is made here, with what it should hold."""
    return {
        ROOMS: rooms_picture(read_arrows()),
        JOURNEY: journey_picture(),
        PAGE: page_with_table(PAGE.read_text(encoding="utf-8")),
    }


if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text, encoding="utf-8")
