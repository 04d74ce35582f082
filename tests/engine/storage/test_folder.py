"""Held folders: nothing is followed, nothing is overwritten, nothing gets dangerous bits."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallow.engine.storage.folder import (
    Folder,
    PathFolder,
    PosixFolder,
    default_file_mode,
    open_folder,
    storage_error,
)
from tallow.errors import DiskFull, NotWritable, StorageError
from tallow.protocol.kept import NotKept


@pytest.fixture(params=["posix", "path"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
    """A held folder: by its handle, and by its path as on Windows."""
    held = open_folder(tmp_path) if request.param == "posix" else PathFolder(tmp_path)
    assert isinstance(held, PosixFolder) == (request.param == "posix")
    yield held
    held.close()


def test_a_new_file_is_private_and_exclusive(folder: Folder, tmp_path: Path) -> None:
    """X10: temporary files are 0600 and never somebody else's file."""
    os.close(folder.create("part"))
    assert stat.S_IMODE((tmp_path / "part").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        folder.create("part")


def test_a_link_is_never_written_through(folder: Folder, tmp_path: Path) -> None:
    """X10: not even a dangling link is followed when a file is made."""
    (tmp_path / "part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        folder.create("part")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_is_made_or_found(folder: Folder, tmp_path: Path) -> None:
    """A folder inside is made when it is missing, and it is said which."""
    made, was_made = folder.sub("a")
    found, was_found_made = folder.sub("a")
    assert (was_made, was_found_made) == (True, False)
    assert (tmp_path / "a").is_dir()
    os.close(found.create("file"))
    assert (tmp_path / "a/file").exists()
    made.close()
    found.close()


@pytest.mark.parametrize("target", ["outside", "nowhere", "file"])
def test_a_link_is_never_entered(folder: Folder, tmp_path: Path, target: str) -> None:
    """X10, X17: a link in the place of a folder is an error, wherever it points."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "a").symlink_to(tmp_path / target)
    with pytest.raises(OSError, match=r".") as caught:
        folder.sub("a")
    assert caught.value.errno in (errno.ENOTDIR, errno.ELOOP, errno.EEXIST)


def test_a_taken_name_is_not_given(folder: Folder, tmp_path: Path) -> None:
    """A name is given only if nothing has it: a file, a folder or a dangling link."""
    for name in ("file", "folder", "link", "free"):
        os.close(folder.create("part"))
        if name == "file":
            (tmp_path / name).write_bytes(b"mine")
        elif name == "folder":
            (tmp_path / name).mkdir()
        elif name == "link":
            (tmp_path / name).symlink_to("nowhere")
        assert folder.exists(name) == (name != "free")
        assert folder.is_folder(name) == (name == "folder")
        assert folder.name_exclusively("part", name) == (name == "free")
        assert (tmp_path / "part").exists() == (name != "free")
        folder.remove("part")
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert (tmp_path / "link").is_symlink()


def test_a_file_system_without_links_gives_names_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On FAT a rename stands in for a link, and a taken name is still kept."""

    def no_links(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    folder = open_folder(tmp_path)
    os.close(folder.create("part"))
    (tmp_path / "taken").write_bytes(b"mine")
    assert folder.name_exclusively("part", "taken") is False
    assert folder.name_exclusively("part", "free") is True
    assert (tmp_path / "taken").read_bytes() == b"mine"
    assert not (tmp_path / "part").exists()
    folder.close()


def test_other_troubles_of_naming_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that breaks while a name is given is no reason to overwrite."""

    def broken(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", broken)
    folder = open_folder(tmp_path)
    os.close(folder.create("part"))
    with pytest.raises(OSError, match="Input/output"):
        folder.name_exclusively("part", "free")
    folder.close()


def test_replacing_takes_the_name_not_the_link(folder: Folder, tmp_path: Path) -> None:
    """X15: overwriting a link replaces the link; what it pointed to stays as it is."""
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "name").symlink_to(tmp_path / "precious")
    os.close(folder.create("part"))
    folder.replace("part", "name")
    assert not (tmp_path / "name").is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1777, 0o7777])
def test_dangerous_bits_are_never_set(tmp_path: Path, mode: int) -> None:
    """X16: setuid, setgid and sticky are stripped at the last door."""
    folder = open_folder(tmp_path)
    os.close(folder.create("file"))
    folder.set_times("file", mode, 1_000_000_000_000_000_001)
    status = (tmp_path / "file").stat()
    assert stat.S_IMODE(status.st_mode) == mode & 0o777
    assert status.st_mtime_ns == 1_000_000_000_000_000_001
    folder.close()


def test_mode_is_not_set_through_a_link(tmp_path: Path) -> None:
    """X10: a link in the place of a part does not lend its target's mode."""
    (tmp_path / "target").touch(mode=0o600)
    (tmp_path / "name").symlink_to("target")
    folder = open_folder(tmp_path)
    with pytest.raises(OSError, match=r"."):
        folder.set_mode("name", 0o777)
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o600
    folder.close()


def test_windows_knows_only_the_read_only_bit(tmp_path: Path) -> None:
    """Where there are no mode bits a file that nobody may write becomes read-only."""
    folder = PathFolder(tmp_path)
    os.close(folder.create("file"))
    folder.set_times("file", 0o444, 10**18)
    assert not (tmp_path / "file").stat().st_mode & stat.S_IWUSR
    assert (tmp_path / "file").stat().st_mtime_ns == 10**18


def test_removing_what_is_gone_is_fine(folder: Folder) -> None:
    """Tidying up twice is no error."""
    folder.remove("never there")


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_cannot_be_held(tmp_path: Path, name: str) -> None:
    """An output that is missing or a file is NotWritable, with the reason."""
    (tmp_path / "file").touch()
    with pytest.raises(NotWritable) as caught:
        open_folder(tmp_path / name)
    assert caught.value.why


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EACCES, NotWritable),
        (errno.EROFS, NotWritable),
        (errno.ELOOP, NotWritable),
        (errno.ENOTDIR, NotWritable),
        (errno.EIO, StorageError),
    ],
)
def test_troubles_have_names(number: int, kind: type[StorageError]) -> None:
    """What the system says becomes an error of ours with exit 8 and something to do."""
    error = storage_error(OSError(number, os.strerror(number)), "x")
    assert type(error) is kind
    assert (error.exit_code, error.why) == (8, os.strerror(number))
    assert error.hint


