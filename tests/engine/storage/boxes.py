"""Inboxes for tests: jobs as the machines give them, sessions that follow one another."""

from __future__ import annotations

from pathlib import Path

from tallow.engine.storage.inbox import Inbox
from tallow.engine.storage.journal import JournalHead
from tallow.engine.storage.resumed import Resumed, find_resumed
from tallow.engine.storage.sink import Policy
from tallow.engine.storage.target import Target, plan_target
from tallow.protocol.bulk import Codec, Leaf
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection
from tallow.protocol.transfer.jobs import CheckLeaves, StoreLeaves, StorePack
from tests.fakes import SeededRng
from tests.world.world import tree

KEY = bytes(32)
TRANSFER = b"t" * 16
LEAF = 64 * 1024
STREAM = Entry("log", EntryKind.STREAM, 0, 0o644, 0)


def large(path: str, leaves: int, *, mtime_ns: int = 7_000_000_000) -> Entry:
    """Return a file that does not travel packed."""
    return Entry(path, EntryKind.FILE, leaves * LEAF, 0o644, mtime_ns)


def content_of(leaf: int, fill: str = "") -> bytes:
    """Return the bytes of a leaf, different for each."""
    return (f"{fill}leaf {leaf} ".encode() * LEAF)[:LEAF]


def target_for(place: Path, *entries: Entry) -> Target:
    """Plan these entries below a folder."""
    kind = "stream" if entries[0].kind is EntryKind.STREAM else "files"
    return plan_target(Manifest.of(entries), kind, str(place))


def head_for(manifest: Manifest, *, accept_no: int = 1, policy: str = "rename") -> JournalHead:
    """Return the head of a session that accepted everything."""
    bitmap = Selection.everything(manifest.entries).bitmap
    return JournalHead(TRANSFER, manifest.root(), accept_no, manifest.entries, bitmap, policy)


def inbox_for(
    place: Path,
    *entries: Entry,
    policy: Policy = "rename",
    seed: str = "inbox",
    resumed: Resumed | None = None,
    chosen: Selection | None = None,
) -> Inbox:
    """Return an inbox for these entries, everything or what was chosen accepted and prepared."""
    target = target_for(place, *entries)
    made = Inbox(target, policy, SeededRng(seed).bytes, lambda: KEY, resumed=resumed)
    made.prepare(chosen or Selection.everything(target.manifest.entries))
    made.begin(head_for(target.manifest, accept_no=resumed.accept_no + 1 if resumed else 1))
    return made


def journals(place: Path) -> list[Path]:
    """Return the journals in a folder."""
    return sorted(place.glob(".tallow-*.journal"))


def parts(place: Path) -> list[Path]:
    """Return temporary files and journals below a folder."""
    return sorted(place.rglob(".tallow-*"))


def growing(place: Path) -> list[Path]:
    """Return temporary files below a folder, without journals."""
    return sorted(place.rglob(".tallow-*.part"))


def look(place: Path, *entries: Entry, transfer_id: bytes | None = TRANSFER) -> Resumed | None:
    """Look for what the one journal in a folder offers a session with these entries."""
    (journal,) = journals(place)
    target = target_for(place, *entries)
    return find_resumed(place, journal.name, KEY, target.manifest, target, transfer_id=transfer_id)


def found(place: Path, *entries: Entry) -> Resumed:
    """Return what a journal offers, which must be something."""
    resumed = look(place, *entries)
    assert resumed is not None
    return resumed


def interrupted(place: Path, *entries: Entry, leaves: dict[int, range], seed: str = "one") -> None:
    """Leave behind a session that stored some leaves and was cut off."""
    box = inbox_for(place, *entries, seed=seed)
    for file_no, numbers in leaves.items():
        for number in numbers:
            box.store_leaves(leaf_job(file_no, number))
    assert box.abandon(keep=True)


def leaf_job(file_no: int, number: int, content: bytes | None = None) -> StoreLeaves:
    """Return one whole leaf of a large file to store."""
    plain = content_of(number) if content is None else content
    leaf = Leaf(Codec.RAW, len(plain), memoryview(plain))
    return StoreLeaves(0, file_no, number, number * LEAF, (leaf,))


def hole_job(file_no: int, first: int, count: int = 1) -> StoreLeaves:
    """Return leaves of zeros."""
    hole = Leaf(Codec.HOLE, LEAF, memoryview(b""))
    return StoreLeaves(0, file_no, first, first * LEAF, (hole,) * count)


def check_job(file_no: int, first: int, count: int = 1) -> CheckLeaves:
    """Return whole leaves of a large file to read again."""
    return CheckLeaves(file_no, first, first * LEAF, (LEAF,) * count)


def pack(*files: tuple[int, bytes]) -> StorePack:
    """Return small files to store."""
    block = b"".join(content for _, content in files)
    lengths = tuple((number, len(content)) for number, content in files)
    return StorePack(0, Codec.RAW, memoryview(block), lengths)


def leaves(file_no: int, first: int, *content: bytes, leaf: int = 4) -> StoreLeaves:
    """Return leaves to store, each of ``leaf`` bytes but the last."""
    made = tuple(Leaf(Codec.RAW, len(piece), memoryview(piece)) for piece in content)
    return StoreLeaves(0, file_no, first, first * leaf, made)


def visible(place: Path) -> dict[str, bytes | None]:
    """Return what stands in a folder but for Tallow's own files."""
    return {name: content for name, content in tree(place).items() if ".tallow-" not in name}
