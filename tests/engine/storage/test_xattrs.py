"""Attributes of the user's namespace: read and set within bounds, and no others ever."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallow.engine.storage import xattrs as port
from tallow.engine.storage.xattrs import read_xattrs, write_xattrs
from tallow.protocol.messages import Xattrs
from tallow.wire import limits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="attributes are Linux's")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[int]:
    """A file that may have attributes."""
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        if write_xattrs(descriptor, ((b"probe", b""),)):
            pytest.skip("this file system keeps no attributes")
        _forget(descriptor, b"user.probe")
        yield descriptor
    finally:
        os.close(descriptor)


def _forget(descriptor: int, name: bytes) -> None:
    if sys.platform == "linux":
        os.removexattr(descriptor, name)


def _names(descriptor: int) -> list[str]:
    return sorted(os.listxattr(descriptor)) if sys.platform == "linux" else []


def test_names_and_values_are_any_bytes(opened: int) -> None:
    """C7: what was set is read, in a stable order, without its namespace."""
    given: Xattrs = ((b"a", b""), (b"b\xff", b"\0\1\xff"))
    assert write_xattrs(opened, given) == 0
    assert read_xattrs(opened) == (given, 0)


@pytest.mark.parametrize(
    "name",
    [b"overlay.redirect", b"containers.override_stat", b"fuseoverlayfs.opaque", b"a\0b",
     b"rootlesscontainers", b"n" * (limits.XATTR_NAME_MAX_BYTES + 1)],
)  # fmt: skip
def test_what_means_more_is_not_set(opened: int, name: bytes) -> None:
    """X16: attributes that stand for owner, mode or another file are never taken over."""
    assert write_xattrs(opened, ((name, b"x"), (b"fine", b"x"))) == 1
    assert _names(opened) == ["user.fine"]


def test_other_namespaces_cannot_be_reached(opened: int) -> None:
    """X16: whatever a peer calls it, it stands below user."""
    assert write_xattrs(opened, ((b"security.capability", b"x"), (b"trusted.x", b"y"))) == 0
    assert _names(opened) == ["user.security.capability", "user.trusted.x"]


def test_more_than_travels_is_counted(opened: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """C7: at most 64 attributes and 64 KiB of a file travel; the rest is told."""
    many = [b"user.n%03d" % number for number in range(limits.XATTRS_MAX + 3)]
    monkeypatch.setattr(port, "_listed", lambda _: many)
    monkeypatch.setattr(port, "_value", lambda _, __: b"1")
    found, lost = read_xattrs(opened)
    assert (len(found), lost) == (limits.XATTRS_MAX, 3)
    monkeypatch.setattr(port, "_value", lambda _, __: b"x" * 40_000)
    found, lost = read_xattrs(opened)
    assert (len(found), lost) == (1, limits.XATTRS_MAX + 2)
    monkeypatch.setattr(port, "_value", lambda _, __: None)
    assert read_xattrs(opened) == ((), limits.XATTRS_MAX + 3)


def test_a_system_without_attributes(opened: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """C7: elsewhere none are read, and all that came are told as not kept."""
    write_xattrs(opened, ((b"a", b"1"),))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert read_xattrs(opened) == ((), 0)
    assert write_xattrs(opened, ((b"a", b"2"), (b"b", b"2"))) == 2
