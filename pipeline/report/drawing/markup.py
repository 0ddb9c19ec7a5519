"""HTML that cannot be broken by what is put into it: text is escaped unless it was made here.

A `Markup` is made by `element` and `join` alone; whatever else comes in, such as a record's name, is text.
"""

import html
import re
from collections.abc import Iterable
from typing import TypeAlias


class Markup(str):
    """HTML or SVG, ready to stand in a page."""

    __slots__ = ()


Content: TypeAlias = "Markup | str | float | None"
"""What an element may hold: markup as it is, text and numbers escaped, None for nothing."""
Attribute: TypeAlias = "str | float | bool | None"

EMPTY = Markup("")
_VOID = {"meta", "br", "hr", "col"}
_NOT_IN_HTML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def text(value: Content) -> Markup:
    """A value as markup: escaped, and without the characters that HTML forbids."""
    if isinstance(value, Markup):
        return value
    return EMPTY if value is None else Markup(html.escape(_NOT_IN_HTML.sub("\ufffd", str(value)), quote=False))


def join(*contents: Content) -> Markup:
    """Several one after the other."""
    return Markup("".join(map(text, contents)))


def each(contents: Iterable[Content]) -> Markup:
    """`join` of all of them."""
    return join(*contents)


def element(name: str, /, *contents: Content, **attributes: Attribute) -> Markup:
    """An element, such as `element("th", "records", scope="col", class_="number")`.

    A trailing underscore of an attribute's name is taken off and others become hyphens (`aria_label`). None and False
    leave an attribute out, True writes its name alone.
    """
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    return Markup(f"<{opening}>" if name in _VOID else f"<{opening}>{join(*contents)}</{name}>")


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    written = "" if value is True else f'="{html.escape(_NOT_IN_HTML.sub(chr(0xFFFD), str(value)))}"'
    return f" {name}{written}"


def slug(title: str) -> str:
    """A title as the id of an element: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
