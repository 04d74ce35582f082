"""Extended attributes in file ends: bounded one by one and together."""

from __future__ import annotations

from typing import Any

import pytest

from tallow.protocol import messages as m
from tallow.wire import limits
from tallow.wire.errors import WireError


def _trailer(*xattrs: Any, failed: str = "") -> m.Trailer:
    return m.Trailer(1, [m.FileEnd(1, 2, bytes(32), failed, xattrs)])


@pytest.mark.parametrize(
    "message",
    [
        _trailer((b"", b"x")),
        _trailer((b"n" * (limits.XATTR_NAME_MAX_BYTES + 1), b"x")),
        _trailer((b"n", b"x" * limits.XATTRS_MAX_BYTES)),
        _trailer((b"n", b"x" * 40_000), (b"m", b"x" * 40_000)),
        _trailer(*[(b"n%d" % n, b"") for n in range(limits.XATTRS_MAX + 1)]),
        _trailer((b"n", b"x"), failed="it vanished"),
        _trailer((b"n",)),
        m.Complete(1, bytes(32), [m.FileEnd(1, 0, b"", "no", ((b"n", b"x"),))], 1),
    ],
)
def test_false_attributes_are_refused(message: m.Trailer | m.Complete) -> None:
    """X14: names, values, their number and their sum are bounded; a failed file has none."""
    with pytest.raises(WireError):
        m.decode_control(m.encode_control(message))


def test_full_attributes_fit_a_trailer() -> None:
    """C7: one file's largest attributes travel, beside a trailer that was nearly full."""
    names = limits.XATTR_NAME_MAX_BYTES
    value = limits.XATTRS_MAX_BYTES // limits.XATTRS_MAX - names
    full = [(b"%03d" % n + bytes([65] * (names - 3)), bytes(value)) for n in range(64)]
    message = _trailer(*full)
    message = m.Trailer(1, [*message.files, *message.files])
    assert m.decode_control(m.encode_control(message)) == message
