"""Pages of a manifest, the place of every entry in them, and the bitmap that answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tallow.errors import LocalProtocolError, RemoteProtocolError
from tallow.protocol.manifest import (
    Entry,
    EntryKind,
    Manifest,
    Selection,
    decode_page,
    leaf_bytes,
    leaf_count,
    travels_packed,
)
from tallow.wire import limits

KIB, MIB, GIB = limits.KIB, limits.MIB, limits.GIB


def file(path: str = "f", size: int = 1) -> Entry:
    """Return a file's entry."""
    return Entry(path, EntryKind.FILE, size, 0o644, 0)


def page_of(*entries: Any) -> bytes:
    """Return a page that no encoder of ours made."""
    raw: bytes = msgpack.packb(list(entries))
    return raw


ENTRY = ["f", 0, 1, 0o644, 0]


def entry_with(**changes: Any) -> list[Any]:
    """Return a plain entry with some of its five places changed."""
    names = ["path", "kind", "size", "mode", "mtime"]
    return [changes.get(name, value) for name, value in zip(names, ENTRY, strict=True)]


# --- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "leaf"),
    [
        (0, 64 * KIB),
        (64 * MIB - 1, 64 * KIB),
        (64 * MIB, 256 * KIB),
        (GIB - 1, 256 * KIB),
        (GIB, MIB),
        (1 << 60, MIB),
    ],
)
def test_the_leaf_size_follows_from_the_file_size_alone(size: int, leaf: int) -> None:
    """Roots agree on every path, so nothing but the size decides."""
    assert leaf_bytes(EntryKind.FILE, size) == leaf
    assert leaf_bytes(EntryKind.STREAM, size) == 256 * KIB


@given(st.integers(0, 1 << 60), st.sampled_from([64 * KIB, 256 * KIB, MIB]))
def test_the_leaf_count_is_the_size_rounded_up(size: int, leaf: int) -> None:
    """⌈size / leaf⌉, in integers."""
    count = leaf_count(size, leaf)
    assert (count - 1) * leaf < size <= count * leaf or size == count == 0


@pytest.mark.parametrize(
    ("kind", "size", "packed"),
    [
        (EntryKind.FILE, 0, True),
        (EntryKind.FILE, 64 * KIB - 1, True),
        (EntryKind.FILE, 64 * KIB, False),
        (EntryKind.FOLDER, 0, False),
        (EntryKind.STREAM, 0, False),
    ],
)
def test_small_files_travel_packed(kind: EntryKind, size: int, packed: bool) -> None:
    """C9: files under 64 KiB go whole, everything else in leaves."""
    assert travels_packed(Entry("p", kind, size, 0, 0)) is packed


# --- pages ------------------------------------------------------------------------------------


def test_pages_are_capped_by_entries() -> None:
    """B1: 512 entries a page."""
    manifest = Manifest.of(file(f"f{n}") for n in range(1025))
    assert [len(decode_page(page)) for page in manifest.pages] == [512, 512, 1]


def test_pages_are_capped_by_bytes() -> None:
    """B1: 64 KiB a page, even with the longest paths."""
    manifest = Manifest.of(file("é" * 4000 + str(n)) for n in range(100))
    assert all(len(page) <= limits.MANIFEST_PAGE_MAX_BYTES for page in manifest.pages)
    assert [entry.path[4000:] for entry in manifest] == [str(n) for n in range(100)]


def test_the_root_is_taken_over_the_bytes_that_travelled() -> None:
    """X25: another encoding of the same entries is another manifest."""
    one, two = Manifest(), Manifest()
    one.add_page(page_of(ENTRY))
    two.add_page(page_of(ENTRY).replace(b"\xa1f", b"\xd9\x01f"))
    assert list(one) == list(two)
    assert one.root() != two.root()
    page = one.pages[0]
    hasher = blake3(derive_key_context="tallow/1 manifest")
    hasher.update(b"\0\0\0\x08" + (1).to_bytes(8, "big") + len(page).to_bytes(4, "big") + page)
    assert one.root() == hasher.digest()


def test_the_order_of_pages_is_in_the_root() -> None:
    """X25: the same pages in another order are another manifest."""
    a, b = page_of(ENTRY), page_of(entry_with(path="g"))
    roots = set()
    for pages in ((a, b), (b, a), (a,), (a, a)):
        manifest = Manifest()
        for page in pages:
            manifest.add_page(page)
        roots.add(manifest.root())
    assert len(roots) == 4


