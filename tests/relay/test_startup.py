"""What a relay says when it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.config import RelayTable, settle
from relay.errors import RelayError
from relay.password import Origin, Password
from relay.startup import announcement, run

PIN = "sha256:" + "ab" * 32


@pytest.mark.parametrize("origin", ["new", "stored", "given", "open"])
def test_the_password_is_shown_when_it_is_new_and_never_again(origin: Origin) -> None:
    """A4: address and key always, the words once."""
    text = announcement("192.0.2.1:4433", PIN, Password(origin, "four-word-pass"), Path("/s/pw"))
    assert "192.0.2.1:4433" in text
    assert PIN in text
    assert ("TALLOW_RELAY_PASS=four-word-pass" in text) is (origin == "new")
    assert ("four-word-pass" in text) is (origin == "new")
    assert ("/s/pw" in text) is (origin in ("new", "stored"))


def test_a_relay_that_cannot_start_says_nothing_to_scripts(tmp_path: Path) -> None:
    """No listening line appears for a relay that does not listen."""
    said: list[str] = []
    flags = {"listen": "192.0.2.1:4433", "state": str(tmp_path), "open": True}
    settings = settle(RelayTable(), "x", flags)
    with pytest.raises(RelayError, match="Cannot listen on"):
        run(settings, {}, say=said.append, tell=said.append)
    assert said == []


def test_a_certificate_that_does_not_fit_its_key_is_refused(tmp_path: Path) -> None:
    """Files that do not belong together are exit 2 before anything listens."""
    from relay.certificate import own_certificate

    certificates = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        certificates.append(own_certificate(tmp_path / name).certificate.read_text())
    start = certificates[1].index("-----BEGIN PRIVATE")
    (tmp_path / "key.pem").write_text(certificates[1][start:])
    (tmp_path / "cert.pem").write_text(certificates[0][: certificates[0].index("-----BEGIN P")])
    flags = {
        "listen": "127.0.0.1:0",
        "state": str(tmp_path / "state"),
        "cert": str(tmp_path / "cert.pem"),
        "key": str(tmp_path / "key.pem"),
    }
    with pytest.raises(RelayError, match="cannot be used") as caught:
        run(settle(RelayTable(), "x", flags), {}, say=lambda _: None, tell=lambda _: None)
    assert caught.value.exit_code == 2
