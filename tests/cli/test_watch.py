"""``tallow watch``: how it learns of changes is settled before anything is joined."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tallow.engine.commands import SendFiles
from tests.cli.happenings import done
from tests.cli.still_console import Stage


def test_a_watch_may_look_every_so_often(tmp_path: Path) -> None:
    """C12: --poll needs no extra."""
    stage = Stage()
    words = ("watch", str(tmp_path), "--poll", "5s", "--relay", "relay.example")
    assert stage.run(*words, script=[done("send")]) == 0
    command = stage.engine.submitted[0]
    assert isinstance(command, SendFiles)
    assert (command.mode, command.poll_s) == ("watch", 5.0)


def test_a_missing_extra_is_exit_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2 with the line that installs it; nothing is submitted."""
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    stage = Stage()
    assert stage.run("watch", str(tmp_path), "--relay", "relay.example") == 2
    assert stage.engine.submitted == []
    assert "pip install 'tallow[watch]'" in stage.console.err
