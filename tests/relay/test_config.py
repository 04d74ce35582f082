"""The configuration: what is read, what wins, and errors that name the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import RelayTable, load, read_listen, read_seconds, settle
from relay.errors import RelayError
from relay.quota import Act
from tallow.wire import limits


def written(folder: Path, text: str) -> Path:
    """Write a configuration file."""
    path = folder / "relay.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_defaults_are_safe() -> None:
    """B3, X10: nothing set means loopback, a password where needed, a week at most."""
    settings = settle(RelayTable(), "built-in", {})
    assert (settings.host, settings.port) == ("127.0.0.1", 4433)
    assert not settings.is_open
    assert settings.quic
    assert settings.expires_max_s == limits.EXPIRES_MAX_S
    assert settings.orphan_s == limits.ROOM_ORPHAN_S
    assert settings.drain_s == 30
    assert settings.quota.per_minute[Act.JOIN] == 30


def test_every_key_is_read(tmp_path: Path) -> None:
    """Every key of the table reaches the settings."""
    path = written(
        tmp_path,
        """
        [relay]
        listen = "[::]:5000"
        state = "~/relay"
        password = "words"
        cert = "/c.pem"
        key = "/k.pem"
        expires_max = "2h"
        orphan = 5
        drain = "1m"
        json_log = true
        rooms = 10
        rooms_per_address = 4
        links = 30
        links_per_address = 9
        connects_per_minute = 1
        creates_per_minute = 2
        joins_per_minute = 0
        false_proofs_per_minute = 4
        """,
    )
    settings = settle(load(path), str(path), {})
    assert (settings.host, settings.port) == ("::", 5000)
    assert settings.state == Path.home() / "relay"
    assert settings.password == "words"
    assert (settings.certificate, settings.key) == (Path("/c.pem"), Path("/k.pem"))
    assert (settings.expires_max_s, settings.orphan_s, settings.drain_s) == (7200, 5.0, 60.0)
    assert settings.json_log
    quota = settings.quota
    assert (quota.rooms, quota.rooms_per_address) == (10, 4)
    assert (quota.links, quota.links_per_address) == (30, 9)
    assert list(quota.per_minute.values()) == [1, 2, 0, 4]


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    """A flag that was given replaces the key; one that was not leaves it."""
    path = written(tmp_path, '[relay]\nlisten = "0.0.0.0:1"\nexpires_max = "1h"\n')
    settings = settle(load(path), str(path), {"listen": "127.0.0.1:2", "expires_max": None, "x": 1})
    assert (settings.port, settings.expires_max_s) == (2, 3600)


WRONG = {
    '[relay]\nrooms = "many"': "relay.rooms: Expected `int`",
    "[relay]\nrooms = 0": "relay.rooms: Expected `int` >= 1",
    "[relay]\njoins_per_minute = -1": "relay.joins_per_minute",
    "[relay]\nroom = 5": "unknown field `room`",
    "[server]\nrooms = 5": "unknown field `server`",
    "[relay]\nlisten = 4433": "relay.listen: Expected `str`",
    '[relay]\nlisten = "4433"': "relay.listen: '4433' is not HOST:PORT",
    '[relay]\nlisten = "::1:4433"': "relay.listen",
    '[relay]\nlisten = "host:99999"': "relay.listen",
    '[relay]\nexpires_max = "soon"': "relay.expires_max: 'soon' is not a time",
    '[relay]\nexpires_max = "8d"': "relay.expires_max: it must be between",
    "[relay]\nexpires_max = 0": "relay.expires_max",
    '[relay]\ndrain = "2d"': "relay.drain",
    "[relay]\norphan = -1": "relay.orphan",
    '[relay]\ncert = "/c.pem"': "relay.cert: cert and key go together",
    "[relay]\nrooms =\nlinks = 5": "line 2",
    "relay = 1": "relay: Expected",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_an_error_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    """D4: what is wrong is said with the file, the key and what would be right."""
    path = written(tmp_path, text)
    with pytest.raises(RelayError) as caught:
        settle(load(path), str(path), {})
    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.exit_code == 2


def test_an_error_in_a_flag_names_the_flag(tmp_path: Path) -> None:
    """A wrong flag is not blamed on the file."""
    with pytest.raises(RelayError, match=r"^--expires-max: "):
        settle(RelayTable(), "relay.toml", {"expires_max": "x"})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """X10: a missing file, a folder and a file without end are exit 2."""
    endless = tmp_path / "endless"
    endless.write_bytes(b"#" * (limits.RELAY_CONFIG_MAX_BYTES + 1))
    for path in (tmp_path / "none.toml", tmp_path, endless):
        with pytest.raises(RelayError, match=r"cannot be read|too long"):
            load(path)


@given(raw=st.binary(max_size=100))
def test_no_file_raises_anything_else(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """X14: arbitrary bytes are a configuration or a RelayError."""
    path = tmp_path_factory.getbasetemp() / "arbitrary.toml"
    path.write_bytes(raw)
    try:
        settle(load(path), str(path), {})
    except RelayError:
        pass


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("relay.example:65535", "relay.example", 65535),
        ("[::1]:4433", "::1", 4433),
        ("[::]:1", "::", 1),
    ],
)
def test_addresses_are_read(text: str, host: str, port: int) -> None:
    """IPv4, names and bracketed IPv6 are taken apart."""
    assert read_listen(text, "x") == (host, port)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), (90, 90), ("30s", 30), ("5m", 300), ("1h", 3600), ("7d", 604800)],
)
def test_times_are_read(text: str | int, seconds: int) -> None:
    """Plain numbers are seconds; units say what they are."""
    assert read_seconds(text, "x") == seconds


def test_quic_may_be_left_out(tmp_path: Path) -> None:
    """The file and the flag turn QUIC off, and a word in its place is refused."""
    path = written(tmp_path, "[relay]\nquic = false")
    assert not settle(load(path), str(path), {}).quic
    assert not settle(RelayTable(), "built-in", {"quic": False}).quic
    with pytest.raises(RelayError, match="quic"):
        load(written(tmp_path, '[relay]\nquic = "no"'))


def test_secrets_are_not_shown() -> None:
    """A4: printing the table or the settings does not print the password."""
    table = RelayTable(password="secret words")
    assert "secret" not in repr(table)
    assert "secret" not in repr(settle(table, "x", {}))
