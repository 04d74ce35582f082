"""Relay addresses: one canonical form for every way of writing, a typed error for the rest."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.errors import UsageError
from tallow.protocol.address import DEFAULT_PORT, RelayAddress, parse_address

PIN = "ab" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relay.example.org", RelayAddress("relay.example.org", 4433)),
        ("Relay.Example.ORG:443", RelayAddress("relay.example.org", 443)),
        ("localhost:4433", RelayAddress("localhost", 4433)),
        ("relay.example.org.:1", RelayAddress("relay.example.org", 1)),
        ("192.0.2.7:65535", RelayAddress("192.0.2.7", 65535)),
        ("[2001:DB8::1]:4433", RelayAddress("2001:db8::1", 4433)),
        ("[2001:db8:0:0::1]", RelayAddress("2001:db8::1", 4433)),
        ("::1", RelayAddress("::1", 4433)),
        ("fe80::1%eth0", RelayAddress("fe80::1%eth0", 4433)),
        ("bücher.example:9", RelayAddress("xn--bcher-kva.example", 9)),
        (f"h:1#sha256:{PIN}", RelayAddress("h", 1, PIN)),
        (f"h#SHA256:{PIN.upper()}", RelayAddress("h", 4433, PIN)),
        (f"[::1]:5#sha256:{PIN}", RelayAddress("::1", 5, PIN)),
        ("  h:1\n", RelayAddress("h", 1)),
    ],
)
def test_every_usual_way_of_writing_is_read(text: str, expected: RelayAddress) -> None:
    """Host, host:port, bracketed and bare IPv6, international names, pins."""
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", ":", ":4433", "h:", "h:0", "h:65536", "h:99999", "h:-1", "h:+1", "h:١", "h:1:2x",
        "h:1 2",
        "[::1", "[::1]x", "[]:1", "[h]:1", "[192.0.2.1]:1", "::1::", "12345::1", "fe80::1%",
        "::1%a/b",
        "-h", "h-", "a..b", "a_b", "a b", "a/b", "user@host", "https://h:1", "h\x1b[31m", "h\u202e",
        "1234", "127.1", "0x7f000001", "256.1.1.1", "1.2.3.04", "a.1", "x" * 64, "a." * 130 + "b",
        "x" * 5000, "straße.de", "a\u200db", "h#", "h#sha256:", f"h#md5:{PIN}", f"h#sha256:{PIN}0",
        f"h#sha256:{'g' * 64}", "\ud800", "é" * 64 + ".x",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_way_out(text: str) -> None:
    """A wrong address is a UsageError with a hint, and its text cannot act on a terminal."""
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert caught.value.hint
    assert "\x1b" not in caught.value.message
    assert "\u202e" not in caught.value.message


def test_text_forms_read_back_as_the_same_address() -> None:
    """str() and with_pin_text() are what people copy; both lead back."""
    plain = RelayAddress("relay.example.org", 4433)
    pinned = RelayAddress("2001:db8::1", 7, PIN)
    assert str(plain) == plain.with_pin_text() == "relay.example.org:4433"
    assert str(pinned) == "[2001:db8::1]:7"
    assert pinned.with_pin_text() == f"[2001:db8::1]:7#sha256:{PIN}"
    assert parse_address(str(plain)) == plain
    assert parse_address(pinned.with_pin_text()) == pinned
    assert DEFAULT_PORT == 4433


@settings(deadline=None, max_examples=500)
@given(st.text(max_size=60) | st.text("[]:.#@%-0129afxh", max_size=40))
def test_any_text_gives_an_address_or_a_usage_error(text: str) -> None:
    """No text raises anything else, and what is read is canonical."""
    try:
        address = parse_address(text)
    except UsageError:
        return
    assert parse_address(address.with_pin_text()) == address
    assert address.host.isascii()
    assert 1 <= address.port <= 65535
