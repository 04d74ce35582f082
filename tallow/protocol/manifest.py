"""What is offered: entries in pages, their limits, and which of them were accepted.

A manifest is kept as the page bytes that travelled, because its root is taken over exactly these;
entries are read out of a page when they are needed, and the pages lie wherever a store puts them,
so that a million entries need not fit in memory. Numbers of entries are places in the whole
manifest. A path here is the peer's claim: only names.py turns it into something on this disk.
This module never touches the disk: engine/storage/page_store.py does. Spec: docs/protocol.md §7.
"""

from __future__ import annotations

import bisect
import enum
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Final, Protocol

import msgspec

from tallow.crypto.tree import manifest_root
from tallow.errors import LocalProtocolError, RemoteProtocolError
from tallow.wire import limits


class EntryKind(enum.IntEnum):
    """What an entry of a manifest is."""

    FILE = 0
    FOLDER = 1
    STREAM = 2
    LINK = 3


class Entry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One file, folder, stream or symbolic link of an offer."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.PATH_MAX_BYTES)]
    kind: EntryKind
    size: Annotated[int, msgspec.Meta(ge=0, le=limits.FILE_MAX_BYTES)]
    """0 for folders, links and for streams, whose size nobody knows yet."""
    mode: Annotated[int, msgspec.Meta(ge=0, le=0o777)]
    mtime_ns: Annotated[int, msgspec.Meta(ge=-(1 << 62), le=1 << 62)]
    target: Annotated[str, msgspec.Meta(max_length=limits.PATH_MAX_BYTES)] = ""
    """What a link says; empty for everything else."""


_page_encoder = msgspec.msgpack.Encoder()
_page_decoder = msgspec.msgpack.Decoder(
    Annotated[list[Entry], msgspec.Meta(min_length=1, max_length=limits.MANIFEST_PAGE_ENTRIES)]
)


_BITS_OF: Final = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))
_PAGES_DECODED: Final = 8


class PageStore(Protocol):
    """Where the pages of a manifest lie; a plain list is one.

    Pages are read from any thread, and appended by one while no other reads.
    """

    def append(self, page: bytes, /) -> None:
        """Keep the next page."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> bytes: ...

    def __iter__(self) -> Iterator[bytes]: ...


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


def has_leaves(entry: Entry) -> bool:
    """Return whether an entry has content that travels, however little."""
    return entry.kind in (EntryKind.FILE, EntryKind.STREAM)


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
        if bool(entry.target) != (entry.kind is EntryKind.LINK):
            raise RemoteProtocolError("The other side gave a target to what is no link.")
    return entries


class Manifest:
    """Pages, and the place of every entry in them."""

    def __init__(self, store: PageStore | None = None) -> None:
        """Begin an empty manifest whose pages go into an empty store, or stay in memory."""
        pages: PageStore = [] if store is None else store
        self._pages = pages
        self._pages_bytes = 0
        self._starts: list[int] = []
        self._root: bytes | None = None
        self.entries = 0
        self.total_bytes = 0
        self.hole_bytes = 0
        """About how many of them are holes, as the sender says: they need no space."""
        self.files = 0
        self.folders = 0
        self.streams = 0
        self.links = 0
        # Bound to the pages and not to self: a cycle would keep a store's file open for long.
        self._decoded: Callable[[int], list[Entry]] = lru_cache(maxsize=_PAGES_DECODED)(
            lambda index: decode_page(pages[index])
        )

    @classmethod
    def of(cls, entries: Iterable[Entry], store: PageStore | None = None) -> Manifest:
        """Return a manifest of entries, cut into pages under the caps."""
        manifest = cls(store)
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
        if self._pages_bytes + len(page) > limits.MANIFEST_MAX_BYTES:
            raise RemoteProtocolError("The other side's list of files is longer than allowed.")
        total_bytes = self.total_bytes + sum(entry.size for entry in entries)
        if total_bytes > limits.FILE_MAX_BYTES:
            raise RemoteProtocolError("The other side offers more bytes than can exist.")
        self._pages.append(page)
        self._pages_bytes += len(page)
        self._starts.append(self.entries)
        self._root = None
        self.entries += len(entries)
        self.total_bytes = total_bytes
        for entry in entries:
            self.folders += entry.kind is EntryKind.FOLDER
            self.streams += entry.kind is EntryKind.STREAM
            self.links += entry.kind is EntryKind.LINK
        self.files = self.entries - self.folders - self.links
        return entries

    @property
    def pages(self) -> PageStore:
        """The pages, in order; only add_page appends to them."""
        return self._pages

    def root(self) -> bytes:
        """Return the manifest root over the page bytes."""
        if self._root is None:
            self._root = manifest_root(self.entries, self._pages)
        return self._root

    def entry(self, number: int) -> Entry:
        """Return an entry by its number."""
        if not 0 <= number < self.entries:
            raise LocalProtocolError(f"There is no entry {number} in this manifest.")
        page = bisect.bisect_right(self._starts, number) - 1
        return self._decoded(page)[number - self._starts[page]]

    def __iter__(self) -> Iterator[Entry]:
        for page in self._pages:
            yield from decode_page(page)


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
        whole, rest = divmod(entries, 8)
        last = bytes([(1 << rest) - 1]) if rest else b""
        return cls(entries, b"\xff" * whole + last)

    def add(self, number: int) -> None:
        """Select an entry."""
        self._bits[number >> 3] |= 1 << (number & 7)

    def discard(self, number: int) -> None:
        """Take an entry out."""
        self._bits[number >> 3] &= ~(1 << (number & 7))

    def __contains__(self, number: int) -> bool:
        return 0 <= number < self._entries and bool(self._bits[number >> 3] >> (number & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        for place, byte in enumerate(self._bits):
            if byte:
                for bit in _BITS_OF[byte]:
                    yield 8 * place + bit

    def __len__(self) -> int:
        return int.from_bytes(self._bits, "big").bit_count()

    @property
    def bitmap(self) -> bytes:
        """The bytes that travel: entry n is bit n mod 8 of byte n div 8."""
        return bytes(self._bits)
