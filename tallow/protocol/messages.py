"""Every control message that two peers exchange inside a session, typed and bounded.

A decoded message is valid by type, length and range; what it means in the present state is for
the machines to judge. This module never encrypts. Spec: docs/protocol.md §6.5, §7.2, §8.1.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tallow.protocol.kept import ALL_KEPT, NotKept
from tallow.wire import limits
from tallow.wire.codec import decode, encode
from tallow.wire.errors import WireError

U16 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
U63 = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Size = Annotated[int, msgspec.Meta(ge=0, le=limits.FILE_MAX_BYTES)]
Digest32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Digest64 = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
TransferId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Note = Annotated[str, msgspec.Meta(max_length=limits.NOTE_MAX_CHARS)]
Name = Annotated[str, msgspec.Meta(max_length=limits.NAME_MAX_CHARS)]
Reason = Annotated[str, msgspec.Meta(max_length=limits.REASON_MAX_CHARS)]
Capability = Annotated[str, msgspec.Meta(max_length=32)]
PauseReason = Literal["user", "disk-full"]
Xattr = tuple[
    Annotated[bytes, msgspec.Meta(min_length=1, max_length=limits.XATTR_NAME_MAX_BYTES)],
    Annotated[bytes, msgspec.Meta(max_length=limits.XATTRS_MAX_BYTES)],
]
"""Name, without the namespace in which it was and will be, and value of an attribute."""
Xattrs = Annotated[tuple[Xattr, ...], msgspec.Meta(max_length=limits.XATTRS_MAX)]

LeafRanges = Annotated[
    list[tuple[U63, U63]], msgspec.Meta(min_length=1, max_length=limits.HELD_RECORDS_MAX)
]
"""First and last leaf of each range, both included."""


class Message(msgspec.Struct, frozen=True, tag_field="t", forbid_unknown_fields=True):
    """A control message."""


# --- session ----------------------------------------------------------------------------------


class IdentityProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Root keys, device keys, the root's certificate over them, and two signatures on th2."""

    root_ed25519: Digest32
    root_mldsa87: Annotated[bytes, msgspec.Meta(min_length=2592, max_length=2592)]
    device_ed25519: Digest32
    device_mldsa87: Annotated[bytes, msgspec.Meta(min_length=2592, max_length=2592)]
    certificate_ed25519: Digest64
    certificate_mldsa87: Annotated[bytes, msgspec.Meta(min_length=4627, max_length=4627)]
    proof_ed25519: Digest64
    proof_mldsa87: Annotated[bytes, msgspec.Meta(min_length=4627, max_length=4627)]


class Hello(Message, frozen=True, tag="hello"):
    """The first record of each side: what it wants, what it can, who it is."""

    purpose: Literal["transfer", "chat", "clip", "room"]
    wish: Literal["send", "receive", "both"]
    capabilities: Annotated[list[Capability], msgspec.Meta(max_length=limits.CAPABILITIES_MAX)]
    name: Name = ""
    """What this side calls itself (--as); a claim, never an identity."""
    verify: bool = False
    """True if this side holds everything until both people compared the SAS."""
    identity: IdentityProof | None = None


class Ack(Message, frozen=True, tag="ack"):
    """Every record of an ordered channel below ``below`` was delivered."""

    channel: U16
    below: U63


class Ping(Message, frozen=True, tag="ping"):
    """Are you there?"""


class Pong(Message, frozen=True, tag="pong"):
    """Yes."""


class Close(Message, frozen=True, tag="close"):
    """The only clean end: the highest record number of each ordered channel sent."""

    highest: Annotated[list[tuple[U16, U63]], msgspec.Meta(max_length=limits.ARRAY_MAX_ITEMS)]


class Verified(Message, frozen=True, tag="verified"):
    """The person on this side compared the SAS: equal or not."""

    equal: bool


NumberRanges = Annotated[list[tuple[U63, U63]], msgspec.Meta(max_length=limits.HELD_RECORDS_MAX)]


class AskMissed(Message, frozen=True, tag="ask-missed"):
    """A lane was lost: which of these bulk records have not arrived, and never shall?"""

    channel: U16
    ranges: NumberRanges
    """First and last number of each range, both included."""


