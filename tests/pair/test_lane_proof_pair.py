"""Two ends of a connection that prove themselves over streams cut anywhere, and over false ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.secret import SecretBytes
from tallow.errors import TallowError
from tallow.protocol.chain import Direction
from tallow.protocol.lane_proof import Joined, LaneJoin, LaneProof, State
from tests.pair.chance import Chance

JOIN = bytes(range(64))


class Wire:
    """One direction of a stream: bytes as they were sent, and how many have arrived."""

    def __init__(self) -> None:
        self.sent = b""
        self.read = 0

    def take(self, count: int) -> bytes:
        """Return up to so many bytes that have not arrived yet."""
        chunk = self.sent[self.read : self.read + count]
        self.read += len(chunk)
        return chunk


class Ends:
    """Both machines and the two directions between them."""

    def __init__(self, secrets: tuple[bytes, bytes] = (JOIN, JOIN)) -> None:
        roles: tuple[Direction, Direction] = ("i", "r")
        chance = Chance(1)
        self.joins = [
            LaneJoin(LaneProof(SecretBytes(secret), role, "lane", chance(32)))
            for secret, role in zip(secrets, roles, strict=True)
        ]
        self.wires = [Wire(), Wire()]
        self.joined: list[Joined | None] = [None, None]
        for join in self.joins:
            join.begin(0)
        self.drain()

    def drain(self) -> None:
        """Put what the machines say on their wires; a joined end sends its first record."""
        for side, join in enumerate(self.joins):
            self.wires[side].sent += b"".join(join.bytes_to_send())
            while (event := join.next_event()) is not None:
                self.joined[side] = event
                self.wires[side].sent += b"record"

    def deliver(self, to: int, chunk: bytes) -> None:
        """Feed one end unless it is done."""
        if self.joins[to].state in (State.SENT_NONCE, State.SENT_PROOF):
            try:
                self.joins[to].receive(chunk, 1)
            except TallowError:
                assert self.joins[to].state is State.FAILED
        self.drain()


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 80)), max_size=60))
def test_ends_join_however_the_streams_are_cut(cuts: list[tuple[bool, int]]) -> None:
    """A3, X14: pieces of any size in any order join both ends, and no byte behind is lost."""
    ends = Ends()
    for to, count in [*((int(side), count) for side, count in cuts), *((0, 99), (1, 99)) * 3]:
        if ends.joined[to] is None:
            ends.deliver(to, ends.wires[1 - to].take(count))
    for to, event in enumerate(ends.joined):
        assert event is not None
        wire = ends.wires[1 - to]
        assert event.surplus + wire.sent[wire.read :] == b"record"


@given(st.integers(0, 1), st.integers(0, 63), st.integers(1, 255))
def test_one_changed_byte_keeps_both_from_agreeing(to: int, at: int, mask: int) -> None:
    """X20, X25: whichever byte of nonce or proof changes, never both ends have joined."""
    ends = Ends()
    for _ in range(3):
        for side in (0, 1):
            wire = ends.wires[1 - side]
            start = wire.read
            chunk = bytearray(wire.take(64 - start))
            if side == to and start <= at < start + len(chunk):
                chunk[at - start] ^= mask
            ends.deliver(side, bytes(chunk))
    assert ends.joined[to] is None
    assert ends.joins[to].state is State.FAILED
    # A changed nonce makes the answer to it false as well.
    assert at >= 32 or ends.joined[1 - to] is None


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 64), st.integers(1, 64))))
def test_a_stranger_with_both_ends_in_hand(
    moves: list[tuple[bool, bool, int, int]],
) -> None:
    """X08: ends of two sessions never join, whatever pieces of whose bytes each is given."""
    ends = Ends((JOIN, bytes(64)))
    for to, source, start, count in moves:
        ends.deliver(int(to), ends.wires[int(source)].sent[start : start + count])
    assert ends.joined == [None, None]


def test_an_end_never_joins_another_of_its_own_role() -> None:
    """X08: two connections of one side, tied together by a relay, prove nothing to each other."""
    roles: tuple[Direction, ...] = ("i", "r")
    for role in roles:
        joins = [
            LaneJoin(LaneProof(SecretBytes(JOIN), role, "lane", bytes([number]) * 32))
            for number in (1, 2)
        ]
        for join in joins:
            join.begin(0)
        nonces = [join.bytes_to_send()[0] for join in joins]
        for join, nonce in zip(joins, reversed(nonces), strict=True):
            join.receive(nonce, 1)
        proofs = [join.bytes_to_send()[0] for join in joins]
        for join, claimed in zip(joins, reversed(proofs), strict=True):
            try:
                join.receive(claimed, 1)
            except TallowError as error:
                assert type(error).__name__ == "RemoteProtocolError"
            assert join.state is State.FAILED
