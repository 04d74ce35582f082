"""Two engines and a relay in memory: whole transfers, deterministic in time and order."""
