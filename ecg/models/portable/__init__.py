"""A model with everything after the windows, as one network that can be exported: what numpy does elsewhere, in torch.

Nothing here trains or writes; each part is held by tests to the original that it repeats.

Why it is as it is: `docs/decisions/export.md`.
"""
