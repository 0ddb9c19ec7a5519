"""Records into a store; nothing here trains or knows torch."""
