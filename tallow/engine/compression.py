"""Leaves made smaller where it helps, and what a peer made smaller expanded within bounds.

Whether it helps is decided leaf by leaf: formats that are compressed already and content that does
not shrink go as they are, and when the wire waits for this machine the level goes down, to nothing
at last. Expanding never allocates what a frame merely claims: the claim must equal the length that
the record announced, which is bounded, before anything is made room for.
Before: lane.py seals what this returns. After: the inbox writes what this expands. It never reads
a file, a clock or a socket. Spec: docs/protocol.md §8.3.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Final, assert_never

from tallow.errors import RemoteProtocolError
from tallow.protocol.bulk import Codec, Leaf
from tallow.wire import limits

if TYPE_CHECKING:
    from zstandard import ZstdCompressor, ZstdDecompressor

LEVELS: Final = (0, 1, 3, 6)
"""Rungs of zstd levels; 0 sends everything as it is."""
FIRST_RUNG: Final = 2
PATIENCE: Final = 16
"""How many more looks must find one side waiting than the other before the level moves."""
SMALLEST_BYTES: Final = 128
SAMPLES: Final = 4
SAMPLE_BYTES: Final = 4096
REST_LEAVES: Final = 32
"""The most leaves that go unlooked at after content that did not shrink."""
NAMES_KEPT: Final = 64

_FRAME_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_MAGICS: Final = (
    b"PK\x03\x04", b"\x1f\x8b", b"\xfd7zXZ\0", _FRAME_MAGIC, b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh",
    b"\x04\x22\x4d\x18", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"OggS", b"fLaC", b"ID3",
    b"\x1a\x45\xdf\xa3", b"wOF2",
)  # fmt: skip
_SUFFIXES: Final = frozenset(
    """7z aac apk avif br bz2 docx epub flac gif gz heic heif jar jpeg jpg lz4 lzma m4a m4v mkv mov
    mp3 mp4 odp ods odt ogg opus oxt png pptx rar tbz2 tgz txz war webm webp whl woff woff2 xlsx xz
    zip zst""".split()  # noqa: SIM905 - a table of words
)


class CompressionRefused(RemoteProtocolError):
    """The other side sent compressed bytes that are not what they claim to be."""


# --- expanding what a peer sent ---------------------------------------------------------------


def expand_leaf(leaf: Leaf) -> memoryview:
    """Return a leaf's plain bytes, zeros for a hole; CompressionRefused if they are not there."""
    match leaf.codec:
        case Codec.RAW | Codec.ZSTD:
            return expand_pack(leaf.codec, leaf.stored, leaf.plain_bytes)
        case Codec.HOLE:
            return _zeros()[: _bounded(leaf.plain_bytes)]
        case _:
            assert_never(leaf.codec)


def expand_pack(codec: Codec, stored: memoryview, plain_bytes: int) -> memoryview:
    """Return the plain bytes of a stored block; CompressionRefused if they are not there."""
    _bounded(plain_bytes)
    if codec is Codec.ZSTD:
        return memoryview(_expand(stored, plain_bytes))
    if codec is not Codec.RAW or len(stored) != plain_bytes:
        raise CompressionRefused
    return stored


