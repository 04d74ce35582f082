"""One exchange from command to exit code: shows events, answers what the engine needs to know.

Before this room: send.py and receive.py make the command. After it: the engine. A signal cancels
the exchange, which has two seconds to tell the other side; a second one ends the process.
It prints through its style and reads through Asker. Questions run beside the events, so a peer
that leaves ends the question too. What the person wants done afterwards (ending.py) comes last,
when the exit code is known and the engine is closed.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Final

from tallow.cli import clipboard, consent, ending, exit_codes, sync_sentences
from tallow.cli.ask import Asker
from tallow.cli.consent import Accept, Ask, Decline, Policy
from tallow.cli.ending import Ended
from tallow.cli.failure import from_event, traceback_lines
from tallow.cli.options import Ending
from tallow.cli.outside import EngineDoor, Outside
from tallow.cli.render import Output
from tallow.cli.stopping import GRACE_S, Deadline, Signals
from tallow.cli.styles import REDRAW_S, WARNING, Style
from tallow.engine import events as e
from tallow.engine.commands import (
    Answer,
    AnyCommand,
    CancelTransfer,
    ConfirmSas,
    DeclineOffer,
    Receive,
    ReopenCode,
)
from tallow.engine.engine import OfferEntries
from tallow.engine.settings import Settings
from tallow.errors import (
    Cancelled,
    InternalError,
    Interrupted,
    NeedsAnswer,
    PartlyDone,
    TallowError,
    Terminated,
)

CANCEL_S: Final = 2.0
"""So long a cancelled exchange may take to tell the other side."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An exchange that is about to happen."""

    command: AnyCommand
    settings: Settings
    policy: Policy
    again: str
    """What to do after an interruption."""
    show_crashes: bool = False
    """Whether a bug in the engine shows where it sits."""
    ending: Ending = field(default_factory=Ending)


def run_exchange(plan: Plan, outside: Outside, output: Output, style: Style) -> int:
    """Carry out a plan and return the exit code."""
    deadline = Deadline(outside)
    ended = asyncio.run(_run(plan, outside, output, style, deadline))
    if plan.ending.notify:
        term = outside.console.environment.get("TERM", "")
        output.control(ending.signal_sequence(ended, term))
    if plan.ending.on_done:
        deadline.call_off()
        _run_afterwards(plan.ending.on_done, ended, outside, output)
        deadline.renew()
    return ended.exit_code


async def _run(
    plan: Plan, outside: Outside, output: Output, style: Style, deadline: Deadline
) -> Ended:
    async with outside.open_engine(plan.settings) as engine:
        exchange = _Exchange(plan, engine, outside, output, style, deadline)
        try:
            with Signals(exchange.stop):
                return exchange.ended(await exchange.run())
        finally:
            output.close()


def _run_afterwards(command: str, ended: Ended, outside: Outside, output: Output) -> None:
    surroundings = ending.environment(ended, outside.console.environment)
    try:
        exit_code = outside.run_command(command, surroundings)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be a command line"
        output.tell(f"warning: the command of --on-done did not start: {why}.", WARNING)
    except KeyboardInterrupt:
        output.tell("warning: the command of --on-done was interrupted.", WARNING)
    else:
        if exit_code:
            output.tell(ending.failure(exit_code), WARNING)


