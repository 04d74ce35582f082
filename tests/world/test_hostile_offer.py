"""Offers made by hand by a peer who knows the code: authenticated is not trusted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest

from tallow.crypto.tree import roots_digest
from tallow.engine import events as e
from tallow.engine.commands import Receive
from tallow.protocol.bulk import (
    Codec,
    leaves_prefix_bytes,
    pack_prefix_bytes,
    write_leaves_prefix,
    write_pack_prefix,
)
from tallow.protocol.manifest import Entry, EntryKind
from tallow.protocol.messages import (
    Accept,
    Cancel,
    Complete,
    Control,
    FileEnd,
    Finish,
    Offer,
    OfferEnd,
    Page,
    Start,
    Stored,
    Text,
    TextShown,
    Trailer,
)
from tallow.wire import limits
from tests.fakes import virtual
from tests.world.relay import READ_AHEAD_BYTES
from tests.world.stranger import PROOFS, Gone, Stranger, file, folder, small_root
from tests.world.world import Person, World, a_world, finished, tree


async def _meet(world: World, *, yes: bool = True) -> tuple[Person, int, Stranger]:
    """Let Mallory, who knows the code, come as sender to Bob, who says yes to everything."""
    bob, mallory = await world.person("bob"), await world.person("mallory")
    if yes:
        bob.says_yes()
    (bob.folder / "in").mkdir()
    getting = bob.submit(Receive(None, output=str(bob.folder / "in")))
    stranger = Stranger(mallory)
    await stranger.join(await bob.code(getting), "send")
    return bob, getting, stranger


async def _refused(
    bob: Person, getting: int, stranger: Stranger, code: str | None = None
) -> e.TransferError:
    error = await bob.fails(getting)
    assert error.exit_code == 6
    assert code in (None, error.code)
    assert tree(bob.folder / "in") == {}
    with pytest.raises(Gone):
        await stranger.hears(TextShown)
    await stranger.leave()
    return error


def pack(*files: tuple[int, bytes]) -> bytes:
    """Return the body of a PACK record."""
    sizes = [(number, len(content)) for number, content in files]
    prefix = bytearray(pack_prefix_bytes(len(files)))
    write_pack_prefix(memoryview(prefix), sizes)
    return bytes(prefix) + b"".join(content for _, content in files)


def leaves(file_no: int, first: int, *content: bytes, last: bool) -> bytes:
    """Return the body of a LEAVES record."""
    prefix = bytearray(leaves_prefix_bytes(len(content)))
    entries = [(Codec.RAW, len(leaf), len(leaf)) for leaf in content]
    write_leaves_prefix(memoryview(prefix), file_no, first, entries, last=last)
    return bytes(prefix) + b"".join(content)


ESCAPES = {
    "parent": [file("../evil")],
    "parent inside": [file("a/../../evil")],
    "absolute": [file("/tmp/evil")],
    "dot": [file("./evil")],
    "empty part": [file("a//evil")],
    "ends with a slash": [file("a/")],
    "NUL": [file("a\0b")],
    "long part": [file("x" * 256)],
    "deep": [file("/".join(["d"] * 200))],
    "backslash parent": [file("a\\..\\..\\evil")],
    "twice": [file("a"), file("a")],
    "a file and a folder": [file("a"), folder("a")],
    "below a file": [file("a"), file("a/b")],
    "a file over a folder": [file("a/b"), file("a")],
    "a folder twice": [folder("a"), folder("a")],
    "one form of two": [file("e\u0301"), file("\u00e9")],
}


@pytest.mark.parametrize("entries", ESCAPES.values(), ids=ESCAPES)
@virtual
async def test_a_list_that_could_escape_is_refused(tmp_path: Path, entries: list[Entry]) -> None:
    """X04, X11: a name that could leave the folder, or take another's place, is exit 6."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        stranger.offer(*entries)
        await _refused(bob, getting, stranger, "unsafe-name")
        assert not bob.all(e.OfferReceived)
        assert not (tmp_path / "bob/evil").exists()


