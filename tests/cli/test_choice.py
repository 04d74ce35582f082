"""Marks, sums, runs and patterns over a list of entries."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.cli.choice import Choice, matcher
from tallow.engine.events import OfferEntry
from tests.cli.happenings import PLAIN, choice_of, entry, offer

NESTED = (
    entry(0, "p", kind="folder"),
    entry(1, "p/a.txt", 1, flags=("overwrite",)),
    entry(2, "p/d", kind="folder"),
    entry(3, "p/d/b.txt", 10),
    entry(4, "p/d/c.sh", 100, flags=("executable", "overwrite")),
    entry(5, "p/empty", kind="folder", flags=("dotfile",)),
    entry(6, "q", 1000),
)


def whole(entries: Sequence[OfferEntry] = NESTED) -> Choice:
    """Return a choice of everything."""
    return choice_of(offer(*entries))


def marks(choice: Choice) -> str:
    """Return all marks as one word."""
    return "".join(choice.marks(range(len(choice)))).replace(" ", ".")


def test_everything_is_chosen_at_first() -> None:
    """C4: nothing is left out unless somebody says so."""
    choice = whole()
    assert marks(choice) == "xxxxxxx"
    assert choice.runs() is None
    tally = choice.tally()
    assert (tally.files, tally.folders, tally.total_bytes) == (4, 3, 1111)
    assert tally.flags == {"overwrite", "executable", "dotfile"}
    assert tally.taken == (1, 4)


def test_a_folder_goes_with_all_it_holds() -> None:
    """C4: a folder that is left out takes its files along; one above it is chosen in part."""
    choice = whole()
    choice.mark([2], wanted=False)
    assert marks(choice) == "-x...xx"
    assert choice.runs() == ((0, 1), (5, 6))
    assert choice.tally().flags == {"overwrite", "dotfile"}
    choice.mark([4], wanted=True)
    assert marks(choice) == "-x-.xxx"
    assert choice.runs() == ((0, 2), (4, 6))
    choice.mark([0], wanted=None)
    assert marks(choice) == "xxxxxxx"
    choice.mark([0], wanted=None)
    assert marks(choice) == "......x"
    assert choice.runs() == ((6, 6),)


def test_a_folder_without_a_chosen_file_is_not_made() -> None:
    """Once everything inside is left out, the folder is too; an empty one stands for itself."""
    choice = whole()
    choice.mark([3, 4], wanted=False)
    assert marks(choice) == "-x...xx"
    choice.mark([0, 6], wanted=False)
    choice.mark([5], wanted=True)
    assert choice.runs() == ((0, 0), (5, 5))
    assert (choice.tally().files, choice.tally().folders) == (0, 2)


def test_a_trial_leaves_the_original() -> None:
    """A copy is marked by itself."""
    choice = whole()
    trial = choice.copy()
    trial.mark([0, 6], wanted=False)
    assert trial.runs() == ()
    assert choice.runs() is None


def test_a_folder_that_is_listed_late() -> None:
    """A strange order of the list breaks nothing: such a folder stands for itself."""
    choice = whole((entry(0, "p/a", 1), entry(1, "p", kind="folder"), entry(2, "p/b", 1)))
    choice.mark([1], wanted=False)
    assert marks(choice) == "x.."


@pytest.mark.parametrize(
    ("patterns", "numbers"),
    [
        (("*.txt",), {1, 3}), (("d/",), {2, 3, 4}), (("/q",), {6}), (("!*.txt",), {0, 2, 4, 5, 6}),
        (("p/", "!*.sh"), {0, 1, 2, 3, 5}), (("!*.txt", "!q"), {0, 2, 4, 5}), (("nothing",), set()),
        (("[",), set()),
    ],
)  # fmt: skip
def test_patterns_are_those_of_gitignore(patterns: tuple[str, ...], numbers: set[int]) -> None:
    """C4: a pattern with ! takes out; patterns with ! alone take everything else."""
    match = matcher(patterns)
    assert {one.number for one in NESTED if match(one)} == numbers


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from([True, False, None])), max_size=8))
@settings(deadline=None)
def test_runs_are_always_what_the_engine_takes(steps: list[tuple[int, bool | None]]) -> None:
    """C4: runs ascend, do not touch, and hold exactly the entries that are marked."""
    choice = whole()
    for number, wanted in steps:
        choice.mark([number], wanted=wanted)
    runs = choice.runs()
    marked = {at for at, mark in enumerate(choice.marks(range(7))) if mark != " "}
    if runs is None:
        assert marked == set(range(7))
        return
    assert {at for first, last in runs for at in range(first, last + 1)} == marked
    assert all(before[1] + 1 < after[0] for before, after in pairwise(runs))
    assert len(marked) == choice.tally().files + choice.tally().folders


def test_sizes_add_up() -> None:
    """The sum is over what is chosen alone."""
    choice = whole(PLAIN)
    choice.mark([1], wanted=None)
    assert choice.tally().total_bytes == 1_200_512
