"""No two entries of an offer share a place, whatever the target system takes for one name."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.errors import UnsafeName
from tallow.protocol.names import NameTable, TargetSystem, collision_key
from tallow.wire import limits
from tests.vectors import counted, vectors

POSIX, MACOS, WINDOWS = TargetSystem.POSIX, TargetSystem.MACOS, TargetSystem.WINDOWS
SYSTEMS = [POSIX, MACOS, WINDOWS]
PATHS = st.lists(
    st.sampled_from(
        ["a", "A", "\u00e9", "e\u0301", "_", "\u200b", "/", "/", "\\", "b", "ß", "ss", ".", " "]
    ),
    max_size=6,
).map("".join)


def test_normal_forms_of_one_name_collide_everywhere() -> None:
    """Unicode's own samples: source, NFC and NFD are one name for comparison."""
    replayed = 0
    sample = vectors("unicode") / "NormalizationTest_sample.txt"
    for line in sample.read_text("utf-8").splitlines():
        fields = line.split("#")[0].split(";")
        if len(fields) < 5:
            continue
        source, nfc, nfd = ("".join(chr(int(n, 16)) for n in f.split()) for f in fields[:3])
        if "Cn" in map(unicodedata.category, source):
            continue  # A character younger than this Python's tables.
        replayed += 1
        for system in SYSTEMS:
            keys = {collision_key((form,), system=system) for form in (source, nfc, nfd)}
            assert len(keys) == 1, line
    assert replayed > 100
    counted("unicode", replayed)


def test_letters_that_fold_to_ascii_collide_where_case_does_not_count() -> None:
    """Kelvin sign, long s and ligatures take the place of plain letters on such systems."""
    replayed = 0
    listing = vectors("unicode") / "casefold_ascii_collisions.txt"
    for line in listing.read_text("utf-8").splitlines():
        fields = line.split("#")[0].split(";")
        if len(fields) < 3:
            continue
        replayed += 1
        odd = chr(int(fields[0], 16))
        plain = "".join(chr(int(n, 16)) for n in fields[2].split())
        for system in (MACOS, WINDOWS):
            assert collision_key((odd,), system=system) == collision_key((plain,), system=system)
    assert replayed
    counted("unicode", replayed)


def test_case_counts_on_posix_only() -> None:
    """README and readme are two files there, one file elsewhere."""
    assert collision_key(("A", "b"), system=POSIX) != collision_key(("a", "B"), system=POSIX)
    for system in (MACOS, WINDOWS):
        assert collision_key(("A", "b"), system=system) == collision_key(("a", "B"), system=system)


@pytest.mark.parametrize(
    ("system", "first", "second"),
    [
        (POSIX, ("a", "file"), ("a", "file")),
        (POSIX, ("a", "folder"), ("a", "folder")),
        (POSIX, ("a", "folder"), ("a", "file")),
        (POSIX, ("a", "file"), ("a", "folder")),
        (POSIX, ("a", "file"), ("a/b", "file")),
        (POSIX, ("a/b", "file"), ("a", "file")),
        (POSIX, ("a/b/c", "file"), ("a/b", "file")),
        (POSIX, ("\u00e9", "file"), ("e\u0301", "file")),
        (POSIX, ("a\u200b", "file"), ("a_", "file")),
        (POSIX, ("a\u200b/x", "file"), ("a_/y", "file")),
        (POSIX, ("a\\b", "file"), ("a_b", "file")),
        (MACOS, ("README", "file"), ("readme", "file")),
        (MACOS, ("A/x", "file"), ("a/y", "file")),
        (WINDOWS, ("A", "folder"), ("a", "folder")),
        (WINDOWS, ("stra\u00dfe", "file"), ("STRASSE", "file")),
        (WINDOWS, ("CON", "file"), ("_con", "file")),
        (WINDOWS, ("a", "file"), ("A/b", "folder")),
    ],
)
def test_two_entries_never_share_a_place(
    system: TargetSystem, first: tuple[str, str], second: tuple[str, str]
) -> None:
    """X04 X10: duplicates, file against folder, children of a file, merged folders are refused."""
    table = NameTable(system)
    table.claim(first[0], "folder" if first[1] == "folder" else "file")
    with pytest.raises(UnsafeName) as caught:
        table.claim(second[0], "folder" if second[1] == "folder" else "file")
    assert caught.value.why


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_whole_tree_finds_its_places_in_any_order(system: TargetSystem) -> None:
    """Folders may be named before, after or never; a new place is given to each entry."""
    table = NameTable(system)
    for path in ("a/b/c.txt", "a/b/d.txt", "e.txt", "a/f/c.txt", "a/b.txt"):
        assert "/".join(table.claim(path, "file").parts) == path
    for path in ("a", "a/b", "empty", "a/f/deep/er"):
        assert "/".join(table.claim(path, "folder").parts) == path


@settings(deadline=None, max_examples=500)
@given(st.lists(st.tuples(PATHS, st.booleans()), max_size=8), st.sampled_from(SYSTEMS))
def test_claimed_places_are_all_different(
    entries: list[tuple[str, bool]], system: TargetSystem
) -> None:
    """X04: whatever is claimed, no two entries get one target and none lies below a file."""
    table = NameTable(system)
    files: set[str] = set()
    every: list[str] = []
    for path, folder in entries:
        try:
            safe = table.claim(path, "folder" if folder else "file")
        except UnsafeName:
            continue
        key = collision_key(safe.parts, system=system)
        every.append(key)
        if not folder:
            files.add(key)
    assert len(set(every)) == len(every)
    assert not any(key.startswith(f"{file}/") for key in every for file in files)


@pytest.mark.parametrize("spelled", [True, False])
def test_folders_that_nobody_listed_are_counted_too(
    monkeypatch: pytest.MonkeyPatch, *, spelled: bool
) -> None:
    """X10: a short list of deep paths cannot make a receiver hold a hundred times as many."""
    monkeypatch.setattr(limits, "MANIFEST_ENTRIES_MAX", 300)
    table, claimed = NameTable(POSIX), 0
    with pytest.raises(UnsafeName) as caught:
        for number in range(10):
            table.claim(f"{number}/" + "a/" * 100 + "x", "folder" if spelled else "file")
            claimed += 1
    assert "more folders" in caught.value.why
    assert claimed == 2
    table.claim("0/a/a/y", "file")
    table.claim("z", "file")
    with pytest.raises(UnsafeName):
        table.claim("0/a/a", "file")


@pytest.mark.parametrize("system", SYSTEMS)
def test_ten_thousand_names_keep_their_places(system: TargetSystem) -> None:
    """X04: the table of places grows many times and forgets none."""
    table = NameTable(system)
    for number in range(10_000):
        table.claim(f"d{number % 97}/{number}", "file")
    for number in range(0, 10_000, 7):
        with pytest.raises(UnsafeName):
            table.claim(f"d{number % 97}/{number}", "file")
    for number in range(97):
        table.claim(f"d{number}", "folder")
        with pytest.raises(UnsafeName):
            table.claim(f"d{number}", "folder")
