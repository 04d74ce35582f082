"""What goes wrong with real processes: one clear error, its exit code, nothing left behind."""

from __future__ import annotations

import os
import random
import signal
import socket
from pathlib import Path

import pytest

from tests.runs.programs import Ended, Person, make_tree, relay_running, tree_of

pytestmark = pytest.mark.wire


def shows_an_error(ended: Ended, code: int, *parts: str) -> None:
    """Check exit code and the form of an error: what, why, what next, no traceback."""
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err
    assert "error: " in ended.err
    assert "try: " in ended.err
    for part in parts:
        assert part in ended.err


def other_words(code: str) -> str:
    """Return a well-formed code under the same number with other words."""
    from tallow.protocol.code import generate_code

    plate = code.split("-")[0]
    seeded = random.Random(1)
    made = generate_code(plate, 3, seeded.randbytes).text
    assert made != code
    return made


def test_a_wrong_code_is_told_to_both_sides(alice: Person, bob: Person) -> None:
    """X08: joiner and creator exit 3 with sentences of their own, and nothing is written."""
    make_tree(alice.folder, {"secret": b"s"})
    sending = alice.start("send", "secret")
    received = bob.run("receive", other_words(sending.first_line()), "-y")
    shows_an_error(received, 3, "The code is wrong, or someone interfered")
    shows_an_error(sending.end(), 3, "Somebody joined with a wrong code; this code is dead.")
    assert tree_of(bob.folder) == {}


def test_a_typing_mistake_is_caught_before_anything_is_sent(alice: Person, bob: Person) -> None:
    """C10: a swapped letter names the word; the code still works afterwards."""
    make_tree(alice.folder, {"t": b"t"})
    sending = alice.start("send", "t")
    code = sending.first_line()
    number, *words = code.split("-")
    swapped = words[0][0] + "q" + words[0][1:]
    received = bob.run("receive", "-".join([number, swapped, *words[1:]]), "-y")
    shows_an_error(received, 2)
    assert bob.run("receive", code, "-y").code == 0
    assert sending.end().code == 0


def test_an_unknown_number_ends_at_once(bob: Person) -> None:
    """Exit 5 and what to do next, within the answer of the relay."""
    shows_an_error(bob.run("receive", other_words("999999-a-b-c"), "-y"), 5, "--wait")


def test_no_relay_set_shows_how_to_start_one(alice: Person) -> None:
    """Exit 2 and the two lines that start a relay."""
    make_tree(alice.folder, {"x": b"x"})
    alice.relay = ""
    shows_an_error(alice.run("send", "x"), 2, "tallow relay", "TALLOW_RELAY")


def test_a_relay_that_is_down_is_exit_4(alice: Person) -> None:
    """The address is named, and what to check."""
    make_tree(alice.folder, {"x": b"x"})
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        alice.relay = f"127.0.0.1:{unused.getsockname()[1]}"
    shows_an_error(alice.run("send", "x"), 4, alice.relay)


def test_something_that_is_no_relay_is_exit_4(alice: Person) -> None:
    """A server that speaks no TLS is named as what it is."""
    make_tree(alice.folder, {"x": b"x"})
    with socket.create_server(("127.0.0.1", 0)) as server:
        alice.relay = f"127.0.0.1:{server.getsockname()[1]}"
        running = alice.start("send", "x")
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.shutdown(socket.SHUT_WR)
            shows_an_error(running.end(), 4, "no Tallow relay")


def test_a_changed_relay_key_stops_everything(alice: Person, tmp_path: Path) -> None:
    """A pinned key that changed is exit 4; tallow relay forget is the way out."""
    make_tree(alice.folder, {"x": b"x"})
    with relay_running(tmp_path / "first") as first:
        alice.relay = first.address
        sending = alice.start("send", "x")
        sending.first_line()
        sending.signal(signal.SIGINT)
        assert sending.end().code == 130
        port = first.address
    with relay_running(tmp_path / "second", listen=port):
        shows_an_error(alice.run("send", "x"), 4, "another key", f"tallow relay forget {port}")
        assert alice.run("relay", "forget", port).code == 0
        again = alice.start("send", "x")
        again.first_line()
        again.signal(signal.SIGINT)
        assert again.end().code == 130


