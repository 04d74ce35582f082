"""Where received bytes go: what a folder and standard output have in common.

Before: engine/lane.py calls it from threads. After: inbox.py and stdio.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from tallow.engine.storage.journal import JournalHead
from tallow.protocol.kept import NotKept
from tallow.protocol.manifest import Selection
from tallow.protocol.messages import Xattrs
from tallow.protocol.transfer.jobs import CheckLeaves, StoreLeaves, StorePack

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

    @property
    def journal_name(self) -> str:
        """What the journal beside the received files is called, or will be; "" for none."""

    def prepare(self, selection: Selection) -> None:
        """Make what must be there before the first byte."""

    def begin(self, head: JournalHead) -> None:
        """Note which transfer this is, once it has started."""

    def store_leaves(self, job: StoreLeaves) -> list[bytes]:
        """Expand, hash and write leaves; return their hashes. After a DiskFull, call it again."""

    def store_pack(self, job: StorePack) -> list[bytes]:
        """Expand, hash and write small files whole; return a leaf hash each. It may be repeated."""

    def check_leaves(self, job: CheckLeaves) -> list[bytes]:
        """Hash leaves that an earlier session stored; b"" for each that cannot be read."""

    def give_name(self, file_no: int, xattrs: Xattrs = ()) -> Named:
        """Give a file whose root matched its attributes and its final name."""

    def discard(self, file_no: int) -> None:
        """Remove what is here of a file that failed."""

    def make_durable(self) -> None:
        """Bring what was written so far to the disk."""

    def finish(self) -> None:
        """Make links, and everything durable: the last step before "done"."""

    def not_kept(self) -> NotKept:
        """Return what of the offer could not be kept here."""

    def abandon(self, *, keep: bool) -> bool:
        """End early; if wanted, keep what can be gone on with, and return whether any stays."""