def test_the_default_mode_follows_the_umask() -> None:
    """A stream's file gets what the person's umask allows, and the umask stays as it was."""
    before = os.umask(0o027)
    try:
        assert default_file_mode() == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_an_own_file_is_opened_again(folder: Folder, tmp_path: Path) -> None:
    """A file that was made here can be gone on with, for reading and writing."""
    os.close(folder.create("part"))
    descriptor = folder.open_own("part")
    os.write(descriptor, b"more")
    os.close(descriptor)
    assert (tmp_path / "part").read_bytes() == b"more"


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe", "second name", "missing"])
def test_what_is_not_ours_is_not_opened(folder: Folder, tmp_path: Path, kind: str) -> None:
    """X10, X17: what was put in the place of our file is not written to, nor waited for."""
    (tmp_path / "precious").write_bytes(b"precious")
    place = tmp_path / "part"
    match kind:
        case "link":
            place.symlink_to(tmp_path / "precious")
        case "dangling":
            place.symlink_to(tmp_path / "nowhere")
        case "folder":
            place.mkdir()
        case "pipe":
            os.mkfifo(place)
        case "second name":
            place.hardlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match=r"."):
        folder.open_own("part")
    if kind != "second name":
        with pytest.raises(OSError, match=r"."):
            folder.open_read("part")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_another_users_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X10: a file that another user put there could be changed after it was checked."""
    held = open_folder(tmp_path)
    os.close(held.create("part"))
    monkeypatch.setattr(os, "geteuid", lambda: (tmp_path / "part").stat().st_uid + 1)
    with pytest.raises(PermissionError):
        held.open_own("part")
    os.close(held.open_read("part"))
    held.close()


def test_a_folder_is_entered_only_if_it_is_there(folder: Folder, tmp_path: Path) -> None:
    """X17: looking further down makes nothing and follows nothing."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    folder.inside("real").close()
    for name in ("missing", "link"):
        with pytest.raises(OSError, match=r"."):
            folder.inside(name)
    assert folder.look("missing") is None
    seen = folder.look("link")
    assert seen is not None
    assert stat.S_ISLNK(seen.st_mode)


def test_a_link_is_made_exclusively(tmp_path: Path) -> None:
    """C7, X17: a name that is taken, by a dangling link too, is not given to another link."""
    made = open_folder(tmp_path)
    assert made.link_exclusively("nowhere", "l")
    assert not made.link_exclusively("elsewhere", "l")
    (tmp_path / "file").write_bytes(b"")
    assert not made.link_exclusively("nowhere", "file")
    assert (made.read_link("l"), made.read_link("file"), made.read_link("gone")) == (
        "nowhere", None, None,
    )  # fmt: skip
    made.set_link_time("l", 10**18)
    made.set_link_time("gone", 10**18)
    assert (tmp_path / "l").lstat().st_mtime_ns == 10**18
    made.close()


def test_windows_makes_no_links(tmp_path: Path) -> None:
    """C7: there it is a privilege, so the attempt is refused and nothing is made."""
    made = PathFolder(tmp_path)
    with pytest.raises(OSError, match="not made here"):
        made.link_exclusively("x", "l")
    made.set_link_time("l", 0)
    assert made.read_link("l") is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_times(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """C7: what a file system cannot keep is counted; any other trouble is raised."""
    (tmp_path / "file").write_bytes(b"")

    def refused(*_args: object, **_kwargs: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(os, "utime", refused)
    assert folder.set_times("file", 0o644, 0) == NotKept(times=1)
    number = errno.EIO
    with pytest.raises(OSError, match="no"):
        folder.set_times("file", 0o644, 0)


@pytest.mark.parametrize("takes", [True, False])
def test_a_file_system_without_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, takes: bool
) -> None:
    """C7: whether it refuses a mode or takes it and keeps its own, that is noticed."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "file").chmod(0o755)

    def fchmod(_descriptor: int, _mode: int) -> None:
        if not takes:
            raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "fchmod", fchmod)
    made = open_folder(tmp_path)
    assert not made.set_mode("file", 0o600)
    assert made.set_times("file", 0o600, 0) == NotKept(modes=1)
    made.close()
