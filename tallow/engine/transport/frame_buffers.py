"""Buffers of one whole peer frame each, reused by all lanes of a session.

Nothing here knows what stands in them. Before: sealed_lane.py fills them. After: whoever opens the
record gives them back.
"""

from __future__ import annotations

from tallow.wire import limits

KEPT_BUFFERS = 8


class FrameBuffers:
    """A small pool."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    def take(self) -> bytearray:
        """Return a buffer that holds any frame; what stands in it is of no use to anybody."""
        return self._free.pop() if self._free else bytearray(limits.FRAME_MAX_BYTES)

    def give_back(self, frame: memoryview) -> None:
        """Take a buffer back; what is not one is ignored."""
        buffer = frame.obj
        if not isinstance(buffer, bytearray) or len(buffer) != limits.FRAME_MAX_BYTES:
            return
        if len(self._free) < KEPT_BUFFERS:
            self._free.append(buffer)
