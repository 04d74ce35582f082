"""One code for three receivers, with real processes."""

from __future__ import annotations

import random
import signal

import pytest

from tests.runs.programs import Person, make_tree, tree_of

pytestmark = pytest.mark.wire

CONTENT = {"p/large": random.Random(13).randbytes(5_000_001), "p/small.txt": b"hello\n"}


def test_three_receivers_get_everything_under_one_code(
    alice: Person, bob: Person, carol: Person
) -> None:
    """C13: three at once, two of them one person in two folders; exit 0 everywhere."""
    make_tree(alice.folder, CONTENT)
    sending = alice.start("send", "--receivers", "3", "p")
    code = sending.first_line()
    assert len(code.split("-")) == 5, "four words, because more people hear it"
    (bob.folder / "second").mkdir()
    receiving = [
        bob.start("receive", code, "--yes"),
        bob.start("receive", code, "--yes", "-o", "second"),
        carol.start("receive", code, "--yes"),
    ]
    ended = [running.end() for running in receiving]
    sent = sending.end()
    assert [end.code for end in [*ended, sent]] == [0, 0, 0, 0], sent.err + ended[0].err
    whole = tree_of(alice.folder)
    assert tree_of(carol.folder) == tree_of(bob.folder / "second") == whole
    assert "It works for 3 receivers, for 1 h." in sent.err
    assert sent.err.count(": done, 2 files, 5.0 MB in ") == 3
    assert "Sent 15 MB to 3 receivers in " in sent.err


def test_the_json_lines_tell_receivers_apart(alice: Person, bob: Person, carol: Person) -> None:
    """C13: every receiver has a ticket of its own below the command's, and ends with it."""
    make_tree(alice.folder, CONTENT)
    sending = alice.start("send", "--receivers", "2", "--json", "p")
    allocated = sending.event("code.allocated")
    assert allocated["receivers"] == 2
    for person in (bob, carol):
        assert person.run("receive", str(allocated["code"]), "--yes").code == 0
    sent = sending.end()
    assert sent.code == 0, sent.err
    events = sent.events()
    parts = [event["ticket"] for event in events if event.get("parent") == 1]
    assert len(set(parts)) == 2
    done = [event["ticket"] for event in events if event["event"] == "transfer.done"]
    assert sorted(map(str, done[:2])) == sorted(map(str, parts))
    assert done[2] == 1
    for part in parts:
        mine = {event["event"] for event in events if event["ticket"] == part}
        assert mine > {"peer.up", "offer.sent", "offer.answered", "transfer.progress"}


def test_ctrl_c_ends_waiting_for_whoever_comes(alice: Person, bob: Person) -> None:
    """C13: --receivers 0 goes on after a receiver until it is interrupted (130)."""
    sending = alice.start("send", "--receivers", "0", "--text", "hi all")
    code = sending.first_line()
    for _ in range(2):
        assert bob.run("receive", code, "--yes").out == b"hi all"
    sending.process.send_signal(signal.SIGINT)
    sent = sending.end()
    assert sent.code == 130, sent.err
    assert sent.err.count(": the text arrived (6 B).") == 2
