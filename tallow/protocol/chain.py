"""One direction of one ordered channel: numbers, epochs, sealing and opening.

Keys move forward only: C_e gives key and base nonce, then C_{e+1}, and is erased at once; strict
order makes a grace period needless. A number belongs to one byte string for ever, so what must go
again is kept sealed. This room pads (Padmé), never reorders and never decides what a message
means. Before: session.py. Spec: docs/protocol.md §6.2, §6.3.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from tallow.crypto.aead import RecordKey
from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import expand
from tallow.crypto.lv import lv
from tallow.errors import LocalProtocolError, RecordLost, RemoteProtocolError
from tallow.wire import limits
from tallow.wire.frames import PeerType, RecordHeader, encode_record

Direction = Literal["i", "r"]
_LENGTH_BYTES = 4


def record_ad(direction: Direction, header: RecordHeader) -> bytes:
    """Return a record's associated data."""
    return lv("tallow/1 rec", direction, header.encode())


def padded_length(length: int) -> int:
    """Return the Padmé length: at most 12 % more, and log log n bits of the size leak.

    Source: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019.
    """
    if length < 32:
        return 32
    exponent = length.bit_length() - 1
    kept_bits = exponent.bit_length()
    mask = (1 << (exponent - kept_bits)) - 1
    return (length + mask) & ~mask


def pad(body: bytes) -> bytes:
    """Return length, body and zeros up to the Padmé length."""
    padded = padded_length(_LENGTH_BYTES + len(body))
    return (len(body).to_bytes(_LENGTH_BYTES, "big") + body).ljust(padded, b"\0")


def unpad(padded: bytes) -> bytes:
    """Return the body of a padded plaintext, or raise RemoteProtocolError."""
    length = int.from_bytes(padded[:_LENGTH_BYTES], "big")
    rest = len(padded) - _LENGTH_BYTES - length
    if len(padded) < _LENGTH_BYTES or rest < 0 or padded[_LENGTH_BYTES + length :].strip(b"\0"):
        raise RemoteProtocolError("The other side sent a record with false padding.")
    return padded[_LENGTH_BYTES : _LENGTH_BYTES + length]


@dataclass(frozen=True, slots=True)
class ChainLimits:
    """When a chain moves to its next epoch; tests make these tiny."""

    records: int = limits.EPOCH_MAX_RECORDS
    bytes_: int = limits.EPOCH_MAX_BYTES
    seconds: float = limits.EPOCH_MAX_S


class _Chain:
    """C_e, the record key made from it, and the place in the epoch."""

    def __init__(self, channel: int, direction: Direction, first: bytes) -> None:
        self._channel = channel
        self._direction = direction
        self._epoch = 0
        self._number = 0
        self._next_secret = first
        self._key = self._step()

    def _step(self) -> RecordKey:
        secret = self._next_secret
        key = RecordKey(expand(secret, "key", b"", 44))
        self._next_secret = expand(secret, "next", b"", 64)
        return key

    @property
    def number(self) -> int:
        """The number of the next record."""
        return self._number


