"""A reader for each format that recordings come in; each makes `ecg.signals.recording.Recording` of a file.

Nothing here chooses among files or formats: `pipeline.recordings` does. A new format is a module here and a line there.

Why it is as it is: `docs/decisions/formats.md`.
"""
