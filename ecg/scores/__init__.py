"""What predictions are worth: the Challenge's metric, curves, intervals, calibration, thresholds, and prediction text.

Nothing here knows where predictions come from; arrays and text come in, figures go out.

Why it is as it is: `docs/decisions/ecg.md`.
"""
