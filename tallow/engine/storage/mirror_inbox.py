"""An inbox whose parts may begin as copies of the files that they will replace.

Before: offer.py opens it for a sync. After: seeding.py copies. What is copied is claimed to the
sender and hashed like what an earlier session left; the file that stands there is only replaced,
under its name, when the root of the new one matched. Spec: docs/protocol.md §9.6.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from tallow.engine.storage.folder import storage_error
from tallow.engine.storage.inbox import Inbox
from tallow.engine.storage.resumed import Resumed
from tallow.engine.storage.seeding import copy_content
from tallow.engine.storage.sink import Policy
from tallow.engine.storage.target import Target
from tallow.errors import DiskFull
from tallow.protocol.manifest import Selection


class MirrorInbox(Inbox):
    """Writes an accepted selection over what is there."""

    def __init__(
        self,
        target: Target,
        policy: Policy,
        random_bytes: Callable[[int], bytes],
        journal_key: Callable[[], bytes],
        decided: Mapping[int, Policy] | None = None,
        *,
        seeds: frozenset[int],
        resumed: Resumed | None = None,
    ) -> None:
        """``seeds`` are entries whose present file was claimed to the sender."""
        super().__init__(target, policy, random_bytes, journal_key, decided, resumed=resumed)
        self._seeds = seeds

    def prepare(self, selection: Selection) -> None:
        """Make folders, take over what an earlier session left, and copy what was claimed."""
        super().prepare(selection)
        for file_no in sorted(self._seeds):
            if file_no in selection and file_no not in self._parts:
                self._seed(file_no)

    def _seed(self, file_no: int) -> None:
        parts, entry = self._target.parts(file_no), self._target.manifest.entry(file_no)
        try:
            with self._folders.borrow(parts[:-1], make=False) as above:
                source = above.open_read(parts[-1])
        except OSError:
            # Its leaves cannot be read, so they differ, so they are asked for once more.
            return
        try:
            part = self._part(file_no)
            # Whatever the file held stands in it where the sender has a hole.
            part.adopted = True
            copy_content(source, part.open_descriptor, entry.size)
        except OSError as error:
            failed = storage_error(error, self._shown(file_no))
            if isinstance(failed, DiskFull):
                raise failed from None
        finally:
            os.close(source)
