"""What changed between two lists."""

from __future__ import annotations

from msgspec import structs

from tallow.engine.changes import Listed
from tallow.protocol.manifest import Entry, EntryKind, Manifest


def _folder(path: str, mtime_ns: int = 0) -> Entry:
    return Entry(path, EntryKind.FOLDER, 0, 0o755, mtime_ns)


def _file(path: str) -> Entry:
    return Entry(path, EntryKind.FILE, 5, 0o644, 7)


BEFORE = [_folder("d"), _file("d/a"), _folder("d/s"), _file("d/s/b"), _file("d/s/c")]


def _changes(after: list[Entry], again: frozenset[str] = frozenset()) -> tuple[list[str], int]:
    found = Listed(Manifest.of(BEFORE)).changes(Manifest.of(after), again)
    return [entry.path for entry in found.entries], found.removed


def test_the_same_list_has_no_changes() -> None:
    """C12: nothing is offered if nothing changed, whatever a folder's own time is."""
    touched = [structs.replace(one, mtime_ns=9) if one.kind else one for one in BEFORE]
    assert _changes(touched) == ([], 0)
    assert not Listed(Manifest.of(BEFORE)).changes(Manifest.of(BEFORE))


def test_a_change_brings_the_folders_above_it() -> None:
    """C12: size, time and bits each make an entry new, and its folders come first."""
    for changed in ({"size": 6}, {"mtime_ns": 8}, {"mode": 0o600}):
        after = [structs.replace(e, **changed) if e.path == "d/s/b" else e for e in BEFORE]
        assert _changes(after) == (["d", "d/s", "d/s/b"], 0)


def test_what_is_new_gone_or_to_go_again() -> None:
    """C12: a rename is one gone and one new; a file that failed counts as changed."""
    after = [*BEFORE[:4], _file("d/s/renamed")]
    assert _changes(after) == (["d", "d/s", "d/s/renamed"], 1)
    assert _changes(BEFORE, frozenset({"d/a"})) == (["d", "d/a"], 0)
