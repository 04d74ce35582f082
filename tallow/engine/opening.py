"""What a sender begins with: a creator to wait under a code, and the list of files on its way.

Before: exchange.py for one receiver, receivers.py for several. After: meeting.py, storage/walk.py.
Nothing is hashed here: the code is shown while the list is still made.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tallow.engine.commands import SendFiles
from tallow.engine.connecting import relay_of
from tallow.engine.context import ExchangeContext
from tallow.engine.joining import numbered_context
from tallow.engine.meeting import Creator
from tallow.engine.unfinished import ordered_sources
from tallow.engine.wanted import Wanted, walk_options
from tallow.protocol.code import Code, generate_code
from tallow.wire import relay as wire

if TYPE_CHECKING:
    from tallow.engine.storage.sources import SourceTree


def new_creator(
    context: ExchangeContext, wanted: Wanted, code: Code | None, *, receivers: int = 1
) -> Creator:
    """Return who waits under this code, or under a fresh one; nothing is dialled yet."""
    random_bytes = context.ports.rng.bytes
    return Creator(
        context,
        relay_of(context, code),
        wire.Allocate(wanted.expires_s)
        if code is None
        else wire.Claim(code.plate, wanted.expires_s),
        lambda plate: code or generate_code(plate, wanted.words, random_bytes),
        numbered_context,
        expires_s=wanted.expires_s,
        receivers=receivers,
    )


async def start_walk(context: ExchangeContext, command: SendFiles) -> asyncio.Future[SourceTree]:
    """Return the list of files that will be; SourceUnreadable at once if a source is missing."""
    from tallow.engine.storage.walk import check_sources, walk_sources

    workers, sources = context.ports.workers, ordered_sources(command)
    await workers.submit(check_sources, sources)
    return workers.submit(walk_sources, sources, command.exclude, walk_options(command))
