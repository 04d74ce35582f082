"""Shared options: variables, who wins, and the values that commands get."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from tallow.cli.options import (
    Ending,
    Pairing,
    PathPolicy,
    Speech,
    ending_options,
    option,
    pairing_options,
    path_options,
    speech_options,
)

seen: dict[str, object] = {}


@click.group(context_settings={"auto_envvar_prefix": "TALLOW"})
def root() -> None:
    """Hold one command."""


@root.command("send")
@option("--exclude-from", "from_", default="")
@ending_options
@pairing_options
@path_options
@speech_options
def command(**values: object) -> int:
    """Remember the values."""
    seen.clear()
    seen.update(values)
    return 0


def run(*arguments: str, **environment: str) -> dict[str, object]:
    """Return what the command got."""
    result = CliRunner().invoke(root, ["send", *arguments], env=environment)
    assert result.exit_code == 0, result.output
    return seen


def test_defaults_are_quiet_and_safe() -> None:
    """Without any option the values are the documented defaults."""
    found = run()
    assert found["pairing"] == Pairing()
    assert found["ending"] == Ending(copy=False, on_done="", notify=False)
    assert found["path"] == PathPolicy()
    assert found["speech"] == Speech()


def test_every_group_is_gathered() -> None:
    """Options arrive as one value per group."""
    found = run(
        "--words", "5", "--expires", "30m", "--weak-code", "--no-qr", "--as", "bob", "--verify",
        "--anonymous", "--relay", "a:1", "--relay-pass", "p", "--relay-pass-file", "f",
        "--transport", "tcp", "--copy", "--notify", "--on-done", "make x", "--json", "-q", "-vv",
        "--no-input", "--no-color",
    )  # fmt: skip
    assert found["pairing"] == Pairing(5, 1800, True, False, "bob", True, True)
    assert found["path"] == PathPolicy("a:1", True, "p", True, "f", "tcp")
    assert found["ending"] == Ending(copy=True, on_done="make x", notify=True)
    assert found["speech"] == Speech(True, True, 2, True, True)


def test_the_environment_sets_options() -> None:
    """D4: every option reads a variable named after its long flag."""
    found = run(
        TALLOW_AS="alice", TALLOW_QR="1", TALLOW_RELAY="b:2", TALLOW_VERBOSE="2", TALLOW_JSON="1",
        TALLOW_EXPIRES="2d", TALLOW_EXCLUDE_FROM="list", TALLOW_COPY="1", TALLOW_ON_DONE="x",
    )  # fmt: skip
    assert found["pairing"] == Pairing(expires_s=172_800, qr=True, name="alice")
    assert found["path"] == PathPolicy("b:2", relay_typed=False)
    assert found["speech"] == Speech(json=True, verbose=2)
    assert found["from_"] == "list"
    assert found["ending"] == Ending(copy=True, on_done="x")


def test_flags_win_over_the_environment() -> None:
    """D4: what stands on the command line wins."""
    found = run("--relay", "flag:1", TALLOW_RELAY="all:1", TALLOW_SEND_RELAY="own:1")
    assert found["path"] == PathPolicy("flag:1", relay_typed=True)


def test_a_command_has_variables_of_its_own() -> None:
    """D4: TALLOW_SEND_RELAY wins over TALLOW_RELAY."""
    found = run(TALLOW_RELAY="all:1", TALLOW_SEND_RELAY="own:1")
    assert found["path"] == PathPolicy("own:1")


def test_help_names_the_variables() -> None:
    """The help of an option names its variable."""
    shown = CliRunner().invoke(root, ["send", "--help"]).output
    for name in ("TALLOW_AS", "TALLOW_RELAY_PASS_FILE", "TALLOW_NO_INPUT", "TALLOW_EXCLUDE_FROM"):
        assert name in shown


@pytest.mark.parametrize("words", ["2", "9", "many"])
def test_numbers_of_words_that_cannot_be(words: str) -> None:
    """A code has three to eight words."""
    assert CliRunner().invoke(root, ["send", "--words", words]).exit_code == 2


@pytest.mark.parametrize("choice", ["auto", "tcp", "quic"])
def test_every_transport_may_be_chosen(choice: str) -> None:
    """Auto, tcp and quic, on the command line and in the environment."""
    for found in (run("--transport", choice), run(TALLOW_TRANSPORT=choice)):
        path = found["path"]
        assert isinstance(path, PathPolicy)
        assert path.transport == choice
