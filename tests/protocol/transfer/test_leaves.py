"""Sets and hashes of leaves by number, in memory that grows with what is there."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.tree import leaf_hash, root_hash
from tallow.protocol.transfer.leaves import LeafHashes, LeafSet

steps = st.lists(st.tuples(st.booleans(), st.integers(0, 5000), st.integers(0, 3000)), max_size=12)


@given(steps, st.integers(0, 8000), st.integers(0, 3000))
def test_a_leaf_set_is_a_set(changes: list[tuple[bool, int, int]], first: int, more: int) -> None:
    """C3: adding, taking out, counting and asking agree with a plain set."""
    there, true = LeafSet(), set[int]()
    for adds, start, length in changes:
        numbers = range(start, start + length + 1)
        if adds:
            there.add(start, start + length)
            true.update(numbers)
        else:
            there.discard(start, start + length)
            true.difference_update(numbers)
    asked = set(range(first, first + more + 1))
    assert there.count == len(true)
    assert there.any(first, first + more) == bool(asked & true)
    assert there.all(first, first + more) == (asked <= true)
    assert (first in there) == (first in true)


@given(st.permutations(range(9)))
def test_hashes_come_in_any_order(order: list[int]) -> None:
    """C3: the root is that of the leaves in their place."""
    leaves = [leaf_hash(bytes([number])) for number in range(9)]
    hashes = LeafHashes()
    for number in order:
        hashes.put(number, leaves[number : number + 1])
    assert hashes.known.count == 9
    assert hashes.root(9 * 4, 4) == root_hash(9 * 4, 4, leaves)


def test_a_leaf_at_the_end_of_an_exabyte_costs_a_page() -> None:
    """X10, X14: memory follows what is noted, not how far away it is."""
    tracemalloc.start()
    try:
        hashes, numbers = LeafHashes(), LeafSet()
        for far in (1 << 40, (1 << 63) - 1):
            hashes.put(far, [bytes(32)])
            numbers.add(far, far)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 64 << 10
    assert (1 << 40) in numbers
    assert (1 << 40) + 1 not in numbers
