"""TCP, QUIC and the way from one to the other, with real processes."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallow.protocol.address import parse_address
from tests.engine.transport.relays import silent_udp, udp_only
from tests.runs.programs import Ended, Person, RelayProcess, make_tree, relay_running, tree_of

pytestmark = pytest.mark.wire

GOING_ON = "going on over"


@contextmanager
def udp_only_relay() -> Iterator[str]:
    """Hold a relay at whose TCP port nothing listens, and return its address."""
    told: list[str] = []
    there, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with udp_only() as (_, address):
            told.append(str(address))
            there.set()
            while not over.is_set():  # noqa: ASYNC110 - the test's thread has no loop to signal from
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert there.wait(10)
        yield told[0]
    finally:
        over.set()
        thread.join()


def transferred(
    alice: Person, bob: Person, sending: list[str], receiving: list[str]
) -> list[Ended]:
    """Send a tree from one to the other, check that it arrived, and return what both said."""
    content = random.Random(7).randbytes(1_500_001)
    make_tree(alice.folder, {"tree/large": content, "tree/small": b"s", "tree/empty": b""})
    sender = alice.start("send", "tree", *sending)
    received = bob.run("receive", sender.first_line(), "--yes", *receiving)
    sent = sender.end()
    assert (received.code, sent.code) == (0, 0), received.err + sent.err
    assert tree_of(bob.folder) == tree_of(alice.folder)
    return [sent, received]


def detours(ended: Ended) -> list[str]:
    """Return the lines that speak of another transport."""
    return [line for line in ended.err.splitlines() if GOING_ON in line]


QUIC, TCP = ["--transport", "quic"], ["--transport", "tcp"]


@pytest.mark.parametrize(
    ("sending", "receiving"),
    [(QUIC, QUIC), (QUIC, TCP), (TCP, QUIC)],
    ids=["QUIC and QUIC", "QUIC and TCP", "TCP and QUIC"],
)
def test_a_transfer_completes_over_any_pair(
    alice: Person, bob: Person, relay: RelayProcess, sending: list[str], receiving: list[str]
) -> None:
    """B2: two QUIC clients, and one QUIC with one TCP client, transfer everything."""
    verbose = [[*options, "-v"] for options in (sending, receiving)]
    # With the key in the address the line about the relay is not one about a first use.
    alice.relay = bob.relay = f"{relay.address}#{relay.pin}"
    for ended, options in zip(transferred(alice, bob, *verbose), (sending, receiving), strict=True):
        assert f"over {options[1]}." in ended.err
        assert not detours(ended)


def test_a_run_over_tcp_loads_no_quic(alice: Person, bob: Person) -> None:
    """B2: aioquic costs a transfer over TCP nothing; over QUIC it is loaded."""
    for person in (alice, bob):
        person.extra["PYTHONPROFILEIMPORTTIME"] = "1"
    for ended in transferred(alice, bob, [], []):
        assert "tallow.engine.transport.dialer" in ended.err
        assert "aioquic" not in ended.err
    asked = bob.run("receive", "1-a-b-c", "--yes", *QUIC)
    assert "aioquic" in asked.err


def test_a_blocked_tcp_goes_on_over_quic(alice: Person, bob: Person) -> None:
    """B2: auto takes QUIC where TCP is refused, says so in one line, and transfers."""
    with udp_only_relay() as address:
        alice.relay = bob.relay = address
        for ended in transferred(alice, bob, [], []):
            assert detours(ended) == [
                f"TCP to {address} did not connect (connection refused); going on over QUIC."
            ]


def test_a_blocked_udp_goes_on_over_tcp(alice: Person, bob: Person, tmp_path: Path) -> None:
    """B2: forced QUIC takes TCP where datagrams are swallowed, says so in one line, transfers."""
    with relay_running(tmp_path / "relay", "--no-quic") as relay:
        alice.relay = bob.relay = relay.address
        with silent_udp(parse_address(relay.address)):
            for ended in transferred(alice, bob, QUIC, QUIC):
                (line,) = detours(ended)
                assert line.startswith(f"QUIC to {relay.address} did not connect (no answer")
                assert line.endswith("going on over TCP.")


def test_a_detour_is_an_event(alice: Person, bob: Person) -> None:
    """B2: --json tells of the detour as an event, -q not at all."""
    make_tree(alice.folder, {"x": b"x"})
    with udp_only_relay() as address:
        alice.relay = bob.relay = address
        sending = alice.start("send", "x", "--json")
        code = str(sending.event("code.allocated")["code"])
        received = bob.run("receive", code, "-y", "-q")
        sent = sending.end()
    assert (received.code, sent.code) == (0, 0), received.err + sent.err
    (event,) = [event for event in sent.events() if event["event"] == "relay.fallback"]
    assert {key: event[key] for key in ("relay", "tried", "used", "why")} == {
        "relay": address, "tried": "tcp", "used": "quic", "why": "connection refused",
    }  # fmt: skip
    assert GOING_ON not in received.err


def test_when_nothing_connects_both_are_named(alice: Person) -> None:
    """B2: the error names TCP and QUIC, each with its reason, and exits 4."""
    make_tree(alice.folder, {"x": b"x"})
    with udp_only_relay() as address:
        pass
    alice.relay = address
    ended = alice.run("send", "x")
    assert ended.code == 4, ended.err
    assert "over TCP: connection refused; over QUIC: connection refused" in ended.err
    assert address in ended.err