def test_a_relay_password_is_asked_of_the_creator_only(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    """B3: without it exit 4, with a wrong one exit 4, with it a joiner needs none."""
    make_tree(alice.folder, {"x": b"x"})
    password = tmp_path / "password"
    password.write_text("a long enough relay password\n")
    with relay_running(tmp_path / "state", "--password-file", str(password)) as relay:
        alice.relay = bob.relay = relay.address
        shows_an_error(alice.run("send", "x"), 4, "password")
        alice.extra["TALLOW_RELAY_PASS"] = "wrong"
        shows_an_error(alice.run("send", "x"), 4, "password is wrong")
        alice.extra["TALLOW_RELAY_PASS"] = "a long enough relay password"
        sending = alice.start("send", "x")
        assert bob.run("receive", sending.first_line(), "-y").code == 0
        assert sending.end().code == 0


def test_without_a_terminal_and_yes_nothing_is_joined(alice: Person, bob: Person) -> None:
    """Exit 2 before joining, and the code is still good."""
    make_tree(alice.folder, {"x": b"x"})
    sending = alice.start("send", "x")
    code = sending.first_line()
    shows_an_error(bob.run("receive", code), 2, "--yes")
    assert bob.run("receive", code, "-y").code == 0
    assert sending.end().code == 0


def test_two_senders_are_told_that_they_want_the_same(alice: Person, bob: Person) -> None:
    """Equal wishes are exit 2 for the one who came, and cost the waiting code nothing."""
    make_tree(alice.folder, {"x": b"x"})
    make_tree(bob.folder, {"y": b"y"})
    sending = alice.start("send", "x")
    code = sending.first_line()
    shows_an_error(bob.run("send", "y", "--code", code), 2, "the same")
    (bob.folder / "y").unlink()
    assert bob.run("receive", code, "-y").code == 0
    assert sending.end().code == 0
    assert tree_of(bob.folder) == {"x": b"x"}


def test_a_source_that_is_missing_is_exit_8(alice: Person) -> None:
    """Said at once, before any relay is asked."""
    shows_an_error(alice.run("send", "nowhere"), 8, "nowhere does not exist")


def test_an_output_folder_that_is_missing_is_exit_8(alice: Person, bob: Person) -> None:
    """The sender learns that the other side has trouble with its disk."""
    make_tree(alice.folder, {"d/x": b"x"})
    sending = alice.start("send", "d")
    received = bob.run("receive", sending.first_line(), "-y", "-o", "not/there")
    shows_an_error(received, 8, "not/there")
    shows_an_error(sending.end(), 7, "disk")


def test_a_killed_sender_leaves_no_final_name(alice: Person, bob: Person) -> None:
    """Peer gone midway: the receiver ends with exit 5, and nothing stands under the name."""
    bob.extra["TALLOW_RECONNECT"] = "0"
    source, writer = os.pipe()
    sending = alice.start("send", "-", stdin=source)
    os.close(source)
    receiving = bob.start("receive", sending.first_line(), "-y", "-o", "copy.bin", "--json")
    os.write(writer, bytes(60_000))
    receiving.event("transfer.progress")
    sending.signal(signal.SIGKILL)
    received = receiving.end()
    os.close(writer)
    assert sending.end().code == -signal.SIGKILL
    assert received.code == 5, received.err
    assert tree_of(bob.folder) == {}


def test_ctrl_c_tells_the_other_side(alice: Person, bob: Person) -> None:
    """130 here, 7 there, nothing left behind."""
    source, writer = os.pipe()
    sending = alice.start("send", "-", stdin=source)
    os.close(source)
    receiving = bob.start("receive", sending.first_line(), "-y", "-o", "copy.bin", "--json")
    os.write(writer, bytes(60_000))
    receiving.event("transfer.progress")
    sending.signal(signal.SIGINT)
    sent, received = sending.end(), receiving.end()
    os.close(writer)
    assert sent.code == 130, sent.err
    assert received.code == 7, received.err
    assert tree_of(bob.folder) == {}


def test_a_relay_that_dies_midway_is_exit_4(alice: Person, bob: Person, tmp_path: Path) -> None:
    """Both sides say that the connection broke, and nothing has a final name."""
    alice.extra["TALLOW_RECONNECT"] = bob.extra["TALLOW_RECONNECT"] = "0"
    source, writer = os.pipe()
    with relay_running(tmp_path / "state") as relay:
        alice.relay = bob.relay = relay.address
        sending = alice.start("send", "-", stdin=source)
        os.close(source)
        receiving = bob.start("receive", sending.first_line(), "-y", "-o", "copy.bin", "--json")
        os.write(writer, bytes(60_000))
        receiving.event("transfer.progress")
        relay.process.kill()
        sent, received = sending.end(), receiving.end()
    os.close(writer)
    shows_an_error(sent, 4, "connection to the relay broke")
    assert received.code == 4
    assert tree_of(bob.folder) == {}


def test_a_third_side_is_refused_and_both_are_told(
    alice: Person, bob: Person, carol: Person
) -> None:
    """The confirmed session goes on; the third is told that the code is in use."""
    source, writer = os.pipe()
    sending = alice.start("send", "-", stdin=source)
    os.close(source)
    code = sending.first_line()
    receiving = bob.start("receive", code, "-y", "-o", "copy.bin", "--json")
    os.write(writer, bytes(60_000))
    receiving.event("transfer.progress")
    shows_an_error(carol.run("receive", code, "-y"), 4, "Two sides are already using this code")
    os.close(writer)
    sent, received = sending.end(), receiving.end()
    assert (sent.code, received.code) == (0, 0), sent.err + received.err
    assert tree_of(bob.folder) == {"copy.bin": bytes(60_000)}
    assert any(event["event"] == "relay.notice" for event in received.events())
