"""One target per decoder: bytes in; a value, or the error that the decoder documents.

A target returns for what it accepts and for what it refuses; any other exception is a finding.
What is accepted must also hold together: read again it is the same, inside its limits. Seeds are
made here by the encoders, so that they never grow old.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec

from tallow.display import cell_width, display_block, display_text, replace_hidden
from tallow.engine.attempt_book import NAME as ATTEMPTS
from tallow.engine.attempt_book import AttemptBook
from tallow.engine.storage.journal import (
    FileNamed,
    FolderMade,
    JournalHead,
    LeavesDurable,
    PartOpened,
    read_journal,
)
from tallow.engine.transport import pins
from tallow.errors import (
    BadCode,
    PeerVersion,
    RemoteProtocolError,
    StorageError,
    UnsafeName,
    UsageError,
)
from tallow.protocol import bulk, flights
from tallow.protocol.address import RelayAddress, parse_address
from tallow.protocol.code import check_typed, near_misses, parse_code
from tallow.protocol.manifest import EntryKind, Manifest, Selection, decode_page
from tallow.protocol.messages import (
    Text,
    decode_control,
    encode_control,
)
from tallow.protocol.names import NameTable, TargetSystem, risk_flags, safe_name
from tallow.protocol.transfer.receiver import Receiver
from tallow.wire import limits
from tallow.wire import relay as wire
from tallow.wire.errors import WireError
from tallow.wire.frames import (
    LINK_CAPS,
    LinkReader,
    LinkType,
    PeerType,
    decode_peer,
    encode_link,
    encode_peer,
    encode_record,
)
from tests.corpus import messages as said
from tests.corpus import records, relays
from tests.fakes import WALL_AT_BEGIN, MemoryState
from tests.fuzz.seeds import (
    ADDRESSES,
    CODES,
    JOURNAL_KEY,
    NAMES,
    STATE,
    compressed_seeds,
    control_seeds,
    flight_seeds,
    journal_seeds,
    offer,
    page_seeds,
    text_seeds,
)
from tests.pair.lane import holes_body, leaves_body, pack_body
from tests.relay.memory import MemoryRelay

ADDRESS = RelayAddress("relay.test", 4433)
BETWEEN = b"\xc1\xc1\xc1"
"""Stands between messages: a byte that MessagePack never uses."""


class StillClock:
    """A clock that stands still, without an event loop."""

    def now(self) -> float:
        """Return an instant."""
        return 1000.0

    def wall(self) -> float:
        """Return unix seconds."""
        return WALL_AT_BEGIN


@dataclass(frozen=True)
class Target:
    """A decoder, what it may raise, and bytes that it accepts."""

    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]

    def __call__(self, raw: bytes) -> bool:
        """Return whether the decoder took these bytes; a finding escapes."""
        try:
            self.read(raw)
        except self.errors:
            return False
        return True


# --- the wire ---------------------------------------------------------------------------------


def link_frames(raw: bytes) -> None:
    """Read link frames, in one piece and in small ones: the same frames, within their caps."""
    whole = [(kind, bytes(body)) for kind, body in LinkReader().feed(raw)]
    reader = LinkReader()
    pieces = [raw[at : at + 7] for at in range(0, len(raw), 7)]
    assert whole == [(kind, bytes(body)) for piece in pieces for kind, body in reader.feed(piece)]
    assert all(len(body) <= LINK_CAPS[kind] for kind, body in whole)
    assert raw.startswith(b"".join(encode_link(kind, body) for kind, body in whole))


def peer_frame(raw: bytes) -> None:
    """Read a peer frame; written again it is the same bytes."""
    frame = decode_peer(raw)
    if frame.header is None:
        assert encode_peer(frame.kind, bytes(frame.body)) == raw
    else:
        assert encode_record(frame.header, bytes(frame.body)) == raw


def from_client(raw: bytes) -> None:
    """Read what a client says; written again it is read as the same."""
    message = wire.decode_client(raw)
    assert wire.decode_client(wire.client_frame(message)[5:]) == message


def from_relay(raw: bytes) -> None:
    """Read what a relay says; written again it is read as the same."""
    message = wire.decode_relay(raw)
    assert wire.decode_relay(wire.relay_frame(message)[5:]) == message


def relay_link(raw: bytes) -> None:
    """Feed a whole link of a relay; afterwards others still meet under it."""
    relay = MemoryRelay()
    waiting = relay.enter(wire.Claim("7123", 600))
    link = relay.open("192.0.2.66")
    relay.feed(link, raw)
    relay.wait(100)
    assert link.closed
    assert not waiting.writes or waiting.heard()
    creator, joiner = relay.enter(wire.Claim("99", 600)), relay.join("99")
    assert creator.heard()
    assert joiner.heard()


def control_message(raw: bytes) -> None:
    """Read a control message of a peer; written again it is read as the same."""
    message = decode_control(raw)
    assert decode_control(encode_control(message)) == message


def conversation(raw: bytes) -> None:
    """Read messages one after another as a receiver; nothing is admitted before a yes."""
    receiver = Receiver(lambda _channel, _keys: None)
    for part in raw.split(BETWEEN):
        message = decode_control(part)
        receiver.receive(message, 1.0)  # type: ignore[arg-type]  # whatever a peer may say


def bulk_body(raw: bytes) -> None:
    """Take a bulk body apart; its pieces lie inside it and keep their limits."""
    body = bulk.read_body(memoryview(raw))
    if isinstance(body, bulk.LeavesBody):
        sizes = [0 if leaf.codec is bulk.Codec.HOLE else leaf.plain_bytes for leaf in body.leaves]
        stored = sum(len(leaf.stored) for leaf in body.leaves)
    else:
        sizes, stored = [size for _, size in body.files], len(body.stored)
    assert 1 <= len(sizes) <= limits.RECORD_ENTRIES_MAX
    assert stored <= min(len(raw), sum(sizes)) <= sum(sizes) <= limits.RECORD_LEAVES_MAX_BYTES


def flight(name: str, raw: bytes) -> None:
    """Read a flight; every part has its one length."""
    if name == "M1":
        ya, ada, hello = flights.decode_m1(raw)
        assert (len(ya), len(hello.commitment), len(hello.x)) == (32, 32, 32)
        assert ada in raw
    elif name == "M2":
        ek = flights.Hello1((1,), (1,), bytes(32), bytes(1568), bytes(32))
        yb, _, answer, tag = flights.decode_m2(raw, ek)
        assert (len(yb), len(answer.nonce), len(tag)) == (32, 32, 64)
    else:
        assert [len(part) for part in flights.decode_m3(raw)] == [32, 64]


# --- offers and names -------------------------------------------------------------------------


def manifest_page(raw: bytes) -> None:
    """Read a page and add it to a manifest: counts agree with entries."""
    entries = decode_page(raw)
    manifest = Manifest()
    assert manifest.add_page(raw) == entries == list(manifest)
    assert manifest.entries == len(entries) <= limits.MANIFEST_PAGE_ENTRIES
    assert manifest.total_bytes == sum(entry.size for entry in entries) <= limits.FILE_MAX_BYTES
    table = NameTable(TargetSystem.POSIX)
    for entry in entries:
        try:
            table.claim(entry.path, "folder" if entry.kind is EntryKind.FOLDER else "file")
        except UnsafeName:
            continue


def selection(raw: bytes) -> None:
    """Read a bitmap for as many entries as its first byte says."""
    count = raw[0] if raw else 0
    chosen = Selection(count, raw[1:])
    assert list(chosen) == [number for number in range(count) if number in chosen]
    assert len(list(chosen)) == len(chosen)
    assert chosen.bitmap == raw[1:]


def name(raw: bytes) -> None:
    """Make a name safe for every system: nothing leaves the folder, twice is once."""
    text = raw.decode("utf-8", "surrogateescape")
    refused = []
    for system in TargetSystem:
        try:
            safe = safe_name(text, system=system)
        except UnsafeName as error:
            refused.append(error)
            continue
        for part in safe.parts:
            assert part not in ("", ".", "..")
            assert not set(part) & {"/", "\0"}
            assert len(part.encode()) <= limits.COMPONENT_MAX_BYTES
        assert safe_name("/".join(safe.parts), system=system).parts == safe.parts
        risk_flags(text, 0o755, "file")
    if refused:
        raise refused[0]


def shown(raw: bytes) -> None:
    """Show text: no control leaves, no cut is wider than asked."""
    text = raw.decode("utf-8", "surrogateescape")
    line, block = display_text(text), display_block(text)
    cut = display_text(text, max_width=20)
    assert cell_width(cut) <= 20
    for seen in (line, cut, block.replace("\n", "").replace("\t", "")):
        assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in seen)
        assert "\x1b" not in seen
    replace_hidden(text, lambda _: "?")


# --- what people type -------------------------------------------------------------------------


def code(raw: bytes) -> None:
    """Read a code as typed; its text is read as the same code."""
    text = raw.decode("utf-8", "replace")
    near_misses(text)
    check_typed(text, interactive=True, allow_weak=True)
    read = parse_code(text, allow_weak=True)
    again = parse_code(read.text, allow_weak=True)
    assert (again.plate, again.words, again.kind) == (read.plate, read.words, read.kind)
    parse_code(text)


def address(raw: bytes) -> None:
    """Read a relay's address; its text is read as the same address."""
    read = parse_address(raw.decode("utf-8", "replace"))
    assert parse_address(read.with_pin_text()) == read
    assert 1 <= read.port <= 0xFFFF


