"""Which key each relay showed: what is remembered, what wins, and when to stop."""

from __future__ import annotations

import pytest

from tallow.engine.transport import pins
from tallow.engine.transport.pins import CA_SIGNED, NAME, Trust
from tallow.errors import RelayKeyChanged, StorageError
from tallow.protocol.address import RelayAddress
from tests.fakes import MemoryState

ONE, OTHER = RelayAddress("one.test", 4433), RelayAddress("::1", 5544)
PIN, OTHER_PIN = "11" * 32, "22" * 32


def test_a_relay_is_known_by_host_and_port() -> None:
    """Two ports of one host are two relays."""
    state = MemoryState()
    pins.remember(state, ONE, PIN)
    pins.remember(state, OTHER, OTHER_PIN)
    assert pins.known(state, ONE) == Trust(PIN, from_address=False)
    assert pins.known(state, OTHER) == Trust(OTHER_PIN, from_address=False)
    assert pins.known(state, RelayAddress("one.test", 4434)) == Trust("", from_address=False)


def test_a_pin_in_the_address_wins() -> None:
    """What the person typed is not overruled by what was seen before."""
    state = MemoryState()
    pins.remember(state, ONE, PIN)
    named = RelayAddress(ONE.host, ONE.port, OTHER_PIN)
    assert pins.known(state, named) == Trust(OTHER_PIN, from_address=True)


def test_forgetting(tmp_path: object) -> None:
    """A forgotten relay is new again; forgetting twice says that there was nothing."""
    state = MemoryState()
    pins.remember(state, ONE, PIN)
    pins.remember(state, OTHER, PIN)
    assert pins.forget(state, ONE) is True
    assert pins.forget(state, ONE) is False
    assert pins.known(state, ONE).pin == ""
    assert pins.known(state, OTHER).pin == PIN


def test_what_is_known_is_not_written_again() -> None:
    """Remembering the same key costs no write."""
    state, writes = MemoryState(), []
    pins.remember(state, ONE, PIN)
    state.on_write = lambda name, _content: writes.append(name)
    pins.remember(state, ONE, PIN)
    assert writes == []


@pytest.mark.parametrize("pin", ["", CA_SIGNED, PIN])
def test_an_expected_key_passes(pin: str) -> None:
    """First use, an authority's word and the same key are all right."""
    pins.check(Trust(pin, from_address=False), ONE, PIN)


@pytest.mark.parametrize("from_address", [True, False])
def test_another_key_stops(from_address: bool) -> None:
    """A changed key is a hard stop with exit 4; only a remembered one can be forgotten."""
    with pytest.raises(RelayKeyChanged) as caught:
        pins.check(Trust(PIN, from_address=from_address), ONE, OTHER_PIN)
    assert caught.value.exit_code == 4
    assert ("forget" in caught.value.hint) != from_address


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"a":1}', b"\xff", b'"' + b"[" * 100_000])
def test_a_damaged_list_is_said(raw: bytes) -> None:
    """A list of pins that cannot be read stops everything: it is not started anew by itself."""
    state = MemoryState()
    state.content[NAME] = raw
    for verb in (pins.known, pins.forget):
        with pytest.raises(StorageError) as caught:
            verb(state, ONE)
        assert NAME in caught.value.hint
    assert state.content[NAME] == raw
