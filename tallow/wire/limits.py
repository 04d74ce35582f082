"""Every cap of the wire and of peer input, on one page.

A number that bounds what a stranger can make us allocate, hold or wait for stands here and
nowhere else; everything that decodes checks against these before it allocates.
This module never computes anything. Spec: docs/protocol.md §12.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

# --- relay links (docs/protocol.md §4) --------------------------------------------------------

LINK_HEADER_BYTES: Final = 5
"""u8 type, u32 length."""
CONTROL_MAX_BYTES: Final = 8 * KIB
"""A relay message, either way."""
FIRST_MESSAGE_MAX_BYTES: Final = 4 * KIB + 256
"""What an unknown client may send before the relay knows what it wants (X10)."""
RELAY_IDLE_S: Final = 90.0
"""A link that is silent for so long is closed; clients ping every PING_EVERY_S."""
PING_EVERY_S: Final = 25.0
RELAY_FIRST_MESSAGE_S: Final = 10.0
SEAT_CONFIRM_S: Final = 10.0
"""A joiner's seat is freed when no third flight follows in this time."""
PLATE_MAX_DIGITS: Final = 9
ROOM_ORPHAN_S: Final = 60.0
"""A room without a live connection goes after this time."""
EXPIRES_DEFAULT_S: Final = 3600
EXPIRES_MAX_S: Final = 7 * 24 * 3600
MEET_ID_BYTES: Final = 32
RELAY_ARRAY_MAX_ITEMS: Final = 16
"""Items of an array in a relay message; nested headers cost memory before they prove empty."""
RELAY_WHOLE_MAX_BYTES: Final = CONTROL_MAX_BYTES
"""A DATA frame up to this size is forwarded once it is complete, a larger one piece by piece."""
RELAY_CONTROLS_MAX: Final = 256
"""Relay messages that one link may send in its life."""
RELAY_DEFERRED_MAX: Final = 16
"""Relay messages that wait for the end of a DATA frame or for a slow reader."""
RELAY_STRAY_MAX_BYTES: Final = 16 * MIB
"""DATA dropped because nobody sits opposite: what was on its way when the peer went."""
RELAY_EARLY_MAX_BYTES: Final = 16 * KIB
"""What waits for a link's TLS handshake to end."""
RELAY_TLS_HALF_OPEN_MAX: Final = 256
"""TLS handshakes under way; one more ends the oldest of the address that has the most."""
RELAY_TLS_HANDSHAKE_MAX_BYTES: Final = 16 * KIB
"""What a client may send before its TLS handshake is done; two first flights are under 4 KiB."""
HEIR_TOKEN_BYTES: Final = 32
RELAY_HEIRS_MAX: Final = 64
"""Rooms at a time that one nameplate went through: receivers of one sender, side by side."""
RELAY_PAIRINGS_MAX: Final = (1 << 32) - 1
"""The number of a pairing is a u32; a room dies of age long before it has had so many."""
LANE_TOKEN_BYTES: Final = 32
LANE_TOKEN_S: Final = 10.0
"""A token that was not used, or whose partner was not, lapses after this time."""
LANES_PER_SESSION_MAX: Final = 16
RELAY_LANES_MAX: Final = 512
"""Lanes of all rooms together; each takes two sockets and up to two pipes."""
RELAY_LANE_CHUNK_BYTES: Final = 64 * KIB
"""What is copied at a time where the system cannot move bytes between sockets itself."""
RELAY_LANE_PIPE_BYTES: Final = 1 * MIB
"""Bytes under way in one direction of a lane, in the system's memory."""
LANE_STALL_S: Final = 5
"""A lane on which nothing moves for so long is given up."""
LANE_HELD_MAX_S: Final = 30
"""The same where it is the other end that takes nothing: its disk may be slow."""
LANE_DIAL_S: Final = 5.0
LANE_LOSSES_MAX: Final = 3
"""Lanes lost in one session with records on them, or spoilt, after which it uses none."""
LANE_ASKS_MAX: Final = 64
"""Times that one session asks its relay for lanes."""
LANE_SILENT_S: Final = 30.0
"""Nothing that was sent is reported for so long, part of it over lanes: all lanes are given up."""
RELAY_LINGER_S: Final = 5.0
"""A closed link has this long to take what was written to it."""
RELAY_CHUNK_MIN_BYTES: Final = 16 * KIB
RELAY_CHUNK_MAX_BYTES: Final = 512 * KIB
"""What is read from one link at a time; many links share RELAY_CHUNKS_BYTES."""
RELAY_CHUNKS_BYTES: Final = 8 * MIB
RELAY_BACKLOG_MAX_BYTES: Final = 256 * KIB
"""Unsent bytes on a link at which its partner is no longer read."""
RELAY_QUIC_WINDOWS_BYTES: Final = 32 * MIB
"""What all QUIC links together may have sent ahead of being forwarded, or unacknowledged."""
RELAY_HALF_OPEN_FREE_MAX: Final = 32
"""QUIC handshakes under way at which a newcomer has to prove its address first (Retry)."""
RELAY_HALF_OPEN_FREE_PER_ADDRESS_MAX: Final = 8
"""The same for newcomers from one address."""
RELAY_HALF_OPEN_PER_ADDRESS_MAX: Final = 64
"""QUIC handshakes under way from one address that has proven itself; more are dropped."""
RELAY_HALF_OPEN_MAX: Final = 512
"""QUIC handshakes under way in all; more are dropped."""
RELAY_HANDSHAKES_PER_S_MAX: Final = 128
"""QUIC handshakes that a relay begins in a second: each costs it a millisecond and a signature."""
QUIC_WINDOW_MIN_BYTES: Final = 16 * KIB
"""What a QUIC client may send before anything of it was consumed."""
QUIC_WINDOW_MAX_BYTES: Final = 1 * MIB
QUIC_CRYPTO_MAX_BYTES: Final = 32 * KIB
"""All handshake bytes that one side may send: a chain of certificates is the longest part."""
QUIC_IDLE_S: Final = RELAY_IDLE_S + 30
"""The rule of the link comes first; this ends what a link cannot see."""
QUIC_BATCH_DATAGRAMS: Final = 64
"""Datagrams taken from a socket in one turn, so that nobody else waits long."""
DATAGRAM_MAX_BYTES: Final = 64 * KIB
PLATE_MIN_DIGITS: Final = 4
PLATE_REST_S: Final = 24 * 3600.0
"""A nameplate is not handed out at random again in this time."""
PLATES_REMEMBERED_MAX: Final = 1 << 15
PLATES_EXPIRED_MAX: Final = 1 << 12
"""Expired nameplates that are still told from unknown ones."""
ADDRESSES_TRACKED_MAX: Final = 1 << 14
"""Addresses whose token buckets a relay remembers; the longest silent is forgotten first."""
RELAY_ROOMS_MAX: Final = 2048
RELAY_ROOMS_PER_ADDRESS_MAX: Final = 128
RELAY_LINKS_MAX: Final = 2 * RELAY_ROOMS_MAX + 512
RELAY_LINKS_PER_ADDRESS_MAX: Final = 512
RELAY_FIGURE_MAX: Final = 1 << 20
"""The largest count that a relay's configuration may set."""
RELAY_DRAIN_MAX_S: Final = 24 * 3600
RELAY_CONFIG_MAX_BYTES: Final = 256 * KIB
PASSWORD_MAX_BYTES: Final = 1024
"""A relay password, in a file or a variable."""

