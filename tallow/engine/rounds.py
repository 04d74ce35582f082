"""One offer after the other over one session: a watch at the sender, and at the receiver.

The first offer is a sync of everything; after it the sender waits for a change, lists everything
again and offers what is different, or everything if something is gone that should go there too.
After a lost path it begins anew with everything. Either side may end the row while no offer is
open. Before: exchange.py. After: sending.py, receiving.py. Spec: docs/protocol.md §8.10.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from tallow.engine import events as e
from tallow.engine.changes import Changes, Listed
from tallow.engine.commands import Receive, SendFiles
from tallow.engine.context import ExchangeContext
from tallow.engine.deciding import Before
from tallow.engine.greeting import Conversation, check_event, close_session
from tallow.engine.receiving import Receiving
from tallow.engine.sending import Sending
from tallow.engine.source import Source
from tallow.engine.storage.outbox import Outbox
from tallow.engine.storage.sources import SourceTree
from tallow.engine.storage.walk import walk_sources
from tallow.engine.storage.watching import Watch, open_watch
from tallow.engine.unfinished import Past, Unfinished, ordered_sources
from tallow.engine.wanted import walk_options
from tallow.errors import Cancelled, PeerCancelled, RemoteProtocolError, SessionEnded
from tallow.protocol.manifest import Manifest
from tallow.protocol.messages import Sync, Verified

R = TypeVar("R")


def source_of(command: SendFiles, tree: SourceTree, reader: Outbox | None = None) -> Source:
    """Return what a listed tree offers; ``reader`` is one that shares its reads with others."""
    sync = sync_of(command, tree)
    return Source(tree.manifest, reader or Outbox(tree), tree.failed_count, command, sync=sync)


def sync_of(command: SendFiles, tree: SourceTree) -> Sync | None:
    """Return what is said about a sync; None for a copy.

    What could not be listed would look as if it were gone, so then nothing is to be removed.
    """
    if command.mode == "copy":
        return None
    delete = command.delete and not tree.failed_count
    return Sync(whole=True, delete=delete, watch=command.mode == "watch")


@dataclass(slots=True)
class _Sum:
    """What several offers come to."""

    done: e.TransferDone | None = None
    rounds: int = 0

    def add(self, context: ExchangeContext, done: e.TransferDone) -> None:
        """Count one, and tell of it."""
        self.rounds += 1
        context.emit(
            e.SyncRound(
                context.ticket, self.rounds, done.files, done.total_bytes, done.failed, done.seconds
            )
        )
        before = self.done
        if before is not None:
            done = _together(before, done)
        self.done = done


def _together(one: e.TransferDone, two: e.TransferDone) -> e.TransferDone:
    return e.TransferDone(
        two.ticket,
        direction=two.direction,
        files=one.files + two.files,
        total_bytes=one.total_bytes + two.total_bytes,
        seconds=one.seconds + two.seconds,
        failed=two.failed,
        roots=two.roots,
        output=two.output,
        mode=two.mode,
        left_files=two.left_files,
        removed=one.removed + two.removed,
    )


# --- sender -----------------------------------------------------------------------------------


class SendRounds:
    """A watch: offers until somebody ends it."""

    def __init__(
        self,
        context: ExchangeContext,
        source: Source,
        command: SendFiles,
        unfinished: Unfinished,
    ) -> None:
        self._context = context
        self._command = command
        self._unfinished = unfinished
        self._first: Source | None = source
        self._whole = source.manifest
        """Everything that was offered so far, as it was listed last."""
        self._again: frozenset[str] = frozenset()
        self._sum = _Sum()

    async def run(self, conversation: Conversation, known: list[Past]) -> e.TransferDone:
        """Serve one session; a TallowError ends it early, but for the peer's own end."""
        watch = open_watch(ordered_sources(self._command), self._command.poll_s)
        try:
            source = self._first or await self._everything(conversation)
            self._first = None
            offer_no = 1
            while True:
                done = await self._offer(conversation, source, known, offer_no)
                listed = Listed(self._whole)
                known, offer_no = [], offer_no + 1
                following = await self._next(conversation, watch, listed)
                if following is None:
                    return done
                source = following
        finally:
            await watch.close()

    async def _offer(
        self, conversation: Conversation, source: Source, known: list[Past], offer_no: int
    ) -> e.TransferDone:
        sending = Sending(
            self._context,
            conversation,
            source,
            self._command.options,
            self._unfinished,
            known,
            offer_no,
        )
        done = await sending.run()
        conversation.early = None
        self._again = sending.failed_paths
        self._sum.add(self._context, done)
        await self._unfinished.forget()
        return self._sum.done or done

    async def _next(
        self, conversation: Conversation, watch: Watch, listed: Listed
    ) -> Source | None:
        """Return what to offer next, or None if the other side ended the row."""
        context = self._context
        context.emit(e.TransferState(context.ticket, "watching"))
        # What failed is tried again at the next change, not at once and for ever.
        again: frozenset[str] = frozenset()
        try:
            while True:
                tree = await _serve(context, conversation, self._walk())
                changes = listed.changes(tree.manifest, again)
                if changes and (changes.entries or self._command.delete):
                    self._whole = tree.manifest
                    return self._source(tree, changes)
                again = self._again
                await _serve(context, conversation, watch.changed())
        except SessionEnded:
            return None
        except Cancelled:
            await close_session(context, conversation)
            raise

    def _source(self, tree: SourceTree, changes: Changes) -> Source:
        sync = sync_of(self._command, tree)
        if sync is None:
            raise RemoteProtocolError("A watch without a sync.")
        whole = bool(changes.removed and sync.delete) or not changes.entries
        if not whole:
            tree = replace(tree, manifest=Manifest.of(changes.entries))
            sync = Sync(whole=False, delete=False, watch=True)
        return Source(tree.manifest, Outbox(tree), tree.failed_count, self._command, [], sync)

    async def _everything(self, conversation: Conversation) -> Source:
        tree = await _serve(self._context, conversation, self._walk())
        sync = sync_of(self._command, tree)
        self._whole = tree.manifest
        return Source(tree.manifest, Outbox(tree), tree.failed_count, self._command, [], sync)

    async def _walk(self) -> SourceTree:
        command = self._command
        submit = self._context.ports.workers.submit
        return await submit(
            walk_sources, ordered_sources(command), command.exclude, walk_options(command)
        )


