"""Ten thousand names as no person would choose them: each is refused, or harmless for good."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallow.errors import UnsafeName
from tallow.protocol.names import NameTable, TargetSystem, collision_key, safe_name
from tests.protocol.test_names import SYSTEMS, accepted, check_harmless

COUNT = 10_000
PIECES = [
    "a", "B", "file", ".txt", ".", "..", " ", "-", "_", "~", "$", "%2e", ":", "*", "\\", "\0",
    "CON", "nul", "COM1", "lpt¹", ".tallow-", "\r\n", "\x1b[0m", "\x7f", "\x85", "\u00ad",
    "\u200c", "\u202e", "\u2028", "\u2066", "\ufeff", "\ufffd", "\ud83d", "e\u0301", "é", "ﬁ",
    "ﬀ", "ß", "ẞ", "İ", "ı", "K", "ſ", "Å", "\u212b", "가", "\u1100\u1161", "🧑\u200d💻", "🏳️",
    "\U000e0041", "日本", "ا", "א", "x" * 90, "ü" * 60,
]  # fmt: skip
RANGES = [(0, 0x80), (0x80, 0x800), (0x800, 0x10000), (0x10000, 0x110000)]


def _names(seed: int) -> Iterator[str]:
    chance = random.Random(seed)
    for _ in range(COUNT):
        pieces = [
            chance.choice(PIECES) if chance.random() < 0.8 else chr(chance.randrange(*span))
            for span in chance.choices(RANGES, k=chance.randrange(1, 6))
        ]
        yield "".join(pieces)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_name_is_refused_or_stays_harmless(system: TargetSystem) -> None:
    """C7, X04, X11: a name is changed once, the same way each time, and never again."""
    changed = 0
    for name in _names(1):
        safe = accepted(name, system)
        if safe is None:
            continue
        check_harmless(safe, system)
        again = safe_name("/".join(safe.parts), system=system)
        assert again.parts == safe.parts, ascii(name)
        assert not again.changed
        assert collision_key(again.parts, system=system) == collision_key(safe.parts, system=system)
        changed += safe.changed
    assert COUNT / 10 < changed < COUNT


def test_every_accepted_name_stands_on_this_disk(tmp_path: Path) -> None:
    """C7: what is accepted for this kind of system can be made here, each beside the others."""
    table = NameTable(TargetSystem.POSIX)
    made = 0
    for name in _names(2):
        try:
            safe = table.claim(name, "file")
        except UnsafeName:
            continue
        place = tmp_path.joinpath(*safe.parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR)
        except FileExistsError:
            pytest.fail(f"{name!a} took the place of another file")
        os.close(descriptor)
        made += 1
    assert made > COUNT / 10
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == made
