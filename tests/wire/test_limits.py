"""The page of limits: the figures must agree with one another, whatever each one is."""

from __future__ import annotations

from tallow.wire import limits
from tallow.wire.frames import LINK_CAPS, LinkType
from tallow.wire.relay import (
    Auth,
    Claim,
    ClientHello,
    Join,
    Meet,
    Paired,
    client_frame,
    relay_frame,
)

FLIGHT = bytes(limits.FLIGHT_MAX_BYTES + 5)
LONGEST_PLATE = "9" * limits.PLATE_MAX_DIGITS


def test_every_limit_is_a_positive_number() -> None:
    """X10: no cap is zero, negative or missing."""
    figures = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert figures
    assert all(isinstance(value, int | float) and value > 0 for value in figures.values())


def test_the_largest_opening_fits_the_first_message_cap() -> None:
    """X10: hello, proof and the largest join together stay under what a stranger may send."""
    opening = (
        client_frame(ClientHello([65535] * 8, bytes(32)))
        + client_frame(Auth(bytes(32)))
        + client_frame(Join(LONGEST_PLATE, FLIGHT))
    )
    assert len(opening) <= limits.FIRST_MESSAGE_MAX_BYTES


def test_every_relay_message_fits_a_control_frame() -> None:
    """The largest message of each side is within the cap of its frame."""
    largest = [
        client_frame(Join(LONGEST_PLATE, FLIGHT)),
        client_frame(Claim(LONGEST_PLATE, limits.EXPIRES_MAX_S)),
        client_frame(Meet(bytes(32), limits.EXPIRES_MAX_S)),
        relay_frame(Paired("creator", FLIGHT)),
    ]
    cap = limits.CONTROL_MAX_BYTES + limits.LINK_HEADER_BYTES
    assert all(len(frame) <= cap for frame in largest)


def test_a_bulk_record_of_full_leaves_fits_a_data_frame() -> None:
    """The largest record with header, entries and tag is exactly the largest DATA body."""
    record = limits.RECORD_HEADER_BYTES + limits.RECORD_BODY_MAX_BYTES + limits.TAG_BYTES
    assert 4 + record == limits.FRAME_MAX_BYTES == LINK_CAPS[LinkType.DATA]
    assert limits.RECORD_BODY_MAX_BYTES > limits.RECORD_LEAVES_MAX_BYTES


def test_flights_are_forwarded_whole() -> None:
    """A flight never leaves the relay in pieces, so a link that dies cannot cut one."""
    assert limits.RELAY_WHOLE_MAX_BYTES >= limits.FLIGHT_MAX_BYTES + 5


def test_clients_ping_before_the_relay_gives_up() -> None:
    """Two pings may be lost before a link counts as silent."""
    assert 3 * limits.PING_EVERY_S < limits.RELAY_IDLE_S
