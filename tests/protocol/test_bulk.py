"""Bulk records: keys of one start, numbers that are never used again, and bodies taken apart."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import expand, extract
from tallow.crypto.lv import lv
from tallow.errors import LocalProtocolError, RemoteProtocolError
from tallow.protocol.bulk import (
    BulkKeys,
    BulkRecvChannel,
    BulkSendChannel,
    Codec,
    Leaf,
    LeavesBody,
    PackBody,
    Reserved,
    accept_bytes,
    accept_digest,
    leaves_prefix_bytes,
    pack_prefix_bytes,
    read_body,
    write_leaves_prefix,
    write_pack_prefix,
)
from tallow.protocol.chain import record_ad
from tallow.wire import limits
from tallow.wire.frames import PeerType, RecordHeader
from tests.pair.spy import watched_seals

ROOT, TS, ID, HASH = b"m" * 32, b"s" * 32, b"t" * 16, b"h" * 64


def keys(
    root: bytes = ROOT, ts: bytes = TS, tid: bytes = ID, no: int = 1, accept: bytes = HASH,
    shift: int = 2,
) -> BulkKeys:  # fmt: skip
    """Return the keys of one start; an epoch has four numbers here."""
    return BulkKeys(root, ts, tid, no, accept, epoch_shift=shift)


def seal(reserved: Reserved, body: bytes) -> bytearray:
    """Seal a body into a buffer of its own."""
    buffer = bytearray(len(body) + 16)
    buffer[: len(body)] = body
    view = memoryview(buffer)
    reserved.key.seal_into(reserved.header.number, reserved.ad, view[: len(body)], view)
    return buffer


def opened(channel: BulkRecvChannel, header: RecordHeader, sealed: bytearray) -> bytes | None:
    """Open a copy of a sealed record."""
    body = channel.open(header, memoryview(bytearray(sealed)))
    return None if body is None else bytes(body)


# --- keys -------------------------------------------------------------------------------------


def test_the_accept_hash_follows_the_formula() -> None:
    """C4: H(accept) is SHA-512 over lv(manifest root, u32 accept number, bitmap)."""
    listed = b"\0\0\0\x20" + ROOT + b"\0\0\0\4\0\0\0\7" + b"\0\0\0\2\5\1"
    assert accept_bytes(ROOT, 7, b"\5\1") == listed
    assert accept_digest(ROOT, 7, b"\5\1") == hashlib.sha512(listed).digest()


def test_the_bulk_keys_follow_the_formula() -> None:
    """A3: Exp(Ext(manifest root, TS), "bulk", lv(id, u32 accept, H(accept), u32 epoch), 44)."""
    with watched_seals() as seals:
        channel = BulkSendChannel(1, "i", keys())
        for _ in range(9):
            seal(channel.reserve(), b"x")
    wanted = []
    for epoch in range(3):
        context = lv(ID, b"\0\0\0\1", HASH, epoch.to_bytes(4, "big"))
        wanted.append(expand(extract(ROOT, TS), "bulk", context, 44))
    assert list(seals.keys) == wanted


@pytest.mark.parametrize(
    "other",
    [
        keys(root=b"M" * 32),
        keys(ts=b"S" * 32),
        keys(tid=b"T" * 16),
        keys(no=2),
        keys(accept=b"H" * 64),
    ],
    ids=["manifest", "TS", "transfer id", "accept number", "H(accept)"],
)
def test_every_part_of_a_start_changes_the_keys(other: BulkKeys) -> None:
    """A3: pause, another accept or another TS never gives a key of before."""
    reserved = BulkSendChannel(1, "i", keys()).reserve()
    sealed = seal(reserved, b"body")
    assert opened(BulkRecvChannel(1, "i", keys()), reserved.header, sealed) == b"body"
    with pytest.raises(CryptoError):
        opened(BulkRecvChannel(1, "i", other), reserved.header, sealed)


@pytest.mark.parametrize(("channel", "direction"), [(3, "i"), (1, "r")])
def test_a_record_belongs_to_its_channel_and_direction(channel: int, direction: str) -> None:
    """X25: AAD binds direction and the whole header."""
    reserved = BulkSendChannel(1, "i", keys()).reserve()
    other = BulkRecvChannel(channel, "i" if direction == "i" else "r", keys())
    header = RecordHeader(PeerType.BULK, channel, 0, 0)
    with pytest.raises(CryptoError):
        opened(other, header, seal(reserved, b"body"))


def test_numbers_are_reserved_once_and_keys_change_with_the_epoch() -> None:
    """A3: 2 000 records over 500 epochs: no pair of key and number twice, four to a key."""
    with watched_seals() as seals:
        send, recv = BulkSendChannel(1, "i", keys()), BulkRecvChannel(1, "i", keys())
        for n in range(2000):
            reserved = send.reserve()
            assert (reserved.header.number, reserved.header.epoch) == (n, n >> 2)
            assert opened(recv, reserved.header, seal(reserved, b"x")) == b"x"
    assert send.reserved == len(seals.used) == 2000
    assert set(seals.keys.values()) == {4}


def test_an_epoch_of_the_protocol_is_two_to_the_fifteen() -> None:
    """A3: at most 32 GiB under one bulk key."""
    real = BulkKeys(ROOT, TS, ID, 1, HASH)
    assert [real.epoch_of(n) for n in (0, 32767, 32768, 1 << 40)] == [0, 0, 1, 1 << 25]


def test_numbers_end_before_the_epoch_field_does() -> None:
    """A3: the allocator stops; it never wraps."""
    channel = BulkSendChannel(1, "i", BulkKeys(ROOT, TS, ID, 1, HASH))
    channel._next = (1 << 47) - 1
    assert channel.reserve().header.epoch == 0xFFFFFFFF
    with pytest.raises(LocalProtocolError):
        channel.reserve()


@pytest.mark.parametrize("epoch", [1, 2, 0xFFFFFFFF])
def test_a_false_epoch_is_a_failed_open(epoch: int) -> None:
    """X17: the epoch is computed from the number and never believed."""
    send, recv = BulkSendChannel(1, "i", keys()), BulkRecvChannel(1, "i", keys())
    reserved = send.reserve()
    sealed = seal(reserved, b"body")
    with pytest.raises(CryptoError):
        opened(recv, RecordHeader(PeerType.BULK, 1, epoch, 0), sealed)
    assert opened(recv, reserved.header, sealed) == b"body"


def test_a_sender_cannot_choose_its_epoch() -> None:
    """A3: a record truly sealed under another epoch's key does not open either."""
    cheating, recv = keys(), BulkRecvChannel(1, "i", keys())
    header = RecordHeader(PeerType.BULK, 1, 1, 0)
    sealed = seal(Reserved(header, cheating.key(1), record_ad("i", header)), b"body")
    with pytest.raises(CryptoError):
        opened(recv, header, sealed)


