"""Samples and what may be done to them: leads, gains, records and recordings, resampling, filters, windows, quality.

Nothing here knows a file, a label or a network; a signal is an array of (lead, sample) with its leads and its rate.

Why it is as it is: `docs/decisions/ecg.md`.
"""
