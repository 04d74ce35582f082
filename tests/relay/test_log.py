"""The log: one line per event, and visitors that nobody can name a day later."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.log import Log

ADDRESS = "203.0.113.77"
DAY_S = 86400.0


class Logged:
    """A log with a clock and a supply of keys."""

    def __init__(self, *, as_json: bool = True) -> None:
        """Keep lines; every new key differs."""
        self.lines: list[str] = []
        self.now = 1_700_000_000.0
        self.keys = 0
        self.log = Log(
            self.lines.append, as_json=as_json, unix_s=lambda: self.now, new_key=self._key
        )

    def _key(self) -> bytes:
        self.keys += 1
        return bytes([self.keys]) * 32

    def visitor(self, address: str = ADDRESS) -> str:
        """Log one event and return how it names the visitor."""
        self.log.event("x", address=address)
        visitor: str = json.loads(self.lines[-1])["visitor"]
        return visitor


def test_lines_are_json_or_words() -> None:
    """B3: both forms carry time, event and fields on one line."""
    for as_json, expected in (
        (True, '{"time": "2023-11-14T22:13:20Z", "event": "room.open", "expires_s": 60}\n'),
        (False, "2023-11-14T22:13:20Z room.open expires_s=60\n"),
    ):
        logged = Logged(as_json=as_json)
        logged.log.event("room.open", expires_s=60)
        assert logged.lines == [expected]


def test_a_visitor_has_one_name_a_day() -> None:
    """B3: the same address is recognised within a day, and not after it."""
    logged = Logged()
    first = logged.visitor()
    assert logged.visitor() == first
    assert logged.visitor("203.0.113.78") != first
    logged.now += DAY_S
    assert logged.visitor() != first
    assert logged.keys == 2


def test_no_plain_address_is_written() -> None:
    """B3: neither the address nor a hash without the key appears."""
    logged = Logged()
    logged.visitor()
    assert ADDRESS not in "".join(logged.lines)
    other = Log(logged.lines.append, as_json=True, unix_s=lambda: logged.now)
    other.event("x", address=ADDRESS)
    assert json.loads(logged.lines[-1])["visitor"] != json.loads(logged.lines[0])["visitor"]


@pytest.mark.parametrize("as_json", [True, False])
@given(value=st.text(max_size=30), address=st.text(max_size=30))
def test_an_event_is_one_line_of_plain_characters(as_json: bool, value: str, address: str) -> None:
    """X05: nothing that is logged breaks the line or reaches a terminal as a control."""
    logged = Logged(as_json=as_json)
    logged.log.event("x", address=address, code=value)
    [line] = logged.lines
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert line.isascii()
