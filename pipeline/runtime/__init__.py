"""How work is done whatever it is: threads, memory, devices, progress, locks, scratch folders, names that can be shown.

Nothing here knows what an ECG is, or what the work is for.

Why it is as it is: `docs/decisions/runtime.md`.
"""
