"""Two panes, as two people see them: offer, prompt, symbols, wrong code, progress."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallow.protocol.code import generate_code
from tests.e2e.panes import Pane, tmux_server
from tests.runs.programs import RelayProcess, make_tree, relay_running, tree_of

pytestmark = pytest.mark.e2e


class Two:
    """Two people, a relay, and their folders."""

    def __init__(self, alice: Pane, bob: Pane, root: Path) -> None:
        self.alice, self.bob = alice, bob
        self.alice_folder, self.bob_folder = root / "alice", root / "bob"

    def code(self) -> str:
        """Return the code on alice's screen."""
        screen = self.alice.sees_when(lambda s: bool(CODE.search(s)), "a code")
        found = CODE.search(screen)
        assert found
        return found[0]


CODE = re.compile(r"^[1-9][0-9]*(-[a-z]+){3}$", re.MULTILINE)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RelayProcess]:
    """A relay on a free port."""
    with relay_running(tmp_path / "relay") as running:
        yield running


@pytest.fixture
def two(tmp_path: Path, relay: RelayProcess) -> Iterator[Two]:
    """Two panes."""
    for name in ("alice", "bob", "alice-home", "bob-home"):
        (tmp_path / name).mkdir()
    with tmux_server("tallow-e2e") as tmux:
        alice = tmux.pane("alice", tmp_path / "alice", tmp_path / "alice-home", relay.address)
        bob = tmux.pane("bob", tmp_path / "bob", tmp_path / "bob-home", relay.address)
        yield Two(alice, bob, tmp_path)


def test_the_offer_is_shown_before_anything_is_written(two: Two) -> None:
    """C4, X04: names, sizes, free space, identity and symbols stand before the question."""
    make_tree(two.alice_folder, {"photos/one.jpg": bytes(2_000), "photos/sub/two.jpg": b"2"})
    two.alice.types("tallow send photos --note 'for you'; echo EXIT $?")
    two.bob.types(f"tallow receive {two.code()}; echo EXIT $?")
    screen = two.bob.sees("Receive these 2 files", "[Y/n/s]")
    for part in ("photos/", "one.jpg", "two.jpg", "no identity", "free in", "Symbols", "for you"):
        assert part in screen
    assert tree_of(two.bob_folder) == {}
    two.bob.types("")
    two.bob.sees("roots agree", "EXIT 0")
    two.alice.sees("roots agree", "EXIT 0")
    assert tree_of(two.bob_folder) == tree_of(two.alice_folder)


def test_no_at_the_prompt_leaves_the_folder_untouched(two: Two) -> None:
    """C4: n is exit 7 on both sides, and zero bytes are written."""
    make_tree(two.alice_folder, {"a.txt": b"a"})
    two.alice.types("tallow send a.txt; echo EXIT $?")
    two.bob.types(f"tallow receive {two.code()}; echo EXIT $?")
    two.bob.sees("[Y/n]")
    two.bob.types("n")
    two.bob.sees("EXIT 7")
    two.alice.sees("The other side said no.", "EXIT 7")
    assert tree_of(two.bob_folder) == {}


def test_verify_shows_the_same_symbols_on_both_screens(two: Two) -> None:
    """C4: --verify holds the transfer until both people said yes."""
    make_tree(two.alice_folder, {"a.txt": b"a"})
    two.alice.types("tallow send a.txt --verify; echo EXIT $?")
    two.bob.types(f"tallow receive {two.code()} -y; echo EXIT $?")
    digits = re.compile(r"^ *(\d{5}(?: \d{5}){7})$", re.MULTILINE)
    screens = [pane.sees("Does the other screen show the same?") for pane in (two.alice, two.bob)]
    shown = [digits.findall(screen) for screen in screens]
    assert shown[0]
    assert shown[0] == shown[1]
    assert tree_of(two.bob_folder) == {}
    two.alice.types("y")
    two.bob.types("y")
    two.bob.sees("EXIT 0")
    two.alice.sees("EXIT 0")
    assert tree_of(two.bob_folder) == {"a.txt": b"a"}


