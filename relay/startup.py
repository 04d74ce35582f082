"""From settings to a serving relay: state directory, key, password, listener, first words.

This module decides the order and says what the operator has to know; it never prints by
itself. Before: __main__.py, or ``tallow relay``. After: server.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from relay import certificate, password, state
from relay.certificate import Certificate
from relay.config import Settings
from relay.log import Log
from relay.password import Password
from relay.server import RelayServer, serve
from tallow.wire.relay_auth import relay_key

Say = Callable[[str], None]


def run(settings: Settings, environment: Mapping[str, str], *, say: Say, tell: Say) -> int:
    """Serve until a signal and return the exit code; RelayError if it cannot start.

    ``say`` takes people's words and the log, ``tell`` the one line for scripts.
    """
    return asyncio.run(_serve(settings, environment, say=say, tell=tell))


async def _serve(settings: Settings, environment: Mapping[str, str], *, say: Say, tell: Say) -> int:
    directory = state.open_directory(settings.state or state.default_directory())
    shown = _certificate(settings, directory)
    chosen = password.choose(
        is_open=settings.is_open,
        file=settings.password_file,
        configured=settings.password,
        environment=environment,
        host=settings.host,
        state=directory,
    )
    server = RelayServer(
        settings,
        shown,
        Log(say, as_json=settings.json_log),
        password_key=None if chosen.words is None else relay_key(chosen.words, shown.key_hash),
    )
    host, port = await server.start()
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    say(announcement(place, shown.pin, chosen, directory / password.FILE_NAME))
    tell(f"listening {place} {shown.pin}\n")
    return await serve(server)


def announcement(place: str, pin: str, chosen: Password, stored: Path) -> str:
    """Return what the operator and the users need, a password only when it is new."""
    lines = [f"tallow-relay listens on {place}", f"  key       {pin}"]
    match chosen.origin:
        case "new":
            lines.append(f"  password  {password.VARIABLE}={chosen.words}")
            lines.append(f"            kept in {stored}; those who only join do not need it")
        case "stored":
            lines.append(f"  password  the one in {stored}")
        case "given":
            lines.append("  password  the one you set")
        case "open":
            lines.append("  password  none: whoever reaches this address may use it")
    return "\n".join(lines) + "\n"


def _certificate(settings: Settings, directory: Path) -> Certificate:
    if settings.certificate is not None and settings.key is not None:
        return certificate.given_certificate(settings.certificate, settings.key)
    return certificate.own_certificate(directory)
