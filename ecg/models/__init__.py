"""The networks, rebuilt from a stored configuration; the only place below `pipeline/` that knows torch."""
