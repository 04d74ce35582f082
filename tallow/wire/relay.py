"""Client and relay: every message of the dialogue about rooms, and nothing of what is in them.

The same Structs serve both ends. Field ranges are part of the types, so a decoded message is a
valid one. It never carries anything computed from the words of a code.
Spec: docs/protocol.md §4.2 (messages), §4.3 (rooms).
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec

from tallow.wire import limits
from tallow.wire.codec import decode, encode
from tallow.wire.frames import LinkType, encode_link

RELAY_VERSION = 1
ALPN = "tallow-relay/1"
DEFAULT_PORT = 4433
LANE_MAGIC = b"TLN1"
"""How a lane begins; TLS begins with 0x16, so one port serves both."""
LANE_OPENING_BYTES = len(LANE_MAGIC) + limits.LANE_TOKEN_BYTES

Nonce = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Plate = Annotated[str, msgspec.Meta(pattern=r"\A[1-9][0-9]{0,8}\Z")]
MeetId = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Expires = Annotated[int, msgspec.Meta(ge=1, le=limits.EXPIRES_MAX_S)]
Version = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Pairing = Annotated[int, msgspec.Meta(ge=1, le=limits.RELAY_PAIRINGS_MAX)]
HeirToken = Nonce
HeirMark = Nonce
"""SHA-256 of an heir's token: whoever reads a relay's memory learns nothing to take a name with."""
LaneToken = Annotated[
    bytes,
    msgspec.Meta(min_length=limits.LANE_TOKEN_BYTES, max_length=limits.LANE_TOKEN_BYTES),
]
FirstFlight = Annotated[bytes, msgspec.Meta(min_length=6, max_length=limits.FLIGHT_MAX_BYTES + 5)]


class ClientMessage(msgspec.Struct, frozen=True, tag_field="t", forbid_unknown_fields=True):
    """What a client may say to a relay."""


class ClientHello(ClientMessage, frozen=True, tag="hello"):
    """The first message of every link; a verb may follow at once."""

    versions: Annotated[list[Version], msgspec.Meta(min_length=1, max_length=8)]
    nonce: Nonce


class Auth(ClientMessage, frozen=True, tag="auth"):
    """Proof of the relay password over both nonces and the relay's key."""

    proof: Nonce


class Allocate(ClientMessage, frozen=True, tag="allocate", omit_defaults=True):
    """Open a room under a random nameplate and wait as creator."""

    expires_s: Expires
    heir: HeirMark | None = None
    """With which token another link of this sender may have the name next; None: none may."""


class Claim(ClientMessage, frozen=True, tag="claim", omit_defaults=True):
    """Open a room under this nameplate; refused while it is live."""

    plate: Plate
    expires_s: Expires
    heir: HeirMark | None = None


class Succeed(ClientMessage, frozen=True, tag="succeed", omit_defaults=True):
    """Take a nameplate over from a room of this sender in which two have met, and wait again."""

    plate: Plate
    token: HeirToken
    """What the room's ``heir`` is the hash of."""
    heir: HeirMark | None = None


class Join(ClientMessage, frozen=True, tag="join"):
    """Join the room of a waiting creator, with the first flight."""

    plate: Plate
    first: FirstFlight


class Meet(ClientMessage, frozen=True, tag="meet"):
    """Join or open the room of a 32-byte id; order of arrival decides the role."""

    id: MeetId
    expires_s: Expires


class Take(ClientMessage, frozen=True, tag="take"):
    """The creator's answer to a pairing: from here on its DATA is for this joiner."""

    pairing: Pairing


class Reopen(ClientMessage, frozen=True, tag="reopen"):
    """The creator puts the joiner out and waits again."""


class AskLanes(ClientMessage, frozen=True, tag="ask-lanes"):
    """Ask for lane tokens for both sides of a settled pair."""

    count: Annotated[int, msgspec.Meta(ge=1, le=limits.LANES_PER_SESSION_MAX)]


