"""The relay's front door: flags in, an address and a key out, then serving.

What a person needs stands on stderr; stdout gets one line for scripts, ``listening HOST:PORT
sha256:HEX``. Nothing here decides about rooms. ``tallow relay`` calls ``main``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from relay.errors import RelayError

DESCRIPTION = "Run a Tallow relay: it connects two sides and can read nothing of what they send."


def main(argv: list[str] | None = None) -> int:
    """Run a relay until it is told to stop; return the exit code.

    2 means a wrong flag or configuration, 4 that the address cannot be used, 8 that the state
    directory cannot.
    """
    parser = _parser()
    try:
        flags = parser.parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return _run(flags)
    except RelayError as error:
        _say(f"tallow-relay: {error.message}\n  {error.hint}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tallow-relay", description=DESCRIPTION)
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="where to listen (default 127.0.0.1:4433)"
    )
    parser.add_argument("--state", metavar="DIR", help="where key and password are kept")
    parser.add_argument("--config", metavar="FILE", type=Path, help="a TOML file with [relay]")
    parser.add_argument(
        "--check", action="store_true", help="check flags and configuration, then stop"
    )
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--password-file", metavar="F", dest="password_file",
        help="creating a room takes the password in this file",
    )  # fmt: skip
    who.add_argument("--open", action="store_const", const=True, help="everybody may create rooms")
    parser.add_argument(
        "--no-quic", action="store_const", const=False, dest="quic",
        help="speak TCP only, and leave UDP alone",
    )  # fmt: skip
    parser.add_argument(
        "--expires-max", metavar="T", dest="expires_max", help="longest life of a waiting code"
    )
    parser.add_argument(
        "--drain", metavar="S", help="how long running pairs may finish on SIGTERM (default 30s)"
    )
    parser.add_argument(
        "--json-log", action="store_const", const=True, dest="json_log", help="log as JSON lines"
    )
    return parser


def _run(flags: argparse.Namespace) -> int:
    # The libraries of a running relay load after --help had its chance.
    from relay import config, startup

    table = config.load(flags.config) if flags.config else config.RelayTable()
    settings = config.settle(table, str(flags.config or "built-in"), vars(flags))
    if flags.check:
        _say("The configuration is good.\n")
        return 0
    return startup.run(settings, os.environ, say=_say, tell=_tell)


def _tell(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
