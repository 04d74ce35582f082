"""Commands: encodable like events, and nothing else can be slipped in."""

from __future__ import annotations

import typing

import msgspec
import pytest

from tallow.engine import commands as c
from tallow.engine.dispatch import starts_exchange

EVERY: list[c.AnyCommand] = [
    c.SendFiles(("a", "b"), ("*.pyc",), c.SendOptions(code="7-x", join=True, note="n")),
    c.SendText("grüße", c.SendOptions(words=4, verify=True)),
    c.SendStream("log", b"\x00head"),
    c.Receive("7-x", "out", streams_to_stdout=True, on_conflict="skip", wait=True, timeout_s=2.5),
    c.AcceptOffer(1, "overwrite"),
    c.DeclineOffer(1, "no"),
    c.ConfirmSas(1, equal=False),
    c.ReopenCode(1, reopen=True),
    c.CancelTransfer(1, "terminated"),
    c.Resume("00ff", timeout_s=30.0),
    c.PauseTransfer(1),
    c.ContinueTransfer(1),
]


def test_the_list_is_whole() -> None:
    """Every command of the union is tested here."""
    assert {type(command) for command in EVERY} == set(typing.get_args(c.AnyCommand))
    assert set(typing.get_args(c.Answer)) < set(typing.get_args(c.AnyCommand))


@pytest.mark.parametrize("command", EVERY, ids=lambda command: type(command).__name__)
def test_a_command_survives_json(command: c.AnyCommand) -> None:
    """A command can be written down and read back, whoever submits it."""
    raw = msgspec.json.encode(command)
    assert msgspec.json.decode(raw, type=c.AnyCommand) == command
    assert b'"command":"' in raw


@pytest.mark.parametrize("command", EVERY, ids=lambda command: type(command).__name__)
def test_a_command_is_frozen_and_strict(command: c.AnyCommand) -> None:
    """Nobody changes a command under way, and unknown fields are refused."""
    with pytest.raises(AttributeError):
        command.ticket = 9  # type: ignore[union-attr,misc]
    raw = msgspec.json.encode(command)[:-1] + b',"surprise":1}'
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(raw, type=c.AnyCommand)


@pytest.mark.parametrize("command", EVERY, ids=lambda command: type(command).__name__)
def test_a_command_starts_or_answers(command: c.AnyCommand) -> None:
    """Exactly the answers belong to an exchange that runs already."""
    answers = isinstance(command, typing.get_args(c.Answer))
    assert (starts_exchange(command) is None) == answers