# --- files of our own -------------------------------------------------------------------------


def journal(raw: bytes) -> None:
    """Read a journal: entries that were written, or a refusal."""
    for entry in read_journal(raw, JOURNAL_KEY):
        kinds = JournalHead | PartOpened | LeavesDurable | FileNamed | FolderMade
        assert isinstance(entry, kinds)


def known_relays(raw: bytes) -> None:
    """Read the list of known relays, and write to it."""
    state = MemoryState()
    state.content[pins.NAME] = raw
    assert isinstance(pins.known(state, ADDRESS).pin, str)
    pins.remember(state, ADDRESS, "00" * 32)
    assert pins.known(state, ADDRESS).pin == "00" * 32


def attempts(raw: bytes) -> None:
    """Read the counted guesses and count one more."""
    state = MemoryState()
    state.content[ATTEMPTS] = raw
    book = AttemptBook(state, StillClock(), "7@relay.test:4433", 3)
    counted = book.read()
    book.write(counted.started())
    assert counted.counted >= 0
    assert book.read().counted == counted.counted + 1


REMOTE = (RemoteProtocolError,)
FLIGHT = (RemoteProtocolError, PeerVersion)

TARGETS: dict[str, Target] = {
    "link-frame": Target(link_frames, (WireError,), lambda: list(relays.FRAMES.values())),
    "peer-frame": Target(
        peer_frame,
        (WireError,),
        lambda: [
            encode_peer(PeerType.ABORT, b"\1"),
            *records.honest("control", 1),
            *records.honest("bulk", 1),
        ],
    ),
    "relay-hears": Target(
        from_client, (WireError,), lambda: [wire.client_frame(each)[5:] for each in said.CLIENT]
    ),
    "relay-says": Target(
        from_relay, (WireError,), lambda: [wire.relay_frame(each)[5:] for each in said.RELAY]
    ),
    "relay-link": Target(
        relay_link,
        (),
        lambda: (
            [relays.FROM_CLIENT["client.hello"] + frame for frame in relays.FROM_CLIENT.values()]
            + [encode_link(LinkType.DATA, bytes(9000))]
        ),
    ),
    "control-message": Target(control_message, (WireError,), control_seeds),
    "conversation": Target(
        conversation,
        (WireError, RemoteProtocolError),
        lambda: [BETWEEN.join(map(encode_control, offer())), encode_control(Text("hi"))],
    ),
    "bulk-body": Target(
        bulk_body,
        REMOTE,
        lambda: [
            leaves_body(1, 0, [b"x" * 40, b"y" * 9], last=True),
            holes_body(1, 4, [65536, 65536, 9], last=True),
            *compressed_seeds(),
            pack_body([(0, b"small"), (2, b"")]),
            pack_body([(5, b"z" * 300)]) + bytes(50),
        ],
    ),
    "manifest-page": Target(manifest_page, REMOTE, page_seeds),
    "selection": Target(
        selection, REMOTE, lambda: [b"\x0a\xff\x03", b"\x08\x55", b"\x00", b"\x01\x01"]
    ),
    "flight-m1": Target(partial(flight, "M1"), FLIGHT, partial(flight_seeds, "M1")),
    "flight-m2": Target(partial(flight, "M2"), FLIGHT, partial(flight_seeds, "M2")),
    "flight-m3": Target(partial(flight, "M3"), REMOTE, partial(flight_seeds, "M3")),
    "safe-name": Target(name, (UnsafeName,), text_seeds(*NAMES)),
    "display-text": Target(shown, (), text_seeds(*NAMES[:8], "\x1b[31mred\x07", "👩‍👩‍👧 ｗ")),
    "code": Target(code, (BadCode, UsageError), text_seeds(*CODES)),
    "relay-address": Target(address, (UsageError,), text_seeds(*ADDRESSES)),
    "journal": Target(journal, (StorageError,), lambda: list(journal_seeds())),
    "known-relays": Target(
        known_relays,
        (StorageError,),
        lambda: [b"{}", msgspec.json.encode({str(ADDRESS): "ab" * 32, "x": "ca"})],
    ),
    "attempts": Target(attempts, (StorageError,), lambda: [b"{}", msgspec.json.encode(STATE)]),
}
