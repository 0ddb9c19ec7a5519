"""What the metric accepts: 0/1 matrices, scores and weights whose shapes and values fit each other.

A wrong argument here seldom fails by itself: scores passed for outputs would all count as positive, and one
NaN would silently reorder a ranking. So values are looked at once, at the door; a pass over 43,000 records
takes milliseconds.
"""

import numpy as np
import numpy.typing as npt

from ecg12.ecg.errors import PredictionError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def to_bool_matrix(name: str, values: npt.ArrayLike) -> BoolArray:
    """A 0/1 matrix as bool; anything else is refused, above all scores passed for outputs."""
    array = np.asarray(values)
    if array.ndim != 2:
        raise PredictionError(f"{name} have shape {array.shape}; expected two dimensions, records and classes")
    if array.dtype == np.bool_:
        return array
    wrong = np.argwhere((array != 0) & (array != 1))
    if len(wrong):
        record, column = wrong[0]
        raise PredictionError(
            f"{name} hold {array[record, column]} at record {record}, column {column}; expected 0 or 1 "
            f"(compare scores with a threshold first)"
        )
    return array.astype(np.bool_)


def to_bool_pair(labels: npt.ArrayLike, outputs: npt.ArrayLike) -> tuple[BoolArray, BoolArray]:
    """Labels and outputs as bool matrices of one shape."""
    pair = to_bool_matrix("labels", labels), to_bool_matrix("outputs", outputs)
    if pair[0].shape != pair[1].shape:
        raise PredictionError(f"outputs have shape {pair[1].shape}; expected the labels' {pair[0].shape}")
    return pair


def to_score_matrix(scores: npt.ArrayLike, shape: tuple[int, ...], *, finite: bool = False) -> FloatArray:
    """Scores as float64, of the labels' shape and free of NaN (`finite`: of infinity, too)."""
    array = np.asarray(scores, dtype=np.float64)
    if array.shape != shape:
        raise PredictionError(f"scores have shape {array.shape}; expected the labels' {shape}")
    wrong = np.argwhere(~np.isfinite(array) if finite else np.isnan(array))
    if len(wrong):
        record, column = wrong[0]
        expected = "finite numbers" if finite else "numbers (merge_equivalents makes NaN 0, by the official rule)"
        raise PredictionError(
            f"scores hold {array[record, column]} at record {record}, column {column}; expected {expected}"
        )
    return array


def check_weights(weights: FloatArray, n_classes: int) -> None:
    """Refuse weights that have not one row and one column per class."""
    if np.shape(weights) != (n_classes, n_classes):
        raise PredictionError(
            f"labels have {n_classes} classes, weights the shape {np.shape(weights)}; "
            f"expected one row and column per class"
        )