class SendChain(_Chain):
    """Seals records in order and keeps them until they are acknowledged."""

    def __init__(
        self, channel: int, direction: Direction, first: bytes, limit: ChainLimits | None = None
    ) -> None:
        super().__init__(channel, direction, first)
        self._limit = limit or ChainLimits()
        self._epoch_began_at: float | None = None
        self._epoch_start = 0
        self._epoch_bytes = 0
        self._kept: deque[tuple[int, bytes]] = deque()
        self._kept_bytes = 0

    def seal(self, body: bytes, now: float) -> bytes:
        """Return the peer frame of the next record."""
        if self._number >= 1 << 63:
            raise LocalProtocolError("A channel has used up its record numbers.")
        self._rekey_if_due(now)
        header = RecordHeader(PeerType.RECORD, self._channel, self._epoch, self._number)
        sealed = self._key.seal(self._number, record_ad(self._direction, header), pad(body))
        frame = encode_record(header, sealed)
        self._kept.append((self._number, frame))
        self._kept_bytes += len(frame)
        self._number += 1
        self._epoch_bytes += len(frame)
        return frame

    def _rekey_if_due(self, now: float) -> None:
        if self._epoch_began_at is None:
            self._epoch_began_at = now
        due = (
            self._number - self._epoch_start >= self._limit.records
            or self._epoch_bytes >= self._limit.bytes_
            or now - self._epoch_began_at >= self._limit.seconds
        )
        if due:
            self._key = self._step()
            self._epoch += 1
            self._epoch_began_at, self._epoch_start, self._epoch_bytes = now, self._number, 0

    def acknowledged(self, below: int) -> None:
        """Forget kept records below a number; RemoteProtocolError if it was never sent."""
        if below > self._number:
            raise RemoteProtocolError("The other side acknowledged a record that was never sent.")
        while self._kept and self._kept[0][0] < below:
            self._kept_bytes -= len(self._kept.popleft()[1])

    def kept(self) -> list[bytes]:
        """Return the identical frames that a new connection needs again."""
        return [frame for _, frame in self._kept]

    @property
    def kept_bytes(self) -> int:
        """How much waits for acknowledgement."""
        return self._kept_bytes


@dataclass(frozen=True, slots=True)
class _Held:
    """A record that opened and waits for the ones before it."""

    epoch: int
    padded: bytes
    at: float


class RecvChain(_Chain):
    """Opens records and gives them out in order; a gap may stay open for a moment."""

    def __init__(self, channel: int, direction: Direction, first: bytes) -> None:
        super().__init__(channel, direction, first)
        self._held: dict[int, _Held] = {}
        self._held_bytes = 0

    def receive(self, header: RecordHeader, sealed: bytes, now: float) -> tuple[list[bytes], bool]:
        """Return the bodies that can be delivered now, in order, and whether the record opened.

        A number that was delivered or is held already is dropped. A record is opened before it
        is held, so a forged one never takes the place of its genuine twin. Raises RecordLost if
        too much is held behind a gap.
        """
        if header.number < self._number or header.number in self._held:
            return [], True
        try:
            ad = record_ad(self._direction, header)
            padded = self._key_for(header).open(header.number, ad, sealed)
        except CryptoError:
            return [], False
        if header.number > self._number:
            self._hold(header.number, _Held(header.epoch, padded, now))
            return [], True
        bodies = [self._next(header.epoch, padded)]
        while (held := self._held.pop(self._number, None)) is not None:
            self._held_bytes -= len(held.padded)
            bodies.append(self._next(held.epoch, held.padded))
        return bodies, True

    def _key_for(self, header: RecordHeader) -> RecordKey:
        """Return the key of this epoch, or of one that the records missing before it allow."""
        ahead = header.epoch - self._epoch
        # Each record moves at most one epoch on, so what a forger can make us derive is bounded.
        if not 0 <= ahead <= min(header.number - self._number + 1, limits.HELD_RECORDS_MAX):
            raise CryptoError
        if ahead == 0:
            return self._key
        secret = self._next_secret
        for _ in range(ahead - 1):
            secret = expand(secret, "next", b"", 64)
        return RecordKey(expand(secret, "key", b"", 44))

    def _next(self, epoch: int, padded: bytes) -> bytes:
        """Step to the next number, and to the next epoch if this record is the first of it."""
        if epoch == self._epoch + 1:
            self._key = self._step()
            self._epoch += 1
        elif epoch != self._epoch:
            raise RemoteProtocolError("The other side changed its keys out of order.")
        self._number += 1
        return unpad(padded)

    def _hold(self, number: int, held: _Held) -> None:
        full = len(self._held) >= limits.HELD_RECORDS_MAX
        if full or self._held_bytes + len(held.padded) > limits.HELD_BYTES_MAX:
            raise RecordLost
        self._held[number] = held
        self._held_bytes += len(held.padded)

    def gap_deadline(self) -> float | None:
        """Return when a gap that stays open ends the session: its age is its oldest record's."""
        since = min((held.at for held in self._held.values()), default=None)
        return None if since is None else since + limits.GAP_MAX_S
