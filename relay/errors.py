"""The relay's one exception: why it does not start, what to do, and the exit code.

Nothing a client sends ever raises it; those errors are WireError and end a link.
"""

from __future__ import annotations

EXIT_USAGE = 2
EXIT_NETWORK = 4
EXIT_LOCAL = 8


class RelayError(Exception):
    """The relay cannot start, for a reason that its operator can mend."""

    def __init__(self, message: str, hint: str, exit_code: int) -> None:
        """Hold what happened, what to do now and the exit code."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