class _Exchange:
    def __init__(
        self,
        plan: Plan,
        engine: EngineDoor,
        outside: Outside,
        output: Output,
        style: Style,
        deadline: Deadline,
    ) -> None:
        self._plan = plan
        self._deadline = deadline
        self._policy = plan.policy
        self._engine = engine
        self._outside = outside
        self._output = output
        self._style = style
        self._asker = Asker(outside.console, output)
        self._questions: dict[asyncio.Task[None], int] = {}
        """Each with the ticket that it is about."""
        self._one_at_a_time = asyncio.Lock()
        self._asking = 0
        """What the last question was about."""
        self._verifying: set[int] = set()
        self._parts: set[int] = set()
        """Tickets of receivers, where there are several."""
        self._stopped_by: Cancelled | None = None
        self._own_error: TallowError | None = None
        """What this side found wrong, where the engine only knows that it was told to stop."""
        self._ticket = 0
        self._so_far = Ended(not isinstance(plan.command, Receive), exit_code=0)
        self._copying: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Show and answer events until the last one."""
        events = self._engine.events()
        self._ticket = self._engine.submit(self._plan.command)
        clock = asyncio.create_task(self._tick())
        try:
            async for event in events:
                if isinstance(event, e.TransferAdded) and event.parent == self._ticket:
                    self._parts.add(event.ticket)
                if event.ticket in self._parts:
                    self._part(event)
                    continue
                if event.ticket != self._ticket:
                    continue
                if e.is_final(event):
                    self._give_up_questions()
                self._style.show(event)
                self._note(event)
                match event:
                    case e.TransferDone():
                        await self._copied()
                        return self._done(event)
                    case e.TransferError():
                        return self._failed(event)
                    case _:
                        self._answer(event)
        finally:
            clock.cancel()
            if self._copying is not None:
                self._copying.cancel()
            self._give_up_questions()
        raise InternalError("The engine stopped without saying how it ended.")

    def _part(self, event: e.AnyEvent) -> None:
        """Show and answer what concerns one of several receivers."""
        if e.is_final(event):
            self._give_up_questions(event.ticket)
        self._style.show(event)
        if isinstance(event, e.TransferDone):
            so_far = self._so_far
            self._sum(so_far.files + event.files, so_far.total_bytes + event.total_bytes)
        self._answer(event)

    def ended(self, exit_code: int) -> Ended:
        """Return how it ended, as far as this side knows."""
        return replace(self._so_far, exit_code=exit_code)

    def stop(self, number: int) -> None:
        """Cancel at the first signal, leave at the second."""
        terminated = number != signal.SIGINT
        if self._stopped_by is not None:
            self._output.close()
            self._outside.leave_after(0, self._stopped_by.exit_code)
            return
        kind = Terminated if terminated else Interrupted
        self._stopped_by = kind(hint=self._plan.again)
        asyncio.get_running_loop().call_later(CANCEL_S, self._overdue)
        # The loop may be what hangs.
        self._deadline.set(CANCEL_S + GRACE_S, kind.exit_code)
        self._give_up_questions()
        self._submit(CancelTransfer(self._ticket, "terminated" if terminated else "user"))

    def _overdue(self) -> None:
        """Leave an engine that does not let go."""
        if self._stopped_by is not None:
            self._output.failure(self._stopped_by)
            self._outside.leave_after(0, self._stopped_by.exit_code)

    def _note(self, event: e.AnyEvent) -> None:
        """Remember what is told afterwards, and copy a code if that was asked for."""
        match event:
            case e.TransferAdded():
                self._so_far = replace(self._so_far, sending=event.direction == "send")
            case e.PeerUp():
                self._so_far = replace(self._so_far, peer=event.name)
            case e.OfferReceived():
                self._so_far = replace(self._so_far, output=event.output)
            case e.TransferProgress():
                self._sum(event.done_files, event.done_bytes)
            case e.TransferDone():
                self._sum(event.files, event.total_bytes)
            case e.CodeAllocated() if self._plan.ending.copy:
                self._copying = asyncio.create_task(self._copy(event.code))
            case _:
                pass

    def _sum(self, files: int, total_bytes: int) -> None:
        self._so_far = replace(self._so_far, files=files, total_bytes=total_bytes)

    async def _copy(self, code: str) -> None:
        outside, output = self._outside, self._output
        copied = await clipboard.copy_text(code, outside.console, outside.put_into_clipboard)
        output.control(copied.control)
        output.tell(clipboard.said(copied))

    async def _copied(self) -> None:
        """Let a clipboard that is slower than the transfer have its two seconds."""
        if self._copying is not None:
            await asyncio.wait([self._copying], timeout=clipboard.WAIT_S)

    def _submit(self, command: Answer) -> None:
        self._engine.submit(command)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(REDRAW_S)
            self._style.tick()

    # --- how it ends --------------------------------------------------------------------------

    def _done(self, event: e.TransferDone) -> int:
        if event.failed:
            error = PartlyDone()
            self._output.failure(error)
            return error.exit_code
        return exit_codes.DONE

    def _failed(self, event: e.TransferError) -> int:
        own = self._stopped_by or self._own_error
        if own is not None and event.resumable:
            own.hint = event.hint
        if self._plan.show_crashes:
            for crash in self._engine.crashes:
                self._output.tell_all(traceback_lines(crash))
        self._output.failure(own or from_event(event))
        return own.exit_code if own else event.exit_code

    # --- what the engine needs to know --------------------------------------------------------

    def _answer(self, event: e.AnyEvent) -> None:
        if self._stopped_by is not None:
            return
        match event:
            case e.OfferReceived():
                self._answer_offer(event)
            case e.PeerUp(verify=True) | e.VerifyStep(step="needed"):
                if event.ticket not in self._verifying:
                    self._verifying.add(event.ticket)
                    self._answer_symbols(event.ticket)
            case e.CodeGuessed(can_reopen=True):
                self._answer_guess()
            case _:
                pass

    def _answer_offer(self, offer: e.OfferReceived) -> None:
        verdict = consent.judge(offer, self._policy)
        self._style.sheet(offer, asked=isinstance(verdict, Ask))
        if offer.sync is not None and isinstance(verdict, Accept) and not self._policy.sync:
            self._output.tell(sync_sentences.taken_as_copy(), WARNING)
        match verdict:
            case Accept() if not self._policy.selects:
                names = verdict.on_conflict
                self._submit(consent.answer_to(offer, self._policy, names, asked=False))
            case Decline():
                self._submit(DeclineOffer(self._ticket, verdict.reason))
            case Accept() | Ask():
                self._start(self._talk(offer))

    def _answer_symbols(self, ticket: int) -> None:
        if self._policy.may_ask:
            self._start(self._ask_symbols(ticket), ticket)
            return
        if ticket == self._ticket:
            self._own_error = NeedsAnswer(
                "The symbols must be compared, and there is no terminal to ask on.",
                hint="Run it on a terminal.",
            )
        self._submit(ConfirmSas(ticket, equal=False))

    def _answer_guess(self) -> None:
        if self._policy.may_ask:
            self._start(self._ask_guess())
        else:
            self._submit(ReopenCode(self._ticket, reopen=False))

    async def _talk(self, offer: e.OfferReceived) -> None:
        from tallow.cli.offer_talk import OfferTalk

        def lines(start: int, count: int) -> list[e.OfferEntry]:
            return self._engine.query(OfferEntries(self._ticket, start, count))

        talk = OfferTalk(offer, self._policy, lines, self._asker, self._output)
        self._submit(await talk.answer())

    async def _ask_symbols(self, ticket: int) -> None:
        self._style.symbols(ticket)
        equal = await self._yes_no("Does the other screen show the same? ", enter_means_yes=False)
        self._submit(ConfirmSas(ticket, equal))

    async def _ask_guess(self) -> None:
        reopen = await self._yes_no(
            "Somebody typed a wrong code. Keep this code alive for another try? ",
            enter_means_yes=False,
        )
        self._submit(ReopenCode(self._ticket, reopen))

    async def _yes_no(self, prompt: str, *, enter_means_yes: bool) -> bool:
        def read(answer: str | None) -> bool | None:
            return consent.read_yes_no(answer, enter_means_yes=enter_means_yes)

        full = prompt + consent.yes_no(enter_means_yes)
        return await self._asker.until_clear(full, read, otherwise=False)

    def _start(self, question: Coroutine[None, None, None], ticket: int = 0) -> None:
        ticket = ticket or self._ticket
        task = asyncio.create_task(self._in_turn(question, ticket))
        self._questions[task] = ticket
        task.add_done_callback(self._questions.pop)

    async def _in_turn(self, question: Coroutine[None, None, None], ticket: int) -> None:
        try:
            async with self._one_at_a_time:
                self._asking = ticket
                await question
        finally:
            question.close()

    def _give_up_questions(self, ticket: int | None = None) -> None:
        """Take back what was asked about a ticket; None: about anything."""
        for task, asked in self._questions.items():
            if ticket in (None, asked):
                task.cancel()
        if ticket in (None, self._asking):
            self._output.withdraw()
