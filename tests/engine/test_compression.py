"""Compression: what shrinks goes smaller, the rest as it is, and no frame expands past its word."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.engine.compression import (
    FIRST_RUNG,
    LEVELS,
    PATIENCE,
    REST_LEAVES,
    CompressionRefused,
    Compressor,
    expand_leaf,
    expand_pack,
    is_compressed_format,
)
from tallow.errors import RemoteProtocolError
from tallow.protocol.bulk import Codec, Leaf
from tallow.wire import limits
from tests.fakes import SeededRng
from tests.house.tree import ROOT

KIB = 1024
RANDOM = SeededRng("compression").bytes(256 * KIB)
TEXT = b"".join(b"%d: a line of a log, %x\n" % (n, n * 7919) for n in range(20_000))[: 256 * KIB]
FRAME = zstandard.ZstdCompressor(level=3).compress(TEXT)
MAGIC = b"\x28\xb5\x2f\xfd"


def shrunk(compressor: Compressor, content: bytes, name: str = "", *, first: bool = False) -> bytes:
    """Return what a compressor makes of content; b"" if it goes as it is."""
    return compressor.shrink(memoryview(content), name=name, first=first) or b""


def zstd_leaf(stored: bytes, plain_bytes: int) -> Leaf:
    """Return a compressed leaf as it stands in a record."""
    return Leaf(Codec.ZSTD, plain_bytes, memoryview(stored))


def declaring(content_bytes: int, *blocks: bytes) -> bytes:
    """Return a frame in one segment that declares a size in eight bytes."""
    return MAGIC + b"\xe0" + content_bytes.to_bytes(8, "little") + b"".join(blocks)


def block(kind: int, size: int, content: bytes, *, last: bool = False) -> bytes:
    """Return a block: kind 0 is raw, 1 repeats one byte."""
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + content


# --- what is sent -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [limits.PACK_FILE_MAX_BYTES, 200, 256 * KIB])
def test_text_shrinks_and_comes_back(size: int) -> None:
    """C8: content that shrinks travels as one zstd frame, which expands to the same bytes."""
    stored = shrunk(Compressor(), TEXT[:size])
    assert 0 < len(stored) < size
    assert expand_leaf(zstd_leaf(stored, size)) == TEXT[:size]
    assert expand_pack(Codec.ZSTD, memoryview(stored), size) == TEXT[:size]


@settings(deadline=None)
@given(st.binary(max_size=40), st.integers(1, 4000), st.sampled_from(range(1, PATIENCE)))
def test_whatever_is_made_smaller_comes_back(seed: bytes, times: int, level_moves: int) -> None:
    """A frame is always smaller than its content and always expands to it, at every level."""
    content, compressor = seed * times, Compressor()
    for _ in range(level_moves * PATIENCE):
        compressor.observe(wire_stalled=True)
    stored = shrunk(compressor, content)
    assert not stored or len(stored) < len(content)
    if stored:
        assert expand_leaf(zstd_leaf(stored, len(content))) == content


@pytest.mark.parametrize("content", [RANDOM, FRAME + RANDOM[: 64 * KIB], b"", b"a" * 100])
def test_what_does_not_shrink_goes_as_it_is(content: bytes) -> None:
    """C8: random bytes, compressed ones and a handful of them are not worth a frame."""
    assert shrunk(Compressor(), content) == b""


@pytest.mark.parametrize("name", ["p/a.zip", "A.JPG", "film.mp4", "x.tar.zst", "x.tar.gz"])
def test_names_of_compressed_formats_are_believed(name: str) -> None:
    """A file that is called like a compressed one is not even sampled."""
    assert shrunk(Compressor(), TEXT, name) == b""
    assert shrunk(Compressor(), TEXT, name + ".txt")


HEADS = [b"PK\x03\x04", b"\x1f\x8b\x08", b"\x89PNG\r\n", b"\xff\xd8\xff\xe0", b"RIFF....WEBPVP8 "]


@pytest.mark.parametrize("head", [*HEADS, b"\0\0\0\x20ftypheic", FRAME[:20]])
def test_a_compressed_format_is_known_by_its_beginning(head: bytes) -> None:
    """What begins like an archive is not looked at again, whatever its name; others are."""
    compressor = Compressor()
    assert is_compressed_format(memoryview(head))
    assert shrunk(compressor, head + TEXT, "p/x", first=True) == b""
    assert shrunk(compressor, TEXT, "p/x") == b""
    assert shrunk(compressor, head + TEXT, "p/y")
    assert shrunk(compressor, TEXT, "p/y", first=True)


def test_only_some_names_are_remembered() -> None:
    """A folder of a million archives without endings does not fill the memory."""
    compressor = Compressor()
    for number in range(1000):
        assert shrunk(compressor, HEADS[0] + TEXT, f"{number}", first=True) == b""
    assert shrunk(compressor, TEXT, "999") == b""
    assert shrunk(compressor, TEXT, "0")


def test_failures_make_it_look_less_often() -> None:
    """In content that does not shrink only every thirty-second leaf is tried; text ends that."""
    compressor = Compressor()
    for _ in range(20 * REST_LEAVES):
        assert shrunk(compressor, RANDOM) == b""
    waited = next(n for n in range(2 * REST_LEAVES) if shrunk(compressor, TEXT))
    assert waited < REST_LEAVES
    assert all(shrunk(compressor, TEXT) for _ in range(10))


def test_the_level_follows_the_bottleneck() -> None:
    """A full wire is worth more work; a wire that waits for this machine gets less, then none."""
    compressor = Compressor()
    seen = [compressor.level]
    for stalled in [True] * 5 * PATIENCE + [False] * 6 * PATIENCE + [True] * 2 * PATIENCE:
        compressor.observe(stalled)
        if compressor.level != seen[-1]:
            seen.append(compressor.level)
    up, down = LEVELS[FIRST_RUNG + 1 :], LEVELS[-2::-1]
    assert seen == [LEVELS[FIRST_RUNG], *up, *down, *LEVELS[1:3]]


def test_a_mixed_wire_changes_nothing() -> None:
    """Without a clear bottleneck the level stays."""
    compressor = Compressor()
    for _ in range(100):
        compressor.observe(wire_stalled=True)
        compressor.observe(wire_stalled=False)
    assert compressor.level == LEVELS[FIRST_RUNG]


def test_threads_do_not_disturb_each_other() -> None:
    """Leaves of several records are made smaller and expanded at once, each to its own bytes."""
    compressor = Compressor()

    def there_and_back(number: int) -> bool:
        content = TEXT[number * 97 :] + b"%d" % number
        stored = shrunk(compressor, content)
        return bool(stored) and expand_leaf(zstd_leaf(stored, len(content))) == content

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(there_and_back, range(200)))


def test_off_is_off() -> None:
    """C8: --no-compress holds however long the wire is full."""
    compressor = Compressor(enabled=False)
    for _ in range(10 * PATIENCE):
        compressor.observe(wire_stalled=True)
    assert (compressor.level, shrunk(compressor, TEXT)) == (0, b"")


def test_the_library_is_loaded_when_it_is_needed() -> None:
    """A session that compresses nothing does not pay for zstandard."""
    import subprocess

    probe = (
        "import sys; from tallow.engine.compression import Compressor;"
        "Compressor().shrink(memoryview(b'PK' * 9)); assert 'zstandard' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True, timeout=30)


# --- what a peer sent -------------------------------------------------------------------------


def test_plain_leaves_and_holes() -> None:
    """A plain leaf is returned without a copy, a hole as zeros of the announced length."""
    stored = memoryview(bytearray(b"plain"))
    assert expand_leaf(Leaf(Codec.RAW, 5, stored)) is stored
    assert expand_leaf(Leaf(Codec.HOLE, 70_000, memoryview(b""))) == bytes(70_000)
    assert expand_pack(Codec.RAW, stored, 5) is stored


SIZE = 128 * KIB
RUN = block(1, SIZE, b"\0", last=True)
NO_SIZE = zstandard.ZstdCompressor(write_content_size=False).compress(TEXT[:SIZE])
GOOD = zstandard.ZstdCompressor().compress(TEXT[:SIZE])
FALSE = {
    "a tebibyte declared": declaring(1 << 40, RUN),
    "all of 64 bits declared": declaring((1 << 64) - 2, RUN),
    "more than announced": declaring(SIZE + 1, RUN),
    "less than announced": declaring(SIZE - 1, RUN),
    "no size declared": NO_SIZE,
    "a block too many": declaring(SIZE, block(1, SIZE, b"\0"), RUN),
    "a hundred blocks too many": declaring(SIZE, *[block(1, SIZE, b"\0")] * 100, RUN),
    "shorter than declared": declaring(SIZE, block(1, SIZE - 1, b"\0", last=True)),
    "no last block": declaring(SIZE, block(1, SIZE, b"\0")),
    "a huge window": MAGIC + b"\xc0\xf8" + SIZE.to_bytes(8, "little") + RUN,
    "a dictionary": MAGIC + b"\xe1\x07" + SIZE.to_bytes(8, "little") + RUN,
    "junk behind": GOOD + b"\0",
    "two frames": GOOD + GOOD,
    "an empty frame behind": GOOD + zstandard.ZstdCompressor().compress(b""),
    "a skippable frame in front": b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + GOOD,
    "a skippable frame behind": GOOD + b"\x50\x2a\x4d\x18\x04\0\0\0abcd",
    "a skippable frame alone": b"\x50\x2a\x4d\x18" + SIZE.to_bytes(4, "little") + b"abcd",
    "an old format": b"\x27\xb5\x2f\xfd" + GOOD[4:],
    "cut short": GOOD[:-1],
    "cut in the head": GOOD[:5],
    "nothing": b"",
    "a reserved bit": GOOD[:4] + bytes([GOOD[4] | 8]) + GOOD[5:],
    "a reserved block": declaring(SIZE, block(3, 1, b"\0", last=True)),
    "no frame": RANDOM[:100],
}


@pytest.fixture
def traced() -> Iterator[None]:
    """Trace what is allocated."""
    expand_leaf(zstd_leaf(GOOD, SIZE))
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("stored", FALSE.values(), ids=FALSE)
def test_a_false_frame_is_refused(stored: bytes) -> None:
    """C8, X10, X17: a decompression bomb, or any frame but the announced one, is refused."""
    tracemalloc.reset_peak()
    with pytest.raises(CompressionRefused):
        expand_leaf(zstd_leaf(stored, SIZE))
    with pytest.raises(CompressionRefused):
        expand_pack(Codec.ZSTD, memoryview(stored), SIZE)
    assert tracemalloc.get_traced_memory()[1] < 4 * SIZE


@pytest.mark.parametrize("plain", [-1, limits.RECORD_LEAVES_MAX_BYTES + 1, 1 << 40])
def test_a_length_out_of_bounds_is_refused(plain: int) -> None:
    """X10: no announced length makes this side allocate more than a record may hold."""
    for codec in (Codec.RAW, Codec.ZSTD, Codec.HOLE):
        stored = memoryview(declaring(max(plain, 0), RUN))
        with pytest.raises(CompressionRefused):
            expand_leaf(Leaf(codec, plain, stored))


def test_only_leaves_are_holes() -> None:
    """A block of packed files is plain or compressed, and plain ones have their length."""
    for codec, plain in ((Codec.HOLE, 0), (Codec.RAW, 4)):
        with pytest.raises(CompressionRefused):
            expand_pack(codec, memoryview(b"12345"), plain)


def test_the_refusal_ends_the_session() -> None:
    """What does not expand is a broken rule: exit 6."""
    assert issubclass(CompressionRefused, RemoteProtocolError)
    assert (CompressionRefused().exit_code, CompressionRefused().code) == (6, "peer-broke-rules")


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_any_flipped_byte_is_refused_or_stays_in_bounds(place: int, flip: int) -> None:
    """X14: a damaged frame raises one error type or gives exactly the announced length."""
    damaged = bytearray(GOOD)
    damaged[place] ^= flip
    try:
        assert len(expand_leaf(zstd_leaf(bytes(damaged), SIZE))) == SIZE
    except CompressionRefused:
        pass


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 1 << 20))
def test_any_bytes_behind_a_magic_are_refused_or_stay_in_bounds(tail: bytes, plain: int) -> None:
    """X14: no bytes make the decoder raise anything else or return another length."""
    try:
        assert len(expand_pack(Codec.ZSTD, memoryview(MAGIC + tail), plain)) == plain
    except CompressionRefused:
        pass
