"""Files, folders, texts and streams from one engine to another: what arrives is what was sent."""

from __future__ import annotations

import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import Receive, SendFiles, SendOptions, SendStream, SendText
from tallow.wire import limits
from tests.fakes import SeededRng, virtual
from tests.world.world import Person, a_world, make, tree

SOME = SeededRng("content").bytes(3 << 20)
EMOJI = "\N{SMILING FACE WITH SUNGLASSES}"


@virtual
async def test_a_file_arrives(tmp_path: Path) -> None:
    """C1: one file arrives byte-identical, and both sides say the same roots."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"photo.raw": SOME})
        sending, receiving_ = await world.send(alice, bob, alice.folder / "photo.raw")
        sent, received = await alice.done(sending), await bob.done(receiving_)
        assert tree(bob.folder / "in") == {"photo.raw": SOME}
        assert sent.roots == received.roots != ""
        assert (sent.files, sent.failed, sent.total_bytes) == (1, 0, len(SOME))
        assert (received.files, received.failed, received.total_bytes) == (1, 0, len(SOME))


@virtual
async def test_several_paths_arrive(tmp_path: Path) -> None:
    """C1: several sources of one name each get a place of their own."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"a/notes.tar.gz": b"one", "b/notes.tar.gz": b"two", "c.txt": b"three"})
        sources = [alice.folder / name for name in ("a/notes.tar.gz", "b/notes.tar.gz", "c.txt")]
        _, receiving_ = await world.send(alice, bob, *sources)
        await bob.done(receiving_)
        assert tree(bob.folder / "in") == {
            "notes.tar.gz": b"one",
            "notes (2).tar.gz": b"two",
            "c.txt": b"three",
        }


@virtual
async def test_a_folder_arrives(tmp_path: Path) -> None:
    """C1, C7: nested folders, Unicode names, empty files and folders, modes and times arrive."""
    content: dict[str, bytes | None] = {
        "trip/empty": b"",
        "trip/nothing inside": None,
        "trip/deep/er/still": SOME[:200_000],
        "trip/Zoë – 日本/" + EMOJI + ".txt": "grüße".encode(),
        "trip/exactly one leaf": SOME[: limits.PACK_FILE_MAX_BYTES],
        "trip/one byte less": SOME[: limits.PACK_FILE_MAX_BYTES - 1],
    }
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, content)
        os.chmod(alice.folder / "trip/empty", 0o751)
        os.utime(alice.folder / "trip/empty", ns=(5, 1_234_567_890_123_456_789))
        os.utime(alice.folder / "trip/nothing inside", ns=(5, 987_654_321_000_000_000))
        sending, receiving_ = await world.send(alice, bob, alice.folder / "trip")
        sent, received = await alice.done(sending), await bob.done(receiving_)
        inbox = bob.folder / "in"
        assert tree(inbox / "trip") == tree(alice.folder / "trip")
        empty = (inbox / "trip/empty").stat()
        assert stat.S_IMODE(empty.st_mode) == 0o751
        assert empty.st_mtime_ns == 1_234_567_890_123_456_789
        assert (inbox / "trip/nothing inside").stat().st_mtime_ns == 987_654_321_000_000_000
        assert (sent.files, sent.roots) == (received.files, received.roots)
        assert received.files == 5


@virtual
async def test_only_folders_arrive(tmp_path: Path) -> None:
    """C1: an offer without a single file is done at once."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"a/b/c": None})
        sending, receiving_ = await world.send(alice, bob, alice.folder / "a")
        sent, received = await alice.done(sending), await bob.done(receiving_)
        assert tree(bob.folder / "in") == {"a": None, "a/b": None, "a/b/c": None}
        assert (sent.files, received.files) == (0, 0)
        assert sent.seconds < 0.2, "the last message waited for something else"


@virtual
async def test_many_small_files_arrive(tmp_path: Path) -> None:
    """More files than a page or a record holds arrive, each with its own content."""
    content: dict[str, bytes | None] = {
        f"many/{number % 7}/{number}": b"%d" % number * (number % 50) for number in range(1500)
    }
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, content)
        sending, receiving_ = await world.send(alice, bob, alice.folder / "many")
        await alice.done(sending)
        assert (await bob.done(receiving_)).files == 1500
        assert tree(bob.folder / "in/many") == tree(alice.folder / "many")


@virtual
async def test_a_window_is_not_overrun(tmp_path: Path) -> None:
    """A slow disk slows the sender down: no more than the window is ever under way."""
    size = limits.WINDOW_BYTES + (5 << 20)
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        bob.workers.takes_s = lambda job: 0.05 if job.name == "store" else 0.0
        with (alice.folder / "big").open("wb") as file:
            file.write(SOME)
            file.truncate(size)
        sending, receiving_ = await world.send(alice, bob, alice.folder / "big")
        await alice.done(sending)
        await bob.done(receiving_)
        there = bob.folder / "in/big"
        assert there.stat().st_size == size
        assert there.read_bytes()[: len(SOME)] == SOME
        shown = [event.done_bytes for event in alice.all(e.TransferProgress)]
        assert shown == sorted(shown)
        assert shown[-1] == size


@virtual
async def test_a_congested_path_only_delays(tmp_path: Path) -> None:
    """Where the path takes nothing for a while, the sender waits and nothing is lost."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"file": SOME * 3})
        sending, receiving_ = await world.send(alice, bob, alice.folder / "file")
        await bob.hears(e.OfferAnswered)
        wire = world.relay.connections[0]
        wire.up.hold("test")
        await alice.hears(e.TransferProgress, nth=8)
        assert wire.congested
        assert alice.all(e.TransferProgress)[-1].done_bytes < 3 * len(SOME)
        wire.up.let_go("test")
        await alice.done(sending)
        await bob.done(receiving_)
        assert (bob.folder / "in/file").read_bytes() == SOME * 3