class Leave(ClientMessage, frozen=True, tag="leave"):
    """Give up the room; the link is closed."""


ClientSays = (
    ClientHello | Auth | Allocate | Claim | Succeed | Join | Meet | Take | Reopen | AskLanes | Leave
)


def heir_mark(token: bytes) -> bytes:
    """Return what a relay is told of an heir's token before it is used."""
    return hashlib.sha256(token).digest()


class RelayMessage(msgspec.Struct, frozen=True, tag_field="t", forbid_unknown_fields=True):
    """What a relay may say to a client."""


class RelayHello(RelayMessage, frozen=True, tag="hello"):
    """Sent by the relay as soon as the link stands."""

    version: Version
    time: Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
    """The relay's clock, unix seconds: for the doctor, never for cryptography."""
    nonce: Nonce
    auth: bool
    """True if creating a room needs the relay password."""
    data_max: Annotated[int, msgspec.Meta(ge=1, le=1 << 26)]
    """The largest DATA body that this relay forwards."""


class Allocated(RelayMessage, frozen=True, tag="allocated"):
    """The room stands; this side is its creator."""

    plate: Plate
    expires_s: Expires


class Waiting(RelayMessage, frozen=True, tag="waiting"):
    """The seat is taken and the other one is empty."""


class Paired(RelayMessage, frozen=True, tag="paired"):
    """Both seats are taken; DATA now reaches the other side."""

    role: Literal["creator", "joiner"]
    first: Annotated[bytes, msgspec.Meta(max_length=limits.FLIGHT_MAX_BYTES + 5)] = b""
    """For the creator of a nameplate: the joiner's first flight, as a peer frame."""
    pairing: Annotated[int, msgspec.Meta(ge=0, le=limits.RELAY_PAIRINGS_MAX)] = 0
    """For the creator: which pairing of its room this is, from 1; 0 for a joiner, who has one."""


RefusalCode = Literal[
    "version",
    "auth-required",
    "auth-failed",
    "unknown-plate",
    "plate-live",
    "crowded",
    "expired",
    "rate",
    "full",
    "draining",
    "malformed",
]


class Refused(RelayMessage, frozen=True, tag="refused"):
    """The verb was not carried out; the link is closed by the relay."""

    code: RefusalCode
    retry_s: Annotated[int, msgspec.Meta(ge=0, le=86400)] = 0


NoticeKind = Literal["crowded", "peer-gone", "draining", "expired"]


class Notice(RelayMessage, frozen=True, tag="notice"):
    """Something happened around the room; it never changes a confirmed session."""

    kind: NoticeKind


class Lanes(RelayMessage, frozen=True, tag="lanes"):
    """This side's lane tokens, each for one connection; the k-th ones of both sides meet.

    Either side's asking gives both sides theirs. None at all: the relay has none to give.
    """

    tokens: Annotated[list[LaneToken], msgspec.Meta(max_length=limits.LANES_PER_SESSION_MAX)]


RelaySays = RelayHello | Allocated | Waiting | Paired | Refused | Notice | Lanes


def client_frame(message: ClientSays) -> bytes:
    """Return the link frame of a client's message."""
    return encode_link(LinkType.CONTROL, encode(message))


def relay_frame(message: RelaySays) -> bytes:
    """Return the link frame of a relay's message."""
    return encode_link(LinkType.CONTROL, encode(message))


def decode_client(raw: bytes | bytearray | memoryview) -> ClientSays:
    """Read what a client says, or raise WireError."""
    message: ClientSays = _decode(raw, ClientSays)
    return message


def decode_relay(raw: bytes | bytearray | memoryview) -> RelaySays:
    """Read what a relay says, or raise WireError."""
    message: RelaySays = _decode(raw, RelaySays)
    return message


def _decode(raw: bytes | bytearray | memoryview, kind: Any) -> Any:
    return decode(
        raw, kind, max_bytes=limits.CONTROL_MAX_BYTES, max_items=limits.RELAY_ARRAY_MAX_ITEMS
    )
