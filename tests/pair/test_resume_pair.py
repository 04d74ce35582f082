"""Transfers that go on from what is there: any have-list, damage on disk, holes, and pauses."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.crypto.tree import leaf_hash
from tallow.errors import RemoteProtocolError, RootMismatch, SourceUnreadable
from tallow.protocol.bulk import Reserved
from tallow.protocol.manifest import leaf_bytes, leaf_count, travels_packed
from tallow.protocol.ranges import Ranges, as_ranges
from tallow.protocol.transfer.jobs import HashJob, StoreJob, StoreLeaves
from tallow.protocol.transfer.pace import PeerContinued, PeerPaused
from tallow.protocol.transfer.sender import Sender
from tallow.wire import limits
from tests.pair.lane import Item, folder, stream, true_root
from tests.pair.paths import PlainPath
from tests.pair.transfer import Here, Transfer, done

KIB, MIB = limits.KIB, limits.MIB
LEAF = 64 * KIB
SLEAF = limits.STREAM_LEAF_BYTES
BIG = Item("big", random.Random(1).randbytes(3 * MIB + 17))
EDGE = Item("edge", random.Random(2).randbytes(LEAF))
SMALL = [Item(f"s{n}", bytes([n]) * (n * 400)) for n in range(5)]
ITEMS = [SMALL[0], BIG, folder("d"), SMALL[1], EDGE, *SMALL[2:]]
LARGE = {1: BIG, 4: EDGE}
COUNTS = {no: leaf_count(len(item.content), LEAF) for no, item in LARGE.items()}
ALL_OF_BIG: Ranges = ((0, COUNTS[1] - 1),)


def whole(transfer: Transfer, items: list[Item]) -> None:
    """Check that every file is there byte for byte and both ends count every byte."""
    assert done(transfer)
    files = [item for item in items if item.entry.kind != 1]
    assert transfer.files == {item.path: item.content for item in files}
    total = sum(len(item.content) for item in files)
    assert transfer.sender.stored_bytes == transfer.receiver.stored_bytes == total


def damaged(content: bytes, leaves: set[int], leaf: int = LEAF) -> bytes:
    """Return a file with one byte of each of these leaves changed."""
    changed = bytearray(content)
    for number in leaves:
        changed[number * leaf] ^= 1
    return bytes(changed)


def absent(content: bytes, have: Ranges, leaf: int = LEAF) -> bytes:
    """Return a part that holds these leaves and rubbish everywhere else."""
    part = bytearray(b"\xee" * len(content))
    for first, last in have:
        part[first * leaf : (last + 1) * leaf] = content[first * leaf : (last + 1) * leaf]
    return bytes(part)


numbers = {no: st.sets(st.integers(0, count - 1)) for no, count in COUNTS.items()}


# --- what is there ----------------------------------------------------------------------------


@settings(max_examples=250)
@given(st.fixed_dictionaries(numbers), st.data())
def test_any_have_list_ends_whole(here: dict[int, set[int]], data: st.DataObject) -> None:
    """C3: whatever leaves are there, some of them false or unreadable, over a path that mixes
    records: byte-identical, and what was truly there is not sent again."""
    have = {no: tuple(as_ranges(leaves)) for no, leaves in here.items() if leaves}
    false = {no: data.draw(st.sets(st.sampled_from(sorted(leaves)), max_size=4)) if leaves else
             set() for no, leaves in here.items()}  # fmt: skip
    files = {
        no: damaged(absent(LARGE[no].content, ranges), false[no]) for no, ranges in have.items()
    }
    path = PlainPath(data.draw(st.integers(0, 2**32)))
    transfer = Transfer(
        ITEMS,
        path,
        here=Here(files, have),
        depth=data.draw(st.integers(1, 4)),
        window_bytes=data.draw(st.sampled_from([2 * MIB, 4 * MIB])),
    )
    unreadable = {no: data.draw(st.sets(st.sampled_from(sorted(leaves)), max_size=2)) if leaves
                  else set() for no, leaves in here.items()}  # fmt: skip
    transfer.shelf.unreadable = {(no, n * LEAF) for no, each in unreadable.items() for n in each}
    sent = Sent(transfer)
    transfer.run()
    whole(transfer, ITEMS)
    for no, leaves in here.items():
        bad = false[no] | unreadable[no]
        assert sent.leaves[no] == (set(range(COUNTS[no])) - leaves) | bad
    assert transfer.accepted is not None


class Sent:
    """Which leaves a transfer sent, by file."""

    def __init__(self, transfer: Transfer) -> None:
        """Listen to the receiver's door."""
        self.leaves: dict[int, set[int]] = {no: set() for no in LARGE}
        admit = transfer.receiver.admit

        def listening(number: int, body: memoryview) -> StoreJob:
            job = admit(number, body)
            if isinstance(job, StoreLeaves):
                last = job.first_leaf + len(job.leaves)
                self.leaves[job.file_no] |= set(range(job.first_leaf, last))
            return job

        transfer.receiver.admit = listening  # type: ignore[method-assign]


