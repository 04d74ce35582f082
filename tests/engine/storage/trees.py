"""Folders to list and to send, made on the disk for tests of single rooms.

tests/world has its own; that one brings a whole engine along.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def make(folder: Path, content: Mapping[str, bytes | None]) -> Path:
    """Make files, and folders where there are no bytes, and return the folder."""
    for name, body in content.items():
        path = folder / name
        if body is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
    return folder
