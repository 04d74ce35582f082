"""One command from its first step to its final event: meet, greet, verify, transfer, close.

Whatever happens, the exchange ends in exactly one TransferDone or TransferError, the peer is told
why when there is one, and nothing half-written stays. Before: dispatch.py. After: meeting.py,
joining.py, greeting.py, sending.py, receiving.py.
"""

from __future__ import annotations

import asyncio
import sys

from tallow.engine import events as e
from tallow.engine.commands import Receive, SendFiles, SendOptions, SendStream, SendText
from tallow.engine.context import ExchangeContext
from tallow.engine.greeting import (
    Conversation,
    check_event,
    close_session,
    greet,
    hold_until_verified,
)
from tallow.engine.joining import (
    join_plate,
    meet_unnumbered,
    numbered_context,
)
from tallow.engine.meeting import Creator, Met, relay_of
from tallow.engine.receiving import Receiving
from tallow.engine.sending import Sending, Source
from tallow.engine.storage.outbox import Outbox, SourceTree, check_sources, walk_sources
from tallow.engine.storage.stdio import StreamSource
from tallow.engine.wanted import ExchangeCommand, wanted_by
from tallow.errors import (
    InternalError,
    LinkError,
    OtherPurpose,
    PeerError,
    RemoteProtocolError,
    SameWish,
    TallowError,
)
from tallow.protocol.code import Code, CodeKind, check_typed, generate_code
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.protocol.messages import Verified
from tallow.protocol.session import Session
from tallow.protocol.session import State as SessionState
from tallow.protocol.transfer.cancel import cancel_for
from tallow.protocol.transfer.sender import Delivered, Sender
from tallow.wire import relay as wire


