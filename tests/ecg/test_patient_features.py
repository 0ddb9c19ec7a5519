"""Age and sex as network input."""

import numpy as np

from ecg12.ecg.patient_features import N_PATIENT_FEATURES, make_patient_features


def test_known_and_missing_values_are_told_apart() -> None:
    features = make_patient_features([0, 45, 90, 300, np.nan, -1], [0, 1, -1, 0, 1, -1])
    np.testing.assert_allclose(
        features,
        [
            [-1, 1, -1, 1],
            [0, 1, 1, 1],
            [1, 1, 0, 0],
            [1, 1, -1, 1],  # 300: older than 89
            [0, 0, 1, 1],
            [0, 0, 0, 0],
        ],
    )
    assert features.dtype == np.float32
    assert features.shape[1] == N_PATIENT_FEATURES


def test_no_patients() -> None:
    assert make_patient_features([], []).shape == (0, N_PATIENT_FEATURES)
