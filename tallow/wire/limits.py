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
PACK_FILE_MAX_BYTES: Final = 64 * KIB
WINDOW_BYTES: Final = 32 * MIB
"""Leaf bytes on the way that the receiver has not yet reported as stored."""
ROOTS_PER_TRAILER: Final = 1024
DURABLE_EVERY_BYTES: Final = 64 * MIB
DURABLE_EVERY_S: Final = 1.0
JOURNAL_ENTRY_MAX_BYTES: Final = BIN_MAX_BYTES + KIB
"""One sealed entry of a receiver's journal."""

# --- what people type (docs/protocol.md §3.1) -------------------------------------------------

CODE_MAX_CHARS: Final = 256
"""A code without its relay: it is normalised and stretched before anything else looks at it."""
ADDRESS_MAX_CHARS: Final = 400
"""HOST:PORT#sha256:…; bounds the IDNA conversion, whose cost grows with the square."""
HOST_MAX_CHARS: Final = 253
HOST_LABEL_MAX_CHARS: Final = 63
GENERATED_WORDS_MIN: Final = 3
GENERATED_WORDS_MAX: Final = 8