class Missed(Message, frozen=True, tag="missed"):
    """These have not arrived; if they still do, they are dropped."""

    channel: U16
    ranges: NumberRanges


# --- transfer ---------------------------------------------------------------------------------


class Sync(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The list is to be mirrored: what is there unchanged need not travel."""

    whole: bool = True
    """True if everything below the folders at the top of the list is listed."""
    delete: bool = False
    """True if the sender would like to see removed what is not listed."""
    watch: bool = False
    """True if more offers of the same folders follow in this session."""


class Offer(Message, frozen=True, tag="offer"):
    """What follows in pages: counts first, so that limits are checked before memory is spent."""

    offer: U32
    kind: Literal["files", "stream"]
    entries: Annotated[int, msgspec.Meta(ge=1, le=limits.MANIFEST_ENTRIES_MAX)]
    pages: Annotated[int, msgspec.Meta(ge=1, le=limits.MANIFEST_PAGES_MAX)]
    total_bytes: Size
    proofs: Annotated[
        list[Digest32], msgspec.Meta(min_length=1, max_length=limits.OFFER_PROOFS_MAX)
    ]
    """Of earlier transfers that this may be, random where there is none."""
    note: Note = ""
    hole_bytes: Size = 0
    """About how many of them are holes in sparse files, which need no space; a claim."""
    delta: bool = False
    """True if the receiver may say what it has without proving an earlier transfer."""
    sync: Sync | None = None


class Page(Message, frozen=True, tag="page"):
    """One page of the manifest, as bytes: the root is taken over exactly these."""

    offer: U32
    index: U32
    page: Annotated[bytes, msgspec.Meta(min_length=1, max_length=limits.MANIFEST_PAGE_MAX_BYTES)]


class OfferEnd(Message, frozen=True, tag="offer-end"):
    """The manifest is complete; this is its root."""

    offer: U32
    manifest_root: Digest32


class Resumes(Message, frozen=True, tag="resumes"):
    """This offer is the transfer behind one of its proofs, and here is the receiver's."""

    offer: U32
    proof: Digest32


class HaveFile(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Leaves of one entry that the receiver has."""

    file_no: U32
    ranges: LeafRanges


class Have(Message, frozen=True, tag="have"):
    """What the receiver has already; each entry once, however many messages it takes."""

    offer: U32
    files: Annotated[
        list[HaveFile], msgspec.Meta(min_length=1, max_length=limits.ROOTS_PER_TRAILER)
    ]


class Accept(Message, frozen=True, tag="accept"):
    """These entries of exactly this manifest, and nothing else."""

    offer: U32
    accept_no: U32
    manifest_root: Digest32
    bitmap: Annotated[bytes, msgspec.Meta(max_length=(limits.MANIFEST_ENTRIES_MAX + 7) // 8)]
    window_bytes: Annotated[
        int, msgspec.Meta(ge=2 * limits.RECORD_LEAVES_MAX_BYTES, le=limits.WINDOW_BYTES)
    ]


class Decline(Message, frozen=True, tag="decline"):
    """No."""

    offer: U32
    reason: Reason = ""


class Start(Message, frozen=True, tag="start"):
    """Bulk records of an accepted offer follow on this channel, under keys from TS."""

    offer: U32
    channel: U16
    transfer_id: TransferId
    accept_no: U32
    ts: Digest32
    accept_hash: Digest64

    def __repr__(self) -> str:
        # TS is the secret behind every bulk key of this start.
        return f"Start(offer={self.offer}, channel={self.channel}, …)"


class FileEnd(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How one file ended at the sender: its size and root, or why it failed."""

    file_no: U32
    size: Size
    root: Annotated[bytes, msgspec.Meta(max_length=32)]
    """32 bytes, or empty if the file failed."""
    failed: Reason = ""
    xattrs: Xattrs = ()
    """Extended attributes of a file that did not fail, where the sender was asked for them."""


class Trailer(Message, frozen=True, tag="trailer"):
    """The authenticated end of one or more files."""

    offer: U32
    files: Annotated[list[FileEnd], msgspec.Meta(min_length=1, max_length=limits.ROOTS_PER_TRAILER)]


class Stored(Message, frozen=True, tag="stored"):
    """Bulk records that were written since the last such message, as ranges: returns credit."""

    offer: U32
    ranges: Annotated[
        list[tuple[U63, U63]], msgspec.Meta(min_length=1, max_length=limits.HELD_RECORDS_MAX)
    ]
    """First and last number of each range, both included."""


class AskLeaves(Message, frozen=True, tag="ask-leaves"):
    """The root of this file differs here: which leaves does the sender have?"""

    offer: U32
    file_no: U32


class LeafList(Message, frozen=True, tag="leaf-list"):
    """Leaf hashes of a file that was asked about, in order and without a gap."""

    offer: U32
    file_no: U32
    first_leaf: U63
    hashes: Annotated[
        bytes, msgspec.Meta(min_length=32, max_length=32 * limits.LEAF_LIST_HASHES_MAX)
    ]


class Again(Message, frozen=True, tag="again"):
    """Send these leaves of a file that was asked about once more."""

    offer: U32
    file_no: U32
    ranges: LeafRanges


class Pause(Message, frozen=True, tag="pause"):
    """Start nothing new until this side says continue."""

    offer: U32
    reason: PauseReason


class Continue(Message, frozen=True, tag="continue"):
    """This side's pause is over."""

    offer: U32


class Finish(Message, frozen=True, tag="finish"):
    """Every accepted file has had its trailer."""

    offer: U32
    roots: Digest32
    """BLAKE3 over (file number, root) of every file that did not fail at the sender."""
    not_kept: NotKept = ALL_KEPT


class Complete(Message, frozen=True, tag="complete"):
    """Every file that could be received is durable under its final name."""

    offer: U32
    roots: Digest32
    failed: Annotated[list[FileEnd], msgspec.Meta(max_length=limits.ROOTS_PER_TRAILER)] = []
    failed_count: U32 = 0
    not_kept: NotKept = ALL_KEPT


class Cancel(Message, frozen=True, tag="cancel"):
    """This side stops the offer or the whole session, and says why."""

    reason: Literal["user", "disk-full", "storage", "protocol", "internal", "timeout", "verify"]
    text: Reason = ""


class Text(Message, frozen=True, tag="text"):
    """A short text: no prompt, printed by the receiver."""

    text: Annotated[str, msgspec.Meta(max_length=limits.TEXT_MAX_BYTES)]
    note: Note = ""


class TextShown(Message, frozen=True, tag="text-shown"):
    """The text was printed."""


SessionMessage = Hello | Ack | Ping | Pong | Close | Verified | AskMissed | Missed
TransferMessage = (
    Offer
    | Page
    | OfferEnd
    | Resumes
    | Have
    | Accept
    | Decline
    | Start
    | Trailer
    | Stored
    | AskLeaves
    | LeafList
    | Again
    | Pause
    | Continue
    | Finish
    | Complete
    | Cancel
    | Text
    | TextShown
)
Control = SessionMessage | TransferMessage


def encode_control(message: Control) -> bytes:
    """Return a control message's bytes."""
    return encode(message)


def decode_control(raw: bytes | memoryview) -> Control:
    """Read a control message, or raise WireError."""
    message: Control = decode(raw, Control, max_bytes=limits.CONTROL_BODY_MAX_BYTES)
    if isinstance(message, Text) and len(message.text.encode()) > limits.TEXT_MAX_BYTES:
        raise WireError("text too long")
    if isinstance(message, LeafList) and len(message.hashes) % 32:
        raise WireError("a leaf hash cut short")
    if isinstance(message, Trailer | Complete):
        _check_xattrs(message)
    return message


def xattrs_bytes(xattrs: Xattrs) -> int:
    """Return how much attributes of one file count towards their limit."""
    return sum(len(name) + len(value) for name, value in xattrs)


def _check_xattrs(message: Trailer | Complete) -> None:
    for end in message.files if isinstance(message, Trailer) else message.failed:
        if end.xattrs and (end.failed or isinstance(message, Complete)):
            raise WireError("attributes of a file that failed")
        if xattrs_bytes(end.xattrs) > limits.XATTRS_MAX_BYTES:
            raise WireError("attributes too long")
