"""How events are told: Human in sentences, Quiet in results and errors, Json as they are.

A style is shown every event in order and asked to draw questions; it decides nothing and answers
nobody (exchange.py does). Sentences come from sentences.py and sheet.py, where peer text is
escaped. Printing itself is render.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from tallow.cli import qr, sentences, sync_sentences
from tallow.cli.progress import Progress
from tallow.cli.render import Output
from tallow.cli.sheet import sheet
from tallow.engine import events as e
from tallow.engine.view import TransferView, View, fold

REDRAW_S: Final = 0.25
LOG_EVERY_S: Final = 10.0
WARNING: Final = "yellow"
GOOD: Final = "green"


@dataclass(frozen=True, slots=True)
class Telling:
    """What a style has to know of the exchange that it tells."""

    sending: bool
    now: Callable[[], float]
    verbose: int = 0
    qr: bool | None = None
    """True: always; False: never; None: if it fits a terminal."""
    weak_told: bool = False
    """Whether a warning about the code's strength was given when it was read."""
    receivers: int = 1
    """How many receivers are sent to; 0: as many as come."""


class Style(Protocol):
    """A way to tell an exchange."""

    def show(self, event: e.AnyEvent) -> None:
        """Tell of an event."""

    def tick(self) -> None:
        """Redraw what changes with time."""

    def sheet(self, offer: e.OfferReceived, *, asked: bool) -> None:
        """Show an offer; asked is False if nobody will be asked."""

    def symbols(self, ticket: int) -> None:
        """Show the symbols that two people are about to compare."""


class _Told:
    """What every style remembers, and the two things that every style shows when it must."""

    def __init__(self, output: Output, telling: Telling) -> None:
        """Tell nothing yet."""
        self._output = output
        self._telling = telling
        self._view = View()
        self._peer: e.PeerUp | None = None

    def _remember(self, event: e.AnyEvent) -> TransferView:
        self._view = fold(self._view, event)
        if isinstance(event, e.PeerUp):
            self._peer = event
        return self._view.transfers[event.ticket]

    def _sheet(self, offer: e.OfferReceived) -> None:
        columns, _ = self._output.console.size()
        relay = self._view.transfers[offer.ticket].relay
        for line in sheet(offer, self._peer, relay, columns=columns):
            self._output.tell(line, WARNING if line.startswith("Look out:") else "")

    def symbols(self, ticket: int) -> None:
        """Show symbols, their names and the digits."""
        transfer = self._view.transfers.get(ticket)
        if transfer is None or not transfer.emoji:
            return
        whose = f"{sentences.called(transfer.peer_name)}" if transfer.parent else "the other screen"
        self._output.tell(f"Compare with {whose}, over a call or side by side:")
        for sign, name in transfer.emoji:
            self._output.tell(f"  {sign}  {name}")
        self._output.tell(f"  {transfer.digits}")

    def tick(self) -> None:
        """Draw nothing."""


class Json(_Told):
    """Every event as one line of JSON on standard output."""

    def show(self, event: e.AnyEvent) -> None:
        """Write the event."""
        self._remember(event)
        self._output.result_raw(e.encode_event(event) + b"\n")

    def sheet(self, offer: e.OfferReceived, *, asked: bool) -> None:
        """Show the sheet to a person who will be asked."""
        if asked:
            self._sheet(offer)


class Quiet(_Told):
    """Results and what went wrong."""

    def show(self, event: e.AnyEvent) -> None:
        """Write a code of a sender, a text, and files that failed."""
        self._remember(event)
        match event:
            case e.CodeAllocated():
                if self._telling.sending:
                    self._output.result(event.code)
                else:
                    self._output.tell(event.code)
            case e.TextArrived():
                self._output.text(event.text)
            case e.TransferFile():
                if event.status == "failed":
                    self._output.tell(sentences.file_line(event), WARNING)
            case e.SyncRemoved():
                if event.reason:
                    self._output.tell(sync_sentences.removed(event), WARNING)
            case e.CommandFailed():
                self._output.tell(sentences.command_failed(event), WARNING)
            case (
                e.RelayConnected() | e.RelayFallback() | e.RelayLost() | e.RelayNotice()
                | e.CodeGuessed() | e.CodeDropped() | e.CodeClosed() | e.PeerJoined()
                | e.PeerRefused() | e.PeerUp() | e.SameWishMet()
                | e.VerifyStep() | e.SourceSkipped() | e.OfferSent() | e.OfferReceived()
                | e.OfferAnswered() | e.TransferAdded() | e.TransferState()
                | e.TransferProgress() | e.TransferDone() | e.TransferError()
                | e.SessionLost() | e.TransferResumed() | e.TransferNotResumed()
                | e.TransferPaused() | e.TransferContinued() | e.TransferUnfinished()
                | e.SyncRound()
            ):  # fmt: skip
                pass
            case _:
                assert_never(event)

    def sheet(self, offer: e.OfferReceived, *, asked: bool) -> None:
        """Show the sheet to a person who will be asked."""
        if asked:
            self._sheet(offer)


