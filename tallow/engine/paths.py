"""Where Tallow keeps what is its own on this machine."""

from __future__ import annotations

from pathlib import Path


def state_folder() -> Path:
    """Return the folder of private state: XDG_STATE_HOME/tallow or what the system uses."""
    from platformdirs import user_state_path  # 15 ms that --help does not need

    return user_state_path("tallow", appauthor=False)
