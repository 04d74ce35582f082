"""One direction of one channel: order, epochs, padding, and records that somebody touched."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.aead import RecordKey
from tallow.crypto.kdf import expand
from tallow.crypto.lv import lv
from tallow.errors import LocalProtocolError, RecordLost, RemoteProtocolError
from tallow.protocol.chain import (
    ChainLimits,
    RecvChain,
    SendChain,
    pad,
    padded_length,
    record_ad,
    unpad,
)
from tallow.wire import limits
from tallow.wire.frames import PeerType, RecordHeader, decode_peer
from tests.pair.sessions import damaged, forged
from tests.pair.spy import watched_seals

SECRET = bytes(range(64))
TINY = ChainLimits(records=3)


def chains(limit: ChainLimits | None = None) -> tuple[SendChain, RecvChain]:
    """Return both ends of one direction."""
    return SendChain(0, "i", SECRET, limit), RecvChain(0, "i", SECRET)


def take(chain: RecvChain, frame: bytes, now: float = 0.0) -> tuple[list[bytes], bool]:
    """Feed a frame."""
    peer = decode_peer(frame)
    assert peer.header is not None
    return chain.receive(peer.header, bytes(peer.body), now)


# --- padding ----------------------------------------------------------------------------------


def padme(length: int) -> int:
    """Padmé as the paper writes it, with floating logarithms."""
    exponent = math.floor(math.log2(length))
    kept = math.floor(math.log2(exponent)) + 1
    low = exponent - kept
    return ((length + (1 << low) - 1) >> low) << low


@given(st.integers(32, 1 << 30))
def test_padding_follows_padme(length: int) -> None:
    """X25: sizes are rounded up as in the paper, by at most 12 %."""
    padded = padded_length(length)
    assert padded == padme(length)
    assert length <= padded <= length * 1.12


@pytest.mark.parametrize(
    ("length", "padded"),
    [(0, 32), (1, 32), (31, 32), (32, 32), (33, 36), (100, 104), (1000, 1024), (65536, 65536)],
)
def test_padding_of_known_lengths(length: int, padded: int) -> None:
    """Short bodies all look alike; longer ones keep a few leading bits of their size."""
    assert padded_length(length) == padded


@given(st.binary(max_size=300))
def test_padding_comes_off_again(body: bytes) -> None:
    """B1: what was padded is the same after; the padded form has a Padmé length."""
    padded = pad(body)
    assert unpad(padded) == body
    assert len(padded) == padded_length(len(body) + 4)


@pytest.mark.parametrize(
    "padded",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\1",
        b"\0\0\0\5abcd",
        b"\xff\xff\xff\xffabcd",
        b"\0\0\0\1a" + b"\0" * 26 + b"\1",
        b"\0\0\0\1a\1" + b"\0" * 26,
        b"\0\0\0\0" + b"\xff" * 28,
    ],
)
def test_false_padding_is_refused(padded: bytes) -> None:
    """X14: a length beyond the record, or padding that holds anything, is the peer's fault."""
    with pytest.raises(RemoteProtocolError):
        unpad(padded)


# --- layout -----------------------------------------------------------------------------------


def test_a_record_is_sealed_by_the_formulas() -> None:
    """A3: key ‖ base = Exp(C_e,"key"), C_e+1 = Exp(C_e,"next"), AAD with direction and header."""
    send, _ = chains(ChainLimits(records=1))
    send.seal(b"zero", 0)
    frame = send.seal(b"one", 0)
    header = RecordHeader(PeerType.RECORD, 0, 1, 1)
    assert frame[4:19] == bytes.fromhex("10 0000 00000001 0000000000000001")
    assert record_ad("i", header) == lv("tallow/1 rec", "i", frame[4:19])
    key = RecordKey(expand(expand(SECRET, "next", b"", 64), "key", b"", 44))
    assert key.open(1, record_ad("i", header), frame[19:]) == pad(b"one")