class Human(_Told):
    """Sentences, and a line that moves on a terminal."""

    def __init__(self, output: Output, telling: Telling) -> None:
        """Tell nothing yet."""
        super().__init__(output, telling)
        self._progress = Progress(sending=telling.sending)
        self._state = ""
        self._drawn_at = 0.0
        self._logged_at = telling.now()
        self._listed: dict[str, int] = {}

    def show(self, event: e.AnyEvent) -> None:
        """Say it."""
        transfer = self._remember(event)
        tell, output, sending = self._output.tell, self._output, self._telling.sending
        kind = transfer.offer.kind if transfer.offer else ""
        match event:
            case (
                e.RelayConnected()
                | e.RelayFallback()
                | e.RelayLost()
                | e.RelayNotice()
                | e.CodeAllocated()
                | e.CodeGuessed()
                | e.CodeDropped()
                | e.CodeClosed()
                | e.PeerJoined()
                | e.PeerRefused()
                | e.PeerUp()
                | e.SameWishMet()
                | e.VerifyStep()
            ):
                self._meeting(event)
            case e.SourceSkipped():
                self._listing("left out", sentences.left_out(event))
            case e.OfferSent():
                self._rest_of_list("left out")
                tell(sentences.offer_sent(event))
            case e.OfferAnswered():
                self._if_any(sentences.answered(event, kind=kind, sending=sending))
            case e.TextArrived():
                if output.console.stdout_tty:
                    output.tell_all(sentences.text_from(event, self._peer))
                output.text(event.text)
            case e.TransferState():
                self._moved_on(event.state)
            case (
                e.SessionLost()
                | e.TransferResumed()
                | e.TransferNotResumed()
                | e.TransferPaused()
                | e.TransferContinued()
            ):
                self._broken_off(event)
            case e.TransferProgress():
                self._progress.update(event, self._telling.now())
                self._draw()
            case e.TransferFile():
                if event.status != "done" or self._telling.verbose:
                    self._listing(event.status, sentences.file_line(event))
            case e.SyncRemoved() | e.SyncRound():
                self._sync(event)
            case e.TransferDone():
                self._done(event, kind)
            case e.CommandFailed():
                tell(sentences.command_failed(event), WARNING)
            case e.OfferReceived() | e.TransferAdded() | e.TransferError() | e.TransferUnfinished():
                pass  # Told by the state, the sheet, or the error's three lines.
            case _:
                assert_never(event)

    def _broken_off(
        self,
        event: e.SessionLost
        | e.TransferResumed
        | e.TransferNotResumed
        | e.TransferPaused
        | e.TransferContinued,
    ) -> None:
        """Say why a transfer stands still, or that it goes on."""
        tell = self._output.tell
        match event:
            case e.SessionLost():
                tell(sentences.session_lost(event), WARNING)
            case e.TransferResumed():
                tell(sentences.resumed(event))
            case e.TransferNotResumed():
                tell(sentences.not_resumed(event), WARNING)
            case e.TransferPaused():
                tell(sentences.paused(event), WARNING)
            case e.TransferContinued():
                tell("Going on.")
            case _:
                assert_never(event)

    def _meeting(self, event: e.MeetingEvent) -> None:
        """Say what happens before anything is offered."""
        tell = self._output.tell
        match event:
            case e.RelayConnected():
                if event.first_use or self._telling.verbose:
                    tell(sentences.relay_connected(event))
            case e.RelayFallback():
                tell(sentences.relay_fallback(event), WARNING)
            case e.RelayLost():
                tell(sentences.relay_lost(event), WARNING)
            case e.RelayNotice():
                tell(sentences.notice(event.kind))
            case e.CodeAllocated():
                self._code(event)
            case e.CodeGuessed():
                tell(sentences.code_guessed(event), WARNING)
            case e.CodeDropped():
                tell(sentences.code_dropped(event), WARNING)
            case e.CodeClosed():
                tell(sentences.code_closed(event), WARNING)
            case e.PeerRefused():
                tell(sentences.peer_refused(event), WARNING)
            case e.PeerUp():
                self._connected(event)
            case e.SameWishMet():
                tell(sentences.same_wish(event), WARNING)
            case e.VerifyStep():
                self._if_any(sentences.verify_step(event.step))
            case e.PeerJoined():
                pass  # Told by the state.
            case _:
                assert_never(event)

    def tick(self) -> None:
        """Redraw the moving line; off a terminal, log a line now and then if asked to."""
        now = self._telling.now()
        self._draw()
        due = now - self._logged_at >= LOG_EVERY_S
        if due and self._telling.verbose and not self._output.animated:
            self._logged_at = now
            self._if_any(self._moving_line(now))

    def sheet(self, offer: e.OfferReceived, *, asked: bool) -> None:  # noqa: ARG002
        """Show the sheet, whoever said yes."""
        self._sheet(offer)

    def _code(self, event: e.CodeAllocated) -> None:
        output = self._output
        if self._telling.sending:
            output.result(event.code)
        else:
            output.tell(f"Code: {event.code}", "bold")
        output.tell(sentences.other_machine(event, sending=self._telling.sending))
        self._picture(event)
        output.tell(sentences.code_life(event))
        if event.weak and not self._telling.weak_told:
            output.tell(sentences.weak_code(event.bits, numbered=event.code[:1].isdigit()), WARNING)

    def _picture(self, event: e.CodeAllocated) -> None:
        wanted = self._telling.qr
        if wanted is False or (wanted is None and not self._output.animated):
            return
        paint = self._output.paint
        lines = qr.qr_lines(sentences.code_with_relay(event), dark_on_light=paint.enabled)
        if wanted or qr.fits(lines, *self._output.console.size()):
            self._output.tell_all(paint("black on bright_white", line) for line in lines)

    def _connected(self, event: e.PeerUp) -> None:
        if self._telling.sending or self._telling.verbose:
            self._output.tell(f"Connected: {sentences.person(event.name, event.fingerprint)}")
            if not event.verify:
                self._output.tell(f"Symbols:   {sentences.symbols(event.emoji)}")

    def _moved_on(self, state: str) -> None:
        self._state = state
        if self._telling.verbose and not self._output.animated:
            self._if_any(sentences.STATES.get(state))
        if state in ("done", "failed"):
            self._output.close()
        self._draw(at_once=True)

    def _moving_line(self, now: float) -> str:
        columns, _ = self._output.console.size()
        if self._state == "transferring":
            return self._progress.line(now, columns - 1)
        return sentences.STATES.get(self._state, "")[: columns - 1]

    def _draw(self, *, at_once: bool = False) -> None:
        now = self._telling.now()
        if at_once or now - self._drawn_at >= REDRAW_S:
            self._drawn_at = now
            self._output.passing(self._moving_line(now))

    def _done(self, event: e.TransferDone, kind: str) -> None:
        for ending in ("failed", "skipped", "renamed", "removed", "not as listed"):
            self._rest_of_list(ending)
        received_text = not event.roots and not self._telling.sending
        if received_text and not self._telling.verbose:
            return  # The text itself was the news.
        line = sentences.summary(event, kind=kind, verbose=bool(self._telling.verbose))
        if event.mode != "copy":
            line = sync_sentences.summary(event)
        self._output.tell(self._output.paint("" if event.failed else GOOD, line))
        self._if_any(sentences.not_kept(event))

    def _sync(self, event: e.SyncRemoved | e.SyncRound) -> None:
        if isinstance(event, e.SyncRound):
            self._output.tell(sync_sentences.round_done(event))
            return
        ending = "not as listed" if event.reason else "removed"
        self._listing(ending, sync_sentences.removed(event))

    def _listing(self, kind: str, line: str) -> None:
        """Write the first lines of a kind and count the rest."""
        count = self._listed.get(kind, 0) + 1
        self._listed[kind] = count
        if count <= sentences.LISTED or self._telling.verbose:
            self._output.tell(line, WARNING if kind == "failed" else "")

    def _rest_of_list(self, kind: str) -> None:
        rest = self._listed.pop(kind, 0) - sentences.LISTED
        if rest > 0 and not self._telling.verbose:
            self._output.tell(f"{kind}: … and {rest} more (-v names all)")

    def _if_any(self, line: str | None) -> None:
        if line:
            self._output.tell(line)
