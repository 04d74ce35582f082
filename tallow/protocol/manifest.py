"""What is offered: entries in pages, their limits, and which of them were accepted.

A manifest is kept as the page bytes that travelled, because its root is taken over exactly these;
entries are read out of a page when they are needed. Numbers of entries are places in the whole
manifest. A path here is the peer's claim: only names.py turns it into something on this disk.
This module never touches the disk. Spec: docs/protocol.md §7.
"""

from __future__ import annotations

import bisect
import enum
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Annotated

import msgspec

from tallow.crypto.tree import manifest_root
from tallow.errors import LocalProtocolError, RemoteProtocolError
from tallow.wire import limits


class EntryKind(enum.IntEnum):
    """What an entry of a manifest is."""

    FILE = 0
    FOLDER = 1
    STREAM = 2


class Entry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One file, folder or stream of an offer."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.PATH_MAX_BYTES)]
    kind: EntryKind
    size: Annotated[int, msgspec.Meta(ge=0, le=limits.FILE_MAX_BYTES)]
    """0 for folders and for streams, whose size nobody knows yet."""
    mode: Annotated[int, msgspec.Meta(ge=0, le=0o777)]
    mtime_ns: Annotated[int, msgspec.Meta(ge=-(1 << 62), le=1 << 62)]


_page_encoder = msgspec.msgpack.Encoder()
_page_decoder = msgspec.msgpack.Decoder(
    Annotated[list[Entry], msgspec.Meta(min_length=1, max_length=limits.MANIFEST_PAGE_ENTRIES)]
)


def leaf_bytes(kind: EntryKind, size: int) -> int:
    """Return the leaf size: a function of file size alone, so that roots agree everywhere."""
    if kind is EntryKind.STREAM:
        return limits.STREAM_LEAF_BYTES
    if size < 64 * limits.MIB:
        return 64 * limits.KIB
    if size < limits.GIB:
        return 256 * limits.KIB
    return limits.MIB


def leaf_count(size: int, leaf: int) -> int:
    """Return ⌈size / leaf⌉."""
    return -(-size // leaf)


def travels_packed(entry: Entry) -> bool:
    """Return whether an entry goes whole in a PACK record."""
    return entry.kind is EntryKind.FILE and entry.size < limits.PACK_FILE_MAX_BYTES


def decode_page(page: bytes) -> list[Entry]:
    """Read a page, or raise RemoteProtocolError."""
    try:
        entries: list[Entry] = _page_decoder.decode(page)
    except (ValueError, RecursionError):
        raise RemoteProtocolError("The other side sent a malformed list of files.") from None
    for entry in entries:
        if entry.kind is not EntryKind.FILE and entry.size:
            raise RemoteProtocolError("The other side gave a size to something without one.")
    return entries


class Manifest:
    """Pages, and the place of every entry in them."""

    def __init__(self) -> None:
        self._pages: list[bytes] = []
        self._pages_bytes = 0
        self._starts: list[int] = []
        self.entries = 0
        self.total_bytes = 0
        self.files = 0
        self.folders = 0
        self._decoded: Callable[[int], list[Entry]] = lru_cache(maxsize=8)(self._decode)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Manifest:
        """Return a manifest of entries, cut into pages under the caps."""
        manifest = cls()
        page: list[Entry] = []
        page_bytes = 0
        for entry in entries:
            entry_bytes = len(_page_encoder.encode(entry))
            full = len(page) == limits.MANIFEST_PAGE_ENTRIES
            if page and (full or page_bytes + entry_bytes > limits.MANIFEST_PAGE_MAX_BYTES - 8):
                manifest.add_page(_page_encoder.encode(page))
                page, page_bytes = [], 0
            page.append(entry)
            page_bytes += entry_bytes
        if page:
            manifest.add_page(_page_encoder.encode(page))
        return manifest

    def add_page(self, page: bytes) -> list[Entry]:
        """Append a page and return its entries; RemoteProtocolError if it breaks a limit."""
        entries = decode_page(page)
        if self.entries + len(entries) > limits.MANIFEST_ENTRIES_MAX:
            raise RemoteProtocolError("The other side offers more files than allowed at once.")
        self._pages_bytes += len(page)
        if self._pages_bytes > limits.MANIFEST_MAX_BYTES:
            raise RemoteProtocolError("The other side's list of files is longer than allowed.")
        self._starts.append(self.entries)
        self._pages.append(page)
        self.entries += len(entries)
        for entry in entries:
            self.total_bytes += entry.size
            self.folders += entry.kind is EntryKind.FOLDER
        self.files = self.entries - self.folders
        if self.total_bytes > limits.FILE_MAX_BYTES:
            raise RemoteProtocolError("The other side offers more bytes than can exist.")
        return entries

    @property
    def pages(self) -> list[bytes]:
        """The pages, in order."""
        return self._pages

    def root(self) -> bytes:
        """Return the manifest root over the page bytes."""
        return manifest_root(self.entries, self._pages)

    def entry(self, number: int) -> Entry:
        """Return an entry by its number."""
        if not 0 <= number < self.entries:
            raise LocalProtocolError(f"There is no entry {number} in this manifest.")
        page = bisect.bisect_right(self._starts, number) - 1
        return self._decoded(page)[number - self._starts[page]]

    def __iter__(self) -> Iterator[Entry]:
        for page in self._pages:
            yield from decode_page(page)

    def _decode(self, page: int) -> list[Entry]:
        return decode_page(self._pages[page])


class Selection:
    """A bitmap of entry numbers, the only form in which an answer travels."""

    def __init__(self, entries: int, bitmap: bytes | None = None) -> None:
        """Hold an empty selection, or read a peer's bitmap; RemoteProtocolError if false."""
        length = (entries + 7) // 8
        if bitmap is not None and len(bitmap) != length:
            raise RemoteProtocolError("The other side's answer does not fit the offer.")
        self._bits = bytearray(bitmap if bitmap is not None else length)
        self._entries = entries
        spare = length * 8 - entries
        if spare and self._bits[-1] >> (8 - spare):
            raise RemoteProtocolError("The other side's answer names files that do not exist.")

    @classmethod
    def everything(cls, entries: int) -> Selection:
        """Return a selection of all entries."""
        chosen = cls(entries)
        for number in range(entries):
            chosen.add(number)
        return chosen

    def add(self, number: int) -> None:
        """Select an entry."""
        self._bits[number >> 3] |= 1 << (number & 7)

    def discard(self, number: int) -> None:
        """Take an entry out."""
        self._bits[number >> 3] &= ~(1 << (number & 7))

    def __contains__(self, number: int) -> bool:
        return 0 <= number < self._entries and bool(self._bits[number >> 3] >> (number & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        for number in range(self._entries):
            if number in self:
                yield number

    def __len__(self) -> int:
        return int.from_bytes(self._bits, "big").bit_count()

    @property
    def bitmap(self) -> bytes:
        """The bytes that travel: entry n is bit n mod 8 of byte n div 8."""
        return bytes(self._bits)
