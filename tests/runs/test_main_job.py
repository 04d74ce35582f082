"""The main job with real processes: everything arrives byte for byte."""

from __future__ import annotations

import os
import random
import subprocess

import pytest

from tests.runs.programs import Person, RelayProcess, make_tree, tree_of

pytestmark = pytest.mark.wire


def noise(count: int, seed: int = 7) -> bytes:
    """Return bytes that nothing compresses, the same in every run."""
    return random.Random(seed).randbytes(count)


def test_a_file_arrives_byte_for_byte(alice: Person, bob: Person) -> None:
    """C1: one file, one code, both sides done with exit 0."""
    make_tree(alice.folder, {"photo.jpg": noise(3_000_001)})
    sending = alice.start("send", "photo.jpg")
    received = bob.run("receive", sending.first_line(), "--yes")
    sent = sending.end()
    assert (received.code, sent.code) == (0, 0), received.err + sent.err
    assert tree_of(bob.folder) == tree_of(alice.folder)


def test_several_paths_and_a_folder_arrive_under_one_code(alice: Person, bob: Person) -> None:
    """C1, C7: nested folders, Unicode names, an empty file and an empty folder, modes and times."""
    make_tree(
        alice.folder,
        {
            "one.txt": b"one",
            "dir/deep/er/two.bin": noise(70_000),
            "dir/ünïcode 日本.txt": "größe".encode(),
            "dir/empty": b"",
            "dir/run.sh": b"#!/bin/sh\n",
        },
        folders=["dir/nothing here"],
    )
    os.chmod(alice.folder / "dir/run.sh", 0o755)
    os.utime(alice.folder / "one.txt", ns=(10**18, 10**18 + 5))
    sending = alice.start("send", "one.txt", "dir")
    received = bob.run("receive", sending.first_line(), "-y")
    sent = sending.end()
    assert (received.code, sent.code) == (0, 0), received.err + sent.err
    assert tree_of(bob.folder) == tree_of(alice.folder)
    assert (bob.folder / "dir/run.sh").stat().st_mode & 0o777 == 0o755
    assert (bob.folder / "one.txt").stat().st_mtime_ns == 10**18 + 5


def test_a_text_is_printed_and_nothing_is_stored(alice: Person, bob: Person) -> None:
    """C2: --text needs no prompt and leaves no file."""
    sending = alice.start("send", "--text", "meet me at nine ☕")
    received = bob.run("receive", sending.first_line(), "--yes")
    assert received.out.decode() == "meet me at nine ☕"
    assert (received.code, sending.end().code) == (0, 0)
    assert tree_of(bob.folder) == {}


def test_a_piped_text_comes_out_of_the_other_pipe(alice: Person, bob: Person) -> None:
    """C2: echo hi | tallow send, and tallow receive CODE prints hi."""
    sending = alice.start("send", stdin=subprocess.PIPE)
    assert sending.process.stdin is not None
    sending.process.stdin.write(b"hi\n")
    sending.process.stdin.close()
    sending.process.stdin = None
    received = bob.run("receive", sending.first_line(), "--yes")
    assert received.out == b"hi\n"
    assert (received.code, sending.end().code) == (0, 0)


def test_a_large_stream_goes_from_pipe_to_pipe(alice: Person, bob: Person) -> None:
    """C2: more than a text is a stream, and -o - writes it to standard output."""
    content = noise(5_500_000)
    (alice.folder / "source").write_bytes(content)
    with (alice.folder / "source").open("rb") as source:
        sending = alice.start("send", "-", stdin=source.fileno())
        received = bob.run("receive", sending.first_line(), "-o", "-")
    sent = sending.end()
    assert (received.code, sent.code) == (0, 0), received.err + sent.err
    assert received.out == content


def test_the_receiver_may_come_first(alice: Person, bob: Person) -> None:
    """C1: receive --new shows a code that the sender enters."""
    make_tree(alice.folder, {"late.txt": b"better"})
    receiving = bob.start("receive", "--new", "--yes", "--json")
    code = str(receiving.event("code.allocated")["code"])
    sent = alice.run("send", "late.txt", "--code", code)
    received = receiving.end()
    assert (received.code, sent.code) == (0, 0), received.err + sent.err
    assert tree_of(bob.folder) == {"late.txt": b"better"}


@pytest.mark.parametrize("code", ["7391-mein-eigener", "blaue-giraffen-tanzen-nachts-9134"])
def test_a_code_of_ones_own_works_with_and_without_a_number(
    alice: Person, bob: Person, code: str
) -> None:
    """C10: custom codes, numbered and un-numbered, reach the other side."""
    make_tree(alice.folder, {"own.txt": b"own"})
    sending = alice.start("send", "own.txt", "--code", code)
    assert sending.first_line() == code
    received = bob.run("receive", code, "--yes")
    sent = sending.end()
    assert (received.code, sent.code) == (0, 0), received.err + sent.err
    assert tree_of(bob.folder) == {"own.txt": b"own"}


def test_a_code_may_carry_its_relay(alice: Person, bob: Person, relay: RelayProcess) -> None:
    """C10: @host:port#sha256:… in the code needs no setting on the other machine."""
    make_tree(alice.folder, {"far.txt": b"far"})
    bob.relay = ""
    sending = alice.start("send", "far.txt")
    code = f"{sending.first_line()}@{relay.address}#{relay.pin}"
    received = bob.run("receive", code, "--yes")
    sent = sending.end()
    assert (received.code, sent.code) == (0, 0), received.err + sent.err
    assert tree_of(bob.folder) == {"far.txt": b"far"}


def test_a_second_file_of_one_name_is_renamed(alice: Person, bob: Person) -> None:
    """C4: what is there already stays; --on-conflict rename puts the new one beside it."""
    make_tree(alice.folder, {"a.txt": b"new"})
    make_tree(bob.folder, {"a.txt": b"old"})
    sending = alice.start("send", "a.txt")
    received = bob.run("receive", sending.first_line(), "-y", "--on-conflict", "rename")
    assert (received.code, sending.end().code) == (0, 0), received.err
    assert tree_of(bob.folder) == {"a.txt": b"old", "a (1).txt": b"new"}


def test_two_runs_with_one_custom_code_are_two_sessions(alice: Person, bob: Person) -> None:
    """A3: the code authenticates and never becomes a key: two runs share nothing."""
    make_tree(alice.folder, {"x": b"x"})
    sessions = []
    for _ in range(2):
        sending = alice.start("send", "x", "--code", "8452-immer-derselbe", "--json")
        sending.event("code.allocated")
        received = bob.run(
            "receive", "8452-immer-derselbe", "-y", "--on-conflict", "overwrite", "--json"
        )
        sent = sending.end()
        assert (received.code, sent.code) == (0, 0), received.err + sent.err
        here, there = (
            next(event for event in ended.events() if event["event"] == "peer.up")
            for ended in (received, sent)
        )
        assert here["session"] == there["session"]
        assert here["emoji"] == there["emoji"]
        sessions.append(here["session"])
    assert sessions[0] != sessions[1]


def test_a_dry_run_sends_nothing(alice: Person) -> None:
    """C6: --dry-run lists and needs no relay."""
    make_tree(alice.folder, {"d/a.txt": b"1", "d/b.log": b"2"})
    alice.relay = ""
    ended = alice.run("send", "d", "--exclude", "*.log", "--dry-run")
    assert ended.code == 0, ended.err
    shown = ended.out.decode() + ended.err
    assert "a.txt" in shown
    assert "b.log" not in shown