@pytest.mark.parametrize("change", ["channel", "direction", "secret"])
def test_a_record_belongs_to_one_place(change: str) -> None:
    """X25: channel, direction and chain are bound into every record; AAD is never empty."""
    frame = SendChain(0, "i", SECRET).seal(b"x", 0)
    recv = {
        "channel": RecvChain(4, "i", SECRET),
        "direction": RecvChain(0, "r", SECRET),
        "secret": RecvChain(0, "i", bytes(64)),
    }[change]
    assert take(recv, forged(frame, channel=4 if change == "channel" else 0)) == ([], False)


# --- order ------------------------------------------------------------------------------------


def test_records_come_out_in_order() -> None:
    """Held records follow as soon as the missing one is here."""
    send, recv = chains()
    frames = [send.seal(bytes([n]), 0) for n in range(4)]
    assert take(recv, frames[2]) == ([], True)
    assert take(recv, frames[1]) == ([], True)
    assert take(recv, frames[3]) == ([], True)
    assert take(recv, frames[0]) == ([b"\0", b"\1", b"\2", b"\3"], True)
    assert recv.number == 4


@given(st.data())
def test_any_order_inside_the_limits_is_put_right(data: st.DataObject) -> None:
    """Reordered and repeated at will, an epoch every third record: delivered once, in order."""
    send, recv = chains(TINY)
    frames = [send.seal(n.to_bytes(2, "big"), 0) for n in range(40)]
    order = data.draw(st.permutations(frames + frames[:10]))
    got = [body for frame in order for body in take(recv, frame)[0]]
    assert got == [n.to_bytes(2, "big") for n in range(40)]


def test_a_repeated_record_is_ignored() -> None:
    """X07: what was delivered, or is held already, changes nothing when it comes again."""
    send, recv = chains()
    frames = [send.seal(bytes([n]), 0) for n in range(3)]
    take(recv, frames[0])
    assert take(recv, frames[0]) == ([], True)
    take(recv, frames[2])
    assert take(recv, frames[2]) == ([], True)
    assert take(recv, frames[1])[0] == [b"\1", b"\2"]


def test_a_gap_has_ten_seconds() -> None:
    """X25: a missing record is noticed; the deadline is that of the gap that stays open longest."""
    send, recv = chains()
    frames = [send.seal(bytes([n]), 0) for n in range(8)]
    assert recv.gap_deadline() is None
    take(recv, frames[1], 5)
    take(recv, frames[3], 8)
    assert recv.gap_deadline() == 5 + limits.GAP_MAX_S == 15
    take(recv, frames[0], 9)
    assert recv.gap_deadline() == 18
    take(recv, frames[2], 9)
    assert recv.gap_deadline() is None


def test_a_trickle_does_not_keep_a_gap_open() -> None:
    """X25: records that arrive, or fail, while one stays away do not move its deadline."""
    send, recv = chains()
    frames = [send.seal(bytes([n]), 0) for n in range(9)]
    take(recv, frames[2], 0)
    take(recv, frames[8], 0)
    take(recv, damaged(frames[0]), 4)
    assert recv.gap_deadline() == 10
    for at, number in ((5, 0), (6, 1), (7, 3), (8, 4)):
        take(recv, frames[number], at)
    assert recv.gap_deadline() == 10


def test_what_is_held_is_bounded_by_count() -> None:
    """X10: 256 records wait behind a gap, the next one ends the session."""
    send, recv = chains()
    frames = [send.seal(b"", 0) for _ in range(limits.HELD_RECORDS_MAX + 2)]
    for frame in frames[1:-1]:
        take(recv, frame)
    with pytest.raises(RecordLost) as caught:
        take(recv, frames[-1])
    assert caught.value.exit_code == 6


def test_what_is_held_is_bounded_by_bytes() -> None:
    """X10: one mebibyte waits behind a gap, whatever it is made of; what came out leaves room."""
    send, recv = chains()
    for _ in range(5):
        first = send.seal(b"", 0)
        for _ in range(8):
            take(recv, send.seal(bytes(120_000), 0))
        assert len(take(recv, first)[0]) == 9
    send.seal(b"", 0)
    for _ in range(8):
        take(recv, send.seal(bytes(120_000), 0))
    with pytest.raises(RecordLost):
        take(recv, send.seal(bytes(120_000), 0))


