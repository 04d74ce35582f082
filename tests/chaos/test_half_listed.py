"""What the journal lists does not travel again: half of a large file, counted on the wire.

HALF_BYTES is the size of the file; ``make chaos`` takes 1 GiB.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.cast import Actor, wait_for
from tests.chaos.listing import entries_of, listed, records_of
from tests.chaos.wire import Wire, wire_to
from tests.runs.programs import Person, relay_running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SIZE_BYTES = int(os.environ.get("HALF_BYTES", str(256 << 20)))
PIECE_BYTES = 1 << 24
HELD_AT = 0.7
OWN_WORDS_BYTES = 200_000
"""Handshake, list and have-list."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of noise."""
    path = tmp_path_factory.mktemp("source") / "large.bin"
    chance = random.Random(5)
    with path.open("wb") as file:
        for start in range(0, SIZE_BYTES, PIECE_BYTES):
            file.write(chance.randbytes(min(PIECE_BYTES, SIZE_BYTES - start)))
    return path


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """A relay and the sender's way to it, as fast as it goes."""
    with relay_running(tmp_path / "relay") as relay, wire_to(relay.address, 1e12) as held:
        yield held


def _actor(root: Path, name: str, relay: str) -> Actor:
    home, folder = root / f"{name}-home", root / name
    home.mkdir()
    folder.mkdir()
    return Actor(Person(home, folder, relay, {"TALLOW_TRANSPORT": "tcp"}), root)


@pytest.mark.parametrize("victims", [("receiver",), ("sender",), ("sender", "receiver")])
def test_half_of_a_file_is_not_sent_again(
    tmp_path: Path, source: Path, wire: Wire, victims: tuple[str, ...]
) -> None:
    """C3: killed when half is listed, only the rest travels, and two per cent at most."""
    sender = _actor(tmp_path, "alice", wire.address)
    receiver = _actor(tmp_path, "bob", wire.relay)
    actors = {"sender": sender, "receiver": receiver}
    entries = entries_of(source)
    try:
        wire.hold_at(0, int(SIZE_BYTES * HELD_AT))
        sender.start("send", str(source))
        wait_for(lambda: bool(sender.events("code.allocated")), "a code")
        code = str(sender.events("code.allocated")[0]["code"])
        receiver.start("receive", code, "--yes")
        half = SIZE_BYTES // 2
        wait_for(lambda: listed(receiver.person, entries).leaf_bytes >= half, "half in the journal")
        mark = wire.mark()
        for name in victims:
            actors[name].kill()
        wire.let_go()
        had = listed(receiver.person, entries).leaf_bytes
        for name in victims:
            actors[name].start("resume")
        wait_for(lambda: not sender.alive() and not receiver.alive(), "both ends", 120)
        assert (sender.exit_code, receiver.exit_code) == (0, 0), sender.said() + receiver.said()
        travelled = wire.bytes_since(mark)
        assert travelled <= (SIZE_BYTES - had) + 0.02 * SIZE_BYTES + OWN_WORDS_BYTES, had
        told = receiver.events("transfer.resumed")[-1]["have_bytes"]
        assert isinstance(told, int)
        assert told >= had
        assert _same(receiver.person.folder / source.name, source)
        assert os.listdir(receiver.person.folder) == [source.name]
        assert not records_of(sender.person) + records_of(receiver.person)
    finally:
        sender.kill()
        receiver.kill()


def _same(one: Path, other: Path) -> bool:
    with one.open("rb") as first, other.open("rb") as second:
        while piece := first.read(PIECE_BYTES):
            if piece != second.read(PIECE_BYTES):
                return False
        return not second.read(1)
