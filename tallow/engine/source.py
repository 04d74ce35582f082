"""What one exchange sends: the list, who reads it, and what of a stream went out already.

Before: exchange.py makes it. After: sending.py offers it, outflow.py sends it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tallow.engine.commands import SendFiles
from tallow.engine.storage.outbox import Outbox
from tallow.engine.storage.stdio import StreamSource
from tallow.protocol.manifest import Manifest
from tallow.protocol.messages import Sync


@dataclass(frozen=True, slots=True)
class Source:
    """What is offered and how it is read."""

    manifest: Manifest
    reader: Outbox | StreamSource
    unread: int = 0
    """How many files should have been listed and could not be."""
    command: SendFiles | None = None
    """What was asked for, as a record of the transfer keeps it; None: a stream keeps none."""
    stream_hashes: list[bytes] = field(default_factory=list)
    """Leaf hashes of what was read of a stream so far."""
    sync: Sync | None = None
    """How the list is to be mirrored; None: it is copied."""
