"""The choice of the post-quantum library."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.crypto.kem import default_kem
from tallow.engine.kem_choice import kem_provider
from tallow.errors import UsageError


def test_the_default_needs_nothing() -> None:
    """A1: without a choice the library that is always there is used."""
    assert kem_provider("cryptography") is default_kem()


def test_a_library_that_is_missing_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A1: liboqs that is asked for and absent is exit 2, never a silent other library."""
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    monkeypatch.setenv("OQS_INSTALL_PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match="liboqs is not installed") as caught:
        kem_provider("liboqs")
    assert caught.value.exit_code == 2
    assert "tallow[oqs]" in caught.value.hint
