"""Two machines over an in-memory path that loses, reorders, repeats, splits and forges."""
