"""The program's front door: ``tallow`` and ``python -m tallow``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line on this process's arguments and return its exit code."""
    from tallow.cli.main import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
