"""Where received bytes go: what a folder and standard output have in common.

Before: engine/lane.py calls it from threads. After: inbox.py and stdio.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from tallow.engine.storage.journal import JournalHead
from tallow.protocol.manifest import Selection
from tallow.protocol.transfer.jobs import StoreLeaves, StorePack

Policy = Literal["rename", "skip", "overwrite"]
Status = Literal["done", "renamed", "skipped"]


@dataclass(frozen=True, slots=True)
class Named:
    """How a file that arrived ended on this machine."""

    status: Status
    name: str


class Sink(Protocol):
    """Takes what was admitted."""

    in_order: bool
    """True if leaves must be stored one after the other."""

    def prepare(self, selection: Selection) -> None:
        """Make what must be there before the first byte."""

    def begin(self, head: JournalHead) -> None:
        """Note which transfer this is, once it has started."""

    def store_leaves(self, job: StoreLeaves) -> list[bytes]:
        """Hash and write leaves; return their hashes."""

    def store_pack(self, job: StorePack) -> list[bytes]:
        """Hash and write small files whole; return a leaf hash each."""

    def give_name(self, file_no: int) -> Named:
        """Give a file whose root matched its final name."""

    def discard(self, file_no: int) -> None:
        """Remove what is here of a file that failed."""

    def make_durable(self) -> None:
        """Bring what was written so far to the disk."""

    def finish(self) -> None:
        """Make everything durable: the last step before "done"."""

    def abandon(self) -> None:
        """Remove every temporary file of this session."""
