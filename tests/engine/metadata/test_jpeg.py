"""JPEG: every way in which a picture can carry more than a picture."""

from __future__ import annotations

import re

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

PLAIN = saved("JPEG")
PROGRESSIVE = saved("JPEG", progressive=True)


def segment(kind: int, body: bytes) -> bytes:
    """Return a segment."""
    return bytes([0xFF, kind]) + (len(body) + 2).to_bytes(2, "big") + body


def with_front(raw: bytes, *segments: bytes) -> bytes:
    """Return a picture with segments behind its JFIF header."""
    return raw[:20] + b"".join(segments) + raw[20:]


DROPPED = {
    "comment": segment(0xFE, SECRET),
    "exif": segment(0xE1, exif(1).tobytes()),
    "xmp": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
    "extended xmp": segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + XMP),
    "photoshop": segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x06" + SECRET),
    "mpf": segment(0xE2, b"MPF\0" + SECRET),
    "flashpix": segment(0xE2, b"FPXR\0" + SECRET),
    "jumbf": segment(0xEB, b"JP\0\1" + SECRET),
    "jfif thumbnail": segment(0xE0, b"JFXX\0\x10" + SECRET),
    "nearly icc": segment(0xE2, b"ICC_PROFIL\0" + SECRET),
    "nearly exif": segment(0xE1, b"exif\0\0" + SECRET),
    "empty": segment(0xE5, b""),
    "full": segment(0xE7, SECRET * 10_000),
}


@pytest.mark.parametrize("name", DROPPED)
def test_a_segment_goes(name: str) -> None:
    """A segment that is no part of the picture goes, and nothing else does."""
    raw = with_front(PLAIN, DROPPED[name])
    assert stripped(raw) == PLAIN


def test_an_encoders_metadata_goes() -> None:
    """C6: EXIF, GPS, XMP and comments go; pixels, profile and orientation stay."""
    raw = saved("JPEG", exif=exif(6), xmp=XMP, icc_profile=ICC, comment=SECRET)
    made = stripped(raw)
    assert SECRET in raw
    assert SECRET not in made
    assert b"adobe:ns" not in made
    assert same_pixels(raw, made)
    image = opened(made)
    assert dict(image.getexif()) == {ORIENTATION: 6}
    assert image.info["icc_profile"] == ICC


@pytest.mark.parametrize("turned", range(1, 9))
def test_the_orientation_stays(turned: int) -> None:
    """A turned picture keeps one tag; one that lies as it should keeps no EXIF at all."""
    made = stripped(saved("JPEG", exif=exif(turned)))
    assert dict(opened(made).getexif()) == ({ORIENTATION: turned} if turned > 1 else {})
    assert (b"Exif" in made) == (turned > 1)


def test_the_first_orientation_counts() -> None:
    """Of several EXIF segments the first with an orientation speaks."""
    raw = with_front(PLAIN, *(segment(0xE1, exif(turned).tobytes()) for turned in (1, 3, 6)))
    assert dict(opened(stripped(raw)).getexif()) == {ORIENTATION: 3}


@pytest.mark.parametrize("raw", [PLAIN, PROGRESSIVE])
def test_a_bare_picture_has_no_plan(raw: bytes) -> None:
    """A picture without metadata is sent as it is."""
    assert plan(raw) is None


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {"progressive": True}),
        ("RGB", {"restart_marker_blocks": 1}),
        ("RGB", {"restart_marker_rows": 1, "progressive": True}),
        ("L", {"quality": 100}),
        ("CMYK", {"quality": 90}),
        ("RGB", {"quality": 98, "subsampling": 0, "keep_rgb": True}),
    ],
)
def test_every_coding_survives(mode: str, options: dict[str, int]) -> None:
    """Progressive scans, restart markers and Adobe's colours decode to the same pixels."""
    image = painted(mode, (90, 70))
    raw = saved("JPEG", image, exif=exif(), comment=SECRET, icc_profile=ICC, **options)
    made = stripped(raw)
    assert SECRET not in made
    assert same_pixels(raw, made)
    assert same_pixels(saved("JPEG", image, **options), made)


