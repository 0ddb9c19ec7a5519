"""An ECG on paper: the grid, the leads' places, a map of what a score rests on.

Nothing here reads or writes a file; a recording comes in, shapes and pictures in memory go out.

Why it is as it is: `docs/decisions/ecg.md`.
"""