# --- epochs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "epochs"),
    [
        (ChainLimits(records=3), [0, 0, 0, 1, 1, 1, 2]),
        (ChainLimits(bytes_=150), [0, 0, 1, 1, 2, 2, 3]),
        (ChainLimits(seconds=2.5), [0, 0, 0, 1, 1, 1, 2]),
        (ChainLimits(), [0] * 7),
    ],
)
def test_keys_change_by_records_bytes_and_time(limit: ChainLimits, epochs: list[int]) -> None:
    """A3: 2^20 records, 1 GiB or ten minutes, whichever comes first; tests make them tiny."""
    send, recv = chains(limit)
    seen = []
    for n in range(7):
        frame = send.seal(b"x" * 40, float(n))
        header = decode_peer(frame).header
        assert header is not None
        seen.append(header.epoch)
        assert take(recv, frame)[1]
    assert seen == epochs


def test_no_key_and_number_pair_repeats_over_thousands_of_records() -> None:
    """A3: 5 000 records, an epoch every third: no key seals a number twice or more than three."""
    with watched_seals() as seals:
        send, recv = chains(TINY)
        for n in range(5000):
            bodies, opened = take(recv, send.seal(n.to_bytes(4, "big"), 0))
            assert opened
            assert bodies == [n.to_bytes(4, "big")]
    assert len(seals.used) == 5000
    assert max(seals.keys.values()) <= 3
    assert len(seals.keys) == 1667


def test_old_keys_are_gone() -> None:
    """A3: after an epoch neither end holds what would open its records again."""
    send, recv = chains(TINY)
    for _ in range(4):
        take(recv, send.seal(b"x", 0))
    for chain in (send, recv):
        held = b"".join(value for value in vars(chain).values() if isinstance(value, bytes))
        assert SECRET not in held
        assert expand(SECRET, "next", b"", 64) not in held


@pytest.mark.parametrize("epoch", [2, 3, 1 << 31, (1 << 32) - 1])
def test_an_epoch_further_ahead_is_refused(epoch: int) -> None:
    """X17: e and e + 1 at the next number, nothing else; a huge epoch costs no derivations."""
    send, recv = chains(TINY)
    frame = send.seal(b"x", 0)
    assert take(recv, forged(frame, epoch=epoch)) == ([], False)
    assert take(recv, frame) == ([b"x"], True)


def test_an_epoch_never_goes_back() -> None:
    """A3: a record of the last epoch is not accepted at a number of this one."""
    send, recv = chains(TINY)
    for _ in range(4):
        take(recv, send.seal(b"x", 0))
    stale = SendChain(0, "i", SECRET)
    frames = [stale.seal(b"x", 0) for _ in range(5)]
    assert take(recv, frames[4]) == ([], False)


# --- touched records --------------------------------------------------------------------------


def test_no_changed_byte_of_a_record_opens() -> None:
    """X20: every byte of header, ciphertext and tag counts; the genuine record opens after."""
    send, recv = chains()
    frame = send.seal(b"genuine", 0)
    for at in range(5, len(frame)):
        assert take(recv, damaged(frame, at))[0] == []
    assert take(recv, frame)[0] == [b"genuine"]


@pytest.mark.parametrize("cut", [1, 15, 16, 17])
def test_a_shortened_record_does_not_open(cut: int) -> None:
    """X20: a tag is checked at its full length only."""
    send, recv = chains()
    frame = send.seal(b"genuine", 0)
    header = decode_peer(frame).header
    assert header is not None
    assert recv.receive(header, frame[19:-cut], 0) == ([], False)
    assert take(recv, frame) == ([b"genuine"], True)


