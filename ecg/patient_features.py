"""Age and sex as a network sees them: numbers around 0, with a missing one told apart from any that is there."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

N_PATIENT_FEATURES = 4

OLDEST = 90.0
"""Years. The datasets write 300 for whoever is older than 89, which counts as this."""


def make_patient_features(
    age: NDArray[np.floating] | Sequence[float], sex: NDArray[np.integer] | Sequence[int]
) -> NDArray[np.float32]:
    """Age and sex of patients as network input.

    Parameters
    ----------
    age : shape (patient,), years; NaN where it is not known
    sex : shape (patient,), 0 female, 1 male, -1 where it is not known

    Returns
    -------
    float32 array, shape (patient, 4): (age - 45) / 45, and 1 where the age is known; -1 female and 1 male, and 1
    where the sex is known. What is not known is 0.
    """
    years, code = np.asarray(age, np.float64), np.asarray(sex, np.int64)
    known_age, known_sex = np.isfinite(years) & (years >= 0), code >= 0
    scaled = np.minimum(np.where(known_age, years, 0), OLDEST) / (OLDEST / 2) - 1
    columns = (np.where(known_age, scaled, 0), known_age, np.where(known_sex, 2 * code - 1, 0), known_sex)
    return np.stack(columns, axis=-1).astype(np.float32)
