"""Events of a meeting, as the union that both styles match on."""

from __future__ import annotations

from typing import get_args

from tallow.engine import events as e


def test_they_are_events() -> None:
    """Whatever happens before an offer is an event like the others, and known to both fronts."""
    meeting = set(get_args(e.MeetingEvent))
    assert meeting < set(get_args(e.AnyEvent)) | meeting
    assert all(issubclass(kind, e.Event) for kind in meeting)
    assert e.PeerUp in meeting
    assert e.OfferReceived not in meeting
