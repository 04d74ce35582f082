"""The way over QUIC: the addresses of a name, the handshake, the pin.

The same certificate and the same rules as over TCP (docs/protocol.md §4.4). Loading this module
loads aioquic, so the dialer does it only when QUIC is dialled. It remembers nothing.
Before: dialer.py. After: quic.py.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from tallow.engine.transport import pins
from tallow.engine.transport.quic import QuicConnection, QuicFailed
from tallow.engine.transport.race import NothingStands, Race
from tallow.engine.transport.way import (
    WayFailed,
    asks_ca,
    certificate_refused,
    needs_ca,
    no_answer,
    no_relay,
    os_reason,
    spki_sha256,
    unreachable,
)
from tallow.protocol.address import RelayAddress
from tallow.wire import limits

WITHIN_S = 5.0
HAPPY_EYEBALLS_S = 0.25
ADDRESSES_TRIED = 4
RECEIVE_BUFFER_BYTES = 4 * limits.MIB
"""What is asked of the kernel, which gives what its owner allows."""


async def over_quic(address: RelayAddress, trust: pins.Trust) -> QuicConnection:
    """Connect, shake hands and check the pin before anything of ours is sent.

    Raises: WayFailed, RelayKeyChanged.
    """
    try:
        async with asyncio.timeout(WITHIN_S):
            connection = await _connect(address)
    except TimeoutError:
        raise no_answer(address, WITHIN_S) from None
    try:
        _check(connection, address, trust)
    except BaseException:
        connection.abort()
        await connection.closed()
        raise
    return connection


async def _connect(address: RelayAddress) -> QuicConnection:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            address.host, address.port, type=socket.SOCK_DGRAM
        )
    except OSError as error:
        raise unreachable(address, os_reason(error)) from None
    places = list(dict.fromkeys((family, place) for family, _, _, _, place in found))
    ways: list[Callable[[], Awaitable[QuicConnection]]] = [
        functools.partial(_stand, address, family, place)
        for family, place in places[:ADDRESSES_TRIED]
    ]
    race = Race(
        ways, head_start_s=HAPPY_EYEBALLS_S, failure=WayFailed, discard=QuicConnection.abort
    )
    try:
        _, connection = await race.run()
    except NothingStands:
        failures = list(race.failures.values())
        raise next((failed for failed in failures if failed.answered), failures[0]) from None
    return connection


async def _stand(address: RelayAddress, family: int, place: Any) -> QuicConnection:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        # A connected socket hears that a port is closed, and hears nobody else.
        sock.connect(place)
        _, connection = await asyncio.get_running_loop().create_datagram_endpoint(
            functools.partial(QuicConnection, address.host, sock), sock=sock
        )
    except OSError as error:
        sock.close()
        raise unreachable(address, os_reason(error)) from None
    try:
        await connection.stand()
    except QuicFailed as failed:
        connection.abort()
        kind = no_relay if failed.answered else unreachable
        raise kind(address, failed.why) from None
    except BaseException:
        connection.abort()
        raise
    return connection


def _check(connection: QuicConnection, address: RelayAddress, trust: pins.Trust) -> None:
    connection.key_hash = spki_sha256(connection.certificate_der)
    connection.by_ca = asks_ca(trust, address) and connection.is_vouched_for()
    if needs_ca(trust) and not connection.by_ca:
        raise certificate_refused(address, "no certificate authority vouches for it")
    pins.check(trust, address, connection.key_hash.hex())
