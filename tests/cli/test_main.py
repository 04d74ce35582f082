"""The front door: commands, help, codes without a command, and every way to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import tallow
from tallow.cli import main as main_module
from tallow.cli.main import COMMANDS, LOOKS_LIKE_A_CODE, LazyGroup, cli, main
from tallow.errors import NoRelaySet, Terminated, WrongCode
from tests.cli.happenings import ALLOCATED, CODE, done
from tests.cli.still_console import Stage, StillConsole
from tests.cli.still_engine import Call
from tests.house.tree import ROOT

SEND = ("send", "a", "--relay", "relay.example")


def failing(error: BaseException) -> Call:
    """Return a step at which an error comes out of the engine."""

    def fail() -> None:
        raise error

    return Call(fail)


# --- finding the command ----------------------------------------------------------------------


def test_no_arguments_show_the_help() -> None:
    """`tallow` alone lists the commands that exist and ends well."""
    stage = Stage()
    assert stage.run() == 0
    for name, summary in COMMANDS.items():
        assert name in stage.console.out
        assert summary in stage.console.out


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_level_has_help(flag: str) -> None:
    """-h and --help work on the program and on every command of ours."""
    for arguments in ([], *([name] for name in COMMANDS if name != "relay")):
        result = CliRunner().invoke(cli, [*arguments, flag], prog_name="tallow")
        assert result.exit_code == 0, result.output
        assert "Usage: tallow" in result.output


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_the_constant(flag: str) -> None:
    """The version is the package's own."""
    result = CliRunner().invoke(cli, [flag])
    assert (result.exit_code, result.output) == (0, f"tallow {tallow.__version__}\n")


def test_summaries_are_the_commands_own() -> None:
    """The list of commands and the commands themselves say the same."""
    group = cli
    assert isinstance(group, LazyGroup)
    ctx = click.Context(group)
    for name, summary in COMMANDS.items():
        command = group.get_command(ctx, name)
        assert command is not None
        assert command.short_help == summary
        assert command.name == name
    assert group.get_command(ctx, "main") is None


def test_help_as_a_command() -> None:
    """`tallow help send` is `tallow send --help`."""
    stage = Stage()
    assert stage.run("help", "send") == 0
    by_flag = CliRunner().invoke(cli, ["send", "--help"], prog_name="tallow").output
    assert stage.console.out.split() == by_flag.split()
    assert stage.run("help") == 0
    assert "Commands:" in stage.console.out
    assert stage.run("help", "nothing") == 2


@pytest.mark.parametrize("text", ["7123-a-b", "7 a b", "7", "7_a", "7-a@host:1", "123456789-a"])
def test_what_looks_like_a_code(text: str) -> None:
    """A number with something behind it is a code."""
    assert LOOKS_LIKE_A_CODE.fullmatch(text)


@pytest.mark.parametrize("text", ["send", "", "0-a", "7a", "-7-a", "1234567890-a", "a-7"])
def test_what_does_not(text: str) -> None:
    """Words, options and impossible numbers are no codes."""
    assert not LOOKS_LIKE_A_CODE.fullmatch(text)


def test_a_command_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong word names the nearest command, a file the command that sends it, else codes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo").touch()
    for word, meant in (
        ("sned", "Did you mean 'send'?"),
        ("photo", "tallow send photo"),
        ("mycode", "tallow receive CODE"),
    ):
        stage = Stage()
        assert stage.run(word) == 2
        assert meant in stage.console.err
        assert "try: tallow --help" in stage.console.err


# --- how it ends ------------------------------------------------------------------------------


def test_a_wrong_option() -> None:
    """D8: a wrong command line ends with 2, in our form, and points to the help."""
    stage = Stage()
    assert stage.run("send", "--0000") == 2
    assert stage.console.err == "error: No such option '--0000'.\n  try: tallow send --help\n"


def test_an_error_of_ours() -> None:
    """D8: an error ends with its own code and at most three lines."""
    stage = Stage()
    assert stage.run("send", "a") == NoRelaySet.exit_code
    lines = stage.console.err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "  try"]


