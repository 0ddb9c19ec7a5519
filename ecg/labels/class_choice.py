"""Classes as a caller names them, and the labels of records in their columns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError, UnknownCodeError
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS, SCORED_CLASSES, lookup, representative

CLASS_SETS = ("scored", "all")


def choose_columns(
    classes: str | Sequence[str], codes: Sequence[str], labels: NDArray[np.uint8]
) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    """Codes of classes, and which records have them.

    Parameters
    ----------
    classes : "scored" for the 24 classes that the Challenge scores, equivalent codes merged; "all" for `codes` as they
        stand; or codes, names or abbreviations, equivalent codes merged
    codes : that occur
    labels : uint8 array, shape (record, code)

    Returns
    -------
    codes : of the columns
    labels : uint8 array, shape (record, class), 1 where annotated

    Raises
    ------
    UnknownCodeError
        If a class is neither in the class table nor one of `codes`.
    ConfigError
        If there is no such set of classes, none is named, or one twice.
    """
    if isinstance(classes, str):
        if classes not in CLASS_SETS:
            expected = " or ".join(map(repr, CLASS_SETS))
            raise ConfigError(f"classes are {classes!r}; expected {expected}, or a list of codes, names, abbreviations")
        if classes == "all":
            return tuple(map(str, codes)), labels
    chosen = SCORED_CLASSES if classes == "scored" else tuple(representative(_code_of(one, codes)) for one in classes)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError(f"classes are {', '.join(chosen) or 'none'}; expected at least one, and each once")
    return chosen, CHALLENGE_COLUMNS.merge_labels(codes, labels, chosen)


def _code_of(text: str, codes: Sequence[str]) -> str:
    """A code that occurs as it is, else what the class table has under this text."""
    if text in codes:
        return text
    try:
        return lookup(text).code
    except UnknownCodeError as error:
        error.args = (f"{error}; nor does any record have such a code",)
        raise