@virtual
async def test_a_path_that_only_this_place_makes_too_long(tmp_path: Path) -> None:
    """X11: a path within every limit that the system refuses here is an error with a name."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world, yes=False)
        stranger.offer(folder("/".join(["d" * 255] * 16)))
        error = await bob.fails(getting)
        assert (error.code, error.exit_code) == ("not-writable", 8)
        await stranger.leave()


async def _arrives(
    bob: Person, getting: int, stranger: Stranger, entries: list[Entry], content: bytes
) -> None:
    """Send small files by hand, honestly."""
    manifest = stranger.offer(*entries)
    await stranger.start(manifest)
    files = [n for n, entry in enumerate(entries) if entry.kind is EntryKind.FILE]
    stranger.bulk(pack(*((number, content) for number in files)))
    root = small_root(content)
    stranger.ends(*(FileEnd(number, len(content), root) for number in files))
    stranger.finish(roots_digest((number, root) for number in files))
    await stranger.hears(Complete)
    await bob.done(getting)
    await stranger.leave()


@virtual
async def test_what_a_terminal_would_obey_arrives_cleaned(tmp_path: Path) -> None:
    """X05: escapes, control and bidi characters of a name never reach the disk or the target."""
    names = ["\x1b[31mred", "a\u202egnp.exe", "new\nline", "bell\x07", ".tallow-x.part", "z\u200bw"]
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        await _arrives(bob, getting, stranger, [file(name, 2) for name in names], b"ok")
        offer = bob.all(e.OfferReceived)[0]
        assert {"renamed", "bidi"} <= set(offer.flags)
        on_disk = set(os.listdir(bob.folder / "in"))
        assert on_disk == {entry.target for entry in offer.entries}
        assert len(on_disk) == len(names)
        for name in on_disk:
            assert name.isprintable(), name
            assert not name.startswith(".tallow-")
        assert [entry.path for entry in offer.entries] == names


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o640, 0o400])
@virtual
async def test_mode_bits_are_the_lower_nine(tmp_path: Path, mode: int) -> None:
    """X16: what a peer lists becomes mode bits, never setuid, setgid or sticky."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        await _arrives(
            bob, getting, stranger, [file("file", 2, mode), folder("sub", mode | 0o700)], b"ok"
        )
        inbox = bob.folder / "in"
        assert stat.S_IMODE((inbox / "file").stat().st_mode) == mode
        assert stat.S_IMODE((inbox / "sub").stat().st_mode) == mode | 0o700


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1777, 0o100644])
@virtual
async def test_higher_mode_bits_are_refused(tmp_path: Path, mode: int) -> None:
    """X16: a list that asks for setuid, setgid, sticky or a file type is malformed (exit 6)."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        # A page that an honest program cannot make: the bits of an honest one, patched.
        honest = stranger.raw_page([file("file", 2, 0o777)])
        stranger.offer_page(honest.replace(b"\xcd\x01\xff", b"\xcd" + (mode & 0xFFFF).to_bytes(2)))
        await _refused(bob, getting, stranger, "peer-broke-rules")


@virtual
async def test_a_path_beyond_every_limit_is_refused(tmp_path: Path) -> None:
    """X11: a path over 4096 bytes is no path at all."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        long = file("/".join(["x" * 250] * 17), 2)
        stranger.offer_page(msgspec.msgpack.encode([long]))
        await _refused(bob, getting, stranger, "peer-broke-rules")


