"""``tallow receive``: codes from everywhere, consent before joining, transcripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, ConfirmSas, DeclineOffer, Receive
from tallow.protocol.code import generate_code
from tests.cli.happenings import (
    ALLOCATED,
    CONNECTED,
    JOINED,
    PLAIN,
    TICKET,
    TRANSFERRING,
    done,
    ended,
    entry,
    offer,
    peer_up,
)
from tests.cli.still_console import Stage, StillConsole, same_as_transcript
from tests.cli.still_engine import Step, Until

RELAY = ("--relay", "relay.example")
GENERATED = generate_code("7123", 3, lambda count: bytes(range(count)))


def person(*answers: str | None, **environment: str) -> Stage:
    """Return a stage with a person at a terminal."""
    console = StillConsole(
        stdin_tty=True, stdout_tty=True, stderr_tty=True, answers=answers,
        environment={"TERM": "dumb"} | environment,
    )  # fmt: skip
    return Stage(console)


def joined(stage: Stage, *arguments: str) -> Receive:
    """Return the command that these arguments make."""
    assert stage.run("receive", *arguments, *RELAY, script=[done()]) == 0, stage.console.err
    command = stage.engine.submitted[0]
    assert isinstance(command, Receive)
    return command


def refused(*arguments: str, stage: Stage | None = None) -> str:
    """Return the error of arguments that join nothing."""
    stage = stage or Stage()
    assert stage.run("receive", *arguments, *RELAY) == 2
    assert stage.engine.submitted == []
    return stage.console.err


# --- transcripts ------------------------------------------------------------------------------


def test_a_folder_accepted_by_a_person() -> None:
    """A whole exchange of a receiver who says yes."""
    stage = person("y")
    script: list[Step] = [
        e.TransferAdded(TICKET, "receive"), CONNECTED, JOINED, peer_up(),
        offer(*PLAIN, flags=("executable",), note="from the lake"), Until(AcceptOffer),
        e.OfferAnswered(TICKET, True, 3, 9_300_512), TRANSFERRING, done(),
    ]  # fmt: skip
    assert stage.run("receive", GENERATED.text, *RELAY, script=script) == 0
    assert same_as_transcript("receive_folder", stage.console.transcript())


def test_an_offer_declined() -> None:
    """A whole exchange of a receiver who says no."""
    stage = person("n")
    script: list[Step] = [
        CONNECTED, peer_up(name=""), offer(), Until(DeclineOffer),
        ended("declined", 7, "You declined the offer."),
    ]  # fmt: skip
    assert stage.run("receive", GENERATED.text, *RELAY, script=script) == 7
    assert same_as_transcript("receive_declined", stage.console.transcript())


def test_symbols_compared_before_the_offer() -> None:
    """A whole exchange with --verify."""
    stage = person("y", "")
    script: list[Step] = [
        CONNECTED, peer_up(verify=True), e.VerifyStep(TICKET, "needed"), Until(ConfirmSas),
        e.VerifyStep(TICKET, "confirmed_here"), e.VerifyStep(TICKET, "confirmed_there"),
        e.VerifyStep(TICKET, "done"), offer(*PLAIN, flags=("executable",), verified=True),
        Until(AcceptOffer), e.OfferAnswered(TICKET, True, 3, 9_300_512), done(),
    ]  # fmt: skip
    assert stage.run("receive", GENERATED.text, "--verify", *RELAY, script=script) == 0
    assert same_as_transcript("receive_verified", stage.console.transcript())


def test_a_receiver_who_starts() -> None:
    """--new shows a code and the exact line for the sender."""
    stage = person("")
    script: list[Step] = [CONNECTED, ALLOCATED, peer_up(), offer(), Until(AcceptOffer), done()]
    assert stage.run("receive", "--new", *RELAY, script=script) == 0
    assert same_as_transcript("receive_new", stage.console.transcript())


# --- codes ------------------------------------------------------------------------------------


def test_codes_as_people_type_them() -> None:
    """A code may be one argument or several."""
    assert joined(Stage(), "--yes", GENERATED.text).code == GENERATED.text
    assert joined(Stage(), "--yes", *GENERATED.text.split("-")).code == GENERATED.text


def test_a_number_needs_no_command() -> None:
    """A code in the place of a command is received."""
    stage = Stage()
    arguments = (GENERATED.text, "--yes", "-o", "in", *RELAY)
    assert stage.run(*arguments, script=[done()]) == 0
    command = stage.engine.submitted[0]
    assert isinstance(command, Receive)
    assert (command.code, command.output) == (GENERATED.text, "in")


def test_a_code_from_a_variable() -> None:
    """X06: TALLOW_CODE hands over a code that no list of processes shows."""
    stage = Stage(StillConsole(environment={"TALLOW_CODE": GENERATED.text}))
    assert joined(stage, "--yes").code == GENERATED.text


def test_a_code_from_a_file_or_pipe(tmp_path: Path) -> None:
    """X06: a code may come from a file or standard input."""
    file = tmp_path / "code"
    file.write_text(GENERATED.text)
    assert joined(Stage(), "--yes", "--code-file", str(file)).code == GENERATED.text
    piped = StillConsole(chunks=[f"{GENERATED.text}\n".encode()])
    assert joined(Stage(piped), "--yes").code == GENERATED.text


def test_a_typed_source_wins_over_the_variable(tmp_path: Path) -> None:
    """D4: a file or --new on the command line wins over TALLOW_CODE."""
    file = tmp_path / "code"
    file.write_text(GENERATED.text)
    environment = {"TALLOW_CODE": "9-other"}
    from_file = Stage(StillConsole(environment=environment))
    assert joined(from_file, "--yes", "--code-file", str(file)).code == GENERATED.text
    fresh = Stage(StillConsole(environment=environment))
    assert joined(fresh, "--yes", "--new").code is None
    both = Stage(StillConsole(environment=environment))
    assert joined(both, "--yes", "7-mine").code == "7-mine"


def test_a_code_from_the_prompt() -> None:
    """X06: a person is asked for the code; an empty line makes a new one."""
    assert joined(person(GENERATED.text)).code == GENERATED.text
    assert joined(person("")).code is None


def test_one_code_at_a_time() -> None:
    """Two sources on the command line are a mistake."""
    assert "one of CODE" in refused("--yes", "7-mine", "--new")
    assert "one of CODE" in refused("--yes", "7-mine", "--code-file", "x")


def test_no_code_and_nobody_to_ask() -> None:
    """Without a code and a person nothing waits for ever."""
    assert "holds no code" in refused("--yes")
    assert "--no-input needs" in refused("--yes", "--no-input", stage=person())


def test_a_typo_never_leaves_the_keyboard() -> None:
    """C10: a mistyped generated code is refused with the nearest word before anything is sent."""
    assert "did you mean" in refused(f"{GENERATED.text}z", stage=person())
    piped = Stage(StillConsole(chunks=[f"{GENERATED.text}z".encode()]))
    assert "did you mean" in refused("--yes", stage=piped)


def test_a_near_miss_goes_as_typed_if_nothing_is_asked() -> None:
    """With --no-input a near miss is a code of one's own."""
    assert joined(Stage(), "--yes", "--no-input", f"{GENERATED.text}z").code == f"{GENERATED.text}z"


