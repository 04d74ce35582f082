"""Memory for secrets that can be wiped, and the process settings that keep it off disk.

What this can do: hold a secret in one buffer that is locked out of swap where the system allows,
overwritten when it is no longer needed, and never shown by repr, pickled, copied or compared by
``==``. What it cannot do in CPython: wipe ``bytes`` and ``str`` (what a library or a prompt
returned before it was put in here), copies that the allocator, a traceback frame or an encoder
kept, registers, a hibernation image, or OpenSSL's own copies before their key objects are
collected. Wiping is best effort, never a promise (A4).
This module never derives or draws a secret.
"""

from __future__ import annotations

import ctypes
import functools
import hmac
import sys
from collections.abc import Callable
from typing import NoReturn, Self

from tallow.crypto.lv import Buffer

_PR_SET_DUMPABLE = 4


class SecretBytes:
    """One secret of fixed length; a context manager that wipes on leaving."""

    __slots__ = ("_bytes", "_wiped")

    def __init__(self, data: Buffer) -> None:
        """Copy the secret into locked memory; a bytearray given as the source is wiped."""
        self._wiped = False
        self._bytes = bytearray(data)
        _lock(self._bytes)
        if isinstance(data, bytearray):
            data[:] = bytes(len(data))

    def view(self) -> memoryview:
        """Lend the secret itself, not a copy; it reads as zeros once wiped."""
        return memoryview(self._live())

    def wipe(self) -> None:
        """Overwrite the secret with zeros; any number of times."""
        self._bytes[:] = bytes(len(self._bytes))
        self._wiped = True

    def same_as(self, other: SecretBytes | Buffer) -> bool:
        """Compare in constant time; only a difference in length shows."""
        theirs = other._live() if isinstance(other, SecretBytes) else other
        return hmac.compare_digest(self._live(), theirs)

    def _live(self) -> bytearray:
        if self._wiped:
            raise ValueError("secret was wiped")
        return self._bytes

    def __len__(self) -> int:
        return len(self._live())

    def __enter__(self) -> Self:
        self._live()
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __del__(self) -> None:
        # A constructor that failed leaves an object without its buffer.
        if hasattr(self, "_bytes"):
            self.wipe()

    def __repr__(self) -> str:
        return "SecretBytes(…)"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("compare secrets with same_as()")

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")


def harden_process() -> None:
    """Forbid core files and memory reads by other processes of the user, where possible."""
    if sys.platform == "win32":
        return
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        pass  # a sandbox may forbid it; Tallow works without
    if sys.platform != "linux":
        return
    try:
        prctl = ctypes.CDLL(None).prctl
        prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
        prctl.restype = ctypes.c_int
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        pass  # a C library without prctl


def _lock(buffer: bytearray) -> None:
    """Keep the buffer's pages out of swap, silently best effort.

    Pages are never unlocked here: locks go by page and do not nest, so unlocking one secret would
    expose its neighbours. They end when the allocator gives the pages back.
    """
    lock_memory = _lock_function()
    if lock_memory is None or not buffer:
        return
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    lock_memory(address, len(buffer))


@functools.cache
def _lock_function() -> Callable[[int, int], int] | None:
    try:
        if sys.platform == "win32":
            lock_memory = ctypes.WinDLL("kernel32").VirtualLock
        else:
            lock_memory = ctypes.CDLL(None).mlock
    except (OSError, AttributeError):
        return None
    # Without these a 64-bit address is cut to an int and the call locks something else.
    lock_memory.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    lock_memory.restype = ctypes.c_int
    return lock_memory