@given(st.permutations(range(24)), st.data())
def test_any_order_opens_each_record_once(order: list[int], data: st.DataObject) -> None:
    """Over six tiny epochs, reordered, repeated and damaged: each body once, the right one."""
    send, recv = BulkSendChannel(1, "i", keys()), BulkRecvChannel(1, "i", keys())
    made = [(reserved := send.reserve(), seal(reserved, bytes([n]))) for n in range(24)]
    got = {}
    for n in order:
        reserved, sealed = made[n]
        if data.draw(st.booleans()):
            bad = bytearray(sealed)
            bad[data.draw(st.integers(0, len(bad) - 1))] ^= 1
            with pytest.raises(CryptoError):
                opened(recv, reserved.header, bad)
        got[n] = opened(recv, reserved.header, sealed)
        assert opened(recv, reserved.header, sealed) is None
    assert got == {n: bytes([n]) for n in range(24)}


def test_a_failed_open_leaves_no_plaintext() -> None:
    """X10: what did not verify is not in the buffer afterwards."""
    send, recv = BulkSendChannel(1, "i", keys()), BulkRecvChannel(1, "i", keys())
    reserved = send.reserve()
    buffer = seal(reserved, b"plaintext")
    buffer[-1] ^= 1
    with pytest.raises(CryptoError):
        recv.open(reserved.header, memoryview(buffer))
    assert b"plain" not in buffer


# --- bodies -----------------------------------------------------------------------------------


def leaves_body(
    contents: list[bytes], file_no: int = 5, first_leaf: int = 7, *, last: bool = False
) -> bytearray:
    """Return a LEAVES body."""
    prefix = bytearray(leaves_prefix_bytes(len(contents)))
    entries = [(Codec.RAW, len(content), len(content)) for content in contents]
    write_leaves_prefix(memoryview(prefix), file_no, first_leaf, entries, last=last)
    return prefix + b"".join(contents)


def pack_body(files: list[tuple[int, bytes]]) -> bytearray:
    """Return a PACK body."""
    prefix = bytearray(pack_prefix_bytes(len(files)))
    write_pack_prefix(memoryview(prefix), [(no, len(content)) for no, content in files])
    return prefix + b"".join(content for _, content in files)


def read(body: bytes | bytearray) -> LeavesBody | PackBody:
    """Take a body apart."""
    return read_body(memoryview(body))


