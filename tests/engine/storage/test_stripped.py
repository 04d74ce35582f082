"""Pictures that go without their metadata, from the disk to the bytes that are sent."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tallow.engine.metadata.pieces import StripRefused
from tallow.engine.storage.outbox import Outbox, ReadFailed
from tallow.engine.storage.stripped import plan_picture
from tallow.engine.storage.walk import WalkOptions, walk_sources

SECRET = b"48.8584N 2.2945E"


def picture(comment: bytes = SECRET) -> bytes:
    """Return a small JPEG with a comment."""
    said = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
    tables = b"\xff\xdb" + struct.pack(">H", 67) + bytes(65)
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, 1, 1, 1) + b"\x01\x11\x00"
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\x01\x00\x00\x3f\x00" + b"\x12\x34"
    return b"\xff\xd8" + said + tables + frame + scan + b"\xff\xd9"


def test_a_picture_is_listed_and_read_without_its_metadata(tmp_path: Path) -> None:
    """C6: the list holds the size that is sent, and not a byte of the comment is read out."""
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(picture())
    (folder / "b.txt").write_bytes(SECRET)
    tree = walk_sources([str(folder)], options=WalkOptions(strip_metadata=True))
    entry = next(entry for entry in tree.manifest if entry.path == "p/a.jpg")
    assert entry.size == len(picture()) - len(SECRET) - 4
    source = Outbox(tree)
    room = bytearray(entry.size)
    source.read_whole(1, memoryview(room))
    assert SECRET not in room
    assert room[:2] == b"\xff\xd8"
    text = bytearray(len(SECRET))
    source.read_whole(2, memoryview(text))
    assert text == SECRET, "what is no picture goes as it is"
    source.close()


def test_a_damaged_picture_is_not_sent(tmp_path: Path) -> None:
    """C6: what calls itself a picture and cannot be stripped for certain stays here and is said."""
    (tmp_path / "bad.jpg").write_bytes(picture()[:40])
    (tmp_path / "good").write_bytes(b"x")
    tree = walk_sources([str(tmp_path)], options=WalkOptions(strip_metadata=True))
    assert [item.path.rpartition("/")[2] for item in tree.skipped] == ["bad.jpg"]
    assert tree.failed_count == 1


def test_a_picture_that_changes_fails_alone(tmp_path: Path) -> None:
    """A plan is for one file as it was: another size is noticed before a byte goes out."""
    path = tmp_path / "a.jpg"
    path.write_bytes(picture())
    tree = walk_sources([str(path)], options=WalkOptions(strip_metadata=True))
    path.write_bytes(picture() + b"more")
    source = Outbox(tree)
    with pytest.raises(ReadFailed, match="changed"):
        source.read_whole(0, memoryview(bytearray(10)))
    source.close()


def test_a_plan_names_the_size_of_its_file(tmp_path: Path) -> None:
    """Both sizes are known: that of the file, and that of what is sent."""
    path = tmp_path / "a.jpg"
    path.write_bytes(picture())
    descriptor = os.open(path, os.O_RDONLY)
    try:
        stripped = plan_picture(descriptor, len(picture()))
        assert stripped is not None
        assert (stripped.file_bytes, stripped.sent_bytes) == (
            len(picture()),
            len(picture()) - len(SECRET) - 4,
        )
        with pytest.raises((StripRefused, OSError)):
            plan_picture(descriptor, len(picture()) + 100)
    finally:
        os.close(descriptor)
