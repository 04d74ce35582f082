"""How a way fails, in words, and who may be asked about a certificate."""

from __future__ import annotations

import errno

import pytest

from tallow.engine.transport import pins
from tallow.engine.transport.way import (
    asks_ca,
    certificate_refused,
    may_have_ca,
    needs_ca,
    no_answer,
    no_relay,
    os_reason,
    unreachable,
)
from tallow.protocol.address import RelayAddress

REFUSED = errno.ECONNREFUSED
ADDRESS = RelayAddress("relay.example", 4433)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('::1', 1)"), "connection refused"),
        (
            OSError(f"Multiple exceptions: [Errno {REFUSED}] a, [Errno {REFUSED}] b"),
            "connection refused",
        ),
        (
            OSError(f"Multiple exceptions: [Errno {REFUSED}] a, [Errno {errno.ENETUNREACH}] b"),
            "connection refused, network is unreachable",
        ),
        (OSError(-2, "Name or service not known"), "Name or service not known"),
        (OSError("something else"), "something else"),
    ],
)
def test_the_system_says_why(error: OSError, reason: str) -> None:
    """The reason is the system's, without the addresses that Python puts in."""
    assert os_reason(error) == reason


def test_every_failure_names_the_relay_and_a_way_out() -> None:
    """What happened, why, and what to do; only what answered is told from silence."""
    failures = [
        unreachable(ADDRESS, "connection refused"),
        no_answer(ADDRESS, 5),
        no_relay(ADDRESS, "wrong version number"),
        certificate_refused(ADDRESS, "certificate has expired"),
    ]
    for failed in failures:
        assert str(ADDRESS) in failed.error.message
        assert failed.error.hint
        assert failed.reason
    assert [failed.answered for failed in failures] == [False, False, True, True]


@pytest.mark.parametrize(
    ("host", "may"),
    [("relay.example", True), ("localhost", False), ("pi.local", False), ("::1", False)],
)
def test_only_public_names_have_certificates(host: str, may: bool) -> None:
    """No authority vouches for an address or a name of this network."""
    assert may_have_ca(host) is may


def test_a_pin_replaces_the_authority() -> None:
    """Who has a pin asks nobody else; who was vouched for once must be again."""
    pinned = pins.Trust("ab" * 32, from_address=False)
    vouched = pins.Trust(pins.CA_SIGNED, from_address=False)
    unknown = pins.Trust("", from_address=False)
    assert [asks_ca(trust, ADDRESS) for trust in (pinned, vouched, unknown)] == [False, True, True]
    assert [needs_ca(trust) for trust in (pinned, vouched, unknown)] == [False, True, False]
    assert not asks_ca(unknown, RelayAddress("127.0.0.1", 4433))
