"""The relay's state directory: where its key and password live, and how they are written.

The directory is 0700 and its files 0600; a file appears whole or not at all, and of two relays
that start at the same moment the first one's file stands. Nothing a client sends is ever stored.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from relay.errors import EXIT_LOCAL, RelayError


def default_directory() -> Path:
    """Return the relay's place under the user's state directory."""
    import platformdirs

    return Path(platformdirs.user_state_dir("tallow-relay", appauthor=False))


def open_directory(path: Path) -> Path:
    """Make the state directory, for its owner alone, if it is not there yet."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RelayError(
            f"The state directory {path} cannot be made: {error.strerror or error}",
            "Choose another one with  --state DIR.",
            EXIT_LOCAL,
        ) from error
    return path


def read_secret(path: Path, max_bytes: int) -> bytes | None:
    """Return a secret file's content, None if there is none; refuse one that others may read."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise RelayError(
            f"{path} can be read by others on this machine.",
            f"If nobody read it:  chmod 600 {path}  otherwise delete it; a new one is made.",
            EXIT_LOCAL,
        )
    if len(content) > max_bytes:
        raise _unreadable(path, "it is far too long")
    return content


def keep_secret(path: Path, content: bytes) -> bytes:
    """Write a secret file that is not there yet and return what it then holds."""
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        draft = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _publish(draft, path)
        except FileExistsError:
            content = path.read_bytes()
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise RelayError(
            f"{path} cannot be written: {error.strerror or error}",
            "Choose another state directory with  --state DIR.",
            EXIT_LOCAL,
        ) from error
    return content


def _publish(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems have no links; there the last of two relays wins.
        draft.replace(path)


def _unreadable(path: Path, why: str) -> RelayError:
    return RelayError(
        f"{path} cannot be read: {why}",
        "Restore it from a backup, or delete it; a new one is made.",
        EXIT_LOCAL,
    )
