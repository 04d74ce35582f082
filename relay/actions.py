"""What the hub asks its shell to carry out, in order.

Nothing here does anything. Before: hub.py. After: switch.py, or a twin in a test.
"""

from __future__ import annotations

from dataclasses import dataclass

from relay.room import LinkId
from tallow.wire.relay import RelaySays


@dataclass(frozen=True, slots=True)
class Send:
    """Tell a link something."""

    link: LinkId
    message: RelaySays


@dataclass(frozen=True, slots=True)
class Close:
    """End a link after what was sent to it; the hub has forgotten it already."""

    link: LinkId


Action = Send | Close