def test_a_code_without_number_is_warned_of() -> None:
    """Who joins under a code without a number is told as well."""
    stage = Stage()
    joined(stage, "--yes", "--weak-code", "mycode")
    assert stage.console.err.count("relay's operator") == 1


# --- consent ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stage",
    [
        Stage(),
        Stage(StillConsole(stdin_tty=True)),
        Stage(StillConsole(stderr_tty=True)),
    ],
)
def test_nobody_to_ask(stage: Stage) -> None:
    """Without a terminal on both sides of the question and without --yes nothing is joined."""
    assert "There is no terminal to ask on" in refused("7-mine", stage=stage)


def test_never_asked_at_a_terminal() -> None:
    """--no-input needs --yes too."""
    assert "--yes" in refused("7-mine", "--no-input", stage=person())


def test_yes_and_standard_output_are_consent() -> None:
    """--yes and -o - accept without a question."""
    for arguments in (("--yes",), ("-o", "-")):
        stage = Stage()
        script: list[Step] = [offer(), Until(AcceptOffer), done()]
        assert stage.run("receive", "7-mine", *arguments, *RELAY, script=script) == 0
        assert stage.engine.submitted[1] == AcceptOffer(TICKET, "rename")


def test_yes_does_not_compare_symbols() -> None:
    """--verify needs a person even with --yes."""
    assert "--verify asks you" in refused("7-mine", "--yes", "--verify")


def test_nothing_else_is_on_standard_output() -> None:
    """With -o - standard output belongs to the bytes that the engine writes."""
    stage = Stage()
    script: list[Step] = [
        CONNECTED, JOINED, peer_up(), offer(output="standard output"), Until(AcceptOffer),
        TRANSFERRING, done(),
    ]  # fmt: skip
    assert stage.run("receive", "7-mine", "-o", "-", "-v", *RELAY, script=script) == 0
    assert stage.console.out == ""
    assert "both need standard output" in refused("7-mine", "-o", "-", "--json")


