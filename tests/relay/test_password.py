"""Where the relay password comes from, when one is needed, and how strong a made one is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from relay.errors import RelayError
from relay.password import OPEN, Password, choose, generate, is_loopback


def chosen(
    state: Path,
    *,
    host: str = "0.0.0.0",
    is_open: bool = False,
    file: Path | None = None,
    configured: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Password:
    """Choose with everything left out that a test does not name."""
    return choose(
        is_open=is_open,
        file=file,
        configured=configured,
        environment=environment or {},
        host=host,
        state=state,
    )


def test_a_made_password_has_eighty_bits() -> None:
    """B3: sixteen letters of base32 in groups, different each time."""
    made = {generate() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"([a-z2-7]{4}-){3}[a-z2-7]{4}", words) for words in made)


def test_a_public_relay_makes_a_password_and_keeps_it(tmp_path: Path) -> None:
    """B3: without a word from the operator a reachable relay is locked, the same way each start."""
    first = chosen(tmp_path)
    assert first.origin == "new"
    second = chosen(tmp_path)
    assert second == Password("stored", first.words)
    assert (tmp_path / "password").read_text() == f"{first.words}\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_loopback_relay_is_open(tmp_path: Path, host: str) -> None:
    """B3: on this machine alone nothing is asked, and nothing is written."""
    assert is_loopback(host)
    assert chosen(tmp_path, host=host) == OPEN
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "relay.example", ""])
def test_every_other_address_is_not_loopback(host: str) -> None:
    """B3: what cannot be told to be loopback is treated as reachable."""
    assert not is_loopback(host)


def test_a_given_password_holds_on_loopback_too(tmp_path: Path) -> None:
    """B3: flag, variable and configuration are obeyed wherever the relay listens, in this order."""
    file = tmp_path / "pass"
    file.write_text("from file\n")
    both = {"TALLOW_RELAY_PASS": "from variable"}
    for host in ("127.0.0.1", "0.0.0.0"):
        assert chosen(
            tmp_path, host=host, file=file, environment=both, configured="from config"
        ) == Password("given", "from file")
        assert chosen(tmp_path, host=host, environment=both, configured="from config") == Password(
            "given", "from variable"
        )
        assert chosen(tmp_path, host=host, configured="from config") == Password(
            "given", "from config"
        )
        assert chosen(tmp_path, host=host, is_open=True, environment=both) == OPEN


@pytest.mark.parametrize("content", [b"", b"  \n", b"two\nlines\n", b"x" * 2000, b"\xff\xfe"])
def test_a_password_that_cannot_be_meant_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty, endless or binary password file is exit 2 and names the file."""
    file = tmp_path / "pass"
    file.write_bytes(content)
    with pytest.raises(RelayError) as caught:
        chosen(tmp_path, file=file)
    assert caught.value.exit_code == 2
    assert "pass" in caught.value.message


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    """A wrong name is an error, never an open relay."""
    with pytest.raises(RelayError, match="cannot be read"):
        chosen(tmp_path, file=tmp_path / "none")


def test_a_stored_password_that_was_emptied_is_refused(tmp_path: Path) -> None:
    """A damaged state never turns into a relay without a password."""
    (tmp_path / "password").write_bytes(b"\n")
    (tmp_path / "password").chmod(0o600)
    with pytest.raises(RelayError, match="empty"):
        chosen(tmp_path)


def test_a_password_is_not_shown() -> None:
    """A4: printing the object does not print the words."""
    assert "secret" not in repr(Password("given", "secret"))