def _expand(stored: memoryview, plain_bytes: int) -> bytes:
    import zstandard

    try:
        frame = zstandard.get_frame_parameters(stored)
        # The library believes a declared size over max_output_size, so this must come first.
        if (
            bytes(stored[:4]) != _FRAME_MAGIC
            or frame.content_size != plain_bytes
            or frame.window_size > limits.ZSTD_WINDOW_MAX_BYTES
            or frame.dict_id
        ):
            raise CompressionRefused
        plain = _decompressor().decompress(
            stored, max_output_size=plain_bytes, read_across_frames=False, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise CompressionRefused(why=str(error)) from None
    if len(plain) != plain_bytes:
        raise CompressionRefused
    return plain


def _bounded(plain_bytes: int) -> int:
    if not 0 <= plain_bytes <= limits.RECORD_LEAVES_MAX_BYTES:
        raise CompressionRefused
    return plain_bytes


@lru_cache(maxsize=1)
def _zeros() -> memoryview:
    return memoryview(bytes(limits.RECORD_LEAVES_MAX_BYTES))


class _Threads(threading.local):
    """The library's contexts may not be shared between threads."""

    decompressor: ZstdDecompressor | None = None
    probe: ZstdCompressor | None = None
    compressor: ZstdCompressor | None = None
    level = 0


_threads = _Threads()


def _decompressor() -> ZstdDecompressor:
    import zstandard

    if _threads.decompressor is None:
        window = limits.ZSTD_WINDOW_MAX_BYTES
        _threads.decompressor = zstandard.ZstdDecompressor(max_window_size=window)
    return _threads.decompressor


# --- making smaller what is sent --------------------------------------------------------------


class Compressor:
    """Decides for each leaf whether and how hard to compress it; called from several threads.

    Its counters are only a guess at what is worth the work, so threads share them unguarded.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._rung = FIRST_RUNG
        self._lean = 0
        self._failures = 0
        self._resting = 0
        self._packed: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def level(self) -> int:
        """The zstd level of the next leaf; 0 while nothing is compressed."""
        return LEVELS[self._rung] if self._enabled else 0

    def observe(self, wire_stalled: bool) -> None:
        """Learn whether the wire was full when a record was ready, or waited for this machine."""
        self._lean += 1 if wire_stalled else -1
        if abs(self._lean) >= PATIENCE:
            step = 1 if self._lean > 0 else -1
            self._rung = max(0, min(self._rung + step, len(LEVELS) - 1))
            self._lean = 0

    def shrink(self, content: memoryview, *, name: str = "", first: bool = False) -> bytes | None:
        """Return a zstd frame smaller than the content, or None to send it as it is.

        ``name`` is the file's; ``first`` says that the content stands at the file's beginning.
        """
        level = self.level
        if not level or len(content) < SMALLEST_BYTES or self._packed_already(name, content, first):
            return None
        if self._resting:
            self._resting = max(0, self._resting - 1)
            return None
        frame = _compressor(level).compress(content) if _promising(content) else None
        if frame is not None and _worth(len(frame), len(content)):
            self._failures = 0
            return frame
        self._failures = min(self._failures + 1, REST_LEAVES.bit_length() - 1)
        self._resting = (1 << self._failures) - 1
        return None

    def _packed_already(self, name: str, content: memoryview, first: bool) -> bool:
        if name.rpartition(".")[2].lower() in _SUFFIXES:
            return True
        with self._lock:
            if first and is_compressed_format(content):
                self._packed[name] = None
                if len(self._packed) > NAMES_KEPT:
                    self._packed.popitem(last=False)
            return name in self._packed


def is_compressed_format(head: memoryview) -> bool:
    """Return whether content begins like a format that is compressed already."""
    begins = bytes(head[:12])
    riff = begins[:4] == b"RIFF" and begins[8:12] == b"WEBP"
    return begins.startswith(_MAGICS) or begins[4:8] == b"ftyp" or riff


def _promising(content: memoryview) -> bool:
    """Tell from a few samples whether content shrinks: cheaper than to try all of it."""
    size = len(content)
    if size <= 2 * SAMPLES * SAMPLE_BYTES:
        return True
    starts = range(0, size - SAMPLE_BYTES + 1, (size - SAMPLE_BYTES) // (SAMPLES - 1))
    sample = b"".join(content[at : at + SAMPLE_BYTES] for at in starts)
    if _threads.probe is None:
        _threads.probe = _new_compressor(1)
    return _worth(len(_threads.probe.compress(sample)), len(sample))


def _worth(made_bytes: int, plain_bytes: int) -> bool:
    return made_bytes <= plain_bytes - plain_bytes // 16


def _compressor(level: int) -> ZstdCompressor:
    if _threads.compressor is None or _threads.level != level:
        _threads.compressor, _threads.level = _new_compressor(level), level
    return _threads.compressor


def _new_compressor(level: int) -> ZstdCompressor:
    import zstandard

    return zstandard.ZstdCompressor(level=level, write_checksum=False, write_content_size=True)
