"""Every control message there and back, and every way in which a peer may get one wrong."""

from __future__ import annotations

from typing import Any, get_args

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.protocol import messages as m
from tallow.wire import limits
from tallow.wire.errors import WireError

PROOF = m.IdentityProof(
    b"r" * 32, b"R" * 2592, b"d" * 32, b"D" * 2592, b"c" * 64, b"C" * 4627, b"p" * 64, b"P" * 4627
)

u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
u63 = st.integers(0, (1 << 63) - 1)
sizes = st.integers(0, limits.FILE_MAX_BYTES)
words = st.text(max_size=40)


def exactly(count: int) -> st.SearchStrategy[bytes]:
    """Return byte strings of one length."""
    return st.binary(min_size=count, max_size=count)


file_ends = st.builds(
    m.FileEnd, file_no=u32, size=sizes, root=exactly(32) | st.just(b""), failed=words
)
ranges = st.lists(st.tuples(u63, u63), min_size=1, max_size=4)

EACH: dict[type[m.Message], st.SearchStrategy[Any]] = {
    m.Hello: st.builds(
        m.Hello,
        purpose=st.sampled_from(["transfer", "chat", "clip", "room"]),
        wish=st.sampled_from(["send", "receive", "both"]),
        capabilities=st.lists(st.text(max_size=32), max_size=4),
        name=words,
        verify=st.booleans(),
        identity=st.none() | st.just(PROOF),
    ),
    m.Ack: st.builds(m.Ack, channel=u16, below=u63),
    m.Ping: st.just(m.Ping()),
    m.Pong: st.just(m.Pong()),
    m.Close: st.builds(m.Close, highest=st.lists(st.tuples(u16, u63), max_size=4)),
    m.Verified: st.builds(m.Verified, equal=st.booleans()),
    m.Offer: st.builds(
        m.Offer,
        offer=u32,
        kind=st.sampled_from(["files", "stream"]),
        entries=st.integers(1, limits.MANIFEST_ENTRIES_MAX),
        pages=st.integers(1, limits.MANIFEST_PAGES_MAX),
        total_bytes=sizes,
        proofs=st.lists(exactly(32), min_size=1, max_size=8),
        note=words,
        delta=st.booleans(),
    ),
    m.Page: st.builds(m.Page, offer=u32, index=u32, page=st.binary(min_size=1, max_size=99)),
    m.OfferEnd: st.builds(m.OfferEnd, offer=u32, manifest_root=exactly(32)),
    m.Resumes: st.builds(m.Resumes, offer=u32, proof=exactly(32)),
    m.Have: st.builds(
        m.Have,
        offer=u32,
        files=st.lists(st.builds(m.HaveFile, file_no=u32, ranges=ranges), min_size=1, max_size=4),
    ),
    m.AskMissed: st.builds(m.AskMissed, channel=u16, ranges=ranges),
    m.Missed: st.builds(m.Missed, channel=u16, ranges=ranges),
    m.AskLeaves: st.builds(m.AskLeaves, offer=u32, file_no=u32),
    m.LeafList: st.builds(
        m.LeafList,
        offer=u32,
        file_no=u32,
        first_leaf=u63,
        hashes=st.lists(exactly(32), min_size=1, max_size=4).map(b"".join),
    ),
    m.Again: st.builds(m.Again, offer=u32, file_no=u32, ranges=ranges),
    m.Pause: st.builds(m.Pause, offer=u32, reason=st.sampled_from(["user", "disk-full"])),
    m.Continue: st.builds(m.Continue, offer=u32),
    m.Accept: st.builds(
        m.Accept,
        offer=u32,
        accept_no=u32,
        manifest_root=exactly(32),
        bitmap=st.binary(max_size=99),
        window_bytes=st.integers(2 * limits.RECORD_LEAVES_MAX_BYTES, limits.WINDOW_BYTES),
    ),
    m.Decline: st.builds(m.Decline, offer=u32, reason=words),
    m.Start: st.builds(
        m.Start,
        offer=u32,
        channel=u16,
        transfer_id=exactly(16),
        accept_no=u32,
        ts=exactly(32),
        accept_hash=exactly(64),
    ),
    m.Trailer: st.builds(m.Trailer, offer=u32, files=st.lists(file_ends, min_size=1, max_size=4)),
    m.Stored: st.builds(m.Stored, offer=u32, ranges=ranges),
    m.Finish: st.builds(m.Finish, offer=u32, roots=exactly(32)),
    m.Complete: st.builds(
        m.Complete,
        offer=u32,
        roots=exactly(32),
        failed=st.lists(file_ends, max_size=4),
        failed_count=u32,
    ),
    m.Cancel: st.builds(
        m.Cancel,
        reason=st.sampled_from(
            ["user", "disk-full", "storage", "protocol", "internal", "timeout", "verify"]
        ),
        text=words,
    ),
    m.Text: st.builds(m.Text, text=words, note=words),
    m.TextShown: st.just(m.TextShown()),
}
any_message = st.one_of(*EACH.values())


