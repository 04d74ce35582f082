"""Small private files that outlive the process: attempt counters, local keys, transfers' records.

Each is 0600 in a 0700 folder and replaced atomically; a write has reached the disk before it
returns unless its caller can do without, because an attempt counter that is lost gives a stranger
another guess.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tallow.errors import StorageError


class FileState:
    """The state folder of this user."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """Return a file's content, or None if there is none."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _trouble(self._folder, error) from None

    def write(self, name: str, content: bytes, *, durable: bool = True) -> None:
        """Replace a file; unless ``durable`` it outlives the process and not a power cut."""
        temporary: Path | None = None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, made = tempfile.mkstemp(prefix=f".{name}.", dir=self._folder)
            temporary = Path(made)
            try:
                rest = memoryview(content)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(self._folder / name)
            if durable:
                self._sync_folder()
        except OSError as error:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            raise _trouble(self._folder, error) from None

    def remove(self, name: str) -> None:
        """Forget a file."""
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise _trouble(self._folder, error) from None

    def names(self, prefix: str) -> list[str]:
        """Return the files whose names begin so, sorted; drafts and folders are none."""
        try:
            with os.scandir(self._folder) as found:
                files = [item.name for item in found if item.is_file(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _trouble(self._folder, error) from None
        return sorted(name for name in files if name.startswith(prefix))

    def _sync_folder(self) -> None:
        if os.name != "posix":
            return
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _trouble(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"Tallow's state folder {folder} cannot be used.",
        why=error.strerror or str(error),
        hint="Check its permissions and free space, or set XDG_STATE_HOME to another folder.",
    )
