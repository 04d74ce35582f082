"""``tallow send``: options become a command; transcripts of what people see."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.cli import code_source
from tallow.engine import events as e
from tallow.engine.commands import SendFiles, SendOptions, SendStream, SendText
from tallow.protocol.code import generate_code
from tests.cli.happenings import (
    ALLOCATED,
    CONNECTED,
    JOINED,
    TICKET,
    TRANSFERRING,
    WAITING,
    done,
    ended,
    peer_up,
    progress,
)
from tests.cli.still_console import Stage, StillConsole, same_as_transcript
from tests.cli.still_engine import Step

RELAY = ("--relay", "relay.example")
GENERATED = generate_code("7123", 3, lambda count: bytes(range(count)))
PLAIN = SendOptions(no_input=True)


def sent(stage: Stage, *arguments: str) -> object:
    """Return the command that these arguments make."""
    assert stage.run("send", *arguments, *RELAY, script=[done("send")]) == 0, stage.console.err
    return stage.engine.submitted[0]


def refused(*arguments: str, stage: Stage | None = None) -> str:
    """Return the error of arguments that send nothing."""
    stage = stage or Stage()
    assert stage.run("send", *arguments, *RELAY) == 2
    assert stage.engine.submitted == []
    return stage.console.err


def test_a_folder_from_code_to_roots() -> None:
    """A whole exchange of a sender, both streams, off a terminal."""
    stage = Stage()
    script: list[Step] = [
        e.TransferAdded(TICKET, "send"), CONNECTED, ALLOCATED, WAITING, JOINED,
        peer_up("alice"), e.SourceSkipped(TICKET, "photos/socket", "it is no file"),
        e.OfferSent(TICKET, "files", 3, 1, 1_200_000_000),
        e.OfferAnswered(TICKET, True, 3, 1_200_000_000), TRANSFERRING, progress(phase="sending"),
        done("send"),
    ]  # fmt: skip
    assert stage.run("send", "photos", *RELAY, script=script) == 0
    assert same_as_transcript("send_folder", stage.console.transcript())


def test_a_folder_at_a_terminal() -> None:
    """A whole exchange of a sender at a terminal, with the line that moves."""
    console = StillConsole(
        stdin_tty=True, stdout_tty=True, stderr_tty=True, size=(80, 24),
        environment={"TERM": "xterm"},
    )  # fmt: skip
    stage = Stage(console)
    script: list[Step] = [
        CONNECTED, ALLOCATED, WAITING, peer_up("alice"),
        e.OfferSent(TICKET, "files", 3, 1, 1_200_000_000), TRANSFERRING,
        e.TransferFile(TICKET, "photos/b.jpg", "failed", "it changed while it was read"),
        done("send", failed=1),
    ]  # fmt: skip
    assert stage.run("send", "photos", *RELAY, script=script) == 9
    shown = console.transcript().replace("\x1b", "␛").replace("\r", "␍")
    assert same_as_transcript("send_terminal", shown)


def test_a_wrong_guess() -> None:
    """What the sender sees when somebody joins with a wrong code."""
    stage = Stage()
    script: list[Step] = [
        ALLOCATED, e.CodeDropped(TICKET, 1, 3, dead=False),
        e.CodeGuessed(TICKET, 2, 3, can_reopen=False),
        ended("code-guessed", 3, "Somebody joined with a wrong code; this code is dead."),
    ]  # fmt: skip
    assert stage.run("send", "photos", *RELAY, script=script) == 3
    assert same_as_transcript("send_guessed", stage.console.transcript())


def test_every_option_reaches_the_engine() -> None:
    """Options of a sender arrive in the command."""
    found = sent(
        Stage(), "a", "b", "--code", "7-mycode", "--words", "4", "--expires", "2d", "--note", "n",
        "--as", "bob", "--exclude", "*.o,build", "--exclude", "tmp", "--weak-code",
    )  # fmt: skip
    assert found == SendFiles(
        ("a", "b"),
        ("*.o", "build", "tmp"),
        SendOptions(
            code="7-mycode", words=4, expires_s=172_800, note="n", name="bob", weak_code=True,
            no_input=True,
        ),
    )  # fmt: skip


def test_a_generated_code_is_joined() -> None:
    """A code whose check bits hold was made by the receiver, so the sender joins it."""
    found = sent(Stage(), "a", "--code", GENERATED.text)
    assert found == SendFiles(("a",), (), SendOptions(GENERATED.text, join=True, no_input=True))


def test_a_custom_code_is_waited_under() -> None:
    """A code of one's own makes the sender wait."""
    found = sent(Stage(), "a", "--code", "7 My Code")
    assert found == SendFiles(("a",), (), SendOptions("7-my-code", join=False, no_input=True))


def test_the_code_names_the_relay() -> None:
    """A relay inside the code is where both meet; the code itself goes on without it."""
    stage = Stage()
    code = f"{GENERATED.text}@other.example:99#sha256:{'ab' * 32}"
    assert stage.run("send", "a", "--code", code, script=[done("send")]) == 0
    assert stage.engine.settings is not None
    assert str(stage.engine.settings.relay) == "other.example:99"
    assert "other.example" not in repr(stage.engine.submitted)


