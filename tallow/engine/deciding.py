"""From an offer to the first byte: what is here of it, what the person says, what is asked for.

A transfer that was accepted before, in this process or in one that ended, is accepted again
without asking, if the list of files is still the same; anything else is shown and waits for an
AcceptOffer. Nothing is written before. Before: receiving.py hands the offer over. After: the sink
is open and the receiver has said accept. It never looks at bulk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeVar

from msgspec import structs

from tallow.crypto.secret import SecretBytes
from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, DeclineOffer, Receive
from tallow.engine.context import ExchangeContext
from tallow.engine.continuing import Continued, Planned, plan_rest
from tallow.engine.greeting import Conversation
from tallow.engine.mirroring import (
    Known,
    Mirroring,
    clear_the_way,
    finish,
    plan_sync,
    tops,
    unchanged_files,
)
from tallow.engine.offer import (
    Taken,
    go_on_in_pipe,
    offer_entry,
    offer_event,
    sink_for,
    taken_by,
)
from tallow.engine.storage.journal import JournalHead, journal_key
from tallow.engine.storage.removing import Removed
from tallow.engine.storage.sink import Sink
from tallow.engine.storage.stdio import StdoutSink
from tallow.engine.storage.target import STDOUT, Target, plan_target
from tallow.engine.unfinished import Unfinished, Wanted, new_record, records_of
from tallow.errors import LocalProtocolError, NotVerified, OfferDeclined
from tallow.protocol.messages import Sync
from tallow.protocol.transfer.receiver import OfferReceived, Receiver, Started, State
from tallow.protocol.transfer_proof import proves, transfer_proof

R = TypeVar("R")


class RunBeside(Protocol):
    """How work is run beside the loop."""

    def __call__(self, work: Callable[[], R], then: Callable[[R], None]) -> None:
        """Run ``work`` in a thread, then ``then`` with its result in the loop."""


@dataclass(slots=True)
class Before:
    """What a session that lost its path leaves to the next one in the same process."""

    manifest_root: bytes = b""
    terms: Sync | None = None
    """What the last offer said of a sync."""
    answer: AcceptOffer | None = None
    pipe: StdoutSink | None = None
    known: Known = field(default_factory=Known)
    """What was listed or shown in syncs."""


class Deciding:
    """One offer, until it is answered."""

    def __init__(
        self,
        context: ExchangeContext,
        conversation: Conversation,
        command: Receive,
        receiver: Receiver,
        unfinished: Unfinished,
        before: Before,
    ) -> None:
        self._context = context
        self._conversation = conversation
        self._command = command
        self._receiver = receiver
        self._unfinished = unfinished
        self._before = before
        self._offer: OfferReceived | None = None
        self._continued: Continued | None = None
        self._target: Target | None = None
        self._accepted: tuple[Sink, Taken] | None = None
        self._mirroring: Mirroring | None = None
        self.removed = 0
        """How many files a sync took away."""
        self.unmirrored = 0
        """What of a sync could not be made as it is listed."""

    @property
    def target(self) -> Target | None:
        """Where the offer goes, once that is known."""
        return self._target

    @property
    def sink(self) -> Sink | None:
        """What is written to, once the offer was accepted."""
        return self._accepted[0] if self._accepted else None

    @property
    def taken(self) -> Taken | None:
        """What is asked for, once the offer was accepted."""
        return self._accepted[1] if self._accepted else None

    @property
    def left_files(self) -> int:
        """How many files of a sync are here as they are listed."""
        if self._mirroring is None or self._target is None:
            return 0
        return unchanged_files(self._mirroring, self._target)

    @property
    def mode(self) -> e.SendMode:
        """What kind of offer it is."""
        if self._mirroring is None:
            return "copy"
        return "watch" if self._mirroring.terms.watch else "sync"

    @property
    def endless(self) -> bool:
        """Whether nobody knows how much will come."""
        return self._accepted is not None and self._accepted[1].total_bytes is None

    def offered(
        self, offer: OfferReceived, run_beside: RunBeside, ready: Callable[[], None]
    ) -> None:
        """Find out where an offer would go and what is there; ``ready`` once it is accepted."""
        self._run_beside, self._ready = run_beside, ready
        output = self._command.output
        if offer.kind == "stream" and self._command.streams_to_stdout:
            output = STDOUT
        ports, records = self._context.ports, records_of(self._context)
        key = partial(journal_key, ports.state, ports.rng)
        th2 = self._conversation.session.th2

        sync = offer.sync if output != STDOUT else None

        def plan() -> Planned:
            target = plan_target(offer.manifest, offer.kind, output, look=sync is None)
            planned = plan_rest(target, records, key, offer.proofs, th2)
            if sync is None:
                return planned
            target, mirroring = plan_sync(planned.target, sync, self._before.known)
            return replace(planned, target=target, mirroring=mirroring)

        self._run_beside(plan, lambda planned: self._planned(offer, planned))

    def _planned(self, offer: OfferReceived, planned: Planned) -> None:
        """Go on with what was accepted before, or show the offer."""
        self._offer, self._target, self._continued = offer, planned.target, planned.continued
        self._mirroring = planned.mirroring
        context, before = self._context, self._before
        if planned.trouble:
            context.emit(e.TransferNotResumed(context.ticket, planned.trouble))
        answer = None
        if planned.continued is not None and planned.continued.resumed.same_manifest:
            answer = planned.continued.past.wanted.answer
            if answer is not None:
                # What was shown then may be something else by now.
                answer = structs.replace(answer, delete=False)
        if before.answer is not None and self._covered_before(offer):
            answer = before.answer
        if planned.mirroring is not None:
            before.known.note(planned.target, planned.mirroring.mirrored)
        context.forget_answers(AcceptOffer, DeclineOffer)
        if answer is not None:
            self._accept(structs.replace(answer, ticket=context.ticket))
            return
        shown = offer_event(context.ticket, offer, planned, self._conversation, self._command)
        context.emit(shown)
        context.emit(e.TransferState(context.ticket, "deciding"))

    def _covered_before(self, offer: OfferReceived) -> bool:
        """Return whether this process's person agreed to this offer with an earlier one."""
        before, target = self._before, self._target
        if before.answer is None or target is None:
            return False
        if before.manifest_root == offer.manifest.root() and before.terms == offer.sync:
            return True
        row = before.terms is not None and before.terms.watch and offer.sync is not None
        everything = before.answer.sync and before.answer.selection is None
        return row and everything and tops(target) <= before.known.tops

    def entries(self, start: int, count: int) -> list[e.OfferEntry]:
        """Return lines of the offer, for whoever shows it."""
        target = self._target
        if target is None:
            return []
        numbers = range(start, min(start + count, target.manifest.entries))
        return [offer_entry(target, number) for number in numbers]

    def take_answers(self) -> bool:
        """Take what the person says; OfferDeclined, NotVerified, UsageError, DiskFull."""
        waiting = self._receiver.state is State.DECIDING and self._accepted is None
        if not waiting or self._target is None:
            return False
        declined = self._context.take_answer(DeclineOffer)
        if declined is not None:
            self._receiver.decline(declined.reason)
            self._conversation.link.flush()
            raise OfferDeclined("You declined the offer.", hint="Nothing was written.")
        accepted = self._context.take_answer(AcceptOffer)
        if accepted is None:
            return False
        if accepted.selection == ():
            self._context.put_answer(DeclineOffer(accepted.ticket))
            return True
        if self._conversation.verify and not self._conversation.verified:
            raise NotVerified
        self._accept(accepted)
        return True

    def _accept(self, answer: AcceptOffer) -> None:
        target, before = self._target, self._before
        if target is None:
            raise LocalProtocolError("There is no offer to accept.")
        mirroring = self._mirroring
        before.terms = self._must_offer().sync
        if mirroring is not None and mirroring.must_clear and answer.sync and answer.delete:
            self._target = None
            self._run_beside(
                lambda: clear_the_way(mirroring, target),
                lambda cleared: self._cleared(target, answer, *cleared),
            )
            return
        resumed = self._continued.resumed if self._continued else None
        taken = taken_by(target, answer, resumed, before.pipe, mirroring)
        before.answer, before.manifest_root = answer, target.manifest.root()
        ports = self._context.ports
        sink = before.pipe or sink_for(target, answer, ports, resumed, mirroring, taken)
        if before.pipe is not None:
            go_on_in_pipe(before.pipe, target, taken)
        elif isinstance(sink, StdoutSink):
            before.pipe = sink
        self._accepted = (sink, taken)
        self._run_beside(lambda: sink.prepare(taken.selection), lambda _: self._begin(taken))

    def _cleared(
        self, target: Target, answer: AcceptOffer, removed: list[Removed], mirroring: Mirroring
    ) -> None:
        """Accept what can stand here now."""
        self._target, self._mirroring = target, mirroring
        self._tell_removed(removed)
        self._accept(answer)

    def _tell_removed(self, removed: list[Removed]) -> None:
        for one in removed:
            self._context.emit(e.SyncRemoved(self._context.ticket, one.path, one.reason))
            self.removed += not one.reason and not one.path.endswith("/")
            self.unmirrored += bool(one.reason)

    def mirror(self) -> list[Removed]:
        """Remove what a sync does not list, if that was agreed to; runs in a worker thread."""
        answer, target = self._before.answer, self._target
        if self._mirroring is None or answer is None or target is None:
            return []
        return finish(self._mirroring, answer, target)

    def mirrored(self, removed: list[Removed]) -> None:
        """Tell what became of it."""
        self._tell_removed(removed)

    def _begin(self, taken: Taken) -> None:
        context = self._context
        self._prove()
        self._receiver.accept(taken.selection, have=taken.have, accept_no=taken.accept_no)
        self.unmirrored += taken.blocked
        if taken.named or (taken.have and self._continued is not None):
            changed = self._continued.resumed.changed if self._continued else 0
            context.emit(e.TransferResumed(context.ticket, taken.have_bytes, taken.named, changed))
        else:
            total = taken.total_bytes or 0
            context.emit(e.OfferAnswered(context.ticket, True, taken.files, total))
        context.emit(e.TransferState(context.ticket, "transferring"))
        self._ready()

    def _prove(self) -> None:
        """Show the sender that this is the side that has the rest of the transfer."""
        th2 = self._conversation.session.th2
        record = self._unfinished.record
        if self._continued is not None:
            record = self._continued.past.record
        if record is not None:
            key = SecretBytes(record.transfer_key)
            if any(proves(key, th2, "sender", proof) for proof in self._must_offer().proofs):
                self._receiver.resume(transfer_proof(key, th2, "receiver"))

    def _must_offer(self) -> OfferReceived:
        if self._offer is None:
            raise LocalProtocolError("There is no offer to accept.")
        return self._offer

    def started(self, event: Started) -> None:
        """Remember this transfer, so that it can go on over another path or after a crash."""
        target = self._target
        if self._accepted is None or target is None:
            return
        sink, taken = self._accepted
        answer = self._before.answer or AcceptOffer(self._context.ticket)
        head = JournalHead(
            event.transfer_id,
            event.manifest_root,
            taken.accept_no,
            target.manifest.entries,
            taken.selection.bitmap,
            answer.on_conflict,
        )
        sink.begin(head)
        record = new_record(
            self._context,
            self._conversation,
            event.transfer_id,
            direction="receive",
            wanted=Wanted(receive=self._command, answer=answer),
        )
        record = structs.replace(
            record,
            output=str(target.folder.resolve()) if target.folder else "",
            output_name=target.rename_to or "",
            journal=sink.journal_name,
            manifest_root=event.manifest_root,
            files=taken.files,
            total_bytes=taken.total_bytes or 0,
            done_bytes=taken.have_bytes,
        )
        kept = self._continued.past.record if self._continued else None
        lasting = target.folder is not None
        self._unfinished.begin(record, self._context.ports.clock.now(), kept=kept, lasting=lasting)
