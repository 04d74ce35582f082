"""``tallow sync`` and ``tallow watch``: options become one command for files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine.commands import SendFiles
from tests.cli.happenings import done
from tests.cli.still_console import Stage

RELAY = ("--relay", "relay.example")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Return a folder that is there."""
    (tmp_path / "d").mkdir()
    return str(tmp_path / "d")


def _made(*arguments: str) -> SendFiles:
    stage = Stage()
    assert stage.run(*arguments, *RELAY, script=[done("send")]) == 0, stage.console.err
    command = stage.engine.submitted[0]
    assert isinstance(command, SendFiles)
    return command


def test_a_sync_says_how_it_lists_and_sends(folder: str) -> None:
    """C12: what sending files knows, a sync knows too."""
    command = _made(
        "sync", folder, "--delete", "--exclude", "*.log", "--git", "--no-compress",
        "--throttle", "10MB", "--symlinks", "follow", "--xattrs",
    )  # fmt: skip
    assert (command.mode, command.delete, command.sources) == ("sync", True, (folder,))
    assert (command.exclude, command.git, command.symlinks) == (("*.log",), True, "follow")
    assert command.xattrs
    assert (command.options.compress, command.options.throttle_bps) == (False, 10_000_000)


def test_a_sync_removes_nothing_by_itself(folder: str) -> None:
    """C12: without --delete nobody is even asked."""
    assert not _made("sync", folder).delete


@pytest.mark.parametrize("command", ["sync", "watch"])
def test_only_folders_are_kept_in_step(tmp_path: Path, command: str) -> None:
    """Exit 2 for a file and for standard input, before anything is joined."""
    (tmp_path / "file").write_bytes(b"x")
    for path in (str(tmp_path / "file"), "-"):
        stage = Stage()
        assert stage.run(command, "--", path) == 2
        assert stage.engine.submitted == []
