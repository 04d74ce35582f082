"""PNG: chunks that stay and chunks that go."""

from __future__ import annotations

import pytest
from PIL import PngImagePlugin

from tallow.engine.metadata.pieces import StripRefused
from tallow.engine.metadata.png import _chunk as chunk
from tests.engine.metadata.pictures import (
    ICC,
    ORIENTATION,
    SECRET,
    XMP,
    exif,
    opened,
    painted,
    plan,
    same_pixels,
    saved,
    stripped,
)

PLAIN = saved("PNG")
HEADER_END = 8 + 25


def with_front(*chunks: bytes) -> bytes:
    """Return a picture with chunks behind its header."""
    return PLAIN[:HEADER_END] + b"".join(chunks) + PLAIN[HEADER_END:]


def with_back(*chunks: bytes) -> bytes:
    """Return a picture with chunks before its end."""
    return PLAIN[:-12] + b"".join(chunks) + PLAIN[-12:]


DROPPED = [b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf", b"caBX", b"dSIG", b"prVt", b"iDOT", b"sPLT"]


@pytest.mark.parametrize("kind", DROPPED)
@pytest.mark.parametrize("place", [with_front, with_back])
def test_a_chunk_goes(kind: bytes, place: object) -> None:
    """A chunk that is no part of the picture goes, before and behind the pixels."""
    made = chunk(kind, b"key\0" + SECRET)
    raw = with_front(made) if place is with_front else with_back(made, made)
    assert stripped(raw) == PLAIN


def test_an_encoders_metadata_goes() -> None:
    """C6: texts, EXIF and XMP go; pixels, profile, density and orientation stay."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "SECRET")
    text.add_text("Zipped", "SECRET" * 50, zip=True)
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    raw = saved("PNG", pnginfo=text, exif=exif(3), icc_profile=ICC, dpi=(300, 300))
    made = stripped(raw)
    assert SECRET not in made
    assert b"Zipped" not in made
    assert same_pixels(raw, made)
    image, before = opened(made), opened(raw)
    assert dict(image.getexif()) == {ORIENTATION: 3}
    assert image.info["icc_profile"] == ICC
    assert image.info["dpi"] == before.info["dpi"]
    assert set(image.info) == {"icc_profile", "dpi", "exif"}


@pytest.mark.parametrize("turned", [1, 5])
def test_the_orientation_stays(turned: int) -> None:
    """A turned picture keeps one tag; one that lies as it should keeps no EXIF at all."""
    made = stripped(saved("PNG", exif=exif(turned)))
    assert dict(opened(made).getexif()) == ({ORIENTATION: turned} if turned > 1 else {})
    assert (b"eXIf" in made) == (turned > 1)


def test_colour_stays() -> None:
    """Every chunk about colour, density and animation is kept, and alone makes no plan."""
    kinds = (
        "gAMA cHRM iCCP sRGB sBIT cICP mDCV cLLI bKGD hIST pHYs oFFs sTER acTL fcTL fdAT tRNS PLTE"
    )
    assert plan(with_front(*(chunk(kind.encode(), b"1234") for kind in kinds.split()))) is None


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "1", "I;16"])
def test_every_kind_of_pixel_survives(mode: str) -> None:
    """Palettes, transparency and depth decode to the same pixels."""
    source = painted("RGBA") if mode in ("RGBA", "LA") else painted("L")
    image = source.convert(mode)
    raw = saved("PNG", image, exif=exif(), **({"transparency": 3} if mode == "P" else {}))
    made = stripped(raw)
    assert SECRET not in made
    assert opened(made).info.get("transparency") == opened(raw).info.get("transparency")
    assert same_pixels(raw, made)


def test_an_animation_survives() -> None:
    """Every frame of an animation decodes to the same pixels."""
    more = [painted(seed=seed) for seed in (2, 3)]
    raw = saved("PNG", save_all=True, append_images=more, exif=exif())
    made = stripped(raw)
    assert SECRET not in made
    assert opened(made).n_frames == 3  # type: ignore[attr-defined]
    assert same_pixels(raw, made)


def test_what_follows_the_picture_goes() -> None:
    """Bytes behind the end go, and so do bytes inside it."""
    assert plan(PLAIN) is None
    assert stripped(PLAIN + SECRET) == PLAIN
    assert stripped(PLAIN[:-12] + chunk(b"IEND", SECRET)) == PLAIN


@pytest.mark.parametrize(
    "raw",
    [
        PLAIN[:-12],
        PLAIN[:-1],
        PLAIN[:8],
        PLAIN[:8] + PLAIN[HEADER_END:],
        PLAIN[:HEADER_END] + PLAIN[-12:] + SECRET,
        with_front(chunk(b"SECR", b"")),
        with_front(b"\xff\xff\xff\xfftEXt" + SECRET),
        with_front(b"\x7f\xff\xff\xfftEXt" + SECRET),
    ],
)
def test_a_damaged_one_is_refused(raw: bytes) -> None:
    """Cut, lying or unknown structure is refused with a reason, never sent half stripped."""
    with pytest.raises(StripRefused, match="for certain: as a PNG, "):
        plan(raw)


def test_many_chunks_are_refused() -> None:
    """Hundreds of thousands of chunks end the walk."""
    with pytest.raises(StripRefused, match="too many parts"):
        plan(with_front(chunk(b"tEXt", b"") * 270_000))