class Exchange:
    """Runs one command."""

    def __init__(self, context: ExchangeContext, command: ExchangeCommand) -> None:
        self._context = context
        self._command = command
        self._wanted = wanted_by(command)
        self._conversation: Conversation | None = None
        self._creator: Creator | None = None
        self.receiving: Receiving | None = None

    async def run(self) -> None:
        """Run to the final event; never raises but for the task's own cancellation."""
        context = self._context
        context.emit(e.TransferAdded(context.ticket, self._wanted.wish))
        context.emit(e.TransferState(context.ticket, "connecting"))
        final: e.TransferDone | e.TransferError
        try:
            final = await self._run()
        except TallowError as error:
            final = self._failed(error)
        except asyncio.CancelledError:
            self._tell_peer(InternalError("Tallow is closing."))
            raise
        except Exception as error:  # the last wall of one exchange: others must go on
            context.crashes.append(error)
            final = self._failed(InternalError(why=type(error).__name__))
        finally:
            await context.close_links()
        context.emit(final)

    async def _run(self) -> e.TransferDone:
        match self._command:
            case SendFiles() as command:
                return await self._send_files(command)
            case SendStream() as command:
                source = _stream_source(command)
                return await self._send(source, command.options)
            case SendText() as command:
                conversation = await self._meet()
                return await self._send_text(conversation, command)
            case Receive() as command:
                conversation = await self._meet()
                self.receiving = Receiving(self._context, conversation, command)
                done = await self.receiving.run()
                await close_session(self._context, conversation)
                return done

    # --- sending ------------------------------------------------------------------------------

    async def _send_files(self, command: SendFiles) -> e.TransferDone:
        workers = self._context.ports.workers
        await workers.submit(check_sources, command.sources)
        # The walk may take long on a large tree; the code is shown meanwhile.
        walk = workers.submit(walk_sources, command.sources, command.exclude)
        meeting = asyncio.ensure_future(self._meet_during(walk))
        both: list[asyncio.Future[SourceTree] | asyncio.Future[Conversation]] = [walk, meeting]
        try:
            ended, _ = await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
            for future in ended:
                future.result()
        except BaseException:
            meeting.cancel()
            walk.cancel()
            await asyncio.gather(meeting, walk, return_exceptions=True)
            raise
        source = self._file_source(walk.result())
        return await self._offer(meeting.result(), source, command.options)

    async def _meet_during(self, walk: asyncio.Future[SourceTree]) -> Conversation:
        """Meet, and keep the session alive until the list of files is there."""
        context, conversation = self._context, await self._meet()
        link = conversation.link
        walk.add_done_callback(lambda _: link.ring())
        while not walk.done():
            event = link.poll()
            message = check_event(context, event)
            if message is not None and not isinstance(message, Verified):
                raise RemoteProtocolError("The other side sent a message out of turn.")
            if event is None:
                context.check_cancelled()
                await link.wait()
        return conversation

    def _file_source(self, tree: SourceTree) -> Source:
        for item in tree.skipped:
            self._context.emit(
                e.SourceSkipped(self._context.ticket, item.path, item.reason, item.failed)
            )
        return Source(tree.manifest, Outbox(tree), tuple(tree.skipped))

    async def _send(self, source: Source, options: SendOptions) -> e.TransferDone:
        conversation = await self._meet()
        return await self._offer(conversation, source, options)

    async def _offer(
        self, conversation: Conversation, source: Source, options: SendOptions
    ) -> e.TransferDone:
        done = await Sending(self._context, conversation, source, options.note).run()
        await close_session(self._context, conversation)
        return done

    async def _send_text(self, conversation: Conversation, command: SendText) -> e.TransferDone:
        context, link, clock = self._context, conversation.link, self._context.ports.clock
        began_at = clock.now()
        size = len(command.text.encode())
        sender = Sender(context.ports.rng.bytes, conversation.session.open_bulk_send)
        link.transfer = sender
        sender.offer_text(command.text, command.options.note, clock.now())
        context.emit(e.OfferSent(context.ticket, "text", files=0, folders=0, total_bytes=size))
        context.emit(e.TransferState(context.ticket, "transferring"))
        while not isinstance(sender.next_event(), Delivered):
            event = link.poll()
            message = check_event(context, event)
            if message is not None and not isinstance(message, Verified):
                sender.receive(message, clock.now())
            elif event is None:
                context.check_cancelled()
                await link.wait()
        await close_session(context, conversation)
        seconds = clock.now() - began_at
        return e.TransferDone(context.ticket, "send", 0, size, seconds, 0, roots="", output="")

    # --- meeting ------------------------------------------------------------------------------

    async def _meet(self) -> Conversation:
        """Return a greeted and, where asked for, verified session."""
        context, wanted = self._context, self._wanted
        met = await self._first_meeting()
        while True:
            context.emit(e.TransferState(context.ticket, "handshake"))
            try:
                conversation = await greet(
                    context, met, wanted.wish, name=wanted.name, verify=wanted.verify
                )
                break
            except (SameWish, OtherPurpose) as error:
                # The code was right, and no file was offered: it costs nothing to go on waiting.
                if self._creator is None:
                    raise
                if isinstance(error, SameWish):
                    context.emit(e.SameWishMet(context.ticket, wanted.wish))
                else:
                    context.emit(
                        e.PeerRefused(context.ticket, error.code, error.message, error.why)
                    )
                met = await self._creator.meet_again(met.link)
        self._conversation = conversation
        await hold_until_verified(context, conversation)
        return conversation

    async def _first_meeting(self) -> Met:
        wanted, context = self._wanted, self._context
        if wanted.code is None:
            return await self._create(None)
        code = check_typed(
            wanted.code, interactive=not wanted.no_input, allow_weak=wanted.weak_code
        )
        address = relay_of(context, code)
        if code.kind is CodeKind.UNNUMBERED:
            return await meet_unnumbered(context, address, code, wanted.expires_s)
        if wanted.join or wanted.wish == "receive":
            return await join_plate(
                context, address, code, wait=wanted.wait, timeout_s=wanted.timeout_s
            )
        return await self._create(code)

    async def _create(self, code: Code | None) -> Met:
        wanted, context = self._wanted, self._context
        random_bytes = context.ports.rng.bytes
        verb = (
            wire.Allocate(wanted.expires_s)
            if code is None
            else wire.Claim(code.plate, wanted.expires_s)
        )
        self._creator = Creator(
            context,
            relay_of(context, code),
            verb,
            lambda plate: code or generate_code(plate, wanted.words, random_bytes),
            numbered_context,
            expires_s=wanted.expires_s,
        )
        return await self._creator.meet()

    # --- ending -------------------------------------------------------------------------------

    def _failed(self, error: TallowError) -> e.TransferError:
        self._tell_peer(error)
        return e.TransferError(
            self._context.ticket,
            code=error.code,
            message=error.message,
            why=error.why,
            hint=error.hint,
            exit_code=error.exit_code,
        )

    def _tell_peer(self, error: TallowError) -> None:
        """Say why, if there is a session to say it in, and close the connection."""
        conversation = self._conversation
        if conversation is None:
            return
        session, link = conversation.session, conversation.link
        told = isinstance(error, PeerError | LinkError) and error.exit_code not in (3, 5)
        try:
            if not told and isinstance(link.peer, Session) and session.state is SessionState.OPEN:
                session.send(cancel_for(error), self._context.ports.clock.now())
            link.transfer = None
            link.flush()
        except TallowError:
            pass  # the session is beyond telling anybody anything


def _stream_source(command: SendStream) -> Source:
    entry = Entry(command.stream_name, EntryKind.STREAM, 0, 0o644, 0)
    return Source(Manifest.of([entry]), StreamSource(sys.stdin.fileno(), command.head))
