"""What the text of a WFDB header states: signals, segments, formats.

Nothing here reads a file or a sample; text comes in, values or a HeaderError go out.

Why it is as it is: `docs/decisions/ecg.md`.
"""
