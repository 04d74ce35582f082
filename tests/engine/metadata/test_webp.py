"""WebP: chunks, flags and sizes."""

from __future__ import annotations

import pytest

from tallow.engine.metadata.pieces import StripRefused
from tests.engine.metadata.pictures import (
    ICC,
    ORIENTATION,
    SECRET,
    XMP,
    exif,
    laden,
    opened,
    painted,
    plan,
    same_pixels,
    saved,
    stripped,
)

PLAIN = saved("WEBP")
LOSSLESS = saved("WEBP", lossless=True)
LADEN = laden("WEBP")
ANIMATED = saved(
    "WEBP",
    painted("RGBA"),
    save_all=True,
    append_images=[painted("RGBA", seed=2)],
    exif=exif(),
    xmp=XMP,
)


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk."""
    return kind + len(body).to_bytes(4, "little") + body + bytes(len(body) & 1)


def riff(*chunks: bytes) -> bytes:
    """Return a WebP of these chunks."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def well_formed(raw: bytes) -> bool:
    """Tell whether the size in the header is the file's."""
    return int.from_bytes(raw[4:8], "little") + 8 == len(raw)


def test_an_encoders_metadata_goes() -> None:
    """C6: EXIF and XMP go; pixels, profile and orientation stay, flags and size are mended."""
    made = stripped(LADEN)
    assert SECRET in LADEN
    assert SECRET not in made
    assert (LADEN[20] & 0x2C, made[20] & 0x2C) == (0x2C, 0x28)
    assert well_formed(made)
    assert same_pixels(LADEN, made)
    image = opened(made)
    assert dict(image.getexif()) == {ORIENTATION: 6}
    assert image.info["icc_profile"] == ICC


def test_a_picture_that_lies_as_it_should_keeps_no_exif() -> None:
    """Without an orientation the EXIF chunk and its flag are gone."""
    made = stripped(saved("WEBP", exif=exif(1), xmp=XMP))
    assert b"EXIF" not in made
    assert made[20] & 0x0C == 0
    assert same_pixels(PLAIN, made)


def test_an_animation_survives() -> None:
    """Every frame of an animation, transparent ones too, decodes to the same pixels."""
    made = stripped(ANIMATED)
    assert SECRET not in made
    assert opened(made).n_frames == 2  # type: ignore[attr-defined]
    assert same_pixels(ANIMATED, made)
    assert dict(opened(made).getexif()) == {ORIENTATION: 6}


@pytest.mark.parametrize("raw", [PLAIN, LOSSLESS, saved("WEBP", painted("RGBA"))])
def test_a_bare_picture_has_no_plan(raw: bytes) -> None:
    """A picture without metadata is sent as it is; what follows it goes."""
    assert plan(raw) is None
    assert stripped(raw + SECRET) == raw


@pytest.mark.parametrize("kind", [b"EXIF", b"XMP ", b"ABCD", b"exif"])
def test_a_chunk_goes(kind: bytes) -> None:
    """Chunks that are no part of the picture go from simple files too, before and behind it."""
    for raw in (PLAIN, LOSSLESS):
        hidden = chunk(kind, SECRET + b"!")
        assert stripped(riff(hidden, raw[12:], hidden)) == raw


def test_a_forgotten_padding_is_added() -> None:
    """A last chunk of odd length without its padding byte gets one when something else goes."""
    body = PLAIN[20:] + b"\0" * (len(PLAIN) % 2 == 0)
    odd = chunk(b"VP8 ", body[:-1] if len(body) % 2 == 0 else body)
    made = stripped(riff(chunk(b"XMP ", SECRET), odd[:-1]))
    assert made == riff(odd)
    assert same_pixels(made, PLAIN)


def test_a_long_header_is_cut() -> None:
    """What stands behind the ten bytes of the extended header goes."""
    long = riff(chunk(b"VP8X", LADEN[20:30] + SECRET), LADEN[30:])
    assert stripped(long) == stripped(LADEN)


@pytest.mark.parametrize(
    "raw",
    [
        LADEN[:-1],
        LADEN[:12],
        riff(),
        riff(chunk(b"XMP ", SECRET)),
        b"RIFF\3\0\0\0WEBP",
        b"RIFF\xff\xff\xff\xffWEBP" + SECRET,
        riff(PLAIN[12:], chunk(b"VP8X", bytes(10))),
        riff(chunk(b"VP8X", bytes(9)), PLAIN[12:]),
        riff(PLAIN[12:], b"EXI"),
        riff(PLAIN[12:], b"EXIF\xff\xff\xff\xff" + SECRET),
        riff(chunk(b"VP8X", bytes(10)), chunk(b"ANMF", bytes(16) + chunk(b"XMP ", SECRET))),
        riff(chunk(b"VP8X", bytes(10)), chunk(b"ANMF", bytes(15))),
    ],
)
def test_a_damaged_one_is_refused(raw: bytes) -> None:
    """Cut, lying or hiding structure is refused with a reason, never sent half stripped."""
    with pytest.raises(StripRefused, match="for certain: as a WebP, "):
        plan(raw)


def test_many_chunks_are_refused() -> None:
    """Hundreds of thousands of chunks end the walk."""
    with pytest.raises(StripRefused, match="too many parts"):
        plan(riff(chunk(b"ABCD", b"") * 270_000))
