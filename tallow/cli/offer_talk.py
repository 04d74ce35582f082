"""The conversation about one offer: patterns, choosing by hand, yes or no, names that are taken.

Before: exchange.py, which runs it beside the events, so that a peer who leaves ends it. Decisions
are consent.py's, the list on the screen is picker.py's; this room puts one after the other and
returns the command that answers. A long list is read in pieces, so that the loop goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Literal, assert_never

from msgspec import structs

from tallow.cli import consent, picker, sync_sentences
from tallow.cli.ask import Asker
from tallow.cli.choice import Choice, Match, matcher
from tallow.cli.consent import Accept, Ask, Decline, Policy
from tallow.cli.render import Output
from tallow.display import display_text
from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, DeclineOffer, TakenName

LINES_AT_ONCE: Final = 500
Lines = Callable[[int, int], list[e.OfferEntry]]
"""Reads lines of the offer: number of the first one, and how many."""
Decided = tuple[tuple[int, TakenName], ...]


class OfferTalk:
    """Finds out what is answered to one offer."""

    def __init__(
        self, offer: e.OfferReceived, policy: Policy, lines: Lines, asker: Asker, output: Output
    ) -> None:
        """Talk about an offer whose sheet was shown."""
        self._offer = offer
        self._policy = policy
        self._lines = lines
        self._asker = asker
        self._output = output
        self._count = consent.entries_of(offer)
        self._choice: Choice | None = None
        """None: everything, and nobody looked at single entries yet."""

    async def answer(self) -> AcceptOffer | DeclineOffer:
        """Return the answer to the offer, asking what has to be asked."""
        if self._policy.select:
            self._choice = await self._read_list(matcher(self._policy.select))
            tally = self._choice.tally()
            self._output.tell(picker.sum_line(tally, self._offer))
        if self._policy.by_hand and self._count > 1 and not await self._pick():
            return self._no()
        while True:
            part = self._part()
            if not consent.entries_of(part):
                self._output.tell("Nothing of the offer is chosen, so it is declined.")
                return self._no("nothing was chosen")
            verdict = consent.judge(part, self._policy, of=self._offer)
            match verdict:
                case Accept():
                    return self._yes(verdict.on_conflict)
                case Decline():
                    return self._no(verdict.reason)
                case Ask():
                    said = await self._ask(verdict)
            if said == "select":
                if not await self._pick():
                    return self._no()
                continue
            return await self._accepted(part) if said == "yes" else self._no()

    # --- the question -------------------------------------------------------------------------

    async def _ask(self, question: Ask) -> Literal["yes", "no", "select"]:
        enter, may_select = question.enter_means_yes, question.may_select

        def read(answer: str | None) -> Literal["yes", "no", "select"] | None:
            return consent.read_consent(answer, enter_means_yes=enter, may_select=may_select)

        prompt = question.prompt + consent.yes_no(enter, may_select=may_select)
        no: Literal["yes", "no", "select"] = "no"
        return await self._asker.until_clear(prompt, read, otherwise=no)

    async def _accepted(self, part: e.OfferReceived) -> AcceptOffer | DeclineOffer:
        names = consent.accepted(self._policy).on_conflict
        if part.sync is not None:
            return await self._sync(names)
        if not part.conflicts or self._policy.on_conflict != "ask":
            return self._yes(names)
        decided = await self._ask_taken()
        return self._no() if decided is None else self._yes(names, decided)

    async def _sync(self, names: TakenName) -> AcceptOffer:
        """Return a yes to a sync, and to removing only if that was asked about by itself."""
        delete = False
        sync = self._offer.sync
        may_remove = consent.must_ask_about_extra(self._offer, self._policy)
        if self._choice is None and sync is not None and may_remove:
            prompt = sync_sentences.extra_question(sync) + consent.yes_no(enter_means_yes=False)

            def read(answer: str | None) -> bool | None:
                return consent.read_yes_no(answer, enter_means_yes=False)

            delete = await self._asker.until_clear(prompt, read, otherwise=False)
        yes = consent.answer_to(self._offer, self._policy, names, asked=True, delete=delete)
        runs = None if self._choice is None else self._choice.runs()
        return structs.replace(yes, selection=runs, delete=yes.delete and runs is None)

    async def _ask_taken(self) -> Decided | None:
        """Ask about each name that is taken; None to stop."""
        choice = self._choice = self._choice or await self._read_list(None)
        taken = choice.tally().taken
        decided: list[tuple[int, TakenName]] = []
        for at, number in enumerate(taken):
            stop: consent.Taken | Literal["stop"] = "stop"
            for entry in self._lines(number, 1):
                prompt = consent.taken_prompt(entry, len(taken) - at - 1)
                said = await self._asker.until_clear(prompt, consent.read_taken, otherwise=stop)
                if said == "stop":
                    return None
                if said.for_all:
                    return (*decided, *((rest, said.choice) for rest in taken[at:]))
                decided.append((number, said.choice))
        return tuple(decided)

    # --- choosing by hand ---------------------------------------------------------------------

    async def _pick(self) -> bool:
        """Let the person choose line by line; False at the end of input."""
        before = self._choice
        choice = before or await self._read_list(None)
        marks = choice.copy()
        first = 0
        self._show(marks, first)
        while True:
            line = await self._asker.ask(picker.PROMPT)
            if line is None:
                return False
            typed = picker.read_line(line, len(marks))
            match typed:
                case picker.Done():
                    self._choice = marks
                    return True
                case picker.Back():
                    self._choice = before
                    return True
                case picker.Help():
                    self._output.tell_all(picker.HELP)
                case picker.Wrong():
                    self._output.tell(display_text(typed.why))
                case picker.Turn():
                    last = (len(marks) - 1) // picker.PAGE_LINES * picker.PAGE_LINES
                    first = min(max(0, first + typed.pages * picker.PAGE_LINES), last)
                    self._show(marks, first)
                case list():
                    await self._mark(marks, typed)
                    self._show(marks, first)
                case _:
                    assert_never(typed)

    async def _mark(self, choice: Choice, markings: list[picker.Marking]) -> None:
        for marking in markings:
            match marking:
                case picker.Span():
                    numbers = list(range(marking.first, marking.last + 1))
                case picker.Pattern():
                    match_entry = matcher([marking.text])
                    numbers = [one.number async for one in self._entries() if match_entry(one)]
                    if not numbers:
                        name = display_text(marking.text, max_width=picker.PATTERN_CELLS)
                        self._output.tell(f"Nothing in the offer matches {name}.")
                case _:
                    assert_never(marking)
            choice.mark(numbers, wanted=marking.wanted)

    def _show(self, choice: Choice, first: int) -> None:
        columns, _ = self._output.console.size()
        entries = self._lines(first, picker.PAGE_LINES)
        self._output.tell_all(picker.page_lines(entries, choice, columns=columns))
        self._output.tell(picker.sum_line(choice.tally(), self._offer))

    # --- the list -----------------------------------------------------------------------------

    async def _read_list(self, chosen: Match | None) -> Choice:
        choice = Choice()
        async for entry in self._entries():
            choice.add(entry, chosen=chosen is None or chosen(entry))
        return choice

    async def _entries(self) -> AsyncIterator[e.OfferEntry]:
        at = 0
        while at < self._count and (lines := self._lines(at, LINES_AT_ONCE)):
            for entry in lines:
                yield entry
            at += len(lines)
            # Whatever the link has to say comes between two pieces.
            await asyncio.sleep(0)

    def _part(self) -> e.OfferReceived:
        return self._offer if self._choice is None else consent.narrowed(self._offer, self._choice)

    # --- the answer ---------------------------------------------------------------------------

    def _yes(self, names: TakenName, decided: Decided = ()) -> AcceptOffer:
        runs = None if self._choice is None else self._choice.runs()
        yes = consent.answer_to(self._offer, self._policy, names, asked=False)
        delete = yes.delete and runs is None
        return structs.replace(yes, selection=runs, conflicts=decided, delete=delete)

    def _no(self, reason: str = "") -> DeclineOffer:
        return DeclineOffer(self._offer.ticket, reason)
