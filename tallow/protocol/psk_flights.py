"""The flights and the opening of the psk handshake, by which a session is taken up again.

The resume secret of an earlier session takes the place of the words: 256 bits that nobody can
guess, so no attempts are counted and F1 itself proves who speaks. Everything from th on is the
key schedule of flights.py. This module draws no randomness and keeps no state.
After it: psk_handshake.py. Spec: docs/protocol.md §5.6.
"""

from __future__ import annotations

from tallow.crypto.kdf import expand, mac, sha512
from tallow.crypto.lv import lv, u16
from tallow.crypto.secret import SecretBytes
from tallow.errors import LocalProtocolError
from tallow.protocol.flights import SUITE, Hello1, Hello2, decode_hello2, need, split
from tallow.wire import limits

RESUME_BYTES = 64
"""S("resume")."""
CALLER_TAG_BYTES = 32
"""mac1."""


def resume_meet_id(resume: SecretBytes) -> bytes:
    """Return the 32-byte id under which both sides of an earlier session meet at the relay."""
    return expand(_whole(resume), "meet", b"", limits.MEET_ID_BYTES)


def resume_psk(resume: SecretBytes) -> SecretBytes:
    """Return the 32-byte key that both sides of an earlier session hold; the caller wipes it."""
    return SecretBytes(bytearray(expand(_whole(resume), "psk", b"", 32)))


def _whole(resume: SecretBytes) -> memoryview:
    # A key cut short by a damaged store would make a handshake that anybody can finish.
    if len(resume) != RESUME_BYTES:
        raise LocalProtocolError("A resume secret has 64 bytes.")
    return resume.view()


def opening(meet_id: bytes) -> bytes:
    """Return h0: kind, suite and meeting place, which both sides know before the first flight."""
    return sha512(b"tallow/1 kk", lv("psk", u16(SUITE), meet_id))


def caller_tag(psk: SecretBytes, h0: bytes, ada: bytes) -> bytes:
    """Return mac1 over ADa: without it the responder does not answer."""
    return mac(expand(psk.view(), "mac1", h0, 32), lv(ada))[:CALLER_TAG_BYTES]


def encode_f1(ada: bytes, mac1: bytes) -> bytes:
    """Return F1."""
    return lv(ada, mac1)


def decode_f1(raw: bytes) -> tuple[bytes, bytes]:
    """Return ADa, still unread, and mac1: nothing is parsed that mac1 does not vouch for."""
    ada, mac1 = split(raw, 2)
    return ada, need(mac1, CALLER_TAG_BYTES)


def encode_f2(adb: bytes, t_r: bytes) -> bytes:
    """Return F2."""
    return lv(adb, t_r)


def decode_f2(raw: bytes, offered: Hello1) -> tuple[bytes, Hello2, bytes]:
    """Return ADb, its parts and T_r; refuses a choice that was not offered."""
    adb, t_r = split(raw, 2)
    return adb, decode_hello2(adb, offered), need(t_r, 64)