# --- peer frames (docs/protocol.md §6) --------------------------------------------------------

FLIGHT_MAX_BYTES: Final = 4096
"""M1 and M2 each (protocol rule); M3 is far smaller."""
RECORD_HEADER_BYTES: Final = 15
"""u8 type, u16 channel, u32 epoch, u64 number."""
TAG_BYTES: Final = 16
CONTROL_BODY_MAX_BYTES: Final = 160 * KIB
"""One control message inside a record: the largest is the bitmap of a full manifest."""
RECORD_LEAVES_MAX_BYTES: Final = 1 * MIB
"""Leaf bytes in one bulk record."""
RECORD_ENTRIES_MAX: Final = 4096
"""Leaves or packed files in one bulk record."""
BULK_HEADER_BYTES: Final = 16
RECORD_BODY_MAX_BYTES: Final = RECORD_LEAVES_MAX_BYTES + BULK_HEADER_BYTES + 9 * RECORD_ENTRIES_MAX
FRAME_MAX_BYTES: Final = 4 + RECORD_HEADER_BYTES + RECORD_BODY_MAX_BYTES + TAG_BYTES
"""A whole peer frame with its length field: also the largest DATA frame."""
ABORT_MAX_BYTES: Final = 64

# --- sessions (docs/protocol.md §6) -----------------------------------------------------------

