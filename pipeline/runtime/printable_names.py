"""Names of files, and what is said of them, as everybody can read them."""

LONGEST_SENTENCE = 1_000
"""Letters of what is said of a record; a damaged header may name a lead in a million."""


def printable(text: str) -> str:
    """A name that every file and terminal can hold: odd bytes of a file's name become \\xNN, line breaks \\n."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    byte = ord(letter) - 0xDC00  # how Python writes a byte of a name that is no UTF-8: PEP 383
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else ascii(letter)[1:-1]


def in_one_line(text: str) -> str:
    """A sentence about a record, whatever its file put into it: what prints, and not more of it than one reads."""
    if len(text) > LONGEST_SENTENCE:
        text = f"{text[: LONGEST_SENTENCE // 2]}…{text[-LONGEST_SENTENCE // 2 :]}"
    return printable(text)
