"""One of several receivers: met already, and what it gets was listed once for all of them.

Before: receivers.py admits it. After: exchange.py carries its transfer out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tallow.engine.meeting import Met

if TYPE_CHECKING:
    from tallow.engine.storage.outbox import Outbox
    from tallow.engine.storage.sources import SourceTree


@dataclass(frozen=True, slots=True)
class Guest:
    """Where one receiver's exchange begins."""

    met: Met
    walk: asyncio.Future[SourceTree] | None
    """The list of files, which may still be on its way; None for a text."""
    new_reader: Callable[[SourceTree], Outbox]
    """Gives this receiver a reader of its own over what all of them share."""
