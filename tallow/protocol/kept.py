"""What of an offer does not survive the way: how many of each kind, told by both sides at the end.

Counts only, never names: a person reads one line, and the other side learns no more than that.
Before: the walk on one side and the sink on the other count. After: FINISH and COMPLETE carry it.
Spec: docs/protocol.md §8.5.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from tallow.wire import limits

Count = Annotated[int, msgspec.Meta(ge=0, le=limits.NOT_KEPT_MAX)]


class NotKept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much was not kept, by kind; a count stops at its cap."""

    links: Count = 0
    """Symbolic links that were left out or could not be made."""
    names: Count = 0
    """Names that were changed because the target system does not allow them."""
    modes: Count = 0
    """Files and folders whose mode bits differ: setuid, setgid and sticky never travel."""
    times: Count = 0
    """Files and folders whose time could not be set."""
    xattrs: Count = 0
    """Extended attributes that were too many, too long, or could not be set."""
    holes: Count = 0
    """Sparse files that take their full size."""

    def __add__(self, other: NotKept) -> NotKept:
        """Return the sum of two sides."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return NotKept(*(min(one + two, limits.NOT_KEPT_MAX) for one, two in pairs))

    def __or__(self, other: NotKept) -> NotKept:
        """Return the larger count of each kind: what several receivers of one list lost."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return NotKept(*map(max, pairs))

    def __bool__(self) -> bool:
        return any(msgspec.structs.astuple(self))


ALL_KEPT: Final = NotKept()