@virtual
async def test_a_text_is_shown(tmp_path: Path) -> None:
    """C2: a text arrives as an event, with its note and name, and nothing is stored."""
    text = "grüße\n\x1b[31mred " + EMOJI
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        options = SendOptions(note="for you", name="Alice")
        sending = alice.submit(SendText(text, options=options))
        getting = bob.submit(Receive(await alice.code(sending), output=str(bob.folder)))
        arrived = await bob.hears(e.TextArrived)
        assert (arrived.text, arrived.note, arrived.name) == (text, "for you", "Alice")
        assert (await alice.done(sending)).total_bytes == len(text.encode())
        await bob.done(getting)
        assert tree(bob.folder) == {}
        assert not bob.all(e.OfferReceived)


@virtual
async def test_the_longest_text_arrives(tmp_path: Path) -> None:
    """C2: a text of exactly 64 KiB is still a text."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        text = "x" * limits.TEXT_MAX_BYTES
        sending = alice.submit(SendText(text))
        bob.submit(Receive(await alice.code(sending)))
        assert (await bob.hears(e.TextArrived)).text == text
        await alice.done(sending)


@pytest.mark.parametrize(
    "command",
    [
        SendText("x" * (limits.TEXT_MAX_BYTES + 1)),
        SendText("\udcff"),
        SendText("x", SendOptions(note="n" * (limits.NOTE_MAX_CHARS + 1))),
        SendText("x", SendOptions(note="\udcff")),
        SendText("x", SendOptions(name="\udcff")),
        SendText("x", SendOptions(expires_s=0)),
        Receive(expires_s=0),
        Receive(name="\udcff"),
    ],
    ids=["long", "surrogate", "long note", "note", "name", "expires", "receive", "own name"],
)
@virtual
async def test_what_cannot_be_said_is_refused_here(
    tmp_path: Path, command: SendText | Receive
) -> None:
    """What the protocol cannot carry is a usage error at once, not a broken session later."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        error = await alice.fails(alice.submit(command))
        assert error.exit_code == 2
        assert not world.relay.connections


class _Pipe:
    """Standard input, as far as a stream source needs it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor


@contextmanager
def piped(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make content this process's standard input: a real pipe that holds all of it."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 20)
    os.set_blocking(writing, False)
    assert os.write(writing, content) == len(content)
    os.close(writing)
    monkeypatch.setattr(sys, "stdin", _Pipe(reading))
    try:
        yield
    finally:
        os.close(reading)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="pipes cannot grow here")
@pytest.mark.parametrize("size", [0, 1, limits.STREAM_LEAF_BYTES, 1_000_000])
@virtual
async def test_a_stream_arrives_as_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """C2: what comes out of a pipe becomes a file of the stream's name, empty ones too."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        with piped(SOME[10:size] if size > 10 else SOME[:size], monkeypatch):
            head = SOME[:10] if size > 10 else b""
            sending = alice.submit(SendStream("log.txt", head=head))
            code = await alice.code(sending)
            getting = bob.submit(Receive(code, output=str(bob.folder)))
            sent, received = await alice.done(sending), await bob.done(getting)
        assert tree(bob.folder) == {"log.txt": SOME[:size]}
        assert sent.roots == received.roots
        assert received.total_bytes == size
        assert (await bob.hears(e.OfferReceived)).kind == "stream"


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="pipes cannot grow here")
@virtual
async def test_a_stream_goes_to_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C2: from pipe to pipe, byte for byte, with nothing stored."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        out = tmp_path / "standard output"
        with out.open("wb") as stdout, piped(SOME[:900_000], monkeypatch):
            monkeypatch.setattr("tallow.engine.offer.STDOUT_DESCRIPTOR", stdout.fileno())
            sending = alice.submit(SendStream())
            command = Receive(
                await alice.code(sending), output=str(bob.folder), streams_to_stdout=True
            )
            await bob.done(bob.submit(command))
            await alice.done(sending)
        assert out.read_bytes() == SOME[:900_000]
        assert tree(bob.folder) == {}


