"""Where boxes stand that point at each other one way: on floors, few lines crossing, each near what it is joined to.

Floors are the longest ways down. A line that passes a floor has a lane of its own there, so that it meets no box. On a
floor, places are ordered by the middle of what they are joined to, upwards and downwards in turn; then they settle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, BOX = 900, 108
MARGIN, GAP, LANE = 18, 16, 12
"""Pixels: of the picture and of a box; beside all, between boxes, of a line that passes by."""

Arrows = Mapping[str, frozenset[str]]


def below(room: str, arrows: Arrows) -> frozenset[str]:
    """All that a room uses, by whatever way."""
    near = arrows.get(room, frozenset())
    return near.union(*(below(used, arrows) for used in near))


def reduce(arrows: Arrows) -> dict[str, frozenset[str]]:
    """The arrows that do not follow from others."""
    return {
        room: frozenset(used for used in uses if not any(used in below(other, arrows) for other in uses - {used}))
        for room, uses in arrows.items()
    }


def floor_of(room: str, arrows: Arrows) -> int:
    """Length of the longest way down, 0 for a room that uses none."""
    return max((floor_of(used, arrows) + 1 for used in arrows.get(room, ())), default=0)


@dataclass(slots=True)
class Place:
    """A box, or where an arrow passes a floor.

    Attributes
    ----------
    room : its name; "" where an arrow passes
    x, width : middle and width, pixels
    up, down : places that an arrow leads to, on the floors above and below
    """

    room: str
    width: float
    x: float
    up: list["Place"]
    down: list["Place"]


def place(arrows: Arrows) -> list[list[Place]]:
    """The floors from the lowest up, each from left to right."""
    n_floors = max(floor_of(room, arrows) for room in arrows) + 1
    floors: list[list[Place]] = [[] for _ in range(n_floors)]
    places = {room: Place(room, BOX, 0.0, [], []) for room in sorted(arrows, key=lambda room: (len(room), room))}
    for room, box in places.items():
        floors[floor_of(room, arrows)].append(box)
    for room, uses in sorted(reduce(arrows).items()):
        for used in sorted(uses):
            way = [places[used]]
            for floor in range(floor_of(used, arrows) + 1, floor_of(room, arrows)):
                way.append(Place("", LANE, 0.0, [], []))
                floors[floor].append(way[-1])
            for lower, upper in pairwise([*way, places[room]]):
                lower.up.append(upper)
                upper.down.append(lower)
    _arrange(floors)
    return floors


def _arrange(floors: list[list[Place]]) -> None:
    """Order each floor by the middle of what its places are joined to, and the order with fewest crossings stays."""
    for floor in floors:
        _spread(floor, [WIDTH / 2] * len(floor))
    best = (_count_crossings(floors), [list(floor) for floor in floors])
    for turn in range(60):
        upwards = turn % 2 == 0
        for floor in floors if upwards else reversed(floors):
            wanted = {id(box): _middle(box.down if upwards else box.up, box.x) for box in floor}
            floor.sort(key=lambda box: wanted[id(box)])
            _spread(floor, [wanted[id(box)] for box in floor])
        crossings = _count_crossings(floors)
        if crossings < best[0]:
            best = (crossings, [list(floor) for floor in floors])
    for floor, kept in zip(floors, best[1], strict=True):
        floor[:] = kept
    for _ in range(60):  # the order stays, the places settle between what is above and below
        for floor in (*floors, *reversed(floors)):
            _spread(floor, [_middle(box.up + box.down, box.x) for box in floor])
    edges = [(box.x - box.width / 2, box.x + box.width / 2) for floor in floors for box in floor]
    aside = (WIDTH - min(left for left, _ in edges) - max(right for _, right in edges)) / 2
    for box in (box for floor in floors for box in floor):
        box.x = round(box.x + aside, 1)


def _middle(joined: Sequence[Place], otherwise: float) -> float:
    return sum(box.x for box in joined) / len(joined) if joined else otherwise


def _spread(floor: Sequence[Place], wanted: Sequence[float]) -> None:
    """Put places as near to where they are wanted as their widths allow: isotonic regression by pooling."""
    starts, start = [], 0.0
    for left, box in zip([None, *floor], floor, strict=False):
        start += (left.width + box.width) / 2 + GAP if left else 0.0
        starts.append(start)
    pools: list[list[float]] = []  # sum, number
    for value in (want - start for want, start in zip(wanted, starts, strict=True)):
        pools.append([value, 1])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] >= pools[-1][0] / pools[-1][1]:
            total, number = pools.pop()
            pools[-1] = [pools[-1][0] + total, pools[-1][1] + number]
    shifts = [total / number for total, number in pools for _ in range(int(number))]
    least = MARGIN + floor[0].width / 2 if floor else 0.0
    most = WIDTH - MARGIN - floor[-1].width / 2 - starts[-1] if floor else 0.0
    for box, begin, shift in zip(floor, starts, shifts, strict=True):
        box.x = round(begin + min(max(shift, least), most), 1)


def _count_crossings(floors: Sequence[Sequence[Place]]) -> int:
    crossings = 0
    for floor in floors:
        lines = [(box.x, upper.x) for box in floor for upper in box.up]
        crossings += sum((a - c) * (b - d) < 0 for n, (a, b) in enumerate(lines) for c, d in lines[:n])
    return crossings
