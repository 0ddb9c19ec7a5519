"""Records into a store: planned from headers, converted by workers, journalled, made whole; and what a store holds.

Nothing here trains or knows torch.

Why it is as it is: `docs/decisions/ingest.md`.
"""
