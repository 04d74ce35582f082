"""HEIC and AVIF: what an encoder writes, and containers built box by box."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallow.engine.metadata import exif as own
from tallow.engine.metadata.heif import calls_itself_heif
from tallow.engine.metadata.pieces import StripRefused
from tests.engine.metadata.containers import (
    FTYP,
    HDLR,
    IMAGE_EXIF,
    ORPHAN,
    PIXELS,
    TILES,
    Heic,
    Place,
    box,
    full,
    iinf,
    infe,
    large,
    usual,
)
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

SEQUENCE = saved(
    "AVIF",
    save_all=True,
    append_images=[painted(seed=2), painted(seed=3)],
    exif=exif(1),
    xmp=XMP,
)


def test_an_encoders_metadata_goes() -> None:
    """C6: EXIF and XMP of an AVIF go; pixels, profile and orientation stay, and every offset."""
    raw = laden("AVIF")
    made = stripped(raw)
    assert SECRET in raw
    assert SECRET not in made
    assert len(made) == len(raw)
    assert same_pixels(raw, made)
    image = opened(made)
    assert dict(image.getexif()) == {ORIENTATION: 6}
    assert image.info["icc_profile"] == ICC


def test_a_bare_picture_has_no_plan() -> None:
    """A picture without metadata is sent as it is."""
    assert plan(saved("AVIF")) is None


def test_a_sequence_survives() -> None:
    """Frames of an image sequence decode to the same pixels; its times of creation go."""
    made = stripped(SEQUENCE)
    assert SECRET in SEQUENCE
    assert SECRET not in made
    assert opened(made).n_frames == 3  # type: ignore[attr-defined]
    assert same_pixels(SEQUENCE, made)
    assert made[made.index(b"mvhd") + 8 :][:8] == bytes(8)


def test_a_heic_keeps_its_pictures_alone() -> None:
    """C6: items that are pictures stay where they are, whatever lies between them goes."""
    raw = usual().file()
    made = stripped(raw)
    assert len(made) == len(raw)
    assert SECRET not in made
    for kept in (PIXELS, TILES, b"GRIDGRID"):
        assert made.index(kept) == raw.index(kept)
    exif_at = raw.index(IMAGE_EXIF)
    small = bytes(4) + own.only(8)
    assert made[exif_at:].startswith(small)
    assert made[exif_at + len(small) :].startswith(bytes(len(IMAGE_EXIF) - len(small)) + TILES)
    xmp_at = raw.index(XMP)
    assert made[xmp_at : xmp_at + len(XMP)] == b"<x/>".ljust(len(XMP))
    orphan_at = raw.index(ORPHAN)
    assert made[orphan_at : orphan_at + len(ORPHAN)] == bytes(len(ORPHAN))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_version_of_places(version: int) -> None:
    """All three shapes of the table of places are read."""
    made = Heic([b"hvc1"], [Place(1, [(0, 200)])], PIXELS + SECRET, version=version).file()
    assert stripped(made) == made.replace(SECRET, bytes(len(SECRET)))


@pytest.mark.parametrize("room", [1, 4, 12, 17, 18, 29, 30, 31, 60])
def test_an_exif_of_any_size_is_replaced(room: int) -> None:
    """The orientation stays if it fits, an empty EXIF if that fits, zeros otherwise."""
    content = (b"\0\0\0\0" + own.only(6) + b"S" * 40)[:room]
    heic = Heic(
        [b"hvc1", b"Exif"], [Place(1, [(0, 200)]), Place(2, [(200, room)])], PIXELS + content
    )
    raw = heic.file()
    pieces = plan(raw)
    made = raw if pieces is None else stripped(raw)
    expected = b""
    if room >= 30:
        expected = bytes(4) + own.only(6)
    elif room >= 18:
        expected = bytes(4) + own.EMPTY
    assert made[-room:] == expected.ljust(room, b"\0")


def test_an_item_in_extents_is_replaced_whole() -> None:
    """An XMP in pieces of one byte and more becomes one empty document over all of them."""
    heic = Heic([b"hvc1", b"mime"], [], PIXELS + XMP)
    heic.places = [Place(1, [(0, 200)]), Place(2, [(200, 1), (201, 2), (203, len(XMP) - 3)])]
    assert stripped(heic.file())[-len(XMP) :] == b"<x/>".ljust(len(XMP))


@pytest.mark.parametrize(
    "extra",
    [
        box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), XMP),
        large(b"uuid", bytes(16), XMP),
        box(b"mpvd", box(b"ftyp", b"mp42"), box(b"moov", SECRET)),
        box(b"sefd", SECRET),
        box(b"udta", SECRET),
        box(b"free", SECRET),
        box(b"skip", SECRET * 1000),
        box(b"meta", bytes(4), box(b"xml ", SECRET)),
    ],
)
def test_boxes_beside_the_picture_are_emptied(extra: bytes) -> None:
    """XMP boxes, motion videos and unknown boxes are empty, wherever they stand."""
    for heic in (replace(usual(), before=[extra]), replace(usual(), after=[extra])):
        raw = heic.file()
        made = stripped(raw)
        assert len(made) == len(raw)
        assert SECRET not in made
        assert made.index(PIXELS) == raw.index(PIXELS)


def test_a_box_that_runs_to_the_end_is_emptied() -> None:
    """A last box without a length is read to the end of the file."""
    made = stripped(replace(usual(), after=[b"\0\0\0\0mpvd" + SECRET]).file())
    assert made.endswith(b"\0\0\0\0free" + bytes(len(SECRET)))


@pytest.mark.parametrize("kind", [b"udes", b"altt", b"crtt", b"mdft", b"uuid"])
def test_properties_that_speak_are_emptied(kind: bytes) -> None:
    """Descriptions and times among the properties go, colours and turns stay."""
    turn = box(b"irot", b"\3")
    listed = box(b"iprp", box(b"ipco", full(kind, 0, SECRET), turn), full(b"ipma", 0, bytes(4)))
    raw = replace(usual(), in_meta=[listed, box(b"xml ", SECRET)]).file()
    made = stripped(raw)
    assert SECRET not in made
    assert made.index(turn) == raw.index(turn)
    assert kind not in made


def overlapping() -> Heic:
    """Return a picture whose Exif shares bytes with its pixels."""
    return Heic(
        [b"hvc1", b"Exif"], [Place(1, [(0, 200)]), Place(2, [(190, 40)])], PIXELS + bytes(99)
    )


def one(place: Place, **options: object) -> Heic:
    """Return a picture whose Exif lies at an odd place."""
    heic = Heic([b"hvc1", b"Exif"], [Place(1, [(0, 200)]), place], PIXELS + IMAGE_EXIF)
    return replace(heic, **options)  # type: ignore[arg-type]


def track(*boxes: bytes, kind: bytes = b"pict") -> bytes:
    """Return a movie of one track."""
    hdlr = full(b"hdlr", 0, bytes(4), kind, bytes(13))
    mdia = box(b"mdia", full(b"mdhd", 1, bytes(28)), hdlr, box(b"minf"))
    return box(b"moov", full(b"mvhd", 0, b"SECR", bytes(90)), box(b"trak", mdia, *boxes))


REFUSED = {
    "cut": usual().file()[:-1],
    "brand only": FTYP,
    "no picture": FTYP + box(b"mdat", SECRET),
    "trailing": usual().file() + b"SECRET",
    "overlap": overlapping().file(),
    "outside": one(Place(2, [(0xFFFFFF, 4)])).file(),
    "wraps": one(Place(2, [(0xFFFFFFFF, 0xFFFFFFFF)])).file(),
    "to the end": one(Place(2, [(200, 0)])).file(),
    "unlisted": one(Place(9, [(200, 4)])).file(),
    "in nothing": one(Place(2, [(0, 4)], method=1)).file(),
    "out of idat": one(Place(2, [(0, 40)], method=1), idat=b"12345678").file(),
    "in an item": one(Place(2, [(0, 4)], method=2)).file(),
    "in the header": one(Place(2, [(8, 4)], method=3)).file(),
    "in a structure": FTYP + one(Place(2, [(0, 4)])).file()[len(FTYP) :].replace(b"mdat", b"mdaX"),
    "twice": one(Place(2, [(200, 4)]), in_meta=[iinf(infe(1, b"hvc1"))]).file(),
    "same item": one(Place(2, [(200, 4)]), iinf=iinf(infe(2, b"Exif"), infe(2, b"hvc1"))).file(),
    "old items": one(Place(2, [(200, 4)]), iinf=iinf(full(b"infe", 1, bytes(20)))).file(),
    "no items": one(Place(2, [(200, 4)]), iinf=full(b"iinf", 0, b"\0\1")).file(),
    "other list": one(Place(2, [(200, 4)]), iinf=full(b"iinf", 0, b"\0\1", box(b"free"))).file(),
    "short box": FTYP + b"\0\0\0\7meta" + SECRET,
    "long box": FTYP + b"\xff\xff\xff\xffmeta" + SECRET,
    "longer box": FTYP + b"\0\0\0\1meta" + b"\xff" * 8 + SECRET,
    "long child": FTYP + full(b"meta", 0, b"\0\0\0\xffiinf") + bytes(300),
    "new meta": FTYP + full(b"meta", 1, HDLR),
    "fragments": FTYP + full(b"meta", 0, HDLR) + box(b"moof"),
    "minimal": box(b"ftyp", b"mif3\0\0\0\0avif") + box(b"mini", SECRET),
    "more": usual().file() + box(b"meco", full(b"meta", 0, HDLR)),
    "sound": FTYP + track(kind=b"soun"),
    "timed text": FTYP + track(kind=b"meta"),
    "fragmented": FTYP + box(b"moov", box(b"mvex")),
    "new times": FTYP + box(b"moov", full(b"mvhd", 2, bytes(90))),
    "short times": FTYP + box(b"moov", full(b"mvhd", 1, bytes(8))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_damaged_one_is_refused(name: str) -> None:
    """Lying, overlapping or unknown layouts are refused, never sent half stripped."""
    with pytest.raises(StripRefused, match="for certain: as a HEIC or AVIF, "):
        plan(REFUSED[name])


def test_a_movie_says_nothing_else() -> None:
    """Boxes of people's words inside tracks are emptied, times too."""
    words = [box(b"udta", SECRET), box(b"uuid", bytes(16), SECRET)]
    made = stripped(FTYP + track(*words) + box(b"mdat", PIXELS))
    assert b"SECR" not in made
    assert made.endswith(PIXELS)
    described = full(b"meta", 0, HDLR, box(b"xml ", SECRET))
    assert SECRET not in stripped(FTYP + track(described) + box(b"mdat", PIXELS))