@given(
    st.lists(st.binary(max_size=40), min_size=1, max_size=6),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, (1 << 64) - 1),
    st.booleans(),
    st.integers(0, 40),
)
def test_leaves_survive_the_round_trip(
    contents: list[bytes], file_no: int, first: int, last: bool, padding: int
) -> None:
    """B1: leaves, their place and the end flag come back, whatever zeros pad the record."""
    body = read(leaves_body(contents, file_no, first, last=last) + bytes(padding))
    assert isinstance(body, LeavesBody)
    assert [bytes(leaf.stored) for leaf in body.leaves] == contents
    assert [leaf.plain_bytes for leaf in body.leaves] == [len(each) for each in contents]
    assert (body.file_no, body.first_leaf, body.last) == (file_no, first, last)


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=40)), min_size=1, max_size=6),
    st.integers(0, 40),
)
def test_packs_survive_the_round_trip(files: list[tuple[int, bytes]], padding: int) -> None:
    """B1: whole small files come back in order, empty ones too."""
    body = read(pack_body(files) + bytes(padding))
    assert isinstance(body, PackBody)
    assert body.files == tuple((no, len(content)) for no, content in files)
    assert bytes(body.stored) == b"".join(content for _, content in files)


def test_a_body_is_laid_out_as_written() -> None:
    """B1: u8 kind, u8 flags, u16 count, u32 file, u64 first leaf, then entries, bytes, zeros."""
    assert leaves_body([b"ab", b"c"], 1, 2, last=True) == (
        b"\1\1\0\2\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\2\0\0\0\2\0\0\0\0\1\0\0\0\1abc"
    )
    assert pack_body([(3, b"ab"), (9, b"")]) == (
        b"\2\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\3\0\0\0\2\0\0\0\x09\0\0\0\0ab"
    )


def zstd_leaf(plain: int, stored: bytes, raw: bytes | None = None) -> bytes:
    """Return a LEAVES body whose first leaf says that it is compressed."""
    entries = [(Codec.ZSTD, plain, len(stored))]
    entries += [] if raw is None else [(Codec.RAW, len(raw), len(raw))]
    prefix = bytearray(leaves_prefix_bytes(len(entries)))
    write_leaves_prefix(memoryview(prefix), 5, 0, entries, last=False)
    return bytes(prefix) + stored + (raw or b"")


def hole(plain: int, count: int = 1) -> bytes:
    """Return a LEAVES body of holes."""
    prefix = bytearray(leaves_prefix_bytes(count))
    write_leaves_prefix(memoryview(prefix), 5, 0, [(Codec.HOLE, plain, 0)] * count, last=False)
    return bytes(prefix)


def zstd_pack(files: list[tuple[int, int]], stored: bytes) -> bytes:
    """Return a PACK body that says that its block is compressed."""
    prefix = bytearray(pack_prefix_bytes(len(files)))
    write_pack_prefix(memoryview(prefix), files, codec=Codec.ZSTD, stored_bytes=len(stored))
    return bytes(prefix) + stored


LEAVES = bytes(leaves_body([b"abcd", b"ef"]))
PACK = bytes(pack_body([(1, b"abcd"), (2, b"ef")]))


def put(body: bytes, at: int, content: bytes) -> bytes:
    """Return a body with some bytes replaced."""
    return body[:at] + content + body[at + len(content) :]


