"""The table of how every file ended, which both sides compare at the end."""

from __future__ import annotations

from tallow.crypto.tree import roots_digest
from tallow.protocol.messages import FileEnd
from tallow.protocol.transfer.roots import ONE_OF_MANY, RootTable
from tallow.wire import limits


def root(number: int) -> bytes:
    """Return a root that stands for a file."""
    return bytes([number]) * 32


def test_a_root_is_found_where_it_was_put() -> None:
    """C1: one place of 32 bytes per entry."""
    table = RootTable(10)
    for number in (9, 0, 4):
        table.set(number, root(number))
    assert [number in table for number in range(-1, 11)] == [
        number in (0, 4, 9) for number in range(-1, 11)
    ]
    assert table.root(4) == root(4)


def test_the_digest_is_in_order_of_numbers() -> None:
    """C1: the same files in any order of arrival give the same digest, failures are left out."""
    one, two = RootTable(10), RootTable(10)
    for number in (1, 5, 7):
        one.set(number, root(number))
    for number in (7, 1, 5):
        two.set(number, root(number))
    two.fail(3, "gone")
    expected = roots_digest([(1, root(1)), (5, root(5)), (7, root(7))])
    assert one.digest() == two.digest() == expected


def test_another_file_or_content_gives_another_digest() -> None:
    """X25: missing, other content and swapped numbers all differ."""
    digests = set()
    for items in ([], [(0, 1)], [(1, 1)], [(0, 2)], [(0, 1), (1, 2)], [(0, 2), (1, 1)]):
        table = RootTable(4)
        for number, content in items:
            table.set(number, root(content))
        digests.add(table.digest())
    assert len(digests) == 6


def test_failures_travel_in_order_and_are_capped() -> None:
    """X10: the first of them by number, each with its reason."""
    table = RootTable(10)
    for number in (8, 2, 5):
        table.fail(number, f"no {number}")
    assert table.failures(2) == [FileEnd(2, 0, b"", "no 2"), FileEnd(5, 0, b"", "no 5")]
    assert len(table.failures(100)) == 3


def test_reasons_of_a_peer_take_bounded_memory() -> None:
    """X10, X17: every failure is counted, but only the first thousand keep their reason."""
    most = limits.ROOTS_PER_TRAILER
    table = RootTable(3 * most)
    for number in range(3 * most):
        table.fail(number, f"reason {number}")
    assert len(table.failed) == 3 * most
    assert table.failed[most - 1] == f"reason {most - 1}"
    assert {table.failed[number] for number in range(most, 3 * most)} == {ONE_OF_MANY}