def test_segments_between_scans_go() -> None:
    """A comment and an EXIF between the scans of a progressive picture are found."""
    parts = re.split(rb"(?=\xff\xda)", PROGRESSIVE)
    assert len(parts) > 4
    hidden = segment(0xFE, SECRET) + b"\xff\xff" + segment(0xE1, exif(8).tobytes())
    assert stripped(hidden.join([parts[0] + parts[1], *parts[2:]])) == PROGRESSIVE


def test_fill_bytes_survive() -> None:
    """Fill bytes before a marker are no error, wherever they stand."""
    scan = PLAIN.index(b"\xff\xda")
    filled = PLAIN[:2] + b"\xff" * 9000 + PLAIN[2:scan] + b"\xff" + PLAIN[scan:-2] + b"\xff\xff\xd9"
    assert plan(filled) is None
    made = stripped(filled + SECRET)
    assert made == filled
    assert same_pixels(made, PLAIN)


@pytest.mark.parametrize("trailer", [SECRET, b"\0\0\0\x18ftypmp42" + SECRET, laden("JPEG"), b"\0"])
def test_what_follows_the_picture_goes(trailer: bytes) -> None:
    """Motion photos, further pictures and a camera's own notes behind the end go."""
    assert stripped(PLAIN + trailer) == PLAIN


def test_further_pictures_go() -> None:
    """A file of several pictures keeps its first."""
    second = painted(seed=2)
    raw = saved("MPO", save_all=True, append_images=[second], exif=exif())
    made = stripped(raw)
    assert SECRET not in made
    assert b"MPF" not in made
    assert opened(made).tobytes() == opened(raw).tobytes()
    assert len(made) < len(raw) * 2 // 3


def test_a_large_profile_stays() -> None:
    """A colour profile in many segments is kept whole."""
    profile = ICC * 700
    raw = saved("JPEG", icc_profile=profile, exif=exif())
    assert opened(stripped(raw)).info["icc_profile"] == profile


def test_headers_lose_what_they_do_not_need() -> None:
    """A JFIF header loses its thumbnail, an Adobe header what follows its numbers."""
    jfif = PLAIN[6:18] + b"\1\2" + SECRET
    made = stripped(PLAIN[:2] + segment(0xE0, jfif) + PLAIN[20:])
    assert made == PLAIN
    raw = saved("JPEG", painted("CMYK"))
    at = raw.index(b"\xff\xee")
    made = stripped(raw[:at] + segment(0xEE, raw[at + 4 : at + 16] + SECRET) + raw[at + 16 :])
    assert made == raw


@pytest.mark.parametrize(
    "raw",
    [
        PLAIN[:-2],
        PLAIN[:-1],
        PLAIN[:100],
        PLAIN[:3],
        PLAIN[:2] + b"\xff\xd9" + SECRET,
        with_front(PLAIN, b"SECRET"),
        with_front(PLAIN, b"\0"),
        with_front(PLAIN, b"\xff\x00" + SECRET),
        with_front(PLAIN, b"\xff\xd8"),
        with_front(PLAIN, b"\xff\xd3"),
        with_front(PLAIN, segment(0xF7, SECRET)),
        with_front(PLAIN, b"\xff\xfe\0\1"),
        with_front(PLAIN, b"\xff\xfe\0\0"),
        PLAIN[:20] + b"\xff\xe1\xff\xff" + SECRET,
    ],
)
def test_a_damaged_one_is_refused(raw: bytes) -> None:
    """Cut, lying or unknown structure is refused with a reason, never sent half stripped."""
    with pytest.raises(StripRefused, match="for certain: as a JPEG, "):
        plan(raw)


def test_many_segments_are_refused() -> None:
    """Hundreds of thousands of segments end the walk."""
    with pytest.raises(StripRefused, match="too many parts"):
        plan(with_front(PLAIN, segment(0xFE, b"") * 300_000))
    with pytest.raises(StripRefused, match="too many places"):
        plan(with_front(PLAIN, (segment(0xFE, b"") + segment(0xDB, b"")) * 20_000))