def test_every_message_is_tested() -> None:
    """B1: the table below names each type of the union."""
    assert set(EACH) == set(get_args(m.Control))


@pytest.mark.parametrize("kind", EACH, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_message_survives_the_round_trip(kind: type[m.Message], data: st.DataObject) -> None:
    """B1: what was encoded is decoded to an equal message of the same type."""
    message = data.draw(EACH[kind])
    again = m.decode_control(m.encode_control(message))
    assert again == message
    assert type(again) is kind


def test_the_largest_legal_messages_pass() -> None:
    """B1: a full bitmap, page, trailer, proof and text are under every cap at once."""
    reason = "é" * limits.REASON_MAX_CHARS
    ends = [m.FileEnd(n, 1 << 60, bytes(32)) for n in range(limits.ROOTS_PER_TRAILER)]
    largest: list[m.Control] = [
        m.Accept(1, 1, bytes(32), b"\xff" * (limits.MANIFEST_ENTRIES_MAX // 8), 1 << 22),
        m.Page(1, 1, bytes(limits.MANIFEST_PAGE_MAX_BYTES)),
        m.Trailer(1, ends),
        m.Stored(1, [((1 << 63) - 1, (1 << 63) - 1)] * limits.HELD_RECORDS_MAX),
        m.Again(1, 0xFFFFFFFF, [((1 << 63) - 1, (1 << 63) - 1)] * limits.HELD_RECORDS_MAX),
        m.LeafList(1, 0xFFFFFFFF, (1 << 63) - 1, bytes(32 * limits.LEAF_LIST_HASHES_MAX)),
        m.Have(1, [m.HaveFile(0xFFFFFFFF, [((1 << 63) - 1, (1 << 63) - 1)] * 4)] * 1024),
        m.Offer(1, "files", 1, 1, 1, [bytes(32)] * limits.OFFER_PROOFS_MAX, "n" * 1000, 1, True),
        m.Complete(1, bytes(32), [m.FileEnd(n, 0, b"", reason) for n in range(128)], 128),
        m.Hello("transfer", "send", ["c" * 32] * 32, "n" * 64, True, PROOF),
        m.Text("x" * limits.TEXT_MAX_BYTES, "n" * limits.NOTE_MAX_CHARS),
        m.Text("é" * (limits.TEXT_MAX_BYTES // 2)),
        m.Close([(n, n) for n in range(limits.ARRAY_MAX_ITEMS)]),
    ]
    for message in largest:
        assert m.decode_control(m.encode_control(message)) == message


# --- hostile ----------------------------------------------------------------------------------

PLAIN: dict[str, dict[str, Any]] = {
    "hello": {"t": "hello", "purpose": "transfer", "wish": "send", "capabilities": []},
    "ack": {"t": "ack", "channel": 0, "below": 1},
    "close": {"t": "close", "highest": [[0, 1]]},
    "verified": {"t": "verified", "equal": True},
    "offer": {"t": "offer", "offer": 1, "kind": "files", "entries": 1, "pages": 1,
              "total_bytes": 0, "proofs": [bytes(32)]},
    "page": {"t": "page", "offer": 1, "index": 0, "page": b"p"},
    "offer-end": {"t": "offer-end", "offer": 1, "manifest_root": bytes(32)},
    "resumes": {"t": "resumes", "offer": 1, "proof": bytes(32)},
    "have": {"t": "have", "offer": 1, "files": [[0, [[0, 1]]]]},
    "ask-leaves": {"t": "ask-leaves", "offer": 1, "file_no": 0},
    "leaf-list": {"t": "leaf-list", "offer": 1, "file_no": 0, "first_leaf": 0,
                  "hashes": bytes(64)},
    "again": {"t": "again", "offer": 1, "file_no": 0, "ranges": [[0, 1]]},
    "pause": {"t": "pause", "offer": 1, "reason": "user"},
    "continue": {"t": "continue", "offer": 1},
    "accept": {"t": "accept", "offer": 1, "accept_no": 1, "manifest_root": bytes(32),
               "bitmap": b"\1", "window_bytes": 1 << 22},
    "start": {"t": "start", "offer": 1, "channel": 1, "transfer_id": bytes(16), "accept_no": 1,
              "ts": bytes(32), "accept_hash": bytes(64)},
    "trailer": {"t": "trailer", "offer": 1, "files": [[0, 1, bytes(32), ""]]},
    "stored": {"t": "stored", "offer": 1, "ranges": [[0, 1]]},
    "complete": {"t": "complete", "offer": 1, "roots": bytes(32)},
    "cancel": {"t": "cancel", "reason": "user"},
    "text": {"t": "text", "text": "hi"},
}  # fmt: skip

WRONG: list[tuple[str, str, Any]] = [
    ("hello", "purpose", "mischief"),
    ("hello", "purpose", 1),
    ("hello", "wish", ""),
    ("hello", "capabilities", ["c" * 33]),
    ("hello", "capabilities", ["c"] * 33),
    ("hello", "capabilities", "send"),
    ("hello", "name", "n" * 65),
    ("hello", "verify", 1),
    ("hello", "verify", None),
    ("hello", "identity", {}),
    ("hello", "identity", b"proof"),
    ("ack", "channel", -1),
    ("ack", "channel", 1 << 16),
    ("ack", "channel", True),
    ("ack", "below", 1 << 63),
    ("ack", "below", 1.5),
    ("ack", "below", "1"),
    ("close", "highest", [[0]]),
    ("close", "highest", [[0, 1, 2]]),
    ("close", "highest", [[0, -1]]),
    ("close", "highest", {"0": 1}),
    ("verified", "equal", "yes"),
    ("offer", "kind", "archive"),
    ("offer", "entries", 0),
    ("offer", "entries", limits.MANIFEST_ENTRIES_MAX + 1),
    ("offer", "entries", 10**9),
    ("offer", "pages", 0),
    ("offer", "pages", limits.MANIFEST_PAGES_MAX + 1),
    ("offer", "total_bytes", -1),
    ("offer", "total_bytes", limits.FILE_MAX_BYTES + 1),
    ("offer", "note", "n" * 1001),
    ("offer", "offer", 1 << 32),
    ("offer", "proofs", []),
    ("offer", "proofs", [bytes(32)] * 9),
    ("offer", "proofs", [bytes(31)]),
    ("offer", "proofs", bytes(32)),
    ("offer", "delta", 1),
    ("resumes", "proof", bytes(31)),
    ("resumes", "proof", bytes(33)),
    ("have", "files", []),
    ("have", "files", [[0, [[0, 1]]]] * (limits.ROOTS_PER_TRAILER + 1)),
    ("have", "files", [[0, []]]),
    ("have", "files", [[0, [[0, 1]] * (limits.HELD_RECORDS_MAX + 1)]]),
    ("have", "files", [[0, [[0, 1 << 63]]]]),
    ("have", "files", [[0, [[-1, 0]]]]),
    ("have", "files", [[0, [[0]]]]),
    ("have", "files", [[1 << 32, [[0, 1]]]]),
    ("have", "files", [{"file_no": 0, "ranges": [[0, 1]]}]),
    ("ask-leaves", "file_no", -1),
    ("leaf-list", "hashes", b""),
    ("leaf-list", "hashes", bytes(33)),
    ("leaf-list", "hashes", bytes(63)),
    ("leaf-list", "hashes", bytes(32 * (limits.LEAF_LIST_HASHES_MAX + 1))),
    ("leaf-list", "first_leaf", 1 << 63),
    ("again", "ranges", []),
    ("again", "ranges", [[0, 1]] * (limits.HELD_RECORDS_MAX + 1)),
    ("pause", "reason", "tea"),
    ("continue", "reason", "user"),
    ("page", "page", b""),
    ("page", "page", bytes(limits.MANIFEST_PAGE_MAX_BYTES + 1)),
    ("page", "page", "cGFnZQ=="),
    ("offer-end", "manifest_root", bytes(31)),
    ("offer-end", "manifest_root", bytes(33)),
    ("accept", "window_bytes", 2 * limits.RECORD_LEAVES_MAX_BYTES - 1),
    ("accept", "window_bytes", limits.WINDOW_BYTES + 1),
    ("accept", "bitmap", bytes(limits.MANIFEST_ENTRIES_MAX // 8 + 1)),
    ("accept", "bitmap", [1]),
    ("start", "ts", bytes(31)),
    ("start", "ts", bytes(33)),
    ("start", "transfer_id", bytes(15)),
    ("start", "transfer_id", bytes(17)),
    ("start", "accept_hash", bytes(63)),
    ("start", "channel", 1 << 16),
    ("trailer", "files", []),
    ("trailer", "files", [[0, 1, bytes(32), ""]] * (limits.ROOTS_PER_TRAILER + 1)),
    ("trailer", "files", [[0, 1, bytes(33), ""]]),
    ("trailer", "files", [[0, -1, bytes(32), ""]]),
    ("trailer", "files", [[0, 1, bytes(32), "", 1]]),
    ("trailer", "files", [[0]]),
    ("trailer", "files", [{"file_no": 0, "size": 1, "root": bytes(32)}]),
    ("trailer", "files", [[0, 0, b"", "r" * 301]]),
    ("stored", "ranges", []),
    ("stored", "ranges", [[0, 1]] * (limits.HELD_RECORDS_MAX + 1)),
    ("stored", "ranges", [[0, 1 << 63]]),
    ("complete", "failed_count", -1),
    ("complete", "roots", b""),
    ("cancel", "reason", "because"),
    ("cancel", "text", "t" * 301),
    ("text", "text", b"hi"),
    ("text", "text", "x" * (limits.TEXT_MAX_BYTES + 1)),
    ("text", "text", "é" * (limits.TEXT_MAX_BYTES // 2 + 1)),
    ("text", "t", "no-such-message"),
    ("text", "t", 1),
    ("text", "t", None),
    ("text", "surprise", 1),
    ("ack", "", 0),
]


def test_the_plain_forms_are_legal() -> None:
    """B1: each hostile case below differs in one thing from a message that passes."""
    for name, plain in PLAIN.items():
        assert m.decode_control(msgpack.packb(plain)).__struct_config__.tag == name


@pytest.mark.parametrize(
    ("name", "key", "value"),
    WRONG,
    ids=[f"{name}.{key}-{n}" for n, (name, key, _) in enumerate(WRONG)],
)
def test_one_wrong_field_is_refused(name: str, key: str, value: Any) -> None:
    """B1, X14: wrong type, range, length, tag or an unknown field: one typed error each."""
    with pytest.raises(WireError):
        m.decode_control(msgpack.packb({**PLAIN[name], key: value}))


@pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name, plain in PLAIN.items() for key in plain]
)
def test_a_missing_field_is_refused(name: str, key: str) -> None:
    """B1, X14: no field without a default may be left out, the tag least of all."""
    plain = {each: value for each, value in PLAIN[name].items() if each != key}
    with pytest.raises(WireError):
        m.decode_control(msgpack.packb(plain))


def test_a_doubled_key_is_refused() -> None:
    """B1, X14: two readers must never disagree about which of two values counts."""
    raw = msgpack.packb(PLAIN["text"])
    doubled = bytes([raw[0] + 1]) + raw[1:] + msgpack.packb("text") + msgpack.packb("ho")
    with pytest.raises(WireError):
        m.decode_control(doubled)


@pytest.mark.parametrize("name", PLAIN)
def test_a_later_versions_optional_key_is_dropped(name: str) -> None:
    """B1: a key marked "~" changes nothing, whatever it holds."""
    marked = {**PLAIN[name], "~later": {"deep": [1, b"2", None]}}
    plain = m.decode_control(msgpack.packb(PLAIN[name]))
    assert m.decode_control(msgpack.packb(marked)) == plain


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc0",
        b"\x80",
        b"\x90",
        b"\xa4ping",
        msgpack.packb(["ping"]),
        msgpack.packb({"t": "ping"}) + b"\0",
        msgpack.packb({"t": "ping"})[:-1],
        msgpack.packb({"t": "ping", 1: 2}, strict_types=True),
        msgpack.packb({"t": "text", "text": msgpack.ExtType(1, b"x")}),
        b"\x81\xa1t\xa4\xff\xff\xff\xff",
        b"\x82\xa1t\xa4text\xa4text\xdb\xff\xff\xff\xff",
        b"\x82\xa1t\xa7trailer\xa5files\xdd\xff\xff\xff\xff",
        b"\x82\xa1t\xa4have\xa5files" + b"\x91" * 10_000,
        b"\x81\xa5~deep" + b"\x91" * 10_000 + b"\xc0",
        bytes(limits.CONTROL_BODY_MAX_BYTES + 1),
    ],
)
def test_malformed_bytes_are_refused(raw: bytes) -> None:
    """B1, X14: nothing that is not one map of the right shape passes."""
    with pytest.raises(WireError):
        m.decode_control(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_one_error(raw: bytes) -> None:
    """X14, A4: arbitrary bytes never raise anything else."""
    try:
        m.decode_control(raw)
    except WireError:
        pass


@given(any_message, st.data())
def test_any_damage_is_a_message_or_one_error(message: m.Control, data: st.DataObject) -> None:
    """X14, A4: one changed byte of a real message never raises anything else."""
    raw = bytearray(m.encode_control(message))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        m.decode_control(bytes(raw))
    except WireError:
        pass


def test_the_secret_of_a_start_is_not_printed() -> None:
    """A4: TS, behind which every bulk key stands, appears in no printed form."""
    start = m.Start(1, 3, b"i" * 16, 1, b"secret-ts-secret-ts-secret-ts-xx", b"h" * 64)
    for shown in (repr(start), str(start), repr([start])):
        assert "secret" not in shown
        assert "channel=3" in shown
