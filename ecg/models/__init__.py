"""Networks from configuration to logits: builders, what is trained, normalisation, augmentation, losses, output layers.

Nothing here knows a store, a file or an epoch; this room and the rooms in it alone know torch below `pipeline/`.

Why it is as it is: `docs/decisions/models.md`.
"""
