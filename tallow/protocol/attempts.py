"""How many guesses a code still has: pure accounting, stored by the shell before M2 leaves.

Drops, false confirmations and reopenings share one total. A false confirmation burns the code at
once, unless the person reopens it while the total is not used up; a run that merely breaks off
counts and nothing more; the last counted run burns for good. Success uncounts its own run only.
This module never stores anything. Spec: docs/protocol.md §5.5.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.Enum):
    """What becomes of a code after a run that did not confirm."""

    WAIT = "wait"
    """The run broke off; the code still works."""
    ASK = "ask"
    """Burnt by a false confirmation; an explicit yes reopens it."""
    DEAD = "dead"
    """Burnt for good."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Counted runs of one code on one side."""

    budget: int
    counted: int = 0

    @property
    def exhausted(self) -> bool:
        """True if no further run may start."""
        return self.counted >= self.budget

    def started(self) -> Attempts:
        """Return the accounting with one more run; to be stored before M2 is written."""
        return Attempts(self.budget, self.counted + 1)

    def confirmed(self) -> Attempts:
        """Return the accounting after a run that both sides confirmed: it was no guess."""
        return Attempts(self.budget, self.counted - 1)

    def after_false_confirmation(self) -> Verdict:
        """Judge a false T_i or abort(confirm)."""
        return Verdict.DEAD if self.exhausted else Verdict.ASK

    def after_drop(self) -> Verdict:
        """Judge a run that ended after M2 without T_i."""
        return Verdict.DEAD if self.exhausted else Verdict.WAIT
