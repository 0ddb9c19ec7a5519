"""What labels mean: SNOMED codes and the Challenge's classes, and the diagnoses that headers write in many ways.

Nothing here knows a score or a sample; whoever decides or scores asks here what a class is.

Why it is as it is: `docs/decisions/ecg.md`.
"""