EPOCH_MAX_RECORDS: Final = 1 << 20
EPOCH_MAX_BYTES: Final = 1 * GIB
EPOCH_MAX_S: Final = 600.0
HELD_RECORDS_MAX: Final = 256
HELD_BYTES_MAX: Final = 1 * MIB
GAP_MAX_S: Final = 10.0
BULK_WINDOW_RECORDS: Final = 1 << 16
BULK_NUMBERS: Final = 1 << 47
"""Numbers of a bulk channel stay below this."""
ASKED_RECORDS_MAX: Final = 1 << 13
"""Bulk records that one question is about: several times what a window holds on its way."""
BULK_EPOCH_SHIFT: Final = 15
"""A bulk epoch is 2^15 records: 32 GiB at 1 MiB a record."""
FAILED_OPENS_MAX: Final = 1024
CHANNELS_MAX: Final = 1 << 15
UNACKED_MAX_BYTES: Final = 4 * MIB
"""Sealed ordered records kept for a new connection; more waits for acknowledgement."""
UNACKED_END_BYTES: Final = 4 * UNACKED_MAX_BYTES
"""A peer that lets so much pile up acknowledges nothing; the session ends."""
ACK_EVERY_RECORDS: Final = 32
SESSION_CONNECTIONS_MAX: Final = 16
HANDSHAKE_MAX_S: Final = 10.0
PEER_SILENT_MAX_S: Final = 60.0
PEER_PING_EVERY_S: Final = 15.0
STALLED_S: Final = 600.0
"""A transfer of files in which nothing moves for so long is given up; a stream may rest."""
DECISION_MAX_S: Final = 600.0
"""An offer waits ten minutes for an answer."""
ATTEMPTS_MAX: Final = 3
"""Counted handshake runs per code, drops and reopenings together."""
ANSWERED_FLIGHTS_MAX: Final = 1024
"""True first flights of one peer that a process remembers, so that none is answered twice."""

# --- messages ---------------------------------------------------------------------------------

MESSAGE_DEPTH_MAX: Final = 8
"""Maps and arrays inside one another."""
STR_MAX_BYTES: Final = 64 * KIB
BIN_MAX_BYTES: Final = 128 * KIB
ARRAY_MAX_ITEMS: Final = 4096
MAP_MAX_ITEMS: Final = 64
TEXT_MAX_BYTES: Final = 64 * KIB
NOTE_MAX_CHARS: Final = 1000
NAME_MAX_CHARS: Final = 64
REASON_MAX_CHARS: Final = 300
CAPABILITIES_MAX: Final = 32

# --- manifest and transfer (docs/protocol.md §7) ----------------------------------------------

