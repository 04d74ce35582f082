"""Events: one JSON object each, {"v":1,"event":…}, and never anything that JSON cannot hold."""

from __future__ import annotations

import json
import re
import typing

import msgspec
import pytest

from tallow.engine import events as e
from tallow.engine.events import encode_event, is_final
from tests.engine.samples import EVERY


def name_of(event: object) -> str:
    """Return an event's class name, for the test's id."""
    return type(event).__name__


def test_the_list_is_whole() -> None:
    """Every event of the union has a sample, and every event class is in the union."""
    union = set(typing.get_args(e.AnyEvent))
    assert {type(event) for event in EVERY} == union
    assert set(e.Event.__subclasses__()) == union


@pytest.mark.parametrize("event", EVERY, ids=name_of)
def test_an_event_is_one_line_of_json(event: e.AnyEvent) -> None:
    """Version and name come first; every field follows under its own name; one line."""
    raw = encode_event(event)
    shown = json.loads(raw)
    assert list(shown)[:2] == ["v", "event"]
    assert shown["v"] == e.EVENT_VERSION == 1
    assert shown["event"] == type(event).__struct_config__.tag
    assert set(shown) == {"v", "event", *type(event).__struct_fields__}
    assert b"\n" not in raw


@pytest.mark.parametrize("event", EVERY, ids=name_of)
def test_an_event_survives_json(event: e.AnyEvent) -> None:
    """Whoever reads --json can have the very event back."""
    raw = b"{" + encode_event(event).removeprefix(b'{"v":1,')
    assert msgspec.json.decode(raw, type=e.AnyEvent) == event


def test_names_are_dotted_and_stand_alone() -> None:
    """Scripts match on names: each is its own, in the form noun.word."""
    names = [kind.__struct_config__.tag for kind in typing.get_args(e.AnyEvent)]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", str(name)), name


@pytest.mark.parametrize("event", EVERY, ids=name_of)
def test_an_event_is_frozen(event: e.AnyEvent) -> None:
    """What happened stays as it happened."""
    with pytest.raises(AttributeError):
        event.ticket = 2  # type: ignore[misc]


def test_names_that_are_no_unicode_are_shown_somehow() -> None:
    """A local file name of any bytes does not break --json, at whatever depth it stands."""
    entry = e.OfferEntry(0, "a\udcffb", "c\udc80", "file", 1, [])
    offer = e.OfferReceived(
        1, "files", 1, 0, 1, None, "", [entry], [], 0, "/tmp/\udcfe/", verified=False,
        fingerprint="", name="", on_conflict="ask",
    )  # fmt: skip
    shown = json.loads(encode_event(offer))
    assert shown["event"] == "offer.received"
    assert shown["entries"][0]["path"].startswith("a\ufffd")
    assert shown["free_bytes"] is None
    assert "\udcfe" not in shown["output"]


def test_peer_text_is_escaped_by_json() -> None:
    """X05: control characters of a peer never reach a terminal through --json."""
    raw = encode_event(e.TextArrived(1, "\x1b[31m\n\x9b", "", ""))
    assert b"\x1b" not in raw
    assert b"\n" not in raw


def test_two_events_are_final() -> None:
    """Nothing comes after done or error of a ticket."""
    finals = {type(event) for event in EVERY if is_final(event)}
    assert finals == {e.TransferDone, e.TransferError}
