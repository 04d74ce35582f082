"""One link to a relay: dialled, greeted with the password if one is set, and the verb said.

Before: meeting.py, joining.py, reunion.py. After: the dialer, link.py. It waits for no answer.
Spec: docs/protocol.md §4.2, §4.4.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tallow.engine import events as e
from tallow.engine.context import ExchangeContext
from tallow.engine.link import Link
from tallow.errors import NoRelaySet
from tallow.protocol.address import RelayAddress
from tallow.protocol.code import Code
from tallow.protocol.rendezvous import Rendezvous, Verb
from tallow.wire import relay_auth


async def connect(
    context: ExchangeContext,
    address: RelayAddress,
    verb: Verb | Callable[[bytes], Awaitable[Verb]],
) -> Link:
    """Dial a relay and say the verb, or the one made for the relay's key hash.

    The answer is the caller's to await.
    """
    connection = await context.ports.dialer.dial(address)
    if connection.detour is not None:
        tried, used, why = connection.detour.tried, connection.detour.used, connection.detour.why
        context.emit(e.RelayFallback(context.ticket, str(address), tried, used, why))
    try:
        auth_key = await _auth_key(context, connection.relay_key_hash)
        if callable(verb):
            verb = await verb(connection.relay_key_hash)
    except BaseException:  # a cancelled dial leaves no connection either
        connection.close()
        await connection.closed()
        raise
    rendezvous = Rendezvous(
        verb,
        context.ports.rng.bytes,
        auth_key=auth_key,
        relay_key_hash=connection.relay_key_hash,
    )
    rendezvous.begin(context.ports.clock.now())
    link = Link(connection, rendezvous, context.ports.clock)
    context.links.append(link)
    context.ring = link.ring
    context.emit(
        e.RelayConnected(
            context.ticket,
            relay=str(address),
            pin=connection.relay_key_hash.hex(),
            transport=connection.transport_name,
            first_use=connection.first_use,
        )
    )
    link.flush()
    return link


async def _auth_key(context: ExchangeContext, relay_key_hash: bytes) -> bytes | None:
    """Stretch the relay's password, beside the loop, if one is set."""
    if context.settings.relay_password is None:
        return None
    password = bytes(context.settings.relay_password.view()).decode()
    return await context.ports.workers.submit(relay_auth.relay_key, password, relay_key_hash)


def relay_of(context: ExchangeContext, code: Code | None = None) -> RelayAddress:
    """Return the relay that a code names, or the one that is set; NoRelaySet if neither."""
    address = code.relay if code is not None and code.relay else context.settings.relay
    if address is None:
        raise NoRelaySet
    return address
