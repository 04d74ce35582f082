"""Which relay, which password."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.cli.options import PathPolicy
from tallow.cli.path_policy import password_warning, settings_for
from tallow.errors import NoRelaySet, SourceUnreadable, UsageError
from tallow.protocol.address import RelayAddress
from tests.cli.still_console import StillConsole

FROM_CODE = RelayAddress("code.example", 4433, "cd" * 32)


def password_of(path: PathPolicy, *chunks: bytes) -> bytes | None:
    """Return the password that settings hold for this policy."""
    settings = settings_for(path, StillConsole(chunks=chunks), code_relay=FROM_CODE)
    return None if settings.relay_password is None else bytes(settings.relay_password.view())


def test_no_relay_says_how_to_get_one() -> None:
    """Without any relay the error holds the two lines that start one."""
    with pytest.raises(NoRelaySet):
        settings_for(PathPolicy(), StillConsole())


@pytest.mark.parametrize(
    ("path", "host"),
    [
        (PathPolicy(), "code.example"),
        (PathPolicy("env.example"), "code.example"),
        (PathPolicy("flag.example", relay_typed=True), "flag.example"),
    ],
)
def test_whose_relay_wins(path: PathPolicy, host: str) -> None:
    """D4: a typed relay wins over the code's, the code's over the environment's."""
    relay = settings_for(path, StillConsole(), code_relay=FROM_CODE).relay
    assert relay is not None
    assert relay.host == host


def test_the_environment_serves_a_plain_code() -> None:
    """A code without a relay is met at the one that is set."""
    settings = settings_for(PathPolicy("[::1]:4433", transport="tcp"), StillConsole())
    assert settings.relay == RelayAddress("::1", 4433)
    assert settings.transport == "tcp"


def test_a_relay_address_that_is_none() -> None:
    """A wrong address is a usage error."""
    with pytest.raises(UsageError):
        settings_for(PathPolicy("http://x"), StillConsole())


def test_passwords_from_everywhere(tmp_path: Path) -> None:
    """A password comes from the flag, the variable, a file or standard input, one line of it."""
    file = tmp_path / "password"
    file.write_bytes("grün \nrest".encode())
    assert password_of(PathPolicy()) is None
    assert password_of(PathPolicy(relay_pass="secret")) == b"secret"
    assert password_of(PathPolicy(relay_pass_file=str(file))) == "grün ".encode()
    assert password_of(PathPolicy(relay_pass_file="-"), b"piped\n") == b"piped"


def test_a_password_on_the_command_line_wins_and_warns(tmp_path: Path) -> None:
    """X06: --relay-pass is visible to other users, and is said to be."""
    file = tmp_path / "password"
    file.write_bytes(b"file")
    typed = PathPolicy(relay_pass="flag", relay_pass_typed=True, relay_pass_file=str(file))
    assert password_of(typed) == b"flag"
    assert "--relay-pass-file" in (password_warning(typed) or "")
    assert password_warning(PathPolicy(relay_pass="from a variable")) is None
    assert password_of(PathPolicy(relay_pass="env", relay_pass_file=str(file))) == b"file"


def test_passwords_that_cannot_be(tmp_path: Path) -> None:
    """Empty and endless passwords, and files that are not there, are refused."""
    empty = tmp_path / "empty"
    empty.touch()
    endless = tmp_path / "endless"
    endless.write_bytes(b"x" * 5000)
    for path in (PathPolicy(relay_pass=""), PathPolicy(relay_pass_file=str(empty))):
        with pytest.raises(UsageError):
            password_of(path)
    with pytest.raises(UsageError):
        password_of(PathPolicy(relay_pass_file=str(endless)))
    with pytest.raises(SourceUnreadable):
        password_of(PathPolicy(relay_pass_file=str(tmp_path / "missing")))


def test_settings_never_show_the_password() -> None:
    """A4: the password is in no repr."""
    settings = settings_for(PathPolicy(relay_pass="hunter2"), StillConsole(), code_relay=FROM_CODE)
    assert "hunter2" not in repr(settings)
