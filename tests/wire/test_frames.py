"""Frames: round trips, arbitrary cuts in the stream, and lengths that lie."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.wire import limits
from tallow.wire.errors import WireError
from tallow.wire.frames import (
    LINK_CAPS,
    LinkReader,
    LinkType,
    PeerType,
    RecordHeader,
    decode_peer,
    encode_link,
    encode_peer,
    encode_record,
    read_link_header,
    write_link_header,
    write_record_header,
)

CONTROLS = st.tuples(st.just(LinkType.CONTROL), st.binary(max_size=300))
PINGS = st.sampled_from([(LinkType.PING, b""), (LinkType.PONG, b"")])
SMALL = st.tuples(st.just(LinkType.DATA), st.binary(max_size=600))
LARGE = st.builds(
    lambda length, byte: (LinkType.DATA, bytes([byte]) * length),
    st.integers(LinkReader.STAGING_BYTES - 8, LinkReader.STAGING_BYTES + 5000),
    st.integers(0, 255),
)
STREAMS = st.lists(CONTROLS | PINGS | SMALL | LARGE, max_size=8)
HEADERS = st.builds(
    RecordHeader,
    kind=st.sampled_from([PeerType.RECORD, PeerType.BULK]),
    channel=st.integers(0, 2**16 - 1),
    epoch=st.integers(0, 2**32 - 1),
    number=st.integers(0, 2**64 - 1),
)


@given(STREAMS, st.lists(st.integers(1, 70_000), max_size=12))
def test_frames_survive_any_cut_of_the_stream(
    frames: list[tuple[LinkType, bytes]], cuts: list[int]
) -> None:
    """B1: however the stream is cut into reads, the same frames come out in order."""
    stream = b"".join(encode_link(kind, body) for kind, body in frames)
    reader = LinkReader()
    got: list[tuple[LinkType, bytes]] = []
    at = 0
    for cut in [*cuts, len(stream)]:
        got += [(kind, bytes(body)) for kind, body in reader.feed(stream[at : at + cut])]
        at += cut
    assert got == frames


@given(STREAMS)
def test_frames_survive_reads_into_the_readers_own_buffer(
    frames: list[tuple[LinkType, bytes]],
) -> None:
    """A transport that fills the offered buffer as far as it can gets the same frames."""
    stream = b"".join(encode_link(kind, body) for kind, body in frames)
    reader = LinkReader()
    got: list[tuple[LinkType, bytes]] = []
    while stream:
        room = reader.buffer()
        assert room
        count = min(len(room), len(stream))
        room[:count] = stream[:count]
        stream = stream[count:]
        got += [(kind, bytes(body)) for kind, body in reader.filled(count)]
    assert got == frames


@pytest.mark.parametrize("kind", list(LinkType))
def test_a_length_over_its_cap_is_refused_before_allocation(kind: LinkType) -> None:
    """X10, X14: the header alone is refused, and nothing was allocated for its body."""
    for length in (LINK_CAPS[kind] + 1, 2**31, 2**32 - 1):
        header = bytearray(5)
        write_link_header(memoryview(header), kind, length)
        reader = LinkReader()
        tracemalloc.start()
        try:
            with pytest.raises(WireError, match="too long"):
                list(reader.feed(bytes(header)))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak_bytes < 64 * limits.KIB


@pytest.mark.parametrize("kind", list(LinkType))
def test_a_length_at_its_cap_is_taken(kind: LinkType) -> None:
    """The cap itself is legal for every type of frame."""
    body = bytes(LINK_CAPS[kind])
    [(got, read)] = LinkReader().feed(encode_link(kind, body))
    assert (got, bytes(read)) == (kind, body)


@given(st.binary(max_size=40))
def test_link_headers_are_read_or_refused(raw: bytes) -> None:
    """X14: arbitrary bytes make frames or raise WireError, nothing else."""
    try:
        kind, length = read_link_header(raw)
    except WireError:
        return
    assert length <= LINK_CAPS[kind]


@pytest.mark.parametrize("number", [0, 3, 4, 7, 0x54, 255])
def test_an_unknown_type_of_frame_is_refused(number: int) -> None:
    """A type outside the protocol ends the link."""
    with pytest.raises(WireError, match="unknown"):
        read_link_header(bytes([number, 0, 0, 0, 0]))


def test_a_large_frames_buffer_can_be_used_again() -> None:
    """A recycled buffer serves the next large frame and its content is that frame's."""
    reader = LinkReader()
    size = LinkReader.STAGING_BYTES * 2
    [(_, first)] = reader.feed(encode_link(LinkType.DATA, b"a" * size))
    room = first.obj
    reader.recycle(first)
    [(_, second)] = reader.feed(encode_link(LinkType.DATA, b"b" * size))
    assert second.obj is room
    assert bytes(second) == b"b" * size


@given(HEADERS, st.binary(min_size=limits.TAG_BYTES, max_size=200))
def test_a_record_survives_the_round_trip(header: RecordHeader, sealed: bytes) -> None:
    """B1: header and sealed body of a record come out as they went in, by both encoders."""
    frame = encode_record(header, sealed)
    read = decode_peer(frame)
    assert (read.kind, read.header, bytes(read.body)) == (header.kind, header, sealed)
    in_place = bytearray(19)
    write_record_header(memoryview(in_place), header, len(sealed))
    assert bytes(in_place) + sealed == frame


@given(st.binary(max_size=limits.ABORT_MAX_BYTES))
def test_flights_and_aborts_survive_the_round_trip(body: bytes) -> None:
    """B1: what carries no record header has none."""
    for kind in (PeerType.FLIGHT, PeerType.ABORT):
        read = decode_peer(encode_peer(kind, body))
        assert (read.kind, read.header, bytes(read.body)) == (kind, None, body)


@given(st.binary(max_size=200))
def test_peer_frames_are_read_or_refused(raw: bytes) -> None:
    """X14: arbitrary bytes are a peer frame or raise WireError, nothing else."""
    try:
        decode_peer(raw)
    except WireError:
        pass


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\x00\x00\x01",
        b"\x00\x00\x00\x02\x01",
        b"\x00\x00\x00\x00\x01",
        b"\xff\xff\xff\xff\x01",
        b"\x00\x00\x00\x01\x7f",
        encode_peer(PeerType.FLIGHT, bytes(limits.FLIGHT_MAX_BYTES + 1)),
        encode_peer(PeerType.ABORT, bytes(limits.ABORT_MAX_BYTES + 1)),
        encode_peer(PeerType.RECORD, bytes(limits.RECORD_HEADER_BYTES + limits.TAG_BYTES - 2)),
        encode_peer(PeerType.BULK, bytes(limits.FRAME_MAX_BYTES - 4)),
    ],
    ids=[
        "empty", "length only", "length too large", "length zero", "length huge", "unknown type",
        "flight too long", "abort too long", "record too short", "record too long",
    ],
)  # fmt: skip
def test_a_false_peer_frame_is_refused(raw: bytes) -> None:
    """X14: a length that lies, an unknown type and a false size are typed errors."""
    with pytest.raises(WireError):
        decode_peer(raw)
