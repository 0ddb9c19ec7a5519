"""Names of files as everybody can read them."""

import os


def printable(text: str) -> str:
    """A name that every file and terminal can hold: odd bytes of a file's name become \\xNN, line breaks \\n."""
    if text.isprintable():
        return text
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
