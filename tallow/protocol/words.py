"""The 2048 words of generated codes: look up, complete, and find what a typing slip meant.

The list is read once, when it is first needed. This module never sees a whole code and never
judges one; code.py does. Spec: docs/protocol.md §3.1.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from pathlib import Path
from typing import Final

WORD_BITS: Final = 11
PREFIX_LETTERS: Final = 4
"""BIP-39: no two words share their first four letters."""
SLIPS_FOLLOWED: Final = 2
SHORT_WORD_LETTERS: Final = 3
"""Two slips in a word this short leave nothing to recognise, so only one is looked for."""


@lru_cache(maxsize=1)
def word_list() -> tuple[str, ...]:
    """Return the 2048 words in alphabetical order; the position of a word is its value."""
    return tuple(Path(__file__).with_name("wordlist.txt").read_text("ascii").split())


def word_index(word: str) -> int | None:
    """Return the value of a word (0 to 2047), or None if it is not in the list."""
    return _positions().get(word)


def complete_word(prefix: str) -> list[str]:
    """Return every word that begins with a prefix, in alphabetical order."""
    words = word_list()
    start = prefix.casefold()
    first = bisect_left(words, start)
    found = []
    for word in words[first:]:
        if not word.startswith(start):
            break
        found.append(word)
    return found


def nearest_word(word: str) -> str | None:
    """Return the one word that a typing slip most likely meant, or None if none stands out."""
    ranked = _ranked(word.casefold())
    if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
        return None
    return ranked[0][1]


def near_words(word: str) -> list[str]:
    """Return every word that a typing slip may have meant, the likeliest first."""
    return [candidate for _, candidate in _ranked(word.casefold())]


@lru_cache(maxsize=1)
def _positions() -> dict[str, int]:
    return {word: index for index, word in enumerate(word_list())}


@lru_cache(maxsize=64)
def _ranked(word: str) -> tuple[tuple[tuple[int, int, int], str], ...]:
    """Rank by distance, then letters only swapped, then the longest common beginning."""
    if word in _positions():
        return (((0, 0, 0), word),)
    found: dict[str, tuple[int, int, int]] = {}
    slips = SLIPS_FOLLOWED if len(word) > SHORT_WORD_LETTERS else 1
    for candidate in word_list():
        distance = _distance(word, candidate, slips)
        if distance <= slips:
            swapped = sorted(word) == sorted(candidate)
            found[candidate] = (distance, not swapped, -_common_prefix(word, candidate))
    if len(word) >= PREFIX_LETTERS:
        # Whoever reads a code aloud is understood by four letters, whatever the ending became.
        for candidate in complete_word(word[:PREFIX_LETTERS]):
            found[candidate] = (0, 0, 0)
    return tuple(sorted((key, candidate) for candidate, key in found.items()))


def _common_prefix(a: str, b: str) -> int:
    length = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        length += 1
    return length


def _distance(a: str, b: str, limit: int) -> int:
    """Count insertions, deletions, changes and swaps of neighbours; limit + 1 means too far."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        after = [i]
        for j, y in enumerate(b, 1):
            cost = min(row[j] + 1, after[j - 1] + 1, row[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            after.append(cost)
        if min(after) > limit:
            return limit + 1
        before, row = row, after
    return row[-1]
