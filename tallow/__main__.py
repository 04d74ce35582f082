"""The program's front door: ``tallow`` and ``python -m tallow``."""

from __future__ import annotations

import gc
import sys

COLLECT_EVERY = 50_000
"""New objects between two looks for circles: starting makes many that all stay."""


def main() -> int:
    """Run the command line on this process's arguments and return its exit code."""
    gc.set_threshold(COLLECT_EVERY)
    from tallow.cli.main import main as command_line

    code = command_line()
    # Whatever is left ends with the process; taking it apart first costs a person 30 ms.
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(main())
