"""The transfer machines, each alone and against a peer that cheats."""
