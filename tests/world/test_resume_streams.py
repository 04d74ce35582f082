"""Streams that lose their path: what the pipe gave is given out again, byte for byte."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import Receive, SendFiles, SendStream
from tallow.engine.storage.stdio import KEPT_BYTES
from tallow.wire import limits
from tests.fakes import SeededRng, virtual
from tests.world.losses import a_linked_world, cut_after, cut_once, parts_of
from tests.world.world import Final, Person, make, tree

LEAF = limits.STREAM_LEAF_BYTES
SOME = SeededRng("stream").bytes(9 * LEAF + 4_321)


class _Pipe:
    """Standard input, as far as a stream source needs it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor


@contextmanager
def _piped(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a thread write content into a real pipe that is this process's standard input."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            try:
                pipe.write(content)
            except BrokenPipeError:
                return  # the reader had enough

    writer = threading.Thread(target=write)
    writer.start()
    monkeypatch.setattr(sys, "stdin", _Pipe(reading))
    try:
        yield
    finally:
        os.close(reading)
        writer.join()


async def _streamed(alice: Person, bob: Person, *, to_stdout: bool) -> tuple[Final, e.TransferDone]:
    sending = alice.submit(SendStream("log", head=SOME[:10]))
    (bob.folder / "in").mkdir()
    output = "-" if to_stdout else str(bob.folder / "in")
    getting = bob.submit(Receive(await alice.code(sending), output=output))
    return await alice.final(sending), await bob.done(getting)


def _check_sender(sent: Final, received: e.TransferDone, *, lost_there: bool = False) -> None:
    if isinstance(sent, e.TransferError):
        # Whoever never hears the last word cannot know that it was said.
        assert lost_there
        assert sent.exit_code == 5
    else:
        assert (sent.roots, sent.total_bytes) == (received.roots, received.total_bytes)


@pytest.mark.parametrize("to_stdout", [False, True], ids=["file", "stdout"])
@pytest.mark.parametrize("size", [LEAF - 1, 4 * LEAF, len(SOME)])
@pytest.mark.parametrize("at", [0, 1, 2, 3, 4, 6])
@pytest.mark.parametrize("side", [0, 1], ids=["sender", "receiver"])
@virtual
async def test_a_stream_across_a_cut(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    side: int,
    at: int,
    size: int,
    to_stdout: bool,
) -> None:
    """C2, C3: a stream goes on where the receiver has it, at any cut, to a file and to a pipe."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        alice.workers.takes_s = lambda job: 0.7 if job.name == "seal" else 0.0
        world.relay.meddling.append(cut_once(at, side, lambda: bool(alice.all(e.OfferAnswered))))
        out = tmp_path / "standard output"
        with out.open("wb") as stdout, _piped(SOME[10:size], monkeypatch):
            monkeypatch.setattr("tallow.engine.offer.STDOUT_DESCRIPTOR", stdout.fileno())
            sent, received = await _streamed(alice, bob, to_stdout=to_stdout)
        assert received.total_bytes == size
        _check_sender(sent, received, lost_there=side == 1)
        arrived = out if to_stdout else bob.folder / "in" / "log"
        assert arrived.read_bytes() == SOME[:size]
        assert len(bob.all(e.OfferReceived)) == 1


@pytest.mark.parametrize("to_stdout", [False, True], ids=["file", "stdout"])
@virtual
async def test_a_long_stream_across_two_cuts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to_stdout: bool
) -> None:
    """C2, C3: more than the source keeps may have gone by: only what is under way is kept."""
    content = SeededRng("long stream").bytes(KEPT_BYTES + 20 * LEAF)
    monkeypatch.setattr(sys.modules[__name__], "SOME", content)
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        world.relay.meddling.append(cut_after(3 << 20, KEPT_BYTES + (2 << 20)))
        out = tmp_path / "standard output"
        with out.open("wb") as stdout, _piped(content[10:], monkeypatch):
            monkeypatch.setattr("tallow.engine.offer.STDOUT_DESCRIPTOR", stdout.fileno())
            sent, received = await _streamed(alice, bob, to_stdout=to_stdout)
        _check_sender(sent, received)
        arrived = out if to_stdout else bob.folder / "in" / "log"
        assert arrived.read_bytes() == content
        assert len(alice.all(e.SessionLost)) >= 2


@virtual
async def test_a_receiver_of_a_stream_that_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C3: a receiver that was killed goes on with a stream that its sender still has."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        alice.workers.takes_s = lambda job: 0.7 if job.name == "seal" else 0.0
        with _piped(SOME[10:], monkeypatch):
            sending = alice.submit(SendStream("log", head=SOME[:10]))
            code = await alice.code(sending)
            (bob.folder / "in").mkdir()
            bob.submit(Receive(code, output=str(bob.folder / "in")))
            await bob.hears(e.TransferProgress, nth=7)
            world.relay.connections[1].cut()
            await bob.leave()
            again = await world.person("bob", state=bob.state, seed="bob again")
            getting = again.submit(Receive(code, output=str(bob.folder / "in")))
            received, sent = await again.done(getting), await alice.done(sending)
        assert received.roots == sent.roots
        assert tree(bob.folder / "in") == {"log": SOME}
        assert not again.all(e.OfferReceived)


@virtual
async def test_a_receiver_that_lost_too_much_of_a_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X17: a pipe cannot be read again: who comes back without its part is told so, no crash."""
    content = SeededRng("long stream").bytes(KEPT_BYTES + 20 * LEAF)
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        with _piped(content, monkeypatch):
            world.relay.meddling.append(cut_after(KEPT_BYTES + (4 << 20)))
            sending = alice.submit(SendStream("log"))
            code = await alice.code(sending)
            (bob.folder / "in").mkdir()
            bob.submit(Receive(code, output=str(bob.folder / "in")))
            await bob.hears(e.SessionLost)
            await bob.leave()
            for part in parts_of(bob.folder / "in"):
                part.unlink()
            again = await world.person("bob", state=bob.state, seed="bob again")
            again.says_yes()
            again.submit(Receive(code, output=str(bob.folder / "in")))
            error = await alice.fails(sending)
        assert (error.code, error.exit_code) == ("source-unreadable", 8)
        world.left_midway = True


@virtual
async def test_a_file_to_standard_output_across_a_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C2, C3: ``-o -`` of a file goes on behind what the pipe has taken, in order and once."""
    for at in (1, 3, 5):
        async with a_linked_world(tmp_path / str(at)) as world:
            alice, bob = await world.pair()
            alice.workers.takes_s = lambda job: 0.7 if job.name == "seal" else 0.0
            make(alice.folder, {"file": SOME * 3})
            out = tmp_path / f"out {at}"
            meddle = cut_once(at, 0, lambda: bool(alice.all(e.OfferAnswered)))  # noqa: B023
            world.relay.meddling.append(meddle)
            with out.open("wb") as stdout:
                monkeypatch.setattr("tallow.engine.offer.STDOUT_DESCRIPTOR", stdout.fileno())
                sending = alice.submit(SendFiles((str(alice.folder / "file"),)))
                await bob.done(bob.submit(Receive(await alice.code(sending), output="-")))
                await alice.done(sending)
            assert out.read_bytes() == SOME * 3
            assert alice.all(e.SessionLost)
