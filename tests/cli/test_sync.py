"""``tallow sync``: a dry run lists, and connects to nothing."""

from __future__ import annotations

from pathlib import Path

from tests.cli.happenings import done
from tests.cli.still_console import Stage


def test_a_dry_run_offers_nothing(tmp_path: Path) -> None:
    """C12: --dry-run needs no relay and submits no command."""
    (tmp_path / "file").write_bytes(b"x")
    stage = Stage()
    assert stage.run("sync", str(tmp_path), "--dry-run") == 0
    assert stage.engine.submitted == []


def test_a_sync_is_one_command(tmp_path: Path) -> None:
    """C12: a folder makes one command, under the mode of a sync."""
    stage = Stage()
    script = [done("send")]
    assert stage.run("sync", str(tmp_path), "--relay", "relay.example", script=script) == 0
    (command,) = stage.engine.submitted
    assert getattr(command, "mode", "") == "sync"