def test_an_error_inside_groups() -> None:
    """What the engine's task group wraps is found."""
    stage = Stage()
    group = ExceptionGroup("tasks", [ExceptionGroup("more", [WrongCode()])])
    assert stage.run(*SEND, script=[failing(group)]) == 3
    assert "ask for a new one" in stage.console.err


def test_errors_before_the_exchange_in_json() -> None:
    """D8: with --json every failure is an event, also a wrong command line."""
    for arguments in (("send", "a", "--json"), ("send", "--json", "--wrong")):
        stage = Stage()
        assert stage.run(*arguments) == 2
        line = json.loads(stage.console.out)
        assert (line["event"], line["exit_code"]) == ("transfer.error", 2)
        assert stage.console.err.startswith("error:")


def test_json_by_variable() -> None:
    """TALLOW_JSON asks for JSON as the option does."""
    stage = Stage(StillConsole(environment={"TALLOW_JSON": "1"}))
    stage.run("send", "--wrong")
    assert json.loads(stage.console.out)["code"] == "usage"


def test_a_bug_is_one_clear_line() -> None:
    """An unexpected exception is exit 1, its type and place, and no traceback (A4)."""
    stage = Stage()
    assert stage.run(*SEND, script=[failing(KeyError(CODE))]) == 1
    assert "error: Tallow hit a bug: KeyError in cli/test_main.py:" in stage.console.err
    assert CODE not in stage.console.err
    assert "Traceback" not in stage.console.err
    assert "in fail" not in stage.console.err


@pytest.mark.parametrize(
    ("flags", "environment"),
    [(("-vv",), {}), (("-v", "--verbose"), {}), ((), {"TALLOW_DEBUG": "1"})],
)
def test_a_traceback_only_if_asked_for(flags: tuple[str, ...], environment: dict[str, str]) -> None:
    """A4: -vv and TALLOW_DEBUG show where it happened, without the message."""
    stage = Stage(StillConsole(environment=environment))
    assert stage.run(*SEND, *flags, script=[failing(KeyError(CODE))]) == 1
    assert "in fail" in stage.console.err
    assert CODE not in stage.console.err


def test_interrupted_outside_an_exchange() -> None:
    """Ctrl+C anywhere ends with 130."""
    stage = Stage()
    assert stage.run(*SEND, script=[failing(KeyboardInterrupt())]) == 130
    assert "error: Interrupted." in stage.console.err


def test_terminated_outside_an_exchange() -> None:
    """SIGTERM anywhere ends with 143."""
    stage = Stage()
    assert stage.run(*SEND, script=[failing(Terminated())]) == 143


def test_a_reader_that_left() -> None:
    """A closed pipe ends quietly, as other programs do."""
    stage = Stage()
    stage.console.out_tape.broken = True
    assert stage.run(*SEND, script=[ALLOCATED, done("send")]) == 141
    assert stage.console.err == ""
    assert stage.console.stdout.closed


def test_main_reads_this_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without arguments the process's own are read, and its own streams written."""
    monkeypatch.setattr(sys, "argv", ["tallow", "completions", "fish"])
    monkeypatch.setattr(main_module, "_end_on_sigterm", lambda: None)
    assert main() == 0
    assert "complete" in capsys.readouterr().out


def test_the_module_runs() -> None:
    """`python -m tallow` is the program."""
    run = subprocess.run(
        [sys.executable, "-m", "tallow", "nonsense"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 2
    assert run.stderr.startswith("error: There is no command 'nonsense'.")


def test_shells_complete_commands_and_codes() -> None:
    """D6: the shell completes commands, options, and the words of a code without a command."""

    def completed(words: str, at: int) -> str:
        environment = {
            "_TALLOW_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at),
        }  # fmt: skip
        return CliRunner().invoke(cli, [], prog_name="tallow", env=environment).output

    assert completed("tallow rec", 1) == "plain,receive\n"
    assert completed("tallow 7123-crow", 1) == "plain,7123-crowd\n"
    assert completed("tallow receive 7123-crow", 2) == "plain,7123-crowd\n"
    assert "plain,--on-conflict" in completed("tallow receive --on", 2)
