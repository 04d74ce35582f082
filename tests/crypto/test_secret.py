"""Secrets stay out of sight and go away when told."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable

import pytest

from tallow.crypto import secret as secret_module
from tallow.crypto.aead import RecordKey
from tallow.crypto.dh import X25519Key
from tallow.crypto.kem import default_kem
from tallow.crypto.pake import Cpace, generator
from tallow.crypto.secret import SecretBytes
from tallow.crypto.signature import SigningKey

WORDS = b"correct horse battery staple"


def test_it_holds_a_copy_and_lends_it() -> None:
    """The view is the secret itself; bytes, bytearray and memoryview are taken."""
    for source in (WORDS, bytearray(WORDS), memoryview(WORDS)):
        secret = SecretBytes(source)
        assert bytes(secret.view()) == WORDS
        assert len(secret) == len(WORDS)


def test_a_bytearray_source_is_wiped() -> None:
    """A4: what was handed over in wipeable memory is left as zeros."""
    source = bytearray(WORDS)
    SecretBytes(source)
    assert source == bytes(len(WORDS))


def test_wipe_overwrites_in_place() -> None:
    """A4: a view taken before the wipe sees zeros, and wiping twice is fine."""
    secret = SecretBytes(WORDS)
    view = secret.view()
    secret.wipe()
    secret.wipe()
    assert bytes(view) == bytes(len(WORDS))


def test_collection_wipes() -> None:
    """A4: dropping the last reference overwrites the memory."""
    secret = SecretBytes(WORDS)
    view = secret.view()
    del secret
    assert bytes(view) == bytes(len(WORDS))


def test_context_manager_wipes_after_an_error() -> None:
    """A4: leaving the block wipes, also by an exception."""
    secret = SecretBytes(WORDS)
    with pytest.raises(KeyError), secret:
        raise KeyError
    with pytest.raises(ValueError, match="wiped"):
        secret.view()


def test_no_use_after_wipe() -> None:
    """A4: a wiped secret can never stand in for a key of zeros."""
    secret = SecretBytes(WORDS)
    secret.wipe()
    uses: list[Callable[[], object]] = [
        secret.view,
        secret.__len__,
        secret.__enter__,
        lambda: secret.same_as(WORDS),
        lambda: SecretBytes(WORDS).same_as(secret),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="wiped"):
            use()


def test_comparison() -> None:
    """A4: equality is asked by name only; == and hashing are errors."""
    secret = SecretBytes(WORDS)
    assert secret.same_as(SecretBytes(WORDS))
    assert secret.same_as(WORDS)
    assert not secret.same_as(WORDS[:-1] + b"X")
    assert not secret.same_as(WORDS[:-1])
    with pytest.raises(TypeError):
        assert secret == SecretBytes(WORDS)
    with pytest.raises(TypeError):
        assert secret != WORDS
    with pytest.raises(TypeError):
        hash(secret)


def test_empty_secret() -> None:
    """A secret of no length works like any other."""
    assert len(SecretBytes(b"")) == 0


def test_nothing_with_a_secret_shows_or_copies_it() -> None:
    """A4: repr, str and format are redacted; pickle, copy and deepcopy are refused."""
    seed = bytes(range(64))
    holders: list[object] = [
        SecretBytes(seed),
        RecordKey(seed[:44]),
        X25519Key.from_bytes(seed[:32]),
        SigningKey(seed[:32], seed[32:]),
        Cpace(generator(WORDS, b"")),
        default_kem().from_seed(seed),
    ]
    for holder in holders:
        shown = f"{holder!r} {holder!s} {holder:}"
        assert seed[:4].hex() not in shown
        assert repr(seed[:4])[2:-1] not in shown
        for leak in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                leak(holder)


def test_a_traceback_with_locals_is_redacted() -> None:
    """A4: a crash report that prints local variables shows no secret."""
    secret = SecretBytes(WORDS)
    with pytest.raises(TypeError) as caught:
        secret.same_as(3)  # type: ignore[arg-type]
    told = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    assert "self = SecretBytes(…)" in told
    assert WORDS.decode() not in told


def test_memory_is_locked_where_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    """A4: the buffer's own address and length go to the system's lock call."""
    calls: list[tuple[int, int]] = []

    def record(address: int, length: int) -> int:
        calls.append((address, length))
        return 0

    monkeypatch.setattr(secret_module, "_lock_function", lambda: record)
    SecretBytes(WORDS)
    ((address, length),) = calls
    assert address > 0xFFFF
    assert length == len(WORDS)


def test_a_refused_lock_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A4: a system without locked memory, or with none left, still works."""
    for refusal in (lambda: None, lambda: lambda _address, _length: -1):
        monkeypatch.setattr(secret_module, "_lock_function", refusal)
        assert bytes(SecretBytes(WORDS).view()) == WORDS


@pytest.mark.skipif(sys.platform != "linux", reason="the settings are Linux's")
def test_harden_process() -> None:
    """A4: after hardening there is no core file and no memory read by the user's programs."""
    script = (
        "import ctypes, resource\n"
        "from tallow.crypto.secret import harden_process\n"
        "harden_process()\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("(0, 0) 0", "")