def test_nesting_costs_nothing() -> None:
    """Boxes in boxes without end are not descended into."""
    nested = FTYP + b"\0\0\0\0moov" * 100_000
    assert stripped(nested) == FTYP + b"\0\0\0\0moov" + b"\0\0\0\0free" + bytes(8 * 99_998)


def test_many_items_are_refused() -> None:
    """A table of items is bounded before it is held."""
    count = 20_000
    heic = Heic([b"Exif"], [Place(1, [(at, 1) for at in range(count)])], b"S" * count)
    with pytest.raises(StripRefused, match="too many items"):
        plan(heic.file())
    many = Heic([b"hvc1"] * count, [], PIXELS)
    with pytest.raises(StripRefused, match="too long"):
        plan(many.file())


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (FTYP, True),
        (box(b"ftyp", b"avif\0\0\0\0"), True),
        (box(b"ftyp", b"avis"), True),
        (box(b"ftyp", b"xxxx\0\0\0\0miafavif"), True),
        (b"\0\0\0\0ftypheic", True),
        (b"\xff\xff\xff\xffftypheic", True),
        (box(b"ftyp", b"isom\0\0\0\0mp41") + b"heic", False),
        (box(b"ftyp", b"isom\0\0\0\0xhei" + b"cxxx"), False),
        (b"\0\0\0\x10free", False),
        (b"\0\0\0", False),
    ],
)
def test_brands(head: bytes, answer: bool) -> None:
    """A file is HEIC or AVIF if one of its brands says so, the main one or another."""
    assert calls_itself_heif(head) is answer