def test_a_typo_never_leaves_the_keyboard() -> None:
    """C10: a mistyped generated code is refused with the nearest word before anything is sent."""
    for tty in (True, False):
        console = StillConsole(stdin_tty=tty, stderr_tty=tty)
        shown = refused("a", "--code", f"{GENERATED.text}z", stage=Stage(console))
        assert "did you mean" in shown
    swapped = GENERATED.text.replace("7123", "7132")
    assert "mistyped" in refused("a", "--code", swapped)


def test_a_near_miss_goes_as_typed_without_a_person() -> None:
    """With --no-input a near miss is a code of one's own."""
    console = StillConsole(stdin_tty=True, stderr_tty=True)
    found = sent(Stage(console), "a", "--no-input", "--code", f"{GENERATED.text}z")
    assert isinstance(found, SendFiles)
    assert found.options.code == f"{GENERATED.text}z"


def test_weak_codes_are_refused_or_warned_of() -> None:
    """A code without a number is refused if it is weak, and warned of once if it is allowed."""
    assert "too easy to guess" in refused("a", "--code", "mycode")
    stage = Stage()
    weak = e.CodeAllocated(TICKET, "mycode", "r:1", "", 60, 5.0, weak=True)
    script: list[Step] = [weak, done("send")]
    arguments = ("send", "a", "--code", "mycode", "--weak-code", *RELAY)
    assert stage.run(*arguments, script=script) == 0
    assert stage.console.err.count("warning:") == 1


def test_a_visible_code_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """X06: a code on the command line of a shared machine is warned of, one from a variable not."""
    monkeypatch.setattr(code_source, "others_logged_in", lambda: True)
    typed = Stage()
    sent(typed, "a", "--code", "7-mycode")
    assert "other users of this machine" in typed.console.err
    monkeypatch.setenv("TALLOW_CODE", "7-mycode")
    hidden = Stage()
    sent(hidden, "a")
    assert "other users" not in hidden.console.err


def test_texts() -> None:
    """--text sends its value, --text - what comes in."""
    assert sent(Stage(), "--text", "hi") == SendText("hi", PLAIN)
    piped = Stage(StillConsole(chunks=[b"pi", b"ped"]))
    assert sent(piped, "--text", "-") == SendText("piped", PLAIN)
    assert "64 KiB" in refused("--text", "x" * 65_537)


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_pipes(arguments: tuple[str, ...]) -> None:
    """Without a path, or with -, standard input is sent: short text as text, the rest as stream."""
    assert sent(Stage(StillConsole(chunks=[b"hi\n"])), *arguments) == SendText("hi\n", PLAIN)
    binary = Stage(StillConsole(chunks=[b"\xff\xfe"]))
    assert sent(binary, *arguments) == SendStream(head=b"\xff\xfe", options=PLAIN)


def test_nothing_to_send() -> None:
    """At a terminal without a path, the error points to the help instead of waiting for typing."""
    shown = refused(stage=Stage(StillConsole(stdin_tty=True)))
    assert "Name what to send" in shown
    assert "tallow send --help" in shown


@pytest.mark.parametrize("arguments", [("a", "--text", "hi"), ("a", "-"), ("-", "--text", "x")])
def test_one_kind_at_a_time(arguments: tuple[str, ...]) -> None:
    """Files, a text and standard input are not mixed."""
    assert "either files, or one text" in refused(*arguments)


def test_a_typed_path_wins_over_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """D4: TALLOW_TEXT does not get in the way of paths."""
    monkeypatch.setenv("TALLOW_TEXT", "hi")
    assert sent(Stage(), "a") == SendFiles(("a",), (), PLAIN)
    assert sent(Stage()) == SendText("hi", PLAIN)


def test_comparing_needs_a_person() -> None:
    """--verify without a terminal, or with standard input as the source, ends before connecting."""
    assert "--verify asks you" in refused("a", "--verify")
    console = StillConsole(stdin_tty=True, stderr_tty=True)
    assert "--verify asks you" in refused("-", "--verify", stage=Stage(console))


def test_no_relay() -> None:
    """Without a relay the two lines that start one are shown, with exit 2."""
    stage = Stage()
    assert stage.run("send", "a") == 2
    assert "tallow relay" in stage.console.err
    assert "TALLOW_RELAY=localhost:4433" in stage.console.err


def test_a_visible_password_is_warned_of() -> None:
    """X06: a relay password on the command line is warned of."""
    stage = Stage()
    sent(stage, "a", "--relay-pass", "hunter2")
    assert "list of processes" in stage.console.err
    assert "hunter2" not in stage.console.err


def test_a_dry_run_connects_to_nothing(tmp_path: Path) -> None:
    """--dry-run needs no relay and submits nothing."""
    (tmp_path / "a.txt").write_text("abc")
    stage = Stage()
    assert stage.run("send", "--dry-run", str(tmp_path)) == 0
    assert stage.engine.submitted == []
    assert "a.txt" in stage.console.out
    assert "lists files" in refused("--dry-run")


def test_json_is_all_there_is_on_standard_output() -> None:
    """With --json the code comes in its event, not bare."""
    stage = Stage()
    assert stage.run("send", "a", "--json", *RELAY, script=[ALLOCATED, done("send")]) == 0
    lines = stage.console.out.splitlines()
    assert [line[:14] for line in lines] == ['{"v":1,"event"'] * 2