@virtual
async def test_what_was_not_accepted_is_refused(tmp_path: Path) -> None:
    """X16: files that were not chosen end the session, whatever they hold."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world, yes=False)
        bob.says_yes("skip")
        (bob.folder / "in/here").write_bytes(b"mine")
        manifest = stranger.offer(file("here", 2), file("new", 2))
        await stranger.start(manifest)
        stranger.bulk(pack((0, b"ok")))
        assert (await bob.fails(getting)).code == "peer-broke-rules"
        assert tree(bob.folder / "in") == {"here": b"mine"}
        await stranger.leave()


BODIES = {
    "another size": pack((0, b"three")),
    "no such file": pack((7, b"ok")),
    "a folder": pack((1, b"ok")),
    "twice": pack((0, b"ok"), (0, b"ok")),
    "leaves of a small file": leaves(0, 0, b"ok", last=True),
    "empty": b"",
    "short": b"\x01",
    "unknown kind": b"\x09" + pack((0, b"ok"))[1:],
    "padding": pack((0, b"ok")) + b"\x01",
    "a leaf far ahead": leaves(2, 1 << 40, b"x" * 65536, last=False),
    "a leaf too short": leaves(2, 0, b"x", last=False),
    "a leaf too long": leaves(2, 0, b"x" * 65537, last=False),
    "last too early": leaves(2, 0, b"x" * 65536, last=True),
    "leaves twice": leaves(2, 0, b"x" * 65536, b"x" * 65536, last=False)
    + leaves(2, 1, b"x" * 65536, last=False),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@virtual
async def test_bulk_that_does_not_fit_is_refused(tmp_path: Path, body: bytes) -> None:
    """X10: a record that does not fit what was accepted is exit 6; no part of it stays."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        manifest = stranger.offer(file("small", 2), folder("sub"), file("large", 200_000))
        await stranger.start(manifest)
        stranger.bulk(body)
        error = await bob.fails(getting)
        assert error.exit_code == 6
        assert set(tree(bob.folder / "in")) <= {"sub"}
        await stranger.leave()


