"""The weights of a challenge metric as the organisers publish them: a CSV with a row and a column for each class.

Row and column are called by a class's code, or by several with `|` between where they count as the same (2021); or each
equivalent code has a row and a column of its own, identical to the others' (2020).
"""

import csv
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError


def parse_weights(text: str, classes: Sequence[Sequence[str]], where: str) -> NDArray[np.float64]:
    """The matrix of some classes.

    Parameters
    ----------
    classes : the codes of each

    Returns
    -------
    float64 array, shape (class, class): reward of the answer (column) where the label (row) is true; read-only

    Raises
    ------
    ConfigError
        If a class has no row or column, its codes have different ones, or a weight is no number.
    """
    try:
        rows = [row for row in csv.reader(text.splitlines()) if row]
    except csv.Error as error:
        raise ConfigError(f"{where}: cannot be read as a CSV ({error})") from None
    if len(rows) < 2:
        raise ConfigError(f"{where}: {len(rows)} rows; expected a row and a column for each class")
    columns = [cell.split("|") for cell in rows[0][1:]]
    labels = [row[0].split("|") for row in rows[1:]]
    try:
        matrix = np.array([[float(cell) for cell in row[1:]] for row in rows[1:]])
    except ValueError as error:
        raise ConfigError(f"{where}: {error}; expected rows of numbers, as many as columns") from None
    if matrix.shape != (len(labels), len(columns)) or not np.isfinite(matrix).all():
        raise ConfigError(f"{where}: weights of shape {matrix.shape}; expected a finite number for each row and column")
    weights = matrix[np.ix_(_places(labels, classes, matrix, where), _places(columns, classes, matrix.T, where))]
    weights.setflags(write=False)
    return weights


def _places(
    named: Sequence[Sequence[str]], classes: Sequence[Sequence[str]], lines: NDArray[np.float64], where: str
) -> list[int]:
    """Where each class stands among what is named."""
    places = []
    for codes in classes:
        own = [place for place, names in enumerate(named) if set(names) & set(codes)]
        if not own:
            raise ConfigError(f"{where}: no weights of {codes[0]}; expected a row and a column for each class")
        if any(not np.array_equal(lines[own[0]], lines[place]) for place in own):
            raise ConfigError(
                f"{where}: codes {', '.join(codes)} of one class have different weights; expected the same"
            )
        places.append(own[0])
    return places
