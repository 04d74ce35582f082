"""Every exception from the house rules, in one place, each with the reason that earns it.

A file is named by its path, a folder by its path with a slash at the end. A rule that no longer
needs one of these says so: an exception for a file that is gone fails a test.
"""

from __future__ import annotations

from typing import Final

LONG_FILES: Final[dict[str, str]] = {}
"""Files over 400 lines."""

LONG_FUNCTIONS: Final[dict[str, str]] = {}
"""``path::function`` over 60 lines."""

UNMIRRORED: Final[dict[str, str]] = {
    "tallow/__main__.py": "only chooses the front door; every transcript test passes through it",
    "tallow/cli/style_choice.py": "three lines that tests/cli/test_styles.py begins with",
    "tallow/engine/connecting.py": "tests/engine/test_meeting.py dials and is refused through it",
    "tallow/engine/first_word.py": "every receiver of tests/world begins with it",
    "tallow/engine/opening.py": "two calls that every sender of tests/world begins with",
    "tallow/engine/receivers.py": "tests/world/test_receivers.py: it means nothing without a relay",
    "tallow/engine/short_text.py": "every text of tests/world goes through it",
    "tallow/engine/storage/folder_port.py": "an interface; both that have it are tested",
    "tallow/wire/limits.py": "numbers without behaviour; each is tested where it is enforced",
}
"""Modules over 40 lines without a test file of their own."""

PRINTING: Final[dict[str, str]] = {
    "tallow/cli/render.py": "the one place that prints",
    "relay/__main__.py": "the relay's front door: its start line and its usage errors",
    "relay/log.py": "the relay's only voice once it runs",
    "relay/self_made.py": "hands the certificate to the relay that started this process",
}

WRITING: Final[dict[str, str]] = {
    "tallow/engine/storage/": "the only writer of received and stored files",
    "tallow/cli/demo_folder.py": "makes and removes the demo's own temporary folder",
    "relay/": "the relay keeps its own key and certificate under its state directory",
}

SOCKETS: Final[dict[str, str]] = {
    "tallow/engine/transport/": "the only sockets of the program",
    "relay/server.py": "the relay's listening side",
    "relay/udp.py": "the relay's UDP sockets, beside its TCP ones",
}

CLOCK_AND_CHANCE: Final[dict[str, str]] = {
    "tallow/engine/ports.py": "the system clock and randomness behind their ports",
    "tallow/crypto/": "keys and nonces are drawn where they are used",
    "relay/server.py": "the relay's loop passes now and randomness to its pure rooms",
    "relay/__main__.py": "draws the relay's first password",
    "relay/password.py": "draws nonces for the password proof",
    "relay/log.py": "stamps lines and draws the key that hides addresses",
    "relay/self_made.py": "dates and serial number of the self-made certificate",
}

NONCES: Final[dict[str, str]] = {
    "tallow/crypto/": "the only place that builds nonces and holds ciphers",
}

LIMITS: Final[dict[str, str]] = {
    "tallow/wire/limits.py": "the one page of limits",
    "tallow/crypto/": "caps of primitives and key files; crypto may not import wire",
    "tallow/display.py": "what a terminal is shown; a leaf that may not import wire",
}

BROAD_CATCHES: Final[dict[str, str]] = {
    "tallow/engine/exchange.py": "a mistake of ours ends one exchange, not the others",
    "tallow/engine/receivers.py": "the same, for the whole of which exchanges are parts",
    "tallow/cli/main.py": "the last door: an unknown error becomes exit 1 with three lines",
    "relay/server.py": "one client's failure must not end the others",
}
