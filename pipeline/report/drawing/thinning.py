"""Lines with no more points than they need."""

import numpy as np
from numpy.typing import NDArray


def thin(x: NDArray[np.float64], y: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """Which points of a line to keep, so that no other is further than `tolerance` above or below what is drawn.

    From each kept point the lines that pass all following points closely enough form a cone; the last point in it is
    kept next. The first and the last point always are.

    Parameters
    ----------
    x : shape (point,), ascending
    y : same shape, without NaN
    """
    if len(x) < 3:
        return np.arange(len(x))
    kept, anchor = [0], 0
    low, high = -np.inf, np.inf
    xs, ys = x.tolist(), y.tolist()
    for number in range(1, len(xs)):
        run = xs[number] - xs[anchor]
        slope = (ys[number] - ys[anchor]) / run
        if not low <= slope <= high:
            anchor = number - 1
            kept.append(anchor)
            run = xs[number] - xs[anchor]
            slope = (ys[number] - ys[anchor]) / run
            low, high = -np.inf, np.inf
        low, high = max(low, slope - tolerance / run), min(high, slope + tolerance / run)
    return np.array([*kept, len(xs) - 1])