def test_a_file_that_is_all_there_costs_no_record() -> None:
    """C3: it is hashed on both sides, named, and not a byte of it travels."""
    transfer = Transfer([BIG], here=Here({0: BIG.content}, {0: ALL_OF_BIG})).run()
    whole(transfer, [BIG])
    assert transfer.most_on_the_way == 0
    assert transfer.sender.have_bytes == len(BIG.content)


def test_damage_in_every_leaf_is_repaired() -> None:
    """C3: more ranges differ than a message holds; they are joined and all come once more."""
    item = Item("striped", random.Random(3).randbytes(LEAF * 1020))
    count = 1020
    here = Here({0: damaged(item.content, set(range(0, count, 2)))}, {0: ((0, count - 1),)})
    whole(Transfer([item], here=here).run(), [item])


def test_a_second_difference_is_a_mismatch() -> None:
    """C3, X25: a disk that breaks the same leaf again ends in exit 6, and nothing is named."""
    transfer = Transfer([BIG], here=Here({0: damaged(BIG.content, {3})}, {0: ALL_OF_BIG}))
    store = transfer.shelf.store
    transfer.shelf.store = lambda job: [bytes(32) for _ in store(job)]  # type: ignore[method-assign]
    with pytest.raises(RootMismatch) as caught:
        transfer.run()
    assert caught.value.exit_code == 6
    assert transfer.files == {}


def test_a_source_that_changed_before_it_went_again_is_said() -> None:
    """C3: the second reading is not what the first one hashed: the sender ends it itself."""
    items = [BIG]
    transfer = Transfer(items, here=Here({0: damaged(BIG.content, {3})}, {0: ALL_OF_BIG}))
    leaves_hashed = transfer.sender.leaves_hashed

    def change_afterwards(job: HashJob, hashes: list[bytes]) -> None:
        leaves_hashed(job, hashes)
        if job.last:
            items[0] = Item("big", bytes(len(BIG.content)))

    transfer.sender.leaves_hashed = change_afterwards  # type: ignore[method-assign]
    transfer.items = items
    with pytest.raises(SourceUnreadable):
        transfer.run()


@pytest.mark.parametrize("fails_at", [0, MIB, 3 * MIB])
def test_a_source_that_cannot_be_read_fails_alone(fails_at: int) -> None:
    """C3, C11: while it is only hashed, too; the rest goes on."""
    items = [Item("big", BIG.content, fails_at=fails_at), EDGE]
    transfer = Transfer(items, here=Here({0: BIG.content}, {0: ((5, 40),)})).run()
    assert done(transfer)
    assert transfer.files == {"edge": EDGE.content}
    assert set(transfer.failed) == {0}


# --- streams ----------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.integers(0, 5 * SLEAF), st.data())
def test_a_stream_goes_on_where_it_was(size: int, data: st.DataObject) -> None:
    """C3: the receiver has n whole leaves of what was read; the root covers all of it."""
    content = random.Random(size).randbytes(size)
    read = size // SLEAF
    hashes = tuple(leaf_hash(content[n * SLEAF : (n + 1) * SLEAF]) for n in range(read))
    there = data.draw(st.integers(0, read))
    here = Here(
        {0: content[: there * SLEAF]}, {0: ((0, there - 1),)} if there else {}, hashes
    )  # fmt: skip
    item = stream(content)
    transfer = Transfer([item], PlainPath(data.draw(st.integers(0, 99))), here=here).run()
    assert done(transfer)
    assert transfer.files == {"stdin": content}
    assert transfer.ready[0].root == true_root(item)
    assert transfer.sender.stored_bytes == transfer.receiver.stored_bytes == size


def test_a_claim_beyond_what_was_read_is_refused() -> None:
    """X14: of a stream nobody has more than ever left the pipe."""
    content = bytes(3 * SLEAF)
    hashes = (leaf_hash(content[:SLEAF]),)
    transfer = Transfer([stream(content)], here=Here({0: content}, {0: ((0, 1),)}, hashes))
    with pytest.raises(RemoteProtocolError):
        transfer.run()


def test_a_damaged_stream_is_a_mismatch() -> None:
    """X25: what was read from a pipe cannot be read again."""
    content = bytes(3 * SLEAF)
    hashes = (leaf_hash(content[:SLEAF]),)
    here = Here({0: damaged(content[:SLEAF], {0})}, {0: ((0, 0),)}, hashes)
    with pytest.raises(RootMismatch):
        Transfer([stream(content)], here=here).run()


# --- holes ------------------------------------------------------------------------------------


