"""``tallow resume``: list, go on, clear away; several, none and damaged records are told apart."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import msgspec
import pytest

from tallow.cli.sentences import not_resumed, paused, resumed, session_lost
from tallow.engine import events as e
from tallow.engine.commands import CancelTransfer, DeclineOffer, Resume
from tallow.engine.storage.records import TransferRecord, encode_record
from tests.cli.happenings import PLAIN, TICKET, done, ended, offer, peer_up
from tests.cli.still_console import Stage, StillConsole
from tests.cli.still_engine import Step, Until
from tests.cli.test_documentation import table
from tests.cli.test_exchange import press
from tests.engine.kept import RECEIVED, SENT, record

WEEK_S = 7 * 86_400.0


def stage_with(*records: TransferRecord, console: StillConsole | None = None) -> Stage:
    """Return a stage whose state holds these records."""
    stage = Stage(console) if console else Stage()
    for one in records:
        stage.state[f"transfer-{one.id}"] = encode_record(one)
    return stage


def now_record(number: int, wanted: object = RECEIVED, **fields: object) -> TransferRecord:
    """Return a record that was used a minute ago."""
    fields = {"updated_at": time.time() - 60, **fields}
    return record(number, SENT if wanted is SENT else RECEIVED, **fields)


SENDING = now_record(
    0xAB << 56, SENT, sources=("/home/a/photos", "/home/a/b"), peer_name="bob",
    done_bytes=1_000_000, total_bytes=4_000_000,
)  # fmt: skip
RECEIVING = now_record(0xCD << 56, output="/home/a/in", peer_name="", total_bytes=9_000)


# --- the list ---------------------------------------------------------------------------------


def test_the_list_says_what_from_whom_and_how_far() -> None:
    """C3: one line for each, results on standard output, and nothing is done."""
    stage = stage_with(SENDING, RECEIVING)
    assert stage.run("resume", "--list") == 0
    shown = re.sub(r", [0-9]+ min [0-9]+ s ago\n", "\n", stage.console.out)
    assert sorted(shown.splitlines()) == [
        'ab000000  send /home/a/photos, /home/a/b to "bob": 1.0 MB of 4.0 MB',
        "cd000000  into /home/a/in: 0 B of 9.0 kB",
    ]
    assert stage.engine.submitted == []


def test_an_empty_list_is_empty() -> None:
    """D8: a script that counts lines counts none."""
    for arguments in (("--list",), ("--list", "--json")):
        stage = Stage()
        assert stage.run("resume", *arguments) == 0
        assert stage.console.out == ""


def test_the_list_as_json() -> None:
    """D8: each line is an event that docs/cli.md describes, and can be read back."""
    old = now_record(3, SENT, sources=("/\udcff",), updated_at=time.time() - WEEK_S - 60)
    stage = stage_with(SENDING, RECEIVING, old)
    assert stage.run("resume", "--list", "--json") == 0
    documented = next(row for row in table("Events") if row[0] == "`transfer.unfinished`")
    fields = {"v", "event", "ticket", *re.findall(r"`(\w+)`", documented[1])}
    lines = [json.loads(line) for line in stage.console.out.splitlines()]
    assert len(lines) == 3
    for line in lines:
        assert set(line) == fields
        assert (line["v"], line["event"], line["ticket"]) == (1, "transfer.unfinished", 0)
        raw = json.dumps({name: value for name, value in line.items() if name != "v"})
        assert isinstance(msgspec.json.decode(raw, type=e.AnyEvent), e.TransferUnfinished)
    assert [line["expired"] for line in lines] == [True, False, False]
    by_id = {line["id"]: line for line in lines}
    assert by_id[SENDING.id]["what"] == ["/home/a/photos", "/home/a/b"]
    assert by_id[RECEIVING.id]["what"] == ["/home/a/in"]
    assert by_id[SENDING.id]["age_s"] > 59


def test_names_of_the_other_side_are_escaped() -> None:
    """X05: what a peer called itself does nothing to a terminal, later neither."""
    stage = stage_with(now_record(1, peer_name="\x1b[2J\u202eb", output="/a\x1bb"))
    assert stage.run("resume", "--list") == 0
    assert "\x1b" not in stage.console.out
    assert "\u202e" not in stage.console.out


def test_a_clock_that_went_back_makes_nothing_younger_than_now() -> None:
    """C3: a record of tomorrow is as old as nothing."""
    stage = stage_with(now_record(1, updated_at=time.time() + 90_000))
    assert stage.run("resume", "--list", "--json") == 0
    assert json.loads(stage.console.out)["age_s"] == 0


def test_damaged_records_are_told() -> None:
    """C3: what cannot be read is said on standard error and hides nothing else."""
    stage = stage_with(SENDING)
    stage.state["transfer-" + "0" * 16] = b"\xc1\xff"
    assert stage.run("resume", "--list") == 0
    assert stage.console.out.count("\n") == 1
    assert f"A record cannot be read: {'0' * 16}: it is damaged" in stage.console.err


# --- going on ---------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [SENDING, RECEIVING], ids=["sending", "receiving"])
def test_the_only_one_needs_no_id(one: TransferRecord) -> None:
    """C3: with one transfer there is nothing to say; it goes on where it began."""
    stage = stage_with(one)
    assert stage.run("resume", script=[done()]) == 0
    assert stage.engine.submitted == [Resume(one.id, None)]
    assert stage.engine.settings is not None
    assert str(stage.engine.settings.relay) == "relay.test:4433"


def test_the_beginning_of_an_id_is_enough() -> None:
    """C3: of several one is named by a few digits, and may be given a time."""
    stage = stage_with(SENDING, RECEIVING)
    assert stage.run("resume", "cd", "--timeout", "10m", script=[done()]) == 0
    assert stage.engine.submitted == [Resume(RECEIVING.id, 600.0)]


@pytest.mark.parametrize(
    ("records", "arguments", "said"),
    [
        ((), (), "Nothing is unfinished here."),
        ((SENDING, RECEIVING), (), "Several are unfinished here."),
        ((SENDING, RECEIVING), ("9",), "There is no such unfinished transfer."),
        ((now_record(0x1A << 56), now_record(0x1B << 56)), ("1",), "That fits several."),
    ],
)
def test_what_cannot_be_gone_on_with(
    records: tuple[TransferRecord, ...], arguments: tuple[str, ...], said: str
) -> None:
    """C3: none and several are exit 2 with a way on, and nothing is begun."""
    stage = stage_with(*records)
    assert stage.run("resume", *arguments) == 2
    assert said in stage.console.err
    assert "try: tallow resume --list" in stage.console.err
    assert stage.engine.submitted == []


def test_an_error_before_any_exchange_is_an_event_too() -> None:
    """D8: with --json also this is a transfer.error of ticket 0."""
    stage = Stage()
    assert stage.run("resume", "--json") == 2
    line = json.loads(stage.console.out)
    assert (line["event"], line["ticket"], line["code"]) == ("transfer.error", 0, "usage")


def test_going_on_is_told_in_sentences() -> None:
    """C3, D1: what is there, what is lost and what is waited for stand on standard error."""
    stage = stage_with(RECEIVING)
    script: list[Step] = [
        e.TransferAdded(TICKET, "receive"),
        e.TransferState(TICKET, "reconnecting"),
        peer_up(),
        e.TransferResumed(TICKET, 1_000_000, 2, 1),
        e.SessionLost(TICKET, "The wire broke.", 0.2, 60.0),
        e.TransferPaused(TICKET, "here", "disk-full", 5_000_000),
        e.TransferContinued(TICKET),
        done(),
    ]
    assert stage.run("resume", script=script) == 0
    for said in (
        "Going on where it stopped: 1.0 MB and 2 whole files there; 1 file changed since.",
        "Lost the other side: The wire broke. Looking for it again",
        "The disk is full: 5.0 MB are missing.",
        "Going on.",
    ):
        assert said in stage.console.err, said


def test_a_changed_list_is_asked_about() -> None:
    """C4: resume is no yes to another list: without a person the answer is no."""
    stage = stage_with(RECEIVING)
    script: list[Step] = [offer(*PLAIN), Until(DeclineOffer), ended("declined", 7)]
    assert stage.run("resume", script=script) == 7
    assert isinstance(stage.engine.submitted[1], DeclineOffer)


def test_resume_needs_its_relays_address_from_nobody() -> None:
    """C3: neither option nor variable says where: the first session does."""
    stage = stage_with(now_record(1, relay="other.test:99"))
    assert stage.run("resume", script=[done()]) == 0
    assert str(stage.engine.settings and stage.engine.settings.relay) == "other.test:99"


@pytest.mark.parametrize(("one", "direction"), [(SENDING, "send"), (RECEIVING, "receive")])
def test_a_command_afterwards_knows_the_direction(one: TransferRecord, direction: str) -> None:
    """C9: --on-done is told what went on, and is not run again by itself."""
    console = StillConsole(environment={"TALLOW_RESUME_ON_DONE": "x"})
    stage = stage_with(one, console=console)
    added = e.TransferAdded(TICKET, "send" if direction == "send" else "receive")
    assert stage.run("resume", "--on-done", "x", script=[added, done()]) == 0
    ((_, environment),) = stage.commands
    assert environment["TALLOW_DIRECTION"] == direction
    assert "TALLOW_RESUME_ON_DONE" not in environment


@pytest.mark.parametrize("kept", [True, False])
def test_an_interruption_says_how_to_go_on(kept: bool) -> None:
    """C3: whoever presses Ctrl+C is told of tallow resume, if there is something to resume."""
    stage = Stage()
    hint = "tallow resume  goes on from what is there, on both sides."
    final = msgspec.structs.replace(ended("interrupted", 130), resumable=kept, hint=hint)
    script: list[Step] = [press(signal.SIGINT), Until(CancelTransfer), final]
    arguments = ("receive", "7-violet-tugboat-8142", "--yes", "--relay", "relay.test")
    assert stage.run(*arguments, script=script) == 130
    assert ("try: tallow resume" in stage.console.err) == kept


# --- clearing away ----------------------------------------------------------------------------


def test_clean_takes_what_is_old_and_what_is_damaged() -> None:
    """C3: without an ID only records older than a week go, and those that nobody can read."""
    old = now_record(1, SENT, updated_at=time.time() - WEEK_S - 60)
    stage = stage_with(SENDING, old)
    stage.state["transfer-" + "0" * 16] = b"\xc1\xff"
    assert stage.run("resume", "--clean") == 0
    assert list(stage.state) == [f"transfer-{SENDING.id}"]
    assert "Removed what was left of 1 transfer." in stage.console.err


def test_clean_takes_one_at_any_age() -> None:
    """C3: with an ID it is this one, however young."""
    stage = stage_with(SENDING, RECEIVING)
    assert stage.run("resume", "--clean", "ab") == 0
    assert list(stage.state) == [f"transfer-{RECEIVING.id}"]
    assert stage.run("resume", "--clean", "ab") == 2


def test_clean_with_json_keeps_standard_output_clean() -> None:
    """D8: nothing but events goes to standard output."""
    stage = stage_with(SENDING)
    assert stage.run("resume", "--clean", "ab", "--json") == 0
    assert stage.console.out == ""


def test_clean_touches_nothing_that_is_not_tallows(tmp_path: Path) -> None:
    """X10: a record's word alone removes no file: the journal must be this side's own."""
    names = (".tallow-0011223344556677.journal", ".tallow-0011223344556677.part", "mine")
    for name in names:
        (tmp_path / name).write_bytes(b"precious")
    for journal in (names[0], "mine", "../" + tmp_path.name + "/mine", str(tmp_path / "mine")):
        stage = stage_with(now_record(1, output=str(tmp_path), journal=journal))
        assert stage.run("resume", "--clean", "0") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_list_and_clean_are_one_too_many() -> None:
    """Two wishes at once are a wrong command line, and nothing happens."""
    stage = stage_with(SENDING)
    assert stage.run("resume", "--list", "--clean") == 2
    assert len(stage.state) == 1


# --- sentences --------------------------------------------------------------------------------


def test_sentences_of_losses_and_pauses() -> None:
    """D1: each says what is so and what would help; X05: reasons of others are escaped."""
    assert session_lost(e.SessionLost(1, "Gone.", 1, None)) == (
        "Lost the other side: Gone. Looking for it again…"
    )
    assert "\x1b" not in session_lost(e.SessionLost(1, "\x1b[2J", 1, None))
    assert "\x1b" not in not_resumed(e.TransferNotResumed(1, "\x1b[2J"))
    nothing = e.TransferResumed(1, 0, 0, 0)
    assert resumed(nothing) == "Going on where it stopped: nothing yet there."
    assert paused(e.TransferPaused(1, "here", "user")) == "Paused."
    assert paused(e.TransferPaused(1, "there", "user")) == "The other side paused."
    assert "other side's disk" in paused(e.TransferPaused(1, "there", "disk-full"))