HOSTILE_PAGES: dict[str, bytes] = {
    "no bytes": b"",
    "no entries": page_of(),
    "no list": msgpack.packb({"a": 1}),
    "bytes after": page_of(ENTRY) + b"\0",
    "cut": page_of(ENTRY)[:-1],
    "not MessagePack": b"\xc1",
    "announced entries that never come": b"\xdd\xff\xff\xff\xff",
    "too many entries": page_of(*[ENTRY] * (limits.MANIFEST_PAGE_ENTRIES + 1)),
    "an entry of four": page_of(ENTRY[:4]),
    "an entry of six": page_of([*ENTRY, 0]),
    "an entry as a map": page_of({"path": "f", "kind": 0, "size": 1, "mode": 0, "mtime_ns": 0}),
    "a nil entry": page_of(None),
    "nested lists": b"\x91" * 5000,
    "an empty path": page_of(entry_with(path="")),
    "a path too long": page_of(entry_with(path="p" * (limits.PATH_MAX_BYTES + 1))),
    "a path of bytes": page_of(entry_with(path=b"f")),
    "a path that is no UTF-8": page_of(ENTRY).replace(b"\xa1f", b"\xa1\xff"),
    "a path with a lone surrogate": page_of(ENTRY).replace(b"\xa1f", b"\xa3\xed\xa0\x80"),
    "an unknown kind": page_of(entry_with(kind=3)),
    "a negative kind": page_of(entry_with(kind=-1)),
    "a true kind": page_of(entry_with(kind=True)),
    "a negative size": page_of(entry_with(size=-1)),
    "a size beyond all disks": page_of(entry_with(size=(1 << 60) + 1)),
    "the largest integer": page_of(entry_with(size=(1 << 64) - 1)),
    "a fractional size": page_of(entry_with(size=1.5)),
    "a folder with a size": page_of(entry_with(kind=1)),
    "a stream with a size": page_of(entry_with(kind=2)),
    "setuid": page_of(entry_with(mode=0o4755)),
    "sticky": page_of(entry_with(mode=0o1777)),
    "a negative mode": page_of(entry_with(mode=-1)),
    "a time outside the ages": page_of(entry_with(mtime=(1 << 62) + 1)),
    "a time as text": page_of(entry_with(mtime="now")),
    "an extension": page_of(entry_with(path=msgpack.ExtType(1, b"f"))),
}


@pytest.mark.parametrize("page", HOSTILE_PAGES.values(), ids=HOSTILE_PAGES)
def test_a_hostile_page_is_refused(page: bytes) -> None:
    """X14, X16: wrong shape, range or length, and setuid bits, are one typed error each."""
    manifest = Manifest()
    with pytest.raises(RemoteProtocolError) as caught:
        manifest.add_page(page)
    assert caught.value.exit_code == 6
    assert (manifest.entries, list(manifest.pages)) == (0, [])


@given(st.binary(max_size=100))
def test_any_bytes_are_a_page_or_one_error(raw: bytes) -> None:
    """X14, A4: arbitrary bytes never raise anything else."""
    try:
        decode_page(raw)
    except RemoteProtocolError:
        pass


def test_entries_bytes_and_pages_are_capped_over_the_whole_list() -> None:
    """X10: more entries, more total bytes or a longer list than allowed are refused."""
    manifest = Manifest()
    manifest.entries = limits.MANIFEST_ENTRIES_MAX
    with pytest.raises(RemoteProtocolError):
        manifest.add_page(page_of(ENTRY))
    manifest = Manifest()
    manifest.add_page(page_of(entry_with(size=1 << 60)))
    with pytest.raises(RemoteProtocolError):
        manifest.add_page(page_of(ENTRY))
    manifest = Manifest()
    manifest._pages_bytes = limits.MANIFEST_MAX_BYTES - 1
    with pytest.raises(RemoteProtocolError):
        manifest.add_page(page_of(ENTRY))


def test_a_stranger_cannot_fill_the_memory_with_names() -> None:
    """X10: a list within every other limit is at most 256 MiB before anybody has said yes."""
    assert limits.MANIFEST_MAX_BYTES <= 256 * MIB
    assert limits.MANIFEST_PAGES_MAX * limits.MANIFEST_PAGE_MAX_BYTES > limits.MANIFEST_MAX_BYTES


# --- index ------------------------------------------------------------------------------------


def test_a_manifest_counts_and_finds_its_entries() -> None:
    """C4: files, folders and bytes are counted; an entry is found by its number."""
    entries = [
        file("a", 5),
        Entry("d", EntryKind.FOLDER, 0, 0o755, -1),
        file("d/b", 7),
        Entry("d/e", EntryKind.FOLDER, 0, 0o700, 2),
    ]
    manifest = Manifest.of(entries)
    assert (manifest.entries, manifest.files, manifest.folders) == (4, 2, 2)
    assert manifest.total_bytes == 12
    assert [manifest.entry(n) for n in range(4)] == entries == list(manifest)
    for number in (-1, 4, 1 << 40):
        with pytest.raises(LocalProtocolError):
            manifest.entry(number)


