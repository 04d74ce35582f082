"""What arrives is what was sent: links, modes, times, attributes, holes; the rest is told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import Receive, SendFiles, Symlinks
from tallow.engine.storage.folder import PosixFolder
from tallow.protocol.kept import NotKept
from tallow.protocol.manifest import Entry, EntryKind
from tests.fakes import SeededRng, virtual
from tests.world.stranger import Stranger
from tests.world.world import Person, World, a_world, make

TIME_NS = 1_234_567_890_123_456_789
SOME = SeededRng("fidelity").bytes(300_000)


async def _sent(
    world: World, source: Path, *, symlinks: Symlinks = "skip", attributes: bool = False
) -> tuple[Person, Person, e.TransferDone, e.TransferDone]:
    alice, bob = await world.pair()
    return alice, bob, *await _send(alice, bob, source, symlinks, attributes=attributes)


async def _send(
    alice: Person, bob: Person, source: Path, symlinks: Symlinks, *, attributes: bool = False
) -> tuple[e.TransferDone, e.TransferDone]:
    sending = alice.submit(SendFiles((str(source),), symlinks=symlinks, xattrs=attributes))
    inbox = bob.folder / "in"
    inbox.mkdir(exist_ok=True)
    receiving = bob.submit(Receive(await alice.code(sending), output=str(inbox)))
    return await alice.done(sending), await bob.done(receiving)


def _links(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): str(path.readlink())
        for path in sorted(folder.rglob("*"))
        if path.is_symlink()
    }


def _linked(tmp_path: Path) -> Path:
    source = make(tmp_path / "src", {"a/file": b"1", "b/c/file": SOME})
    (source / "a/near").symlink_to("file")
    (source / "b/c/up").symlink_to("../../a/file")
    (source / "b/folder").symlink_to("c")
    (source / "nowhere").symlink_to("missing")
    (source / "out").symlink_to("/etc/passwd")
    (source / "over").symlink_to("../other")
    return source


@virtual
async def test_links_are_kept_as_links(tmp_path: Path) -> None:
    """C7: --symlinks keep makes the same links there, and leaves out and tells what leads out."""
    source = _linked(tmp_path)
    os.utime(source / "a/near", ns=(TIME_NS, TIME_NS), follow_symlinks=False)
    async with a_world(tmp_path / "w") as world:
        alice, bob, sent, received = await _sent(world, source, symlinks="keep")
        offer = bob.all(e.OfferReceived)[0]
        skipped = {event.path: event.reason for event in alice.all(e.SourceSkipped)}
    inbox = bob.folder / "in"
    assert _links(inbox) == {
        "src/a/near": "file",
        "src/b/c/up": "../../a/file",
        "src/b/folder": "c",
        "src/nowhere": "missing",
    }
    assert (inbox / "src/b/folder/file").read_bytes() == SOME
    assert (inbox / "src/a/near").lstat().st_mtime_ns == TIME_NS
    assert sent.not_kept == received.not_kept == NotKept(links=2)
    assert set(skipped) == {"src/out", "src/over"}
    assert (offer.links, offer.files) == (4, 2)
    assert "symlink" in offer.flags
    shown = {entry.path: entry.points_to for entry in offer.entries if entry.kind == "link"}
    assert shown["src/b/c/up"] == "../../a/file"


@pytest.mark.parametrize(
    ("symlinks", "names", "lost"),
    [
        ("skip", {"a", "a/file", "b", "b/c", "b/c/file"}, 6),
        ("follow", {"a", "a/file", "a/near", "b", "b/c", "b/c/file", "b/c/up", "b/folder",
                    "b/folder/file", "b/folder/up", "out"}, 0),
    ],
)  # fmt: skip
@virtual
async def test_links_are_skipped_or_followed(
    symlinks: Symlinks, names: set[str], lost: int, tmp_path: Path
) -> None:
    """C7: left out they are counted on both sides; followed they are what they point to."""
    source = _linked(tmp_path)
    async with a_world(tmp_path / "w") as world:
        _, bob, sent, received = await _sent(world, source, symlinks=symlinks)
    inbox = bob.folder / "in/src"
    assert {path.relative_to(inbox).as_posix() for path in inbox.rglob("*")} == names
    assert not _links(inbox)
    assert sent.not_kept == received.not_kept == NotKept(links=lost)


@virtual
async def test_links_meet_what_is_there(tmp_path: Path) -> None:
    """C7, X10: a taken name stays as it is, another link too, and nothing is followed."""
    source = make(tmp_path / "src", {"file": b"new"})
    (source / "same").symlink_to("file")
    (source / "taken").symlink_to("file")
    (source / "held").symlink_to("file")
    async with a_world(tmp_path / "w") as world:
        alice, bob = await world.pair()
        there = make(bob.folder / "in/src", {"taken": b"mine"})
        (there / "same").symlink_to("file")
        (there / "held").symlink_to(tmp_path)
        _, received = await _send(alice, bob, source, "keep")
        offer = bob.all(e.OfferReceived)[0]
    assert (there / "taken").read_bytes() == b"mine"
    assert _links(there) == {
        "held": str(tmp_path), "held (1)": "file", "same": "file", "taken (1)": "file",
    }  # fmt: skip
    assert offer.conflicts == 2
    assert received.not_kept == NotKept()


@virtual
async def test_overwriting_replaces_the_link_itself(tmp_path: Path) -> None:
    """C7, X17: what a link that is replaced pointed to is not touched."""
    source = make(tmp_path / "src", {"file": b"new"})
    (source / "l").symlink_to("file")
    async with a_world(tmp_path / "w") as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        bob.says_yes("overwrite")
        there = make(bob.folder / "in/src", {"precious": b"mine"})
        (there / "l").symlink_to("precious")
        await _send(alice, bob, source, "keep")
    assert _links(there) == {"l": "file"}
    assert (there / "precious").read_bytes() == b"mine"


@virtual
async def test_a_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C7: where no link can be made all else arrives, and both sides are told."""

    def refused(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    source = make(tmp_path / "src", {"file": b"1"})
    (source / "l").symlink_to("file")
    async with a_world(tmp_path / "w") as world:
        alice, bob = await world.pair()
        monkeypatch.setattr(os, "symlink", refused)
        sent, received = await _send(alice, bob, source, "keep")
    assert (bob.folder / "in/src/file").read_bytes() == b"1"
    assert sent.not_kept == received.not_kept == NotKept(links=1)


@pytest.mark.parametrize(
    "entries",
    [
        [("t/l", "../x")],
        [("t/l", "/etc")],
        [("l", "x")],
        [("t/a", "b/.."), ("t/b", "c")],
        [("t/l", "a\\..\\..\\x")],
    ],
)
@virtual
async def test_hostile_links_are_refused(entries: list[tuple[str, str]], tmp_path: Path) -> None:
    """X04, X10, X14: a sender that lists a way out is refused before anybody is asked."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        stranger.offer(*(_link(path, target) for path, target in entries))
        error = await bob.fails(getting)
        await stranger.leave()
    assert (error.code, error.exit_code) == ("unsafe-name", 6)
    assert not bob.all(e.OfferReceived)
    assert not list((bob.folder / "in").iterdir())


@virtual
async def test_nothing_goes_through_a_link_of_the_offer(tmp_path: Path) -> None:
    """X10, X14: an entry below a link is refused as one below a file is."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        below = Entry("t/l/file", EntryKind.FILE, 0, 0o644, 0)
        stranger.offer(_link("t/l", "a"), below)
        assert (await bob.fails(getting)).code == "unsafe-name"
        await stranger.leave()


async def _meet(world: World) -> tuple[Person, int, Stranger]:
    bob, mallory = await world.person("bob"), await world.person("mallory")
    bob.says_yes()
    (bob.folder / "in").mkdir()
    getting = bob.submit(Receive(None, output=str(bob.folder / "in")))
    stranger = Stranger(mallory)
    await stranger.join(await bob.code(getting), "send")
    return bob, getting, stranger


def _link(path: str, target: str) -> Entry:
    return Entry(path, EntryKind.LINK, 0, 0o777, 0, target)


@virtual
async def test_modes_times_and_empty_folders(tmp_path: Path) -> None:
    """C7, X16: bits and times of files and folders, empty ones too; dropped bits are told."""
    source = make(tmp_path / "src", {"empty/inner": None, "run": b"#!", "large": SOME})
    (source / "run").chmod(0o4755)
    (source / "large").chmod(0o440)
    (source / "empty").chmod(0o1711)
    for path in [*sorted(source.rglob("*"), reverse=True), source]:
        os.utime(path, ns=(TIME_NS, TIME_NS))
    async with a_world(tmp_path / "w") as world:
        _, bob, sent, received = await _sent(world, source)
    there = bob.folder / "in/src"
    assert {path.stat().st_mtime_ns for path in [there, *there.rglob("*")]} == {TIME_NS}
    modes = {path.name: path.stat().st_mode & 0o7777 for path in there.iterdir()}
    assert modes == {"run": 0o755, "large": 0o440, "empty": 0o711}
    assert sent.not_kept == received.not_kept == NotKept(modes=2)


@virtual
async def test_a_disk_without_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C7: a file system that keeps no modes or times fails no file; it is told."""
    source = make(tmp_path / "src", {"small": b"1", "large": SOME})

    def refused(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    async with a_world(tmp_path / "w") as world:
        alice, bob = await world.pair()
        monkeypatch.setattr(os, "utime", refused)
        monkeypatch.setattr(PosixFolder, "set_mode", lambda *_: False)
        sent, received = await _send(alice, bob, source, "skip")
    assert (bob.folder / "in/src/large").read_bytes() == SOME
    assert sent.not_kept == received.not_kept == NotKept(modes=3, times=3)


def _attributes(path: Path) -> dict[str, bytes]:
    if sys.platform != "linux":
        pytest.skip("attributes are read on Linux only")
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


def _give(path: Path, **attributes: bytes) -> None:
    if sys.platform != "linux":
        pytest.skip("attributes are read on Linux only")
    try:
        for name, value in attributes.items():
            os.setxattr(path, "user." + name.replace("__", "."), value)
    except OSError:
        pytest.skip("this file system keeps no attributes")


@virtual
async def test_attributes_travel_on_request(tmp_path: Path) -> None:
    """C7: --xattrs carries user.* of packed and large files, read-only and empty ones too."""
    source = make(tmp_path / "src", {"small": b"1", "large": SOME, "empty": b"", "none": b"2"})
    _give(source / "small", comment=b"\xff\0\x01", empty=b"")
    _give(source / "large", comment=b"x" * 2000)
    _give(source / "empty", one=b"1")
    _give(source / "empty", overlay__redirect=b"/etc")
    (source / "small").chmod(0o400)
    os.utime(source / "small", ns=(TIME_NS, TIME_NS))
    async with a_world(tmp_path / "w") as world:
        _, bob, sent, received = await _sent(world, source, attributes=True)
    there = bob.folder / "in/src"
    assert _attributes(there / "small") == {"user.comment": b"\xff\0\x01", "user.empty": b""}
    assert (there / "small").stat().st_mode & 0o777 == 0o400
    assert (there / "small").stat().st_mtime_ns == TIME_NS
    assert _attributes(there / "large") == {"user.comment": b"x" * 2000}
    assert _attributes(there / "empty") == {"user.one": b"1"}
    assert _attributes(there / "none") == {}
    assert sent.not_kept == received.not_kept == NotKept(xattrs=1)


@virtual
async def test_attributes_stay_unless_asked(tmp_path: Path) -> None:
    """C7: without --xattrs none travel and none are missed."""
    source = make(tmp_path / "src", {"small": b"1"})
    _give(source / "small", comment=b"private")
    async with a_world(tmp_path / "w") as world:
        _, bob, sent, _ = await _sent(world, source)
    assert _attributes(bob.folder / "in/src/small") == {}
    assert sent.not_kept == NotKept()


@virtual
async def test_a_disk_without_attributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C7: a receiver that cannot set attributes says so on both sides."""
    source = make(tmp_path / "src", {"small": b"1", "large": SOME})
    _give(source / "small", one=b"1", two=b"2")
    _give(source / "large", one=b"1")

    def refused(*_args: object, **_kwargs: object) -> None:
        raise OSError(95, "Operation not supported")

    async with a_world(tmp_path / "w") as world:
        alice, bob = await world.pair()
        monkeypatch.setattr(os, "setxattr", refused)
        sent, received = await _send(alice, bob, source, "skip", attributes=True)
    assert (bob.folder / "in/src/large").read_bytes() == SOME
    assert sent.not_kept == received.not_kept == NotKept(xattrs=3)


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(size // 2)
        file.write(SOME)
    if path.stat().st_blocks * 512 >= size:
        pytest.skip("this file system has no holes")


@pytest.mark.parametrize("holes", [True, False])
@virtual
async def test_sparse_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, holes: bool
) -> None:
    """C7: holes stay holes; on a disk without them the same bytes arrive, and it is told."""
    source = make(tmp_path / "src", {"small": b"1"})
    _sparse(source / "sparse", 20_000_000)
    grow = os.ftruncate

    def fill(descriptor: int, size: int) -> None:
        if size > os.fstat(descriptor).st_size:
            raise OSError(95, "Operation not supported")
        grow(descriptor, size)

    async with a_world(tmp_path / "w") as world:
        alice, bob = await world.pair()
        if not holes:
            monkeypatch.setattr(os, "ftruncate", fill)
        sent, received = await _send(alice, bob, source, "skip")
    there = bob.folder / "in/src/sparse"
    assert there.read_bytes() == (source / "sparse").read_bytes()
    assert (there.stat().st_blocks * 512 < 5_000_000) == holes
    assert sent.not_kept == received.not_kept == NotKept(holes=not holes)


@virtual
async def test_changed_names_are_told(tmp_path: Path) -> None:
    """C7: a name that this system's rules change is counted once, whatever lies below it."""
    source = make(tmp_path / "src", {"odd\u202ename/file": b"1", " lead": b"2"})
    (source / "odd\u202ename/link ").symlink_to("file")
    async with a_world(tmp_path / "w") as world:
        _, bob, sent, received = await _sent(world, source, symlinks="keep")
    there = bob.folder / "in/src"
    assert (there / "odd_name/file").read_bytes() == b"1"
    assert _links(there) == {"odd_name/link_": "file"}
    assert (there / "_lead").read_bytes() == b"2"
    assert sent.not_kept == received.not_kept == NotKept(names=3)
