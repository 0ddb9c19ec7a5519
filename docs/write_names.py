"""Writes the last block of docs/python.md, every public name with its parameters: `make docs`."""

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ecg12

PAGE = Path(__file__).with_name("python.md")
MADE_BY_CALLERS = ("IndexedWindows", "Recording", "Windows")
"""Classes whose constructors are promised; the others come from functions."""


def names_text() -> str:
    """A line for each function, class, attribute and method."""
    return "\n".join(line for name in ecg12.__all__ for line in _describe(name))


def _describe(name: str) -> Iterator[str]:
    value = getattr(ecg12, name)
    if inspect.ismodule(value):
        yield from (f"ecg12.{name}.{kind}" for kind in value.__all__)
    elif inspect.isfunction(value):
        yield f"ecg12.{name}{_parameters(value)}"
    else:
        yield f"ecg12.{name}" + (_parameters(value.__init__) if name in MADE_BY_CALLERS else "")
        yield from (f"    .{member}" for member in sorted(_members(value)))


def _members(kind: type) -> Iterator[str]:
    """Attributes and methods, those of other packages' bases and what begins with an underscore left out."""
    seen = set(getattr(kind, "__dataclass_fields__", ()))
    yield from seen
    for name, member in vars(kind).items():
        if not name.startswith("_") and name not in seen:
            yield name + (_parameters(member) if inspect.isfunction(member) else "")
    documented = (kind.__doc__ or "").partition("Attributes\n")[2]
    for line in documented.splitlines()[1:]:
        stated, colon, _ = line.strip().partition(" : ")
        if colon and line.startswith("    ") and not line.startswith("     "):
            yield from (one for one in stated.split(", ") if one not in vars(kind) and one not in seen)


def _parameters(function: Callable[..., object]) -> str:
    """Of a function, with defaults and without types."""
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name != "self"
    ]
    return str(inspect.Signature(plain))


def page_with(text: str) -> str:
    """The page with `text` in its last block."""
    page = PAGE.read_text(encoding="utf-8")
    begin = page.rindex("```text\n") + len("```text\n")
    return f"{page[:begin]}{text}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page_with(names_text()), encoding="utf-8")
