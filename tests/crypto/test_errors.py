"""CryptoError says nothing."""

from __future__ import annotations

import pickle

import pytest

from tallow.crypto.errors import CryptoError


def test_it_is_mute() -> None:
    """A4: the exception takes no reason and shows the same words for every cause."""
    with pytest.raises(TypeError):
        CryptoError("the tag differs in byte 3")  # type: ignore[call-arg]
    assert str(CryptoError()) == "cryptographic check failed"
    assert CryptoError().args == ()


def test_it_travels_between_processes() -> None:
    """The exception survives pickling, so a worker can hand it over."""
    assert isinstance(pickle.loads(pickle.dumps(CryptoError())), CryptoError)
