"""``tallow relay``: handed on, except for forgetting a key."""

from __future__ import annotations

from tallow.engine.transport import pins
from tallow.protocol.address import parse_address
from tests.cli.still_console import DictState, Stage

ADDRESS = parse_address("relay.example:4433")


def test_everything_goes_to_the_relay() -> None:
    """Arguments, options and the exit code are the relay's own."""
    stage = Stage()
    arguments = ["--listen", "[::]:4433", "--open", "--state", "x"]
    assert stage.run("relay", *arguments) == 4
    assert stage.relay_arguments == [arguments]
    assert Stage().run("relay") == 4


def test_help_is_the_relays_and_names_forget() -> None:
    """The relay's help is followed by what this program adds."""
    stage = Stage()
    stage.run("relay", "--help")
    assert stage.relay_arguments == [["--help"]]
    assert "tallow relay forget HOST[:PORT]" in stage.console.out


def test_a_key_is_forgotten() -> None:
    """`relay forget` removes the pin, with the default port where none is given."""
    stage = Stage()
    state = DictState(stage.state)
    pins.remember(state, ADDRESS, "ab" * 32)
    assert stage.run("relay", "forget", "relay.example") == 0
    assert pins.known(state, ADDRESS).pin == ""
    assert "is forgotten" in stage.console.err
    assert stage.relay_arguments == []


def test_an_unknown_relay_is_no_error() -> None:
    """Forgetting what was not known changes nothing and says so; -q is silent."""
    stage = Stage()
    assert stage.run("relay", "forget", "relay.example:1") == 0
    assert "nothing changed" in stage.console.err
    quiet = Stage()
    assert quiet.run("relay", "forget", "-q", "relay.example:1") == 0
    assert quiet.console.err == ""


def test_forgetting_needs_an_address() -> None:
    """A missing or false address is exit 2 with the help of this very command."""
    for arguments in ((), ("http://x",)):
        assert Stage().run("relay", "forget", *arguments) == 2
    stage = Stage()
    stage.run("relay", "forget")
    assert "try: tallow relay forget --help" in stage.console.err
