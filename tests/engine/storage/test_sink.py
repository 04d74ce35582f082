"""What the lane needs of a sink is what both sinks have."""

from __future__ import annotations

import inspect

import pytest

from tallow.engine.storage.inbox import Inbox
from tallow.engine.storage.sink import Named, Sink
from tallow.engine.storage.stdio import StdoutSink

VERBS = [name for name, value in vars(Sink).items() if inspect.isfunction(value) and name[0] != "_"]


@pytest.mark.parametrize("kind", [Inbox, StdoutSink])
@pytest.mark.parametrize("verb", VERBS)
def test_both_sinks_speak_alike(kind: type[Sink], verb: str) -> None:
    """Folder and standard output take the same calls with the same names."""
    wanted = inspect.signature(getattr(Sink, verb))
    assert list(inspect.signature(getattr(kind, verb)).parameters) == list(wanted.parameters)


def test_only_a_pipe_needs_order() -> None:
    """A folder takes leaves in any order, a pipe one after the other."""
    assert (Inbox.in_order, StdoutSink.in_order) == (False, True)
    assert Named("renamed", "a (1)") == Named("renamed", "a (1)")


def test_both_sinks_name_their_journal() -> None:
    """The one has a journal beside its files, the other none."""
    assert isinstance(inspect.getattr_static(Inbox, "journal_name"), property)
    assert StdoutSink(1).journal_name == ""