MANIFEST_PAGE_MAX_BYTES: Final = 64 * KIB
MANIFEST_PAGE_ENTRIES: Final = 512
MANIFEST_ENTRIES_MAX: Final = 1 << 20
MANIFEST_PAGES_MAX: Final = 1 << 16
MANIFEST_MAX_BYTES: Final = 256 * MIB
"""All pages of one list, which a receiver holds before anybody has said yes."""
PATH_MAX_BYTES: Final = 4096
COMPONENT_MAX_BYTES: Final = 255
PATH_DEPTH_MAX: Final = 128
FILE_MAX_BYTES: Final = 1 << 60
MTIME_MAX_NS: Final = 1 << 62
"""Times of an entry: 146 years before and after 1970."""
STREAM_LEAF_BYTES: Final = 256 * KIB
LEAF_MAX_BYTES: Final = 1 * MIB
"""The largest leaf of any file."""
PACK_FILE_MAX_BYTES: Final = 64 * KIB
ZSTD_WINDOW_MAX_BYTES: Final = 8 * MIB
"""Memory that a compressed leaf may ask its reader for."""
WINDOW_BYTES: Final = 32 * MIB
"""Leaf bytes on the way that the receiver has not yet reported as stored."""
ROOTS_PER_TRAILER: Final = 1024
OFFER_PROOFS_MAX: Final = 8
"""Earlier transfers that an offer may belong to; every offer has so many, true or random."""
HAVE_RANGES_MAX: Final = 1 << 17
"""Ranges of leaves that a receiver may say it has, over a whole offer."""
LEAF_LIST_HASHES_MAX: Final = BIN_MAX_BYTES // 32
"""Leaf hashes in one message, when a receiver looks for what differs."""
HOLE_RECORDS_MAX: Final = 16
"""Bulk records with holes that are not yet reported as stored: holes cost no credit."""
RECEIVERS_MAX: Final = RELAY_HEIRS_MAX
"""Receivers of one code at a time; more are let in as others are done."""
LEAF_HASHES_MAX_BYTES: Final = 64 * MIB
"""Leaf hashes that a sender to several remembers: 32 bytes a leaf, two tebibytes at a mebibyte."""
PAUSES_MAX: Final = 1024
"""Pauses that one side may ask for in a transfer."""
XATTRS_MAX: Final = 64
"""Extended attributes of one file that travel."""
XATTR_NAME_MAX_BYTES: Final = 250
"""Without its namespace: Linux allows 255 with "user."."""
XATTRS_MAX_BYTES: Final = 64 * KIB
"""Names and values of one file's attributes together."""
XATTRS_HELD_MAX_BYTES: Final = 32 * MIB
"""Attributes that wait for their files to be whole and named; more are not kept."""
NOT_KEPT_MAX: Final = (1 << 32) - 1
"""A count of what was not kept stops here."""
DURABLE_EVERY_BYTES: Final = 64 * MIB
DURABLE_EVERY_S: Final = 1.0
JOURNAL_ENTRY_MAX_BYTES: Final = BIN_MAX_BYTES + KIB
"""One sealed entry of a receiver's journal."""
RESUME_KEPT_S: Final = 7 * 24 * 3600
"""An unfinished transfer is gone on with for so long."""
SYNC_EXTRA_MAX: Final = 100_000
"""Files that a sync may remove at once: each is remembered as it was when somebody agreed."""

# --- what people type (docs/protocol.md §3.1) -------------------------------------------------

CODE_MAX_CHARS: Final = 256
"""A code without its relay: it is normalised and stretched before anything else looks at it."""
ADDRESS_MAX_CHARS: Final = 400
"""HOST:PORT#sha256:…; bounds the IDNA conversion, whose cost grows with the square."""
HOST_MAX_CHARS: Final = 253
HOST_LABEL_MAX_CHARS: Final = 63
GENERATED_WORDS_MIN: Final = 3
GENERATED_WORDS_MAX: Final = 8
GENERATED_WORDS_SEVERAL: Final = 4
"""What a code for several receivers has unless told otherwise: 39 bits."""

# --- pictures whose metadata is stripped, on the sender's own machine -------------------------

IMAGE_PARTS_MAX: Final = 1 << 18
"""Segments, chunks, boxes and items of one picture: about a second of looking."""
IMAGE_PIECES_MAX: Final = 1 << 14
"""Pieces of a stripped picture, and extents of its items: they are held while it is sent."""
IMAGE_SCAN_MAX_BYTES: Final = 1 * GIB
"""Bytes of a picture that are looked at one by one before it is offered."""
