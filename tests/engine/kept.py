"""Records of unfinished transfers, and surroundings of an exchange that keeps them."""

from __future__ import annotations

import msgspec

from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, Receive, SendFiles
from tallow.engine.context import ExchangeContext
from tallow.engine.ports import Ports
from tallow.engine.settings import Settings
from tallow.engine.storage.records import TransferRecord
from tallow.engine.unfinished import Wanted
from tallow.protocol.handshake import OwnFlights
from tests.fakes import WALL_AT_BEGIN, InlineWorkers, MemoryState, SeededRng, TestClock
from tests.world.relay import MemoryDialer, MemoryRelay

SENT = Wanted(send=SendFiles(()))
RECEIVED = Wanted(receive=Receive(), answer=AcceptOffer(1, "skip"))


def context_for(
    name: str, *, relay: MemoryRelay | None = None, state: MemoryState | None = None
) -> tuple[ExchangeContext, list[e.AnyEvent]]:
    """Return surroundings of an exchange and what it tells."""
    dialer = MemoryDialer(relay or MemoryRelay(), "192.0.2.1")
    ports = Ports(TestClock(), SeededRng(name), InlineWorkers(), dialer, state or MemoryState())
    told: list[e.AnyEvent] = []
    return ExchangeContext(1, Settings(), ports, told.append, OwnFlights()), told


def record(number: int = 1, wanted: Wanted = RECEIVED, **fields: object) -> TransferRecord:
    """Return a record with an id and secrets of its own."""
    rng = SeededRng(f"record {number}")
    plain = TransferRecord(
        id=f"{number:016x}",
        direction="receive" if wanted.receive else "send",
        transfer_id=rng.bytes(16),
        transfer_key=rng.bytes(32),
        resume_secret=rng.bytes(64),
        role="initiator" if wanted.receive else "responder",
        relay="relay.test:4433",
        options_json=msgspec.json.encode(wanted),
        started_at=WALL_AT_BEGIN,
        updated_at=WALL_AT_BEGIN,
    )
    return msgspec.structs.replace(plain, **fields)
