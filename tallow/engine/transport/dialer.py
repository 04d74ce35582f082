"""Names are resolved and connections are made here and nowhere else.

So a proxy, Tor or another resolver can replace this one class whole. A relay's key is checked
against its pin before a single byte of ours is written. TCP and QUIC are two ways to one relay:
when the preferred one does not stand soon, the other is tried beside it. QUIC is loaded when it
is first dialled (quic_way.py). Spec: docs/protocol.md §4.4.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Mapping, Sequence
from typing import Final

from tallow.engine.ports import Detour, StateStore
from tallow.engine.settings import TransportChoice
from tallow.engine.transport import pins
from tallow.engine.transport.frame_buffers import FrameBuffers
from tallow.engine.transport.lane_dial import through_relay
from tallow.engine.transport.race import NothingStands, Race
from tallow.engine.transport.sealed_lane import LaneConnection
from tallow.engine.transport.tcp import TcpConnection
from tallow.engine.transport.way import (
    Standing,
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
from tallow.errors import RelayUnreachable
from tallow.protocol.address import RelayAddress
from tallow.protocol.lane_proof import LaneJoin
from tallow.wire.relay import ALPN

CONNECT_WITHIN_S = 10.0
HEAD_START_S = 1.0
"""How long the preferred transport is tried alone."""
HAPPY_EYEBALLS_S = 0.25

ORDERS: Final[dict[TransportChoice, tuple[str, ...]]] = {
    "auto": ("tcp", "quic"),
    "tcp": ("tcp",),
    "quic": ("quic", "tcp"),
}
"""Bulk belongs on TCP: QUIC costs many times the CPU per byte."""
NAMES: Final = {"tcp": "TCP", "quic": "QUIC"}


class SystemDialer:
    """TCP and TLS, or QUIC, by the operating system."""

    def __init__(self, state: StateStore, transport: TransportChoice = "auto") -> None:
        """Keep pins in ``state``; ``transport`` says what is tried, and what is tried first."""
        self._state = state
        self._order = ORDERS[transport]
        self._lane_buffers = FrameBuffers()
        self._stood: dict[str, str] = {}
        """By relay: what stood in place of the preferred transport, and is tried first now."""

    async def dial(self, address: RelayAddress) -> Standing:
        """Connect, shake hands and check the pin, by whichever transport gets there first.

        Raises: RelayUnreachable, RelayKeyChanged.
        """
        trust = pins.known(self._state, address)
        stood = self._stood.get(str(address))
        order = sorted(self._order, key=lambda name: name != stood)
        race: Race[Standing, WayFailed] = Race(
            [functools.partial(_WAYS[name], address, trust) for name in order],
            head_start_s=HEAD_START_S,
            failure=WayFailed,
            discard=_hang_up,
        )
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                won, connection = await race.run()
        except (NothingStands, TimeoutError):
            raise _all_failed(address, order, race.failures) from None
        if not trust.pin:
            pin = pins.CA_SIGNED if connection.by_ca else connection.key_hash.hex()
            pins.remember(self._state, address, pin)
            connection.first_use = True
        if won:
            self._stood[str(address)] = order[won]
            failed = race.failures.get(0, no_answer(address, HEAD_START_S))
            connection.detour = Detour(order[0], order[won], failed.reason)
        return connection

    async def dial_lane(
        self, address: RelayAddress, token: bytes, join: LaneJoin
    ) -> LaneConnection:
        """Connect a lane through a relay and prove it.

        Raises: LinkError, TimedOut, RemoteProtocolError; only this lane is lost.
        """
        return await through_relay(address.host, address.port, token, join, self._lane_buffers)


def _hang_up(loser: Standing) -> None:
    """End the connection that lost a race: nothing was said over it."""
    if isinstance(loser, TcpConnection):
        loser.hang_up()
    else:
        loser.close()


def _all_failed(
    address: RelayAddress, order: Sequence[str], failures: Mapping[int, WayFailed]
) -> RelayUnreachable:
    """Tell of the way that says most, and why each of them failed."""
    silence = no_answer(address, CONNECT_WITHIN_S)
    each = [failures.get(way, silence) for way in range(len(order))]
    told = next((failed for failed in each if failed.answered), each[0]).error
    if len(each) == 1:
        return told
    why = "; ".join(
        f"over {NAMES[name]}: {failed.reason}" for name, failed in zip(order, each, strict=True)
    )
    return RelayUnreachable(told.message, why=why, hint=told.hint)


async def _over_tcp(address: RelayAddress, trust: pins.Trust) -> Standing:
    try:
        connection = await _connect(address, trust)
    except ssl.SSLCertVerificationError as error:
        raise certificate_refused(address, error.verify_message) from None
    except ssl.SSLError as error:
        why = (getattr(error, "reason", None) or "TLS failed").replace("_", " ").lower()
        raise no_relay(address, why) from None
    except ValueError as error:
        raise no_relay(address, str(error)) from None
    except OSError as error:
        raise unreachable(address, os_reason(error)) from None
    try:
        pins.check(trust, address, connection.key_hash.hex())
    except BaseException:  # a cancelled dial leaves no connection either
        connection.hang_up()
        await connection.closed()
        raise
    return connection


async def _over_quic(address: RelayAddress, trust: pins.Trust) -> Standing:
    try:
        from tallow.engine.transport.quic_way import over_quic  # a tenth of a second
    except ImportError as error:
        raise unreachable(address, f"QUIC cannot be loaded here ({error.name})") from None
    return await over_quic(address, trust)


_WAYS: Final = {"tcp": _over_tcp, "quic": _over_quic}


async def _connect(address: RelayAddress, trust: pins.Trust) -> TcpConnection:
    by_ca = asks_ca(trust, address)
    try:
        connection = await _open(address, tls_context(verify=by_ca))
    except ssl.SSLCertVerificationError:
        if needs_ca(trust):
            raise
        by_ca = False
        connection = await _open(address, tls_context(verify=False))
    connection.by_ca = by_ca
    return connection


async def _open(address: RelayAddress, context: ssl.SSLContext) -> TcpConnection:
    transport, connection = await asyncio.get_running_loop().create_connection(
        TcpConnection,
        address.host,
        address.port,
        ssl=context,
        server_hostname=address.host,
        happy_eyeballs_delay=HAPPY_EYEBALLS_S,
    )
    tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
    if tls.selected_alpn_protocol() != ALPN:
        transport.abort()
        raise ssl.SSLError(1, "no Tallow relay")
    connection.key_hash = spki_sha256(tls.getpeercert(binary_form=True) or b"")
    return connection


def tls_context(*, verify: bool) -> ssl.SSLContext:
    """Return a TLS 1.3 context: by certificate authority, or by pin after the handshake."""
    context = ssl.create_default_context() if verify else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        # The pin replaces the authority: pins.check runs before anything is sent.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([ALPN])
    return context
