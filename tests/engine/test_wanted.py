"""What a command wants of a meeting, and what is refused before anything is begun."""

from __future__ import annotations

import pytest

from tallow.engine.commands import Receive, SendFiles, SendOptions, SendStream, SendText
from tallow.engine.wanted import ExchangeCommand, Wanted, wanted_by
from tallow.errors import UsageError
from tallow.wire import limits

PLAIN = SendOptions()


def test_both_directions_have_one_form() -> None:
    """Sender and receiver say the same things about a meeting."""
    options = SendOptions(code="7-x", join=True, words=5, name="A", verify=True, no_input=True)
    assert wanted_by(SendFiles(("a",), options=options)) == Wanted(
        "send", "7-x", join=True, words=5, expires_s=3600, name="A", verify=True,
        weak_code=False, no_input=True,
    )  # fmt: skip
    command = Receive("7-x", name="B", weak_code=True, wait=True)
    assert wanted_by(command) == Wanted(
        "receive", "7-x", join=True, words=3, expires_s=3600, name="B", verify=False,
        weak_code=True, no_input=False, wait=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("timeout_s", "expires_s"), [(None, 3600), (0.2, 1), (20.5, 21), (99_999, 3600)]
)
def test_giving_up_ends_a_code_of_ones_own(timeout_s: float | None, expires_s: int) -> None:
    """``--timeout`` holds for a receiver that waits under its own code as well."""
    assert wanted_by(Receive(timeout_s=timeout_s)).expires_s == expires_s


EDGES: list[ExchangeCommand] = [
    SendText("x" * limits.TEXT_MAX_BYTES),
    SendText("é" * (limits.TEXT_MAX_BYTES // 2)),
    SendText("x", SendOptions(note="n" * limits.NOTE_MAX_CHARS, name="n" * limits.NAME_MAX_CHARS)),
    SendText("x", SendOptions(expires_s=1)),
    SendText("x", SendOptions(expires_s=limits.EXPIRES_MAX_S)),
    SendStream("é" * 10),
    Receive(name="n" * limits.NAME_MAX_CHARS),
]
BEYOND: list[ExchangeCommand] = [
    SendText("x" * (limits.TEXT_MAX_BYTES + 1)),
    SendText("é" * (limits.TEXT_MAX_BYTES // 2 + 1)),
    SendText("\ud800"),
    SendFiles(("a",), options=SendOptions(note="n" * (limits.NOTE_MAX_CHARS + 1))),
    SendFiles(("a",), options=SendOptions(name="n" * (limits.NAME_MAX_CHARS + 1))),
    SendFiles(("a",), options=SendOptions(note="\udcff")),
    SendFiles(("a",), options=SendOptions(expires_s=0)),
    SendFiles(("a",), options=SendOptions(expires_s=limits.EXPIRES_MAX_S + 1)),
    SendStream(""),
    SendStream("\udcff"),
    SendStream("x" * (limits.COMPONENT_MAX_BYTES + 1)),
    Receive(expires_s=0),
    Receive(name="\udcff"),
    Receive(name="n" * (limits.NAME_MAX_CHARS + 1)),
]


@pytest.mark.parametrize("command", EDGES, ids=repr)
def test_what_just_fits_is_wanted(command: ExchangeCommand) -> None:
    """Limits are met exactly."""
    assert wanted_by(command).expires_s


@pytest.mark.parametrize("command", BEYOND, ids=repr)
def test_what_cannot_be_said_is_refused(command: ExchangeCommand) -> None:
    """Exit 2 at once, with something to do, instead of a session that must break."""
    with pytest.raises(UsageError) as caught:
        wanted_by(command)
    assert caught.value.exit_code == 2
