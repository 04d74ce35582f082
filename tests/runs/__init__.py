"""Real runs: a relay process, two programs, real files, as a user would type it."""