async def _serve(context: ExchangeContext, conversation: Conversation, work: Awaitable[R]) -> R:
    """Wait for something while the session stays alive and no offer is open."""
    link = conversation.link
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda _: link.ring())
    try:
        while not task.done():
            event = link.poll()
            message = check_event(context, event)
            if message is not None and not isinstance(message, Verified):
                raise RemoteProtocolError("The other side sent a message out of turn.")
            if event is None:
                context.check_cancelled()
                await link.wait()
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


# --- receiver ---------------------------------------------------------------------------------


async def receive_rounds(
    context: ExchangeContext,
    conversation: Conversation,
    command: Receive,
    unfinished: Unfinished,
    before: Before,
    begins: Callable[[Receiving], None],
) -> e.TransferDone:
    """Serve one offer, and as many more as the sender announces; a TallowError ends it early."""
    rounds = _Sum()
    offer_no = 1
    while True:
        receiving = Receiving(context, conversation, command, unfinished, before, offer_no)
        begins(receiving)
        try:
            done = await receiving.run()
        except (SessionEnded, PeerCancelled):
            if rounds.done is None or not receiving.idle:
                raise
            return rounds.done
        except Cancelled:
            if rounds.done is not None and receiving.idle:
                await close_session(context, conversation)
            raise
        if done.mode != "watch":
            return done
        rounds.add(context, done)
        await unfinished.forget()
        if receiving.channel is not None:
            conversation.session.close_bulk_recv(receiving.channel)
        conversation.early = None
        offer_no += 1
