"""The state directory: for its owner alone, files whole or absent."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from relay.errors import RelayError
from relay.state import default_directory, keep_secret, open_directory, read_secret


def mode(path: Path) -> int:
    """Return a path's permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_directory_and_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    """X10: the directory is 0700 and a secret 0600, whatever the umask says."""
    before = os.umask(0)
    try:
        folder = open_directory(tmp_path / "a" / "state")
        keep_secret(folder / "key", b"secret")
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert mode(folder / "key") == 0o600
    assert [path.name for path in folder.iterdir()] == ["key"]


def test_the_first_of_two_writers_wins(tmp_path: Path) -> None:
    """Two relays that start together end up with one key, and both know it."""
    assert keep_secret(tmp_path / "key", b"first") == b"first"
    assert keep_secret(tmp_path / "key", b"second") == b"first"
    assert (tmp_path / "key").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """X10: a key file that leaked is not used silently."""
    path = tmp_path / "key"
    keep_secret(path, b"secret")
    path.chmod(0o640)
    with pytest.raises(RelayError, match="read by others") as caught:
        read_secret(path, 100)
    assert f"chmod 600 {path}" in caught.value.hint
    assert caught.value.exit_code == 8


def test_reading_is_bounded(tmp_path: Path) -> None:
    """X10: a secret file that is far too long is refused, a missing one is none."""
    assert read_secret(tmp_path / "none", 5) is None
    keep_secret(tmp_path / "key", b"12345")
    assert read_secret(tmp_path / "key", 5) == b"12345"
    with pytest.raises(RelayError, match="too long"):
        read_secret(tmp_path / "key", 4)


def test_a_place_that_is_no_directory_is_named(tmp_path: Path) -> None:
    """A state directory that cannot be is exit 8 with a way out."""
    (tmp_path / "file").write_bytes(b"")
    for attempt in (
        lambda: open_directory(tmp_path / "file" / "state"),
        lambda: open_directory(tmp_path / "file"),
        lambda: read_secret(tmp_path, 5),
        lambda: keep_secret(tmp_path / "none" / "key", b"x"),
    ):
        with pytest.raises(RelayError) as caught:
            attempt()
        assert caught.value.exit_code == 8
        assert caught.value.hint


def test_the_default_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of a relay lies under the user's state directory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = default_directory()
    assert found.name == "tallow-relay"
    if os.name == "posix" and os.uname().sysname == "Linux":
        assert found == tmp_path / "tallow-relay"