@pytest.mark.parametrize(
    ("arguments", "code", "selection"),
    [
        (("7-mine", "--select", "*.jpg"), "7-mine", ((0, 1),)),
        (("--select=*.jpg,notes.txt", "7-mine"), "7-mine", ((0, 1), (3, 3))),
        (("7-mine", "--select", "/holiday", "--select", "!*.exe"), "7-mine", ((0, 1), (3, 3))),
    ],
)
def test_patterns_choose(
    arguments: tuple[str, ...], code: str, selection: tuple[tuple[int, int], ...]
) -> None:
    """C4: --select PATTERN takes what matches, repeated or with commas, without a terminal."""
    stage = Stage()
    script: list[Step] = [offer(*PLAIN), Until(AcceptOffer), done()]
    assert stage.run("receive", *arguments, "--yes", *RELAY, script=script) == 0
    assert stage.engine.submitted[1] == AcceptOffer(TICKET, selection=selection)
    command = stage.engine.submitted[0]
    assert isinstance(command, Receive)
    assert command.code == code


def test_select_alone_shows_the_list() -> None:
    """C4: a code behind a bare --select is a code; the list comes before the question."""
    for arguments in (("--select", "7-mine"), ("7-mine", "--select"), ("7-mine", "--select", "-")):
        stage = person("-2", "", "y")
        script: list[Step] = [offer(*PLAIN), Until(AcceptOffer), done()]
        assert stage.run("receive", *arguments, *RELAY, script=script) == 0, stage.console.err
        assert stage.engine.submitted[1] == AcceptOffer(TICKET, selection=((0, 0), (2, 3)))


def test_select_alone_asks() -> None:
    """What asks cannot go with what forbids asking."""
    for arguments in (("--yes", "--select"), ("-o", "-", "--select"), ("--yes", "--select", "-")):
        assert "--select without a pattern asks" in refused("7-mine", *arguments, stage=person())
    assert "There is no terminal" in refused("7-mine", "--select")
    assert "There is no terminal" in refused("7-mine", "--select", "*.jpg")


def test_a_choice_from_the_list() -> None:
    """A whole exchange of a receiver who chooses and is asked about a taken name."""
    stage = person("s", "-3", "", "y", "o")
    taken = (*PLAIN[:3], entry(3, "holiday/notes.txt", 512, flags=("overwrite",)))
    script: list[Step] = [
        CONNECTED, peer_up(), offer(*taken, flags=("executable", "overwrite"), conflicts=1),
        Until(AcceptOffer), e.OfferAnswered(TICKET, True, 2, 8_100_512), TRANSFERRING, done(),
    ]  # fmt: skip
    assert stage.run("receive", GENERATED.text, *RELAY, script=script) == 0
    assert same_as_transcript("receive_select", stage.console.transcript())


# --- options ----------------------------------------------------------------------------------


def test_every_option_reaches_the_engine() -> None:
    """Options of a receiver arrive in the command."""
    found = joined(
        Stage(), "--yes", "--new", "-o", "in", "--on-conflict", "skip", "--wait", "--timeout",
        "10m", "--words", "5", "--expires", "30m", "--as", "bob", "--weak-code",
    )  # fmt: skip
    assert found == Receive(
        output="in", on_conflict="skip", words=5, expires_s=1800, wait=True, timeout_s=600.0,
        name="bob", weak_code=True, no_input=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stdout_tty", "arguments", "to_stdout"),
    [
        (False, (), True),
        (True, (), False),
        (False, ("-o", "."), False),
        (False, ("--json",), False),
    ],
)
def test_streams_follow_the_pipe(
    stdout_tty: bool, arguments: tuple[str, ...], to_stdout: bool
) -> None:
    """A stream goes into the pipe if there is one and no folder was chosen."""
    stage = Stage(StillConsole(stdout_tty=stdout_tty))
    found = joined(stage, "--yes", "7-mine", *arguments)
    assert found.streams_to_stdout is to_stdout
    assert found.output == "."


def test_a_text_into_a_pipe() -> None:
    """A text is printed as it is, and nothing else with it."""
    stage = Stage()
    script: list[Step] = [
        peer_up(), e.TextArrived(TICKET, "hi\n", "", "bob"),
        e.TransferDone(TICKET, "receive", 0, 3, 0.1, 0, "", ""),
    ]  # fmt: skip
    assert stage.run("receive", "7-mine", "--yes", *RELAY, script=script) == 0
    assert (stage.console.out, stage.console.err) == ("hi\n", "")
