"""One command from its first step to its final event: meet, greet, verify, transfer, close.

Whatever happens, the exchange ends in exactly one TransferDone or TransferError, and the peer is
told why when there is one. A transfer that lost its path looks for the same peer again and goes
on, asking nobody. Before: dispatch.py. After: meeting.py, joining.py, reunion.py, greeting.py,
sending.py, receiving.py.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from tallow.engine import events as e
from tallow.engine.commands import (
    Receive,
    Resume,
    SendFiles,
    SendOptions,
    SendStream,
    SendText,
)
from tallow.engine.connecting import relay_of
from tallow.engine.context import ExchangeContext, Final
from tallow.engine.first_word import first_word
from tallow.engine.greeting import (
    Conversation,
    check_event,
    close_session,
    greet,
    hold_until_verified,
    tell_peer,
)
from tallow.engine.guest import Guest
from tallow.engine.joining import join_plate, meet_unnumbered
from tallow.engine.meeting import Creator, Met
from tallow.engine.opening import new_creator, start_walk
from tallow.engine.reunion import Reunion, is_lost_path
from tallow.engine.short_text import send_text
from tallow.engine.unfinished import (
    Past,
    Unfinished,
    begun_with,
    bond_of,
    earlier_of,
    find_record,
    past_of,
    worth_keeping,
)
from tallow.engine.wanted import ExchangeCommand, wanted_by
from tallow.errors import (
    InternalError,
    OtherPurpose,
    RemoteProtocolError,
    SameWish,
    StorageError,
    TallowError,
)
from tallow.protocol.code import Code, CodeKind, check_typed
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.protocol.messages import Verified

if TYPE_CHECKING:
    from tallow.engine.receiving import Receiving
    from tallow.engine.source import Source
    from tallow.engine.storage.sources import SourceTree

# Reading and writing files takes a tenth of a second to import: what a text never needs, and what
# waits for somebody has time for, is imported where it is first used.
RESUME_HINT = "tallow resume  goes on from what is there, on both sides."


class Exchange:
    """Runs one command."""

    def __init__(
        self, context: ExchangeContext, command: ExchangeCommand, guest: Guest | None = None
    ) -> None:
        """``guest`` is one of several receivers, met already."""
        self._context = context
        self._command = command
        self._guest = guest
        self._wanted = wanted_by(command)
        self._conversation: Conversation | None = None
        self._creator: Creator | None = None
        self._unfinished = Unfinished(context)
        self._past: Past | None = None
        self.receiving: Receiving | None = None

    async def run(self) -> Final:
        """Return the final event, emitted; raises nothing but the task's own cancellation."""
        context = self._context
        if not isinstance(self._command, Resume):
            context.emit(e.TransferAdded(context.ticket, self._wanted.wish, context.parent))
        context.emit(e.TransferState(context.ticket, "connecting"))
        final: Final
        try:
            final = await self._run()
        except TallowError as error:
            final = await self._failed(error)
        except asyncio.CancelledError:
            tell_peer(context, self._conversation, InternalError("Tallow is closing."))
            await self._unfinished.keep()
            raise
        except Exception as error:  # the last wall of one exchange: others must go on
            context.crashes.append(error)
            final = await self._failed(InternalError(why=type(error).__name__))
        finally:
            await context.close_links()
        context.emit(final)
        return final

    async def _run(self) -> e.TransferDone:
        match self._command:
            case SendFiles() as command:
                return await self._send_files(command)
            case SendStream() as command:
                source = _stream_source(command)
                return await self._send(source, command.options)
            case SendText() as command:
                conversation = await self._meet()
                return await send_text(self._context, conversation, command)
            case Receive() as command:
                return await self._receive(await self._meet(), command)
            case Resume() as command:
                return await self._resume(command)

    # --- going on -----------------------------------------------------------------------------

    async def _resume(self, command: Resume) -> e.TransferDone:
        """Go on with an unfinished transfer: what it was for is in its record."""
        submit = self._context.ports.workers.submit
        record = await submit(find_record, self._context, command.record)
        past = self._past = past_of(record)
        self._unfinished.adopt(record)
        # Whoever asks for it by name wants it, however old it is.
        await self._unfinished.keep()
        asked = past.wanted.send or past.wanted.receive
        if asked is None:
            raise StorageError("The record of this transfer does not say what it was for.")
        self._command = asked
        self._wanted = replace(wanted_by(asked), code=None, timeout_s=command.timeout_s)
        self._context.emit(e.TransferAdded(self._context.ticket, self._wanted.wish))
        if isinstance(asked, SendFiles):
            return await self._send_files(
                structs.replace(asked, sources=record.sources, exclude=record.exclude)
            )
        output = str(Path(record.output) / record.output_name)
        return await self._receive(await self._meet(), structs.replace(asked, output=output))

    async def _over_paths(
        self,
        conversation: Conversation,
        step: Callable[[Conversation], Awaitable[e.TransferDone]],
        accepted: Callable[[], bool],
    ) -> e.TransferDone:
        """Run a transfer over as many sessions as it takes, then close the last one."""
        while True:
            try:
                done = await step(conversation)
                break
            except TallowError as error:
                lost = is_lost_path(error) and accepted()
                if not lost or self._context.settings.reconnect_s <= 0:
                    raise
                conversation = await self._again(conversation, error)
        await self._unfinished.forget()
        await close_session(self._context, conversation)
        return done

    async def _again(self, lost: Conversation, error: TallowError) -> Conversation:
        """Find the same peer again; what was verified stays verified unless the peer asks anew."""
        context, wanted = self._context, self._wanted
        give_up_at = context.ports.clock.now() + context.settings.reconnect_s
        reunion = Reunion(context, self._unfinished.bond(lost.bond), give_up_at)
        while True:
            self._conversation = None
            await context.close_links()
            context.emit(e.TransferState(context.ticket, "reconnecting"))
            met = await reunion.meet(error)
            try:
                again = await greet(context, met, wanted.wish, name=wanted.name, verify=False)
                self._conversation = again
                await hold_until_verified(context, again)
                return again
            except TallowError as failure:
                if not is_lost_path(failure):
                    raise
                error = failure

    # --- receiving ----------------------------------------------------------------------------

    async def _receive(self, conversation: Conversation, command: Receive) -> e.TransferDone:
        done = await first_word(self._context, conversation)
        if done is not None:
            await close_session(self._context, conversation)
            return done
        from tallow.engine.deciding import Before
        from tallow.engine.rounds import receive_rounds

        before = Before()

        def once(conversation: Conversation) -> Awaitable[e.TransferDone]:
            return receive_rounds(
                self._context, conversation, command, self._unfinished, before, self._receives
            )

        return await self._over_paths(conversation, once, lambda: before.answer is not None)

    def _receives(self, receiving: Receiving) -> None:
        self.receiving = receiving

    # --- sending ------------------------------------------------------------------------------

    async def _send_files(self, command: SendFiles) -> e.TransferDone:
        guest = self._guest
        if guest is not None and guest.walk is not None:
            from tallow.engine.rounds import source_of

            conversation = await self._meet_during(guest.walk)
            tree = guest.walk.result()
            source = source_of(command, tree, guest.new_reader(tree))
            return await self._offer(conversation, source, command.options)
        # The walk may take long on a large tree; the code is shown meanwhile.
        walk = await start_walk(self._context, command)
        meeting = asyncio.ensure_future(self._meet_during(walk))
        both: list[asyncio.Future[SourceTree] | asyncio.Future[Conversation]] = [walk, meeting]
        try:
            ended, _ = await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
            for future in ended:
                future.result()
        except BaseException:  # neither half may outlive the other
            meeting.cancel()
            walk.cancel()
            await asyncio.gather(meeting, walk, return_exceptions=True)
            raise
        source = self._file_source(walk.result(), command)
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

    def _file_source(self, tree: SourceTree, command: SendFiles) -> Source:
        from tallow.engine.rounds import source_of

        for item in tree.skipped:
            self._context.emit(
                e.SourceSkipped(self._context.ticket, item.path, item.reason, item.failed)
            )
        return source_of(command, tree)

    async def _send(self, source: Source, options: SendOptions) -> e.TransferDone:
        conversation = await self._meet()
        return await self._offer(conversation, source, options)

    async def _offer(
        self, conversation: Conversation, source: Source, options: SendOptions
    ) -> e.TransferDone:
        from tallow.engine.rounds import SendRounds
        from tallow.engine.sending import Sending

        context, command = self._context, source.command
        known = [self._past] if self._past is not None else []
        if command is not None:
            known += await context.ports.workers.submit(earlier_of, context, command, known)
        rounds: SendRounds | None = None
        if command is not None and command.mode == "watch":
            rounds = SendRounds(context, source, command, self._unfinished)

        def once(conversation: Conversation) -> Awaitable[e.TransferDone]:
            unfinished = self._unfinished
            begun = [past_of(unfinished.record)] if unfinished.record is not None else []
            past = begun or known
            if rounds is not None:
                return rounds.run(conversation, past)
            return Sending(context, conversation, source, options, unfinished, past).run()

        return await self._over_paths(conversation, once, self._unfinished.has_begun)

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
        if self._guest is not None:
            return self._guest.met
        if self._past is not None:
            return await self._meet_past(self._past)
        if wanted.code is None:
            return await self._create(None)
        code = check_typed(
            wanted.code, interactive=not wanted.no_input, allow_weak=wanted.weak_code
        )
        address = relay_of(context, code)
        past = await context.ports.workers.submit(begun_with, context, code, self._command)
        if past is not None:
            # The words of a code are good for one session; after it, its secret stands for them.
            self._past = past
            self._unfinished.adopt(past.record)
            return await self._meet_past(past)
        if code.kind is CodeKind.UNNUMBERED:
            return await meet_unnumbered(context, address, code, wanted.expires_s)
        if wanted.join or wanted.wish == "receive":
            return await join_plate(
                context, address, code, wait=wanted.wait, timeout_s=wanted.timeout_s
            )
        return await self._create(code)

    async def _meet_past(self, past: Past) -> Met:
        context, timeout_s = self._context, self._wanted.timeout_s
        if timeout_s is None:
            timeout_s = float(self._wanted.expires_s)
        give_up_at = context.ports.clock.now() + timeout_s
        return await Reunion(context, bond_of(past.record), give_up_at).meet()

    async def _create(self, code: Code | None) -> Met:
        self._creator = new_creator(self._context, self._wanted, code)
        return await self._creator.meet()

    # --- ending -------------------------------------------------------------------------------

    async def _failed(self, error: TallowError) -> e.TransferError:
        tell_peer(self._context, self._conversation, error)
        if self.receiving is not None:
            resumable = self.receiving.kept
            if not self._unfinished.left:
                await self._unfinished.forget()
        elif worth_keeping(error):
            resumable = await self._unfinished.keep()
        else:
            resumable = False
            await self._unfinished.forget()
        return e.TransferError(
            self._context.ticket,
            code=error.code,
            message=error.message,
            why=error.why,
            hint=RESUME_HINT if resumable else error.hint,
            exit_code=error.exit_code,
            resumable=resumable,
        )


def _stream_source(command: SendStream) -> Source:
    from tallow.engine.source import Source
    from tallow.engine.storage.stdio import StreamSource

    entry = Entry(command.stream_name, EntryKind.STREAM, 0, 0o644, 0)
    return Source(Manifest.of([entry]), StreamSource(sys.stdin.fileno(), command.head))
