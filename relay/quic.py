"""QUIC beside TCP: which datagram belongs to which connection, and who may begin one.

A stranger's first datagram costs a relay a handshake before the stranger has proven its address.
So only a few handshakes run unproven; beyond that a newcomer has to answer a Retry first, which
costs the relay no state and the newcomer one round trip. A connection becomes a link when its
stream carries bytes. This module is imported at the first QUIC datagram and never parses a frame.
Before: udp.py. After: quic_wire.py. Spec: docs/protocol.md §4.4; RFC 9000 §8.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from aioquic.buffer import Buffer  # type: ignore[attr-defined]  # documented, not declared
from aioquic.quic.packet import QuicHeader, encode_quic_retry, pull_quic_header
from aioquic.quic.retry import QuicRetryTokenHandler

from relay.link import Link
from relay.quic_wire import QuicWire
from relay.quota import address_key
from relay.udp import Address, Reply, begins_quic
from tallow.wire import limits
from tallow.wire.quic import server_configuration, server_line

_ID_BYTES = 8
_LONG = 0x80


class House(Protocol):
    """What QUIC needs from the server."""

    now: Callable[[], float]
    """The relay's clock, which links live by."""
    loop_time: Callable[[], float]
    """The event loop's clock, which timers live by."""
    random_bytes: Callable[[int], bytes]

    def admit(self, wire: QuicWire, address: str) -> Link:
        """Give a new connection its link."""

    def left(self, wire: QuicWire) -> None:
        """Note that a connection which had a link is gone."""

    def may_knock(self, address: str) -> bool:
        """Tell whether a handshake with this address is worth its cost."""


class QuicLobby:
    """All QUIC connections of a relay, by the connection ids that datagrams name."""

    def __init__(self, house: House, certificate_pem: bytes, key_pem: bytes) -> None:
        """Show this certificate; ValueError if it and its key cannot be read."""
        self.share_bytes = limits.QUIC_WINDOW_MAX_BYTES
        """What one link may send ahead, or leave unacknowledged."""
        self._house = house
        self._configuration = server_configuration(certificate_pem, key_pem)
        self._tokens = QuicRetryTokenHandler()
        self._wires: dict[bytes, QuicWire] = {}
        self._links = 0
        self._half_open: dict[QuicWire, str] = {}
        self._half_open_from: Counter[str] = Counter()
        self._closed = False
        self._second = 0
        self._begun = 0
        """Handshakes begun in this second."""

    # --- relay.udp.QuicSide -------------------------------------------------------------------

    def receive(self, datagram: bytes, address: Address, reply: Reply) -> None:
        """Hand a datagram to its connection, or begin one."""
        wire = self._wires.get(_id_in(datagram))
        if wire is None and begins_quic(datagram) and not self._closed:
            wire = self._begin(datagram, address, reply)
        if wire is not None:
            wire.receive(datagram, address, reply)

    # --- what a QuicWire says -----------------------------------------------------------------

    def named(self, wire: QuicWire, connection_id: bytes) -> None:
        """Lead datagrams for this id to the wire."""
        self._wires[connection_id] = wire

    def unnamed(self, connection_id: bytes) -> None:
        """Lead datagrams for this id nowhere."""
        self._wires.pop(connection_id, None)

    def admit(self, wire: QuicWire, address: str) -> Link:
        """Make a link of a connection whose stream speaks."""
        self._is_whole(wire)
        self._links += 1
        self._share()
        return self._house.admit(wire, address)

    def left(self, wire: QuicWire, names: set[bytes], *, was_link: bool) -> None:
        """Forget a connection."""
        for connection_id in names:
            self.unnamed(connection_id)
        self._is_whole(wire)
        if was_link:
            self._links -= 1
            self._share()
            self._house.left(wire)

    def close(self) -> None:
        """Begin nothing more, and end what has not become a link."""
        self._closed = True
        for wire in list(self._half_open):
            wire.abort()

    # --- inside -------------------------------------------------------------------------------

    def _begin(self, datagram: bytes, address: Address, reply: Reply) -> QuicWire | None:
        try:
            header = pull_quic_header(Buffer(data=datagram), host_cid_length=_ID_BYTES)
        except ValueError:
            return None
        host = str(address[0])
        key = address_key(host)
        if not self._house.may_knock(host):
            return None
        proven_id = self._proven(header, address)
        if proven_id is None and self._is_busy(key):
            self._send_retry(header, address, reply)
            return None
        if (
            len(self._half_open) >= limits.RELAY_HALF_OPEN_MAX
            or self._half_open_from[key] >= limits.RELAY_HALF_OPEN_PER_ADDRESS_MAX
            or self._has_begun_enough()
        ):
            return None
        line = server_line(
            self._configuration,
            proven_id or header.destination_cid,
            header.destination_cid if proven_id else None,
        )
        wire = QuicWire(self._house, self, line, host)
        self._half_open[wire] = key
        self._half_open_from[key] += 1
        for connection_id in (header.destination_cid, line.host_id):
            wire.name(connection_id)
        return wire

    def _is_busy(self, key: str) -> bool:
        return (
            len(self._half_open) >= limits.RELAY_HALF_OPEN_FREE_MAX
            or self._half_open_from[key] >= limits.RELAY_HALF_OPEN_FREE_PER_ADDRESS_MAX
        )

    def _has_begun_enough(self) -> bool:
        second = int(self._house.loop_time())
        if second != self._second:
            self._second, self._begun = second, 0
        self._begun += 1
        return self._begun > limits.RELAY_HANDSHAKES_PER_S_MAX

    def _proven(self, header: QuicHeader, address: Address) -> bytes | None:
        """Return the id of the first datagram if this one answers our Retry to that one."""
        if not header.token:
            return None
        try:
            return self._tokens.validate_token(
                address=address,
                destination_cid=header.destination_cid,
                token=header.token,
                now=self._house.loop_time(),
            )
        except ValueError:
            return None

    def _send_retry(self, header: QuicHeader, address: Address, reply: Reply) -> None:
        retry_id = self._house.random_bytes(_ID_BYTES)
        token = self._tokens.create_token(
            address=address,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=retry_id,
            now=self._house.loop_time(),
        )
        answer = encode_quic_retry(
            version=header.version or 0,
            source_cid=retry_id,
            destination_cid=header.source_cid,
            original_destination_cid=header.destination_cid,
            retry_token=token,
        )
        reply(answer, address)

    def _is_whole(self, wire: QuicWire) -> None:
        key = self._half_open.pop(wire, None)
        if key is not None:
            self._half_open_from[key] -= 1
            if not self._half_open_from[key]:
                del self._half_open_from[key]

    def _share(self) -> None:
        fair = limits.RELAY_QUIC_WINDOWS_BYTES // max(1, self._links)
        self.share_bytes = max(
            limits.QUIC_WINDOW_MIN_BYTES, min(limits.QUIC_WINDOW_MAX_BYTES, fair)
        )


def _id_in(datagram: bytes) -> bytes:
    """Return the connection id that a datagram is for: ours have eight bytes."""
    if datagram and not datagram[0] & _LONG:
        return datagram[1 : 1 + _ID_BYTES]
    return datagram[6 : 6 + datagram[5]] if len(datagram) > 6 else b""