@virtual
async def test_who_ignores_its_credit_fills_nothing(tmp_path: Path) -> None:
    """X17: a sender without manners meets back-pressure; memory here stays bounded."""
    size = 2 * limits.WINDOW_BYTES - (1 << 20)
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        await stranger.start(stranger.offer(file("large", size)))
        bob.workers.held = lambda job: job.name == "store"
        for number in range(size // (1 << 20)):
            stranger.bulk(leaves(0, number * 16, *[bytes(65536)] * 16, last=False))
        await bob.sleep(80)
        assert not bob.all(e.TransferError), "back-pressure was taken for silence"
        assert world.relay.connections[0].unread_bytes < 3 * READ_AHEAD_BYTES // 2
        bob.workers.release()
        assert (await bob.fails(getting)).exit_code == 6
        assert tree(bob.folder / "in") == {}
        await stranger.leave()


OK = small_root(b"ok")
ENDS: dict[str, list[Control]] = {
    "a false root": [Trailer(1, [FileEnd(0, 2, bytes(32))])],
    "a root of another size": [Trailer(1, [FileEnd(0, 3, OK)])],
    "no root": [Trailer(1, [FileEnd(0, 2, b"")])],
    "a short root": [Trailer(1, [FileEnd(0, 2, OK[:31])])],
    "no such file": [Trailer(1, [FileEnd(9, 2, OK)])],
    "a huge number": [Trailer(1, [FileEnd(0xFFFFFFFF, 2, OK)])],
    "twice": [Trailer(1, [FileEnd(0, 2, OK), FileEnd(0, 2, OK)])],
    "finish too early": [Finish(1, bytes(32))],
    "finish with false roots": [Trailer(1, [FileEnd(0, 2, OK)]), Finish(1, bytes(32))],
    "accept": [Accept(1, 1, bytes(32), b"\x01", limits.WINDOW_BYTES)],
    "stored": [Stored(1, [(0, 0)])],
    "complete": [Complete(1, bytes(32))],
    "another offer": [Offer(2, "files", 1, 1, 0, PROOFS)],
    "a page": [Page(1, 1, b"\x90")],
    "start again": [Start(1, 3, bytes(16), 1, bytes(32), bytes(64))],
    "a text": [Text("x")],
}


@pytest.mark.parametrize("messages", ENDS.values(), ids=ENDS)
@virtual
async def test_ends_that_do_not_fit_are_refused(tmp_path: Path, messages: list[Control]) -> None:
    """X25: a file whose root does not match never gets its name; messages out of turn end it."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        await stranger.start(stranger.offer(file("small", 2)))
        stranger.bulk(pack((0, b"ok")))
        stranger.say(*messages)
        error = await bob.fails(getting)
        assert error.exit_code == 6
        left = tree(bob.folder / "in")
        assert left in ({}, {"small": b"ok"})
        assert left == {} or "root" not in error.code
        await stranger.leave()


OFFERS: dict[str, list[Control]] = {
    "end without an offer": [OfferEnd(1, bytes(32))],
    "page without an offer": [Page(1, 0, b"\x91")],
    "no list": [Offer(1, "files", 1, 1, 0, PROOFS), OfferEnd(1, bytes(32))],
    "a page of nonsense": [Offer(1, "files", 1, 1, 0, PROOFS), Page(1, 0, b"\xc1" * 20)],
    "a page of depth": [Offer(1, "files", 1, 1, 0, PROOFS), Page(1, 0, b"\x91" * 60_000)],
    "pages out of order": [Offer(1, "files", 1, 2, 0, PROOFS), Page(1, 1, b"\x91")],
    "start unasked": [Start(1, 3, bytes(16), 1, bytes(32), bytes(64))],
    "two offers": [Offer(1, "files", 1, 1, 0, PROOFS), Offer(1, "files", 1, 1, 0, PROOFS)],
    "text after an offer": [Offer(1, "files", 1, 1, 0, PROOFS), Text("x")],
    "a cancel of a yes": [Accept(1, 1, bytes(32), b"", limits.WINDOW_BYTES)],
}


@pytest.mark.parametrize("messages", OFFERS.values(), ids=OFFERS)
@virtual
async def test_a_list_that_is_no_list_is_refused(tmp_path: Path, messages: list[Control]) -> None:
    """X10, X14: malformed, misplaced or miscounted lists are exit 6 before anything is shown."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        stranger.say(*messages)
        await _refused(bob, getting, stranger, "peer-broke-rules")
        assert not bob.all(e.OfferReceived)


@virtual
async def test_counts_that_do_not_fit_the_list(tmp_path: Path) -> None:
    """X04: what is shown is counted here; an offer whose own counts differ is refused."""
    for number, counts in enumerate([(2, 1, 2), (1, 2, 2), (1, 1, 3)]):
        async with a_world(tmp_path / str(number)) as world:
            bob, getting, stranger = await _meet(world)
            page = stranger.raw_page([file("small", 2)])
            stranger.say(Offer(1, "files", *counts, PROOFS), Page(1, 0, page))
            stranger.say(OfferEnd(1, stranger.root_of(page)))
            await _refused(bob, getting, stranger, "peer-broke-rules")


@virtual
async def test_a_stream_among_files_is_refused(tmp_path: Path) -> None:
    """A stream has no size that could be shown; it comes alone or not at all."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        stranger.offer(file("small", 2), Entry("stream", EntryKind.STREAM, 0, 0o644, 0))
        await _refused(bob, getting, stranger, "peer-broke-rules")


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "sorry \u202e"])
@virtual
async def test_a_reason_is_the_peers_claim(tmp_path: Path, text: str) -> None:
    """X05: a peer's words stay apart from ours, raw for whoever shows and escapes them."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        stranger.say(Cancel("user", text))
        error = await bob.fails(getting)
        assert (error.code, error.exit_code) == ("peer-cancelled", 7)
        assert error.why == text
        assert text not in error.message
        await stranger.leave()


@pytest.mark.parametrize("until", ["offer", "half a list", "start", "half a file"])
@virtual
async def test_a_sender_that_only_pings(tmp_path: Path, until: str) -> None:
    """X17: a sender that is alive and moves nothing is given up in ten minutes, exit 5."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await _meet(world)
        if until == "half a list":
            stranger.say(
                Offer(1, "files", 2, 2, 0, PROOFS), Page(1, 0, stranger.raw_page([file("a")]))
            )
        elif until != "offer":
            await stranger.start(stranger.offer(file("large", 200_000)))
            if until == "half a file":
                stranger.bulk(leaves(0, 0, b"x" * 65536, last=False))
        pinging = stranger.goes_on_pinging()
        error = await bob.fails(getting)
        assert (error.code, error.exit_code) == ("timed-out", 5)
        assert bob.clock.now() - 1000 < 700
        assert error.resumable == (until == "half a file")
        assert finished(bob.folder / "in") == {}
        with pytest.raises(Gone):
            await pinging
        await stranger.leave()