@virtual
async def test_a_single_file_goes_to_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C2: ``-o -`` writes a small and a large file in order."""
    for size in (3, 2_500_000):
        async with a_world(tmp_path / str(size)) as world:
            alice, bob = await world.pair()
            make(alice.folder, {"file": SOME[:size]})
            out = tmp_path / f"out {size}"
            with out.open("wb") as stdout:
                monkeypatch.setattr("tallow.engine.offer.STDOUT_DESCRIPTOR", stdout.fileno())
                sending = alice.submit(SendFiles((str(alice.folder / "file"),)))
                await bob.done(bob.submit(Receive(await alice.code(sending), output="-")))
                await alice.done(sending)
            assert out.read_bytes() == SOME[:size]


@virtual
async def test_several_files_do_not_fit_standard_output(tmp_path: Path) -> None:
    """``-o -`` with more than one file is a usage error here, and the sender is told."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"a": b"1", "b": b"2"})
        sources = (str(alice.folder / "a"), str(alice.folder / "b"))
        sending = alice.submit(SendFiles(sources))
        getting = bob.submit(Receive(await alice.code(sending), output="-"))
        assert (await bob.fails(getting)).exit_code == 2
        assert (await alice.fails(sending)).exit_code == 7


@virtual
async def test_output_may_name_the_file(tmp_path: Path) -> None:
    """``-o FILE`` gives a single file another name."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"file": SOME[:100_000]})
        sending = alice.submit(SendFiles((str(alice.folder / "file"),)))
        named = bob.folder / "mine.bin"
        done = await bob.done(bob.submit(Receive(await alice.code(sending), output=str(named))))
        assert tree(bob.folder) == {"mine.bin": SOME[:100_000]}
        assert done.output == str(named)
        await alice.done(sending)


@virtual
async def test_excluded_files_stay_here(tmp_path: Path) -> None:
    """C6: patterns as in .gitignore keep files out of the offer."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"p/a.py": b"1", "p/a.pyc": b"2", "p/cache/x": b"3", "p/keep.log": b"4"})
        command = SendFiles((str(alice.folder / "p"),), exclude=("*.pyc,cache/", "*.log,!keep.log"))
        sending = alice.submit(command)
        await bob.done(bob.submit(Receive(await alice.code(sending), output=str(bob.folder))))
        assert tree(bob.folder) == {"p": None, "p/a.py": b"1", "p/keep.log": b"4"}
        await alice.done(sending)


@virtual
async def test_progress_has_a_phase_a_speed_and_an_end(tmp_path: Path) -> None:
    """C5: both sides show rising progress with totals, path and speed, and end at the total."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        alice.workers.takes_s = lambda job: 0.4 if job.name == "seal" else 0.0
        make(alice.folder, {"file": SOME * 4})
        sending, getting = await world.send(alice, bob, alice.folder / "file")
        await alice.done(sending)
        await bob.done(getting)
        for person, phase in ((alice, "sending"), (bob, "receiving")):
            shown = person.all(e.TransferProgress)
            assert len(shown) > 3
            assert shown[0].phase == phase
            assert shown[-1].done_bytes == shown[-1].total_bytes == 4 * len(SOME)
            assert shown[-1].path == "file"
            assert max(event.rate_bps for event in shown) > 0
        assert [event.state for event in bob.all(e.TransferState)] == [
            "connecting", "handshake", "listing", "deciding", "transferring", "finishing",
        ]  # fmt: skip


async def _send_while_walking(alice: Person, bob: Person) -> None:
    make(alice.folder, {"tree/file": b"x"})
    sending = alice.submit(SendFiles((str(alice.folder / "tree"),)))
    getting = bob.submit(Receive(await alice.code(sending), output=str(bob.folder)))
    await bob.done(getting)
    await alice.done(sending)


@virtual
async def test_a_long_walk_keeps_the_session_alive(tmp_path: Path) -> None:
    """A receiver who comes while a huge tree is still being listed waits, and gets it."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        alice.workers.takes_s = lambda job: 200.0 if job.name == "walk_sources" else 0.0
        await _send_while_walking(alice, bob)
        assert tree(bob.folder) == {"tree": None, "tree/file": b"x"}


@virtual
async def test_two_transfers_run_in_one_engine(tmp_path: Path) -> None:
    """Tickets keep two exchanges of one engine apart."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"a": b"1", "b": b"2"})
        tickets = [alice.submit(SendFiles((str(alice.folder / name),))) for name in "ab"]
        for ticket, name in zip(tickets, "ab", strict=True):
            output = bob.folder / name
            output.mkdir()
            await bob.done(bob.submit(Receive(await alice.code(ticket), output=str(output))))
            await alice.done(ticket)
        assert tree(bob.folder) == {"a": None, "a/a": b"1", "b": None, "b/b": b"2"}


@virtual
async def test_an_archive_stays_an_archive(tmp_path: Path) -> None:
    """X01: whatever a file claims to be, it arrives as one file; nothing is ever unpacked."""
    archive = b"PK\x03\x04" + SOME[:200]
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"p/evil.zip": archive, "p/evil.tar.gz": b"\x1f\x8b" + SOME[:50]})
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        await alice.done(sending)
        await bob.done(getting)
        assert tree(bob.folder / "in") == {
            "p": None, "p/evil.zip": archive, "p/evil.tar.gz": b"\x1f\x8b" + SOME[:50],
        }  # fmt: skip
