"""Pictures that are sent without their metadata: planned while listing, read in pieces later.

The plan says which bytes of the file go and which short pieces stand in for others; nothing is
copied and the file itself is not changed. A picture that cannot be stripped for certain is not
sent. Before: walk.py. After: outbox.py reads through the plan.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from tallow.engine.metadata.detect import plan_strip
from tallow.engine.metadata.pieces import Pieces, read_pieces, stripped_size


@dataclass(frozen=True, slots=True)
class Stripped:
    """A picture's plan, and the size of the file that it was made for."""

    pieces: Pieces
    file_bytes: int

    @property
    def sent_bytes(self) -> int:
        """How many bytes are sent of it."""
        return stripped_size(self.pieces)

    def read_into(
        self, offset: int, room: memoryview, read_file: Callable[[int, memoryview], None]
    ) -> None:
        """Fill ``room`` with what is sent, at an offset of it."""
        read_pieces(self.pieces, offset, room, read_file)


def plan_picture(descriptor: int, file_bytes: int) -> Stripped | None:
    """Return the plan of an open file, or None if it is no picture or has nothing to strip.

    Raises: StripRefused if metadata could stay in it, OSError if it cannot be read.
    """

    def read_at(offset: int, length: int) -> bytes:
        if hasattr(os, "pread"):
            content = os.pread(descriptor, length, offset)
        else:
            os.lseek(descriptor, offset, os.SEEK_SET)
            content = os.read(descriptor, length)
        if len(content) < length:
            raise OSError("it became shorter while it was listed")
        return content

    pieces = plan_strip(read_at, file_bytes)
    return None if pieces is None else Stripped(pieces, file_bytes)