MALFORMED = {
    "empty": b"",
    "short header": LEAVES[:15],
    "header alone": LEAVES[:16],
    "entries cut": LEAVES[:30],
    "bytes cut": LEAVES[:-1],
    "kind 0": put(LEAVES, 0, b"\0"),
    "kind 3": put(LEAVES, 0, b"\3"),
    "kind 255": put(LEAVES, 0, b"\xff"),
    "unknown flag": put(LEAVES, 1, b"\2"),
    "all flags": put(LEAVES, 1, b"\xff"),
    "no entries": put(LEAVES, 2, b"\0\0"),
    "too many entries": put(LEAVES, 2, b"\x10\1") + bytes(40_000),
    "one entry more": put(LEAVES, 2, b"\0\3"),
    "unknown codec": put(LEAVES, 16, b"\3"),
    "zstd that does not shrink": put(LEAVES, 16, b"\1"),
    "zstd that grows": put(put(LEAVES, 16, b"\1"), 20, b"\3"),
    "zstd of nothing": put(zstd_leaf(9, b""), 16, b"\1"),
    "zstd of more than a leaf": zstd_leaf(limits.LEAF_MAX_BYTES + 1, b"z"),
    "zstd of more than a record": zstd_leaf(limits.MIB, b"z", b"x"),
    "zstd of the largest length": zstd_leaf(0xFFFFFFFF, b"z"),
    "a hole with bytes": put(LEAVES, 16, b"\2"),
    "a hole of nothing": hole(0),
    "a hole of more than a leaf": hole(limits.LEAF_MAX_BYTES + 1),
    "plain is not stored": put(LEAVES, 17, b"\0\0\0\5"),
    "stored is not plain": put(LEAVES, 21, b"\0\0\0\5"),
    "huge leaf": put(put(LEAVES, 17, b"\xff" * 4), 21, b"\xff" * 4),
    "padding that speaks": LEAVES + b"\0\0\1",
    "more than a mebibyte": bytes(leaves_body([bytes(limits.MIB), b"x"])),
    "pack header alone": PACK[:16],
    "pack entries cut": PACK[:30],
    "pack bytes cut": PACK[:-1],
    "pack with end flag": put(PACK, 1, b"\1"),
    "pack with file number": put(PACK, 7, b"\1"),
    "pack with first leaf": put(PACK, 15, b"\1"),
    "pack of nothing": put(PACK, 2, b"\0\0"),
    "pack with codec": put(PACK, 16, b"\3"),
    "pack as a hole": put(PACK, 16, b"\2"),
    "pack as zstd that does not shrink": put(PACK, 16, b"\1"),
    "pack as zstd of nothing": zstd_pack([(1, 5)], b""),
    "pack as zstd of empty files": zstd_pack([(1, 0), (2, 0)], b"z"),
    "pack as zstd of too much": zstd_pack([(n, 65536) for n in range(17)], b"z"),
    "pack as zstd of a large file": zstd_pack([(1, limits.PACK_FILE_MAX_BYTES + 1)], b"z"),
    "pack with huge block": put(PACK, 17, b"\xff" * 4),
    "pack file beyond block": put(PACK, 25, b"\0\0\0\x07"),
    "pack block not used up": put(PACK, 25, b"\0\0\0\3"),
    "pack block longer than its files": put(PACK, 17, b"\0\0\0\x08") + bytes(2),
    "pack padding that speaks": PACK + b"\1",
    "pack file too large": bytes(pack_body([(1, bytes(limits.PACK_FILE_MAX_BYTES + 1))])),
    "pack over a mebibyte": bytes(pack_body([(n, bytes(65536)) for n in range(17)])),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_body_is_refused(body: bytes) -> None:
    """X14: each broken rule of the layout is one typed error."""
    with pytest.raises(RemoteProtocolError) as caught:
        read(body)
    assert caught.value.exit_code == 6


def test_full_records_pass() -> None:
    """C1: a mebibyte of leaves, and 4 096 empty files, are legal."""
    full = read(leaves_body([bytes(65536)] * 16))
    assert isinstance(full, LeavesBody)
    many = read(pack_body([(n, b"") for n in range(limits.RECORD_ENTRIES_MAX)]))
    assert isinstance(many, PackBody)
    assert len(many.files) == limits.RECORD_ENTRIES_MAX


def test_compressed_leaves_and_holes_pass() -> None:
    """C8: a leaf, a pack and a record of holes come back with codec and both lengths; holes do
    not count against what a record may hold."""
    leaves = read(zstd_leaf(limits.MIB, b"zz"))
    assert isinstance(leaves, LeavesBody)
    assert leaves.leaves == (Leaf(Codec.ZSTD, limits.MIB, memoryview(b"zz")),)
    holes = read(hole(limits.MIB, limits.RECORD_ENTRIES_MAX))
    assert isinstance(holes, LeavesBody)
    assert set(holes.leaves) == {Leaf(Codec.HOLE, limits.MIB, memoryview(b""))}
    pack = read(zstd_pack([(1, 65536), (2, 0)], b"z" * 65535))
    assert pack == PackBody(Codec.ZSTD, memoryview(b"z" * 65535), ((1, 65536), (2, 0)))


@given(st.binary(max_size=120))
def test_any_bytes_are_a_body_or_one_error(raw: bytes) -> None:
    """X14, A4: arbitrary bytes never raise anything else."""
    try:
        read(raw)
    except RemoteProtocolError:
        pass


@given(st.sampled_from([LEAVES, PACK]), st.data())
def test_any_damage_is_a_body_or_one_error(body: bytes, data: st.DataObject) -> None:
    """X14, A4: one changed byte, or a cut, never raises anything else or invents bytes."""
    raw = bytearray(body[: data.draw(st.integers(0, len(body)))])
    if raw:
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(raw)
    except RemoteProtocolError:
        return
    if isinstance(found, LeavesBody):
        assert sum(len(leaf.stored) for leaf in found.leaves) <= len(raw)
    else:
        assert len(found.stored) <= len(raw)