def test_a_refused_page_changes_nothing() -> None:
    """X10: counts, pages and root are those of before, whichever limit was broken."""
    manifest = Manifest.of([file("a", 1 << 60)])
    before = (manifest.root(), manifest.entries, manifest.total_bytes, list(manifest.pages))
    with pytest.raises(RemoteProtocolError):
        manifest.add_page(page_of(ENTRY))
    assert before == (
        manifest.root(),
        manifest.entries,
        manifest.total_bytes,
        list(manifest.pages),
    )


def test_the_root_follows_the_pages() -> None:
    """A root that was asked for early is not the root of a list that grew."""
    manifest = Manifest.of([file("a")])
    early = manifest.root()
    manifest.add_page(page_of(ENTRY))
    assert manifest.root() != early
    again = Manifest()
    for page in manifest.pages:
        again.add_page(page)
    assert again.root() == manifest.root()


def test_streams_are_counted() -> None:
    """C4: whether an offer mixes streams and files needs no second look at the list."""
    entries = [file("a"), Entry("s", EntryKind.STREAM, 0, 0, 0), file("b")]
    assert Manifest.of(entries).streams == 1
    assert Manifest.of(entries[:1]).streams == 0


class Shelf:
    """A store of pages that tells what is read from it."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.read: list[int] = []

    def append(self, page: bytes, /) -> None:
        """Keep a page."""
        self.kept.append(page)

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int, /) -> bytes:
        self.read.append(index)
        return self.kept[index]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.kept)


def test_pages_lie_where_the_store_puts_them() -> None:
    """B1: nothing but the store holds a page, and neighbours are read from it once."""
    shelf, entries = Shelf(), [file(f"f{n}", n) for n in range(1500)]
    manifest = Manifest.of(entries, shelf)
    assert manifest.pages is shelf
    assert len(shelf) == 3
    assert list(manifest) == entries
    assert [manifest.entry(n) for n in range(1500)] == entries
    assert shelf.read == [0, 1, 2]
    assert manifest.root() == Manifest.of(entries).root()


def test_a_hundred_thousand_entries_go_quickly() -> None:
    """C9: building, reading back, hashing and random access; quadratic time would never end."""
    made = Manifest.of(file(f"folder/{n % 97}/{n}", n) for n in range(100_000))
    read = Manifest()
    for page in made.pages:
        read.add_page(page)
    assert read.root() == made.root()
    assert read.entries == 100_000
    chosen = Selection.everything(read.entries)
    assert len(chosen) == 100_000
    assert sum(read.entry(n).size for n in chosen) == sum(range(100_000))
    for n in (99_999, 0, 50_000, 512, 511):
        assert read.entry(n).size == n


# --- Selection --------------------------------------------------------------------------------


@given(st.integers(1, 70), st.data())
def test_a_selection_travels_as_a_bitmap(entries: int, data: st.DataObject) -> None:
    """B1: entry n is bit n mod 8 of byte n div 8, and comes back the same."""
    numbers = data.draw(st.sets(st.integers(0, entries - 1)))
    chosen = Selection(entries)
    for number in numbers:
        chosen.add(number)
    expected = bytearray((entries + 7) // 8)
    for number in numbers:
        expected[number // 8] |= 1 << number % 8
    assert chosen.bitmap == bytes(expected)
    again = Selection(entries, chosen.bitmap)
    assert list(again) == sorted(numbers)
    assert len(again) == len(numbers)
    assert all((number in again) == (number in numbers) for number in range(-2, entries + 9))
    for number in numbers:
        again.discard(number)
    assert list(again) == []


@pytest.mark.parametrize("entries", [1, 7, 8, 9, 15, 16, 17, 512])
def test_everything_is_a_full_bitmap(entries: int) -> None:
    """B1: all entries, and none of the bits beside them."""
    bitmap = Selection.everything(entries).bitmap
    assert sum(byte.bit_count() for byte in bitmap) == entries
    assert list(Selection(entries, bitmap)) == list(range(entries))


@pytest.mark.parametrize(
    ("entries", "bitmap"),
    [
        (1, b""),
        (1, b"\1\0"),
        (1, b"\2"),
        (1, b"\x81"),
        (7, b"\x80"),
        (8, b"\0\1"),
        (9, b"\0"),
        (9, b"\0\2"),
        (9, b"\0\x80"),
        (9, bytes(3)),
    ],
)
def test_a_false_bitmap_is_refused(entries: int, bitmap: bytes) -> None:
    """X14: too short, too long, or with bits for entries that do not exist."""
    with pytest.raises(RemoteProtocolError):
        Selection(entries, bitmap)