def test_a_forged_record_of_the_next_epoch_moves_nothing() -> None:
    """A3: the chain steps only after a record of the new epoch opened."""
    send, recv = chains(TINY)
    frames = [send.seal(bytes([n]), 0) for n in range(5)]
    assert take(recv, forged(frames[0], epoch=1)) == ([], False)
    assert [take(recv, frame) for frame in frames] == [([bytes([n])], True) for n in range(5)]


@pytest.mark.parametrize("limit", [None, TINY, ChainLimits(records=1)])
def test_a_forged_record_ahead_does_not_poison(limit: ChainLimits | None) -> None:
    """X07: it is refused at once, holds nothing up and never stands in its genuine twin's place."""
    send, recv = chains(limit)
    frames = [send.seal(bytes([n]), 0) for n in range(6)]
    for frame in frames[1:]:
        assert take(recv, damaged(frame)) == ([], False)
    assert recv.gap_deadline() is None
    for frame in reversed(frames[1:]):
        assert take(recv, frame) == ([], True)
    assert take(recv, frames[0]) == ([bytes([n]) for n in range(6)], True)


def test_forged_records_ahead_fill_nothing() -> None:
    """X10: only what opened is held, so a forger cannot use up the room for honest records."""
    send, recv = chains()
    frames = [send.seal(b"x", 0) for n in range(3)]
    for number in range(1, 2 * limits.HELD_RECORDS_MAX):
        assert take(recv, forged(frames[0], number=number)) == ([], False)
    assert recv._held == {}
    assert [take(recv, frame) for frame in frames] == [([b"x"], True)] * 3


def test_what_a_forged_epoch_makes_us_derive_is_bounded() -> None:
    """X17: a record may be as many epochs ahead as records are missing, 256 at most."""
    send, recv = chains(ChainLimits(records=1))
    frames = [send.seal(b"x", 0) for _ in range(4)]
    assert take(recv, forged(frames[3], epoch=5)) == ([], False)
    assert take(recv, frames[3]) == ([], True)
    far = forged(frames[0], number=1 << 62, epoch=limits.HELD_RECORDS_MAX + 1)
    assert take(recv, far) == ([], False)


def test_a_peer_that_skips_an_epoch_is_refused() -> None:
    """A3: keys move one step at a record, and two steps open nothing at the next number."""
    for held in (True, False):
        send, recv = chains()
        frames = [send.seal(b"x", 0)]
        send._key = send._step()
        send._key = send._step()
        send._epoch += 2
        frames.append(send.seal(b"y", 0))
        if held:
            assert take(recv, frames[1]) == ([], True)
            with pytest.raises(RemoteProtocolError):
                take(recv, frames[0])
        else:
            assert take(recv, frames[0]) == ([b"x"], True)
            assert take(recv, frames[1]) == ([], False)


# --- acknowledgement --------------------------------------------------------------------------


def test_sealed_bytes_are_kept_until_acknowledged() -> None:
    """What must go again is the identical frame; what was acknowledged is forgotten."""
    send, _ = chains()
    frames = [send.seal(bytes(100), 0) for _ in range(4)]
    assert send.kept() == frames
    assert send.kept_bytes == sum(map(len, frames))
    send.acknowledged(3)
    assert send.kept() == frames[3:]
    send.acknowledged(1)
    assert send.kept() == frames[3:]
    send.acknowledged(4)
    assert (send.kept(), send.kept_bytes) == ([], 0)


@pytest.mark.parametrize("below", [1, 2, (1 << 63) - 1])
def test_what_was_never_sent_cannot_be_acknowledged(below: int) -> None:
    """X14: a false acknowledgement is the peer's fault."""
    send, _ = chains()
    send.acknowledged(0)
    with pytest.raises(RemoteProtocolError):
        send.acknowledged(below)


def test_numbers_end_before_they_could_wrap() -> None:
    """A3: a channel stops at 2^63 records; no number is ever used again."""
    send, _ = chains()
    send._number = (1 << 63) - 1
    send.seal(b"last", 0)
    with pytest.raises(LocalProtocolError):
        send.seal(b"one more", 0)
