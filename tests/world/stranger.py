"""A peer made by hand: it meets by the rules and then says whatever a test wants it to say.

The words of the code are right, so everything it does is authenticated: what is shown here is that
an authenticated peer is still not believed.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

from tallow.crypto.tree import leaf_hash, manifest_root, root_hash
from tallow.engine.connecting import connect
from tallow.engine.context import ExchangeContext
from tallow.engine.greeting import Conversation, Wish, greet
from tallow.engine.joining import join_plate, numbered_context
from tallow.engine.settings import Settings
from tallow.errors import TallowError
from tallow.protocol.bulk import BulkKeys, BulkSendChannel, accept_digest
from tallow.protocol.code import parse_code
from tallow.protocol.handshake import Initiator, OwnFlights
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.protocol.messages import (
    Accept,
    Control,
    FileEnd,
    Finish,
    Offer,
    OfferEnd,
    Page,
    Start,
    TextShown,
    Trailer,
)
from tallow.protocol.rendezvous import RelayNoticed
from tallow.protocol.session import MessageReceived
from tallow.wire import relay as wire
from tallow.wire.frames import LinkType, encode_link, encode_record
from tests.world.relay import ADDRESS
from tests.world.world import Person

M = TypeVar("M")
PROOFS = [bytes(32)] * 8
"""Of no transfer at all."""


class Gone(Exception):
    """The other side ended it."""


class Stranger:
    """Joins a code and speaks by hand."""

    def __init__(self, person: Person) -> None:
        self.context = ExchangeContext(
            99, Settings(relay=ADDRESS), person.ports(), lambda _: None, OwnFlights()
        )
        self._conversation: Conversation | None = None
        self._channel: BulkSendChannel | None = None

    @property
    def conversation(self) -> Conversation:
        """What was agreed with the other side."""
        assert self._conversation is not None
        return self._conversation

    async def join(self, code: str, wish: Wish) -> None:
        """Join and exchange greetings."""
        met = await join_plate(self.context, ADDRESS, parse_code(code), wait=False, timeout_s=None)
        self._conversation = await greet(self.context, met, wish, name="Mallory", verify=False)

    async def fails_to_join(self, code: str, versions: tuple[int, ...]) -> TallowError:
        """Join as a program of other protocol versions; return how that ends."""
        parsed = parse_code(code)
        initiator = Initiator(
            numbered_context(parsed),
            self.context.ports.rng.bytes,
            self.context.kem,
            self.context.own_flights,
            versions=versions,
        )
        initiator.begin(self.context.ports.clock.now())
        first = initiator.bytes_to_send()[0]
        link = await connect(self.context, ADDRESS, wire.Join(parsed.plate, first))
        link.peer = initiator
        try:
            while True:
                await link.next_event()
        except TallowError as error:
            return error
        finally:
            await self.context.close_links()

    def say(self, *messages: Control) -> None:
        """Send control messages, sealed and in order."""
        link = self.conversation.link
        for message in messages:
            self.conversation.session.send(message, self.context.ports.clock.now())
        link.flush()

    async def hears(self, kind: type[M]) -> M:
        """Return the next message of a kind; Gone if the other side ends it first."""
        link = self.conversation.link
        while True:
            event = link.poll()
            match event:
                case MessageReceived() if isinstance(event.message, kind):
                    return event.message
                case RelayNoticed(kind="peer-gone"):
                    raise Gone
                case None:
                    await link.wait()
                case _:
                    pass

    def goes_on_pinging(self) -> asyncio.Task[TextShown]:
        """Serve the session in the background, pings and all, and say nothing else."""
        return asyncio.create_task(self.hears(TextShown))

    async def leave(self) -> None:
        """Close the connection without a word."""
        await self.context.close_links()

    # --- a sender's part ----------------------------------------------------------------------

    def offer(self, *entries: Entry, note: str = "") -> Manifest:
        """Offer a list, true in every count."""
        manifest = Manifest.of(entries)
        stream = entries[0].kind is EntryKind.STREAM
        pages = [Page(1, index, page) for index, page in enumerate(manifest.pages)]
        counts = manifest.entries, len(pages), manifest.total_bytes
        self.say(Offer(1, "stream" if stream else "files", *counts, PROOFS, note), *pages)
        self.say(OfferEnd(1, manifest.root()))
        return manifest

    def raw_page(self, entries: list[Entry]) -> bytes:
        """Return the bytes of a page."""
        return Manifest.of(entries).pages[0]

    def root_of(self, page: bytes) -> bytes:
        """Return the root of a list of one page with one entry."""
        return manifest_root(1, [page])

    def offer_page(self, page: bytes) -> None:
        """Offer one page of one entry, as bytes."""
        self.say(
            Offer(1, "files", 1, 1, 2, PROOFS), Page(1, 0, page), OfferEnd(1, self.root_of(page))
        )

    async def start(self, manifest: Manifest) -> None:
        """Wait for the yes and open a bulk channel."""
        accept = await self.hears(Accept)
        digest = accept_digest(manifest.root(), accept.accept_no, accept.bitmap)
        ts, transfer_id = bytes(32), bytes(16)
        keys = BulkKeys(manifest.root(), ts, transfer_id, accept.accept_no, digest)
        self._channel = self.conversation.session.open_bulk_send(keys)
        self.say(Start(1, self._channel.channel, transfer_id, accept.accept_no, ts, digest))

    def bulk(self, body: bytes) -> None:
        """Send one bulk record with this body."""
        assert self._channel is not None
        reserved = self._channel.reserve()
        sealed = bytearray(len(body) + 16)
        reserved.key.seal_into(
            reserved.header.number, reserved.ad, memoryview(body), memoryview(sealed)
        )
        frame = encode_record(reserved.header, bytes(sealed))
        self.conversation.link.connection.send(encode_link(LinkType.DATA, frame))

    def ends(self, *ends: FileEnd) -> None:
        """Send a trailer."""
        self.say(Trailer(1, list(ends)))

    def finish(self, roots: bytes = bytes(32)) -> None:
        """Say that everything was sent."""
        self.say(Finish(1, roots))


def file(path: str, size: int = 0, mode: int = 0o644) -> Entry:
    """Return a file's entry."""
    return Entry(path, EntryKind.FILE, size, mode, 0)


def folder(path: str, mode: int = 0o755) -> Entry:
    """Return a folder's entry."""
    return Entry(path, EntryKind.FOLDER, 0, mode, 0)


def small_root(content: bytes) -> bytes:
    """Return the root of a file of at most one leaf."""
    return root_hash(len(content), 65536, [leaf_hash(content)] if content else [])