@settings(max_examples=80)
@given(st.sets(st.integers(0, 39)), st.sets(st.integers(0, 39)), st.integers(0, 2**32))
def test_holes_are_not_sent(filled: set[int], there: set[int], seed: int) -> None:
    """C7: a leaf without data costs no bytes, wherever it lies and whatever is there already."""
    size = 39 * LEAF + 5
    chance = random.Random(4)
    content = b"".join(
        chance.randbytes(min(LEAF, size - n * LEAF))
        if n in filled
        else bytes(min(LEAF, size - n * LEAF))
        for n in range(40)
    )
    item = Item("sparse", content)
    extents = [(n * LEAF + 1, n * LEAF + 2) for n in sorted(filled)]
    have = tuple(as_ranges(there))
    part = bytearray(size)
    for first, last in have:
        part[first * LEAF : (last + 1) * LEAF] = content[first * LEAF : (last + 1) * LEAF]
    transfer = Transfer(
        [item],
        PlainPath(seed),
        here=Here({0: bytes(part)}, {0: have}) if have else None,
        data_ranges=lambda _: extents,
        window_bytes=2 * MIB,
    )
    sizes: list[int] = []
    bulk = transfer.path.bulk

    def listening(reserved: Reserved, body: bytes) -> None:
        sizes.append(len(body))
        bulk(reserved, body)

    transfer.path.bulk = listening  # type: ignore[method-assign]
    transfer.run()
    whole(transfer, [item])
    data_leaves = len(filled - there)
    assert sum(sizes) <= data_leaves * LEAF + 80 * 25


def test_a_hole_larger_than_the_window_flows() -> None:
    """C7, C9: more holes than may be open at once, in a file far larger than any window."""
    item = Item("sparse", bytes(LEAF * 900) + b"end")
    records = limits.RECORD_ENTRIES_MAX
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "RECORD_ENTRIES_MAX", 10)
        transfer = Transfer([item], data_ranges=lambda _: [(LEAF * 900, LEAF * 900 + 3)])
        transfer.run()
    whole(transfer, [item])
    assert records == limits.RECORD_ENTRIES_MAX


# --- pauses -----------------------------------------------------------------------------------


class Paused(Transfer):
    """A transfer that both people pause and continue as a seed decides."""

    def __init__(self, seed: int, here: Here | None) -> None:
        """Begin unpaused."""
        super().__init__(ITEMS, PlainPath(seed), here=here, window_bytes=2 * MIB, depth=2)
        self._chance = random.Random(seed)
        self.pauses = 0

    def _turn(self) -> bool:
        moved = super()._turn()
        for machine in (self.sender, self.receiver):
            self._press(machine)
        # A person who holds it looks back at it sooner or later.
        return moved or self.sender.paused or self.receiver.paused

    def _press(self, machine: object) -> None:
        running = self.sender.state.name in ("SENDING", "FINISHING")
        if not running or self.receiver.state.name not in ("ACCEPTED", "RECEIVING", "FINISHING"):
            return
        if self._chance.random() < 0.5:
            if isinstance(machine, Sender):
                self.sender.resume_sending(self.now)
            else:
                self.receiver.resume_receiving(self.now)
        elif self.pauses < 60:
            self.pauses += 1
            (self.sender if isinstance(machine, Sender) else self.receiver).pause("user", self.now)


@settings(max_examples=250)
@given(st.integers(0, 2**32), st.booleans())
def test_pauses_from_both_sides_never_deadlock(seed: int, resumed: bool) -> None:
    """C11: paused and continued by either side at any moment, the transfer ends whole."""
    here = None
    if resumed:
        have: Ranges = ((2, 9), (20, 48))
        part = damaged(absent(BIG.content, have), {7})
        here = Here({1: part}, {1: have})
    transfer = Paused(seed, here)
    transfer.run()
    whole(transfer, ITEMS)
    paused = sum(isinstance(each, PeerPaused) for each in transfer.paces)
    assert len(transfer.paces) - paused == sum(
        isinstance(each, PeerContinued) for each in transfer.paces
    )


def test_nothing_is_given_out_while_either_side_holds() -> None:
    """C11: neither data nor hashes; then everything goes on."""
    for holder in ("sender", "receiver"):
        transfer = Transfer([BIG], here=Here({0: BIG.content}, {0: ((0, 9),)}))
        transfer.offer_items()
        while transfer.accepted is None:
            transfer._turn()
        if holder == "sender":
            transfer.sender.pause("user", 1)
        else:
            transfer.receiver.pause("disk-full", 1)
            assert transfer.receiver.next_check() is None
        for _ in range(20):
            transfer._turn()
        assert transfer.sender.next_job() is None
        assert transfer.receiver.next_check() is None
        before = transfer.receiver.stored_bytes
        for _ in range(20):
            transfer._turn()
        assert transfer.receiver.stored_bytes == before
        if holder == "sender":
            transfer.sender.resume_sending(2)
        else:
            transfer.receiver.resume_receiving(2)
        transfer.pump()
        whole(transfer, [BIG])
        assert transfer.paces == [
            PeerPaused("user" if holder == "sender" else "disk-full"), PeerContinued()
        ]  # fmt: skip


def test_small_files_are_never_there_in_part() -> None:
    """The unit of a packed file is the file."""
    assert all(travels_packed(item.entry) for item in SMALL)
    assert leaf_bytes(BIG.kind, len(BIG.content)) == LEAF
