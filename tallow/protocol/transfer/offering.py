"""What is offered, and what an answer to it may say: pages, proofs, have-lists, the choice.

An offer carries always the same number of proofs, so nobody sees whether it goes on with an earlier
transfer; a receiver that proves one, or was told that it may, says what it has before its answer.
Before: sender.py. It never plans what is sent. Spec: docs/protocol.md §8.1, §8.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tallow.crypto.secret import SecretBytes
from tallow.errors import RemoteProtocolError
from tallow.protocol.manifest import EntryKind, Manifest, Selection
from tallow.protocol.messages import Accept, Have, Offer, OfferEnd, Page, Resumes, Sync
from tallow.protocol.ranges import Ranges
from tallow.protocol.transfer.have import HaveBook
from tallow.protocol.transfer_proof import PROOF_BYTES, proves, transfer_proof
from tallow.wire import limits


@dataclass(frozen=True, slots=True)
class KnownTransfer:
    """An earlier transfer of the same sources that was not finished."""

    transfer_id: bytes
    key: SecretBytes
    """What transfer_proof.transfer_key gave in the session that began it."""


class Offering:
    """One manifest on offer, until it is answered."""

    def __init__(
        self,
        offer_no: int,
        manifest: Manifest,
        *,
        th2: bytes,
        known: Sequence[KnownTransfer],
        delta: bool,
        stream_hashes: Sequence[bytes],
        sync: Sync | None = None,
    ) -> None:
        """Offer a manifest that may go on with one of the known transfers, the likeliest first."""
        self._offer_no = offer_no
        self.manifest = manifest
        self.root = manifest.root()
        self.stream_hashes = stream_hashes
        self._th2 = th2
        self._known = tuple(known[: limits.OFFER_PROOFS_MAX])
        self._delta = delta or sync is not None
        self._sync = sync
        self._have = HaveBook(manifest, len(stream_hashes))
        self.matched: KnownTransfer | None = None

    def message(self, note: str, random_bytes: Callable[[int], bytes]) -> Offer:
        """Return the announcement; its proofs are true where there is one and random elsewhere."""
        manifest = self.manifest
        streams = manifest.entries == 1 and manifest.entry(0).kind is EntryKind.STREAM
        proofs = [transfer_proof(known.key, self._th2, "sender") for known in self._known]
        proofs += [random_bytes(PROOF_BYTES) for _ in range(limits.OFFER_PROOFS_MAX - len(proofs))]
        return Offer(
            self._offer_no,
            "stream" if streams else "files",
            manifest.entries,
            len(manifest.pages),
            manifest.total_bytes,
            proofs,
            note,
            manifest.hole_bytes,
            self._delta,
            self._sync,
        )

    def pages(self) -> Iterator[Page | OfferEnd]:
        """Yield the pages and the end of the list."""
        for index, page in enumerate(self.manifest.pages):
            yield Page(self._offer_no, index, page)
        yield OfferEnd(self._offer_no, self.root)

    # --- the answer ---------------------------------------------------------------------------

    def match(self, resumes: Resumes) -> None:
        """Find the transfer that the receiver proves; RemoteProtocolError if it is none of ours."""
        for known in self._known:
            if proves(known.key, self._th2, "receiver", resumes.proof):
                self.matched = known
                return
        raise RemoteProtocolError("The other side goes on with a transfer that it cannot prove.")

    def take_have(self, have: Have) -> None:
        """Read what the receiver has; RemoteProtocolError if it may not say so or cannot."""
        if self.matched is None and not self._delta:
            raise RemoteProtocolError("The other side claims to have what it never received.")
        self._have.take(have)

    def answered(self, accept: Accept) -> tuple[Selection, Mapping[int, Ranges]]:
        """Return what is chosen and what of it the receiver has; RemoteProtocolError if false."""
        # A root is public once received; comparing it needs no constant time.
        if accept.offer != self._offer_no or accept.manifest_root != self.root:
            raise RemoteProtocolError("The other side accepted something that was not offered.")
        if accept.accept_no < 1 or (accept.accept_no > 1 and self.matched is None):
            raise RemoteProtocolError("The other side counts answers that it never gave.")
        selection = Selection(self.manifest.entries, accept.bitmap)
        return selection, self._have.of(selection)
