"""Bytes that the decoders accept, made by the encoders, so that they never grow old."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tallow.engine.storage.journal import (
    FileNamed,
    FolderMade,
    JournalHead,
    JournalWriter,
    LeavesDurable,
    PartOpened,
)
from tallow.protocol.bulk import (
    Codec,
    leaves_prefix_bytes,
    pack_prefix_bytes,
    write_leaves_prefix,
    write_pack_prefix,
)
from tallow.protocol.code import generate_code
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.protocol.messages import Control, Offer, OfferEnd, Page, encode_control
from tests.corpus import messages as said
from tests.fakes import WALL_AT_BEGIN
from tests.pair.meeting import Flight, Meeting

JOURNAL_KEY = bytes(32)
JOURNAL_ID = bytes(16)


def control_seeds() -> list[bytes]:
    """Return every message of a peer."""
    return [encode_control(message) for message in said.PEER]


def page_seeds() -> list[bytes]:
    """Return pages of a manifest."""
    entries = [
        Entry("d/file", EntryKind.FILE, 70_000, 0o644, 1),
        Entry("d", EntryKind.FOLDER, 0, 0o755, -1),
        Entry("stdin", EntryKind.STREAM, 0, 0o600, 0),
    ]
    return [*Manifest.of(entries).pages, *Manifest.of(entries[:1]).pages]


def offer() -> list[Control]:
    """Return the messages of a true offer."""
    manifest = Manifest()
    for page in page_seeds()[1:]:
        manifest.add_page(page)
    return [
        Offer(1, "files", manifest.entries, 1, manifest.total_bytes, [bytes(32)], "a note"),
        *(Page(1, index, page) for index, page in enumerate(manifest.pages)),
        OfferEnd(1, manifest.root()),
    ]


@cache
def journal_seeds() -> tuple[bytes, ...]:
    """Return a journal with an entry of every kind."""
    # The writer knows only real files.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        writer = JournalWriter(descriptor, JOURNAL_KEY, JOURNAL_ID)
        part = PartOpened(0, ["d"], ".tallow-0123456789abcdef.part", bytes(16))
        writer.append([JournalHead(bytes(16), bytes(32), 1, 1, b"\x01", "rename"), part])
        writer.append([FolderMade(["d"]), LeavesDurable(0, 0, bytes(64))])
        writer.append([FileNamed(0, bytes(16), ["d"], "name")])
        writer.close()
        return (path.read_bytes(),)


def compressed_seeds() -> list[bytes]:
    """Return bulk bodies that say that what they hold is compressed."""
    leaves = bytearray(leaves_prefix_bytes(3))
    entries = [(Codec.ZSTD, 65536, 12), (Codec.HOLE, 65536, 0), (Codec.RAW, 5, 5)]
    write_leaves_prefix(memoryview(leaves), 1, 0, entries, last=True)
    pack = bytearray(pack_prefix_bytes(2))
    write_pack_prefix(memoryview(pack), [(0, 900), (2, 0)], codec=Codec.ZSTD, stored_bytes=12)
    return [bytes(leaves) + b"z" * 17, bytes(pack) + b"z" * 12]


def text_seeds(*texts: str) -> Callable[[], list[bytes]]:
    """Return texts as bytes."""
    return lambda: [text.encode("utf-8", "surrogatepass") for text in texts]


def flight_seeds(wanted: Flight) -> list[bytes]:
    """Return a flight of an honest run."""
    return [Meeting().run().flight(wanted)]


NAMES = (
    "a/b.txt", "../x", "/etc/passwd", "C:\\x", "nul.txt", "a\u202egpj.exe", "e\u0301", " .bashrc ",
    "\ud800", ".tallow-0", "x" * 255, "a/" * 127 + "a",
)  # fmt: skip
CODES = (
    generate_code("7123", 3, lambda count: b"\x5a" * count).text, "7-my-own-code",
    "correct horse battery staple", "12-a@relay.example:99#sha256:" + "0" * 64, "0-zero", "７-ａ",
)  # fmt: skip
ADDRESSES = (
    "relay.example:4433", "[::1]:9", "fe80::1%eth0", "bücher.example", "127.1",
    "h#sha256:" + "a" * 64,
)  # fmt: skip
STATE = {"7@relay.test:4433": {"counted": 2, "at": WALL_AT_BEGIN}}
