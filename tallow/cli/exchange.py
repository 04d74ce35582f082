"""One exchange from command to exit code: shows events, answers what the engine needs to know.

Before this room: send.py and receive.py make the command. After it: the engine. A signal cancels
the exchange, which has two seconds to tell the other side; a second one ends the process.
It prints through its style and reads through Asker. Questions run beside the events, so a peer
that leaves ends the question too.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import FrameType
from typing import Final, Literal, TypeVar

from tallow.cli import consent, exit_codes
from tallow.cli.ask import Asker
from tallow.cli.consent import Accept, Ask, Decline, Policy
from tallow.cli.failure import from_event, traceback_lines
from tallow.cli.outside import EngineDoor, Outside
from tallow.cli.render import Output
from tallow.cli.styles import REDRAW_S, Style
from tallow.engine import events as e
from tallow.engine.commands import (
    AcceptOffer,
    Answer,
    AnyCommand,
    CancelTransfer,
    ConfirmSas,
    DeclineOffer,
    ReopenCode,
)
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
GRACE_S: Final = 0.5
ASKED_TIMES: Final = 3
"""Answers that are neither yes nor no; then it is a no."""


T = TypeVar("T")
Before = Callable[[int, FrameType | None], object] | int | None
"""What stood for a signal before: a function, the default, or ignoring it."""


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


def run_exchange(plan: Plan, outside: Outside, output: Output, style: Style) -> int:
    """Carry out a plan and return the exit code."""
    return asyncio.run(_run(plan, outside, output, style))


async def _run(plan: Plan, outside: Outside, output: Output, style: Style) -> int:
    async with outside.open_engine(plan.settings) as engine:
        exchange = _Exchange(plan, engine, outside, output, style)
        try:
            with _Signals(exchange.stop):
                return await exchange.run()
        finally:
            output.close()


class _Exchange:
    def __init__(
        self, plan: Plan, engine: EngineDoor, outside: Outside, output: Output, style: Style
    ) -> None:
        self._plan = plan
        self._policy = plan.policy
        self._engine = engine
        self._outside = outside
        self._output = output
        self._style = style
        self._asker = Asker(outside.console, output)
        self._questions: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._verifying = False
        self._stopped_by: Cancelled | None = None
        self._own_error: TallowError | None = None
        """What this side found wrong, where the engine only knows that it was told to stop."""
        self._ticket = 0

    async def run(self) -> int:
        """Show and answer events until the last one."""
        events = self._engine.events()
        self._ticket = self._engine.submit(self._plan.command)
        clock = asyncio.create_task(self._tick())
        try:
            async for event in events:
                if event.ticket != self._ticket:
                    continue
                if e.is_final(event):
                    self._give_up_questions()
                self._style.show(event)
                match event:
                    case e.TransferDone():
                        return self._done(event)
                    case e.TransferError():
                        return self._failed(event)
                    case _:
                        self._answer(event)
        finally:
            clock.cancel()
            self._give_up_questions()
        raise InternalError("The engine stopped without saying how it ended.")

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
        self._outside.leave_after(CANCEL_S + GRACE_S, kind.exit_code)
        self._give_up_questions()
        self._submit(CancelTransfer(self._ticket, "terminated" if terminated else "user"))

    def _overdue(self) -> None:
        """Leave an engine that does not let go."""
        if self._stopped_by is not None:
            self._output.failure(self._stopped_by)
            self._outside.leave_after(0, self._stopped_by.exit_code)

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
            case e.PeerUp(verify=True) | e.VerifyStep(step="needed") if not self._verifying:
                self._verifying = True
                self._answer_symbols()
            case e.CodeGuessed(can_reopen=True):
                self._answer_guess()
            case _:
                pass

    def _answer_offer(self, offer: e.OfferReceived) -> None:
        verdict = consent.judge(offer, self._policy)
        self._style.sheet(offer, asked=isinstance(verdict, Ask))
        match verdict:
            case Accept():
                self._submit(AcceptOffer(self._ticket, verdict.on_conflict))
            case Decline():
                self._submit(DeclineOffer(self._ticket, verdict.reason))
            case Ask():
                self._start(self._ask_offer(offer, verdict))

    def _answer_symbols(self) -> None:
        if not self._policy.may_ask:
            self._own_error = NeedsAnswer(
                "The symbols must be compared, and there is no terminal to ask on.",
                hint="Run it on a terminal.",
            )
            self._submit(ConfirmSas(self._ticket, equal=False))
            return
        self._style.symbols()
        self._start(self._ask_symbols())

    def _answer_guess(self) -> None:
        if self._policy.may_ask:
            self._start(self._ask_guess())
        else:
            self._submit(ReopenCode(self._ticket, reopen=False))

    async def _ask_offer(self, offer: e.OfferReceived, question: Ask) -> None:
        if not await self._yes_no(question.prompt, enter_means_yes=question.enter_means_yes):
            self._submit(DeclineOffer(self._ticket))
            return
        names = consent.accepted(self._policy).on_conflict
        prompt = consent.conflict_prompt(offer, self._policy)
        if prompt is not None:
            stop: consent.TakenNames | Literal["stop"] = "stop"
            choice = await self._until_clear(prompt, consent.read_conflict, otherwise=stop)
            if choice == "stop":
                self._submit(DeclineOffer(self._ticket))
                return
            names = choice
        self._submit(AcceptOffer(self._ticket, names))

    async def _ask_symbols(self) -> None:
        equal = await self._yes_no("Does the other screen show the same? ", enter_means_yes=False)
        self._submit(ConfirmSas(self._ticket, equal))

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
        return await self._until_clear(full, read, otherwise=False)

    async def _until_clear(
        self, prompt: str, read: Callable[[str | None], T | None], *, otherwise: T
    ) -> T:
        """Ask again while an answer is neither; after some tries take the safe one."""
        for _ in range(ASKED_TIMES):
            found = read(await self._asker.ask(prompt))
            if found is not None:
                return found
        return otherwise

    def _start(self, question: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._in_turn(question))
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)

    async def _in_turn(self, question: Coroutine[None, None, None]) -> None:
        try:
            async with self._one_at_a_time:
                await question
        finally:
            question.close()

    def _give_up_questions(self) -> None:
        for task in self._questions:
            task.cancel()
        self._output.withdraw()


class _Signals:
    """Routes SIGINT and SIGTERM to a function while it is entered, then gives them back."""

    NUMBERS: Final = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, stop: Callable[[int], None]) -> None:
        self._stop = stop
        self._before: dict[int, Before] = {}

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in self.NUMBERS:
            # add_signal_handler exists on POSIX alone; this works on every system.
            self._before[number] = signal.getsignal(number)
            signal.signal(
                number, lambda found, _: loop.call_soon_threadsafe(self._stop, int(found))
            )

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
