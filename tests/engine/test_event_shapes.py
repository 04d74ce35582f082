"""What events are made of."""

from __future__ import annotations

import msgspec

from tallow.engine import event_shapes
from tallow.engine import events as e


def test_events_give_their_parts_on() -> None:
    """A front door imports one module."""
    for name in ("Event", "OfferEntry", "SyncView", "SyncRemoved", "SyncRound"):
        assert getattr(e, name) is getattr(event_shapes, name)


def test_a_view_of_a_sync_survives_json() -> None:
    """C12: every count of a sync stands in the event's line."""
    view = e.SyncView(1, 2, 3, 4, 5, 6, 7, ["d/x"], wants_delete=True, watch=True)
    assert msgspec.json.decode(msgspec.json.encode(view), type=e.SyncView) == view
