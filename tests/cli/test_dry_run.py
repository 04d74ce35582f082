"""What a dry run lists."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.still_console import Stage


def tree(place: Path) -> Path:
    """Make a small folder."""
    root = place / "photos"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text("abc")
    (root / "sub" / "b.o").write_text("x" * 2000)
    (root / "link").symlink_to("a.txt")
    return root


def test_files_on_stdout_omissions_on_stderr(tmp_path: Path) -> None:
    """The list is the result; what is left out and the sum are for people."""
    stage = Stage()
    assert stage.run("send", "-n", str(tree(tmp_path)), "--exclude", "*.o") == 0
    assert [line.split() for line in stage.console.out.splitlines()] == [
        ["photos/"], ["3", "B", "photos/a.txt"], ["photos/sub/"],
    ]  # fmt: skip
    assert "left out: photos/link" in stage.console.err
    assert "Would send 1 file, 2 folders, 3 B. Nothing was sent." in stage.console.err


def test_as_json(tmp_path: Path) -> None:
    """With --json the omissions and the sum are events of ticket 0."""
    stage = Stage()
    assert stage.run("send", "-n", str(tree(tmp_path)), "--json") == 0
    lines = [json.loads(line) for line in stage.console.out.splitlines()]
    assert [line["event"] for line in lines] == ["source.skipped", "offer.sent"]
    assert (lines[1]["files"], lines[1]["total_bytes"], lines[1]["ticket"]) == (2, 2003, 0)


def test_names_cannot_drive_the_terminal(tmp_path: Path) -> None:
    """X05: a name with escape sequences is listed escaped."""
    (tmp_path / "a\x1b[2Jb").write_text("x")
    stage = Stage()
    assert stage.run("send", "-n", str(tmp_path)) == 0
    assert "\x1b" not in stage.console.out
    assert "a\\x1b[2Jb" in stage.console.out


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    """A missing source is exit 8."""
    stage = Stage()
    assert stage.run("send", "-n", str(tmp_path / "missing")) == 8


def test_kept_links_are_listed(tmp_path: Path) -> None:
    """C7: a link that will be kept shows its target and counts as a link."""
    stage = Stage()
    assert stage.run("send", "-n", str(tree(tmp_path)), "--symlinks", "keep") == 0
    assert "photos/link -> a.txt" in stage.console.out
    assert "Would send 2 files, 2 folders, 1 link, 2.0 kB." in stage.console.err
