"""The second ML-KEM provider: used only where liboqs is, and byte for byte like the first."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tallow.crypto.errors import CryptoError
from tallow.crypto.kem import KemProvider, default_kem
from tallow.crypto.kem_oqs import liboqs_present, oqs_kem

SEED = bytes(range(64))


@pytest.fixture
def second() -> KemProvider:
    """The provider on liboqs, or a skip that says why."""
    provider = oqs_kem()
    if provider is None:
        pytest.skip("liboqs and liboqs-python are not both installed on this machine")
    return provider


def test_the_two_providers_speak_the_same_bytes(second: KemProvider) -> None:
    """A1: one seed, one public key; what either encapsulates the other opens."""
    first = default_kem()
    ours, theirs = first.from_seed(SEED), second.from_seed(SEED)
    assert ours.public == theirs.public
    for sender in (first, second):
        shared, ct = sender.encapsulate(ours.public)
        assert ours.decapsulate(ct) == theirs.decapsulate(ct) == shared


def test_a_foreign_ciphertext_opens_to_the_same_rejection(second: KemProvider) -> None:
    """A1: implicit rejection is the same secret in both, and not the real one."""
    first = default_kem()
    shared, ct = first.encapsulate(first.from_seed(SEED).public)
    altered = bytes([ct[0] ^ 1]) + ct[1:]
    rejected = first.from_seed(SEED).decapsulate(altered)
    assert second.from_seed(SEED).decapsulate(altered) == rejected != shared


def test_invalid_input_is_refused_alike(second: KemProvider) -> None:
    """A4: a coefficient of q or more, and every wrong length, is a CryptoError."""
    public = default_kem().from_seed(SEED).public
    for bad in (b"\xff\xff\xff" + public[3:], public[:-1], b""):
        with pytest.raises(CryptoError):
            second.encapsulate(bad)
    with pytest.raises(CryptoError):
        second.from_seed(SEED[:-1])
    with pytest.raises(CryptoError):
        second.from_seed(SEED).decapsulate(b"short")


def test_without_the_library_nothing_is_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A1: the wrapper would build liboqs on import, so it is not touched before the library is."""
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    monkeypatch.setenv("OQS_INSTALL_PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "oqs", raising=False)
    assert not liboqs_present()
    assert oqs_kem() is None
    assert "oqs" not in sys.modules


def test_a_package_of_the_same_name_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A1: something else called oqs has no mechanisms, and is not used."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/liboqs.so").touch()
    (tmp_path / "oqs.py").write_text("VERSION = 'another program'\n")
    monkeypatch.setenv("OQS_INSTALL_PATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, "oqs", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert liboqs_present()
    assert oqs_kem() is None
    monkeypatch.delitem(sys.modules, "oqs", raising=False)


def test_a_wrapper_that_exits_is_survived(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A4: the wrapper ends the program when its build fails; ours goes on."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/liboqs.so").touch()
    (tmp_path / "oqs.py").write_text("raise SystemExit('no liboqs')\n")
    monkeypatch.setenv("OQS_INSTALL_PATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, "oqs", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert oqs_kem() is None