def test_symbols_that_differ_end_it_on_both_sides(two: Two) -> None:
    """One no is exit 3 on both sides, and nothing is written."""
    make_tree(two.alice_folder, {"a.txt": b"a"})
    two.alice.types("tallow send a.txt --verify; echo EXIT $?")
    two.bob.types(f"tallow receive {two.code()} -y; echo EXIT $?")
    two.bob.sees("Does the other screen show the same?")
    two.bob.types("n")
    two.bob.sees("EXIT 3")
    two.alice.sees("EXIT 3")
    assert tree_of(two.bob_folder) == {}


def test_a_wrong_code_may_be_forgiven_by_the_sender(two: Two) -> None:
    """X08: the sender is asked, says yes, and the right code still works."""
    make_tree(two.alice_folder, {"a.txt": b"a"})
    two.alice.types("tallow send a.txt; echo EXIT $?")
    code = two.code()
    wrong = generate_code(code.split("-")[0], 3, random.Random(1).randbytes).text
    two.bob.types(f"tallow receive {wrong} -y; echo EXIT $?")
    two.bob.sees("The code is wrong, or someone interfered", "EXIT 3")
    two.alice.sees("Somebody typed a wrong code", "[y/N]")
    two.alice.types("y")
    two.bob.types(f"clear; tallow receive {code} -y; echo EXIT $?")
    two.bob.sees("EXIT 0")
    two.alice.sees("EXIT 0")
    assert tree_of(two.bob_folder) == {"a.txt": b"a"}


def test_a_typing_mistake_is_put_right_at_the_prompt(two: Two) -> None:
    """C10, X06: the code is typed at a prompt, and the nearest word is offered."""
    make_tree(two.alice_folder, {"a.txt": b"a"})
    two.alice.types("tallow send a.txt; echo EXIT $?")
    code = two.code()
    number, first, rest = code.split("-", 2)
    two.bob.types("tallow receive -y; echo EXIT $?")
    two.bob.sees("Code (Enter for a new one):")
    two.bob.types(f"{number}-q{first}-{rest}")
    two.bob.sees("Nothing was sent", f"Use {code}?")
    two.bob.types("y")
    two.bob.sees("EXIT 0")
    two.alice.sees("EXIT 0")


def test_progress_moves_while_a_large_file_travels(two: Two) -> None:
    """C5: percent, bytes and speed are on the screen, and the line is gone at the end."""
    with (two.alice_folder / "big.bin").open("wb") as big:
        big.write(random.Random(1).randbytes(120_000_000))
    two.alice.types("tallow send big.bin --throttle 30MB; echo EXIT $?")
    two.bob.types(f"tallow receive {two.code()} -y; echo EXIT $?")
    moving = re.compile(r"Receiving +(\d+) % +[\d.]+ [kMG]?B of 120 MB +[\d.]+ [kMG]B/s")
    first = moving.search(two.bob.sees_when(lambda s: bool(moving.search(s)), "progress"))
    assert first
    two.bob.sees_when(
        lambda s: bool((m := moving.search(s)) and m[1] != first[1]) or "EXIT" in s, "movement"
    )
    screen = two.bob.sees("EXIT 0")
    assert not moving.search(screen)
    two.alice.sees("EXIT 0")


def test_ctrl_c_at_the_prompt_ends_both_sides(two: Two) -> None:
    """130 here, 7 there, and the terminal is as before."""
    make_tree(two.alice_folder, {"a.txt": b"a"})
    two.alice.types("tallow send a.txt; echo EXIT $?")
    two.bob.types(f"tallow receive {two.code()}; echo EXIT $?")
    two.bob.sees("[Y/n]")
    two.bob.presses("C-c")
    two.bob.sees("EXIT 130")
    two.alice.sees("EXIT 7")
    two.bob.types("echo still here")
    two.bob.sees("\nstill here")
    assert tree_of(two.bob_folder) == {}
