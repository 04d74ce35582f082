"""The error tree keeps its promises: a sentence, a stable code, an exit code, a hint."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tallow import errors
from tallow.errors import TallowError
from tests.house.tree import ROOT

EXIT_CODES = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 130, 143})


def whole_tree(kind: type[TallowError] = TallowError) -> list[type[TallowError]]:
    """Return an error class and everything below it."""
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in whole_tree(child))]


ALL = [kind for kind in whole_tree() if kind.__module__ == errors.__name__]
LEAVES = [kind for kind in ALL if not kind.__subclasses__()]


@pytest.mark.parametrize("kind", LEAVES)
def test_a_leaf_says_what_happened(kind: type[TallowError]) -> None:
    """The first docstring line of an error is a sentence that a user can be shown."""
    sentence = errors.first_line(kind)
    assert re.fullmatch(r"[A-Z].*\.", sentence), sentence
    assert kind().message == sentence


@pytest.mark.parametrize("kind", LEAVES)
def test_a_leaf_has_its_own_code(kind: type[TallowError]) -> None:
    """A code is written on the leaf itself, in the form that documents and scripts use."""
    assert "code" in vars(kind), f"{kind.__name__} inherits its code"
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)


def test_codes_are_unique() -> None:
    """No two errors share a code, so a script can rely on it."""
    counted = Counter(kind.code for kind in ALL if "code" in vars(kind))
    assert [code for code, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("kind", LEAVES)
def test_a_leaf_says_what_to_do(kind: type[TallowError]) -> None:
    """Every error that stops the work says what to do next."""
    if issubclass(kind, errors.Cancelled):
        return  # the person stopped it; there is nothing to tell them
    assert kind.default_hint, f"{kind.__name__} needs a default_hint"
    assert kind().hint == kind.default_hint


@pytest.mark.parametrize("kind", ALL)
def test_exit_codes_are_the_documented_ones(kind: type[TallowError]) -> None:
    """Every error ends the program with one of the documented exit codes."""
    assert kind.exit_code in EXIT_CODES


def test_the_drawing_shows_the_tree() -> None:
    """D8: the tree drawn in the module's docstring names every error."""
    drawn = set(re.findall(r"\w+", errors.__doc__ or ""))
    assert {kind.__name__ for kind in ALL} <= drawn


def test_every_code_is_documented() -> None:
    """D8: docs/cli.md lists every error code."""
    page = ROOT / "docs" / "cli.md"
    if not page.exists():
        pytest.skip("docs/cli.md is not there")
    documented = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", page.read_text(encoding="utf-8")))
    missing = sorted(kind.code for kind in LEAVES if kind.code not in documented)
    assert not missing, f"docs/cli.md lacks {missing}"


def test_a_given_message_wins() -> None:
    """What happened here replaces the general sentence; why and hint come along."""
    error = errors.BadCode(
        "No word is called 'fsh'.", why="It is not in the list.", hint="Try fish."
    )
    assert (str(error), error.why, error.hint) == (
        "No word is called 'fsh'.", "It is not in the list.", "Try fish.",
    )  # fmt: skip
