"""Two people who sync, one who offers syncs by hand, and what of it went over the wire."""

from __future__ import annotations

from pathlib import Path

from tallow.crypto.tree import manifest_root, roots_digest
from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, Receive, SendFiles, SendMode
from tallow.engine.settings import LanesChoice
from tallow.protocol.manifest import Entry, Manifest
from tallow.protocol.messages import Complete, Offer, OfferEnd, Page, Sync
from tallow.wire.frames import LinkType
from tests.fakes import SeededRng
from tests.world.stranger import PROOFS, Stranger, folder
from tests.world.world import Person, World, make

BIG = SeededRng("sync").bytes(10 << 20)
LEAF = 64 << 10
TREE: dict[str, bytes | None] = {
    "d/big": BIG,
    "d/small": b"small",
    "d/sub/other": b"other",
    "d/empty": None,
}


def bulk_bytes(world: World) -> int:
    return sum(len(sent.body) for sent in world.relay.heard if sent.kind is LinkType.DATA)


async def sync_pair(
    world: World, lanes: LanesChoice = "tls", **answer: object
) -> tuple[Person, Person]:
    """Start Alice, and Bob, who takes syncs as such; without lanes, so that bytes are counted."""
    world.lanes = lanes
    alice, bob = await world.person("alice"), await world.person("bob")
    bob.whenever(
        e.OfferReceived,
        lambda event: AcceptOffer(event.ticket, **{"sync": True, **answer}),  # type: ignore[arg-type]
    )
    (bob.folder / "in").mkdir()
    return alice, bob


async def begin_sync(
    alice: Person, bob: Person, mode: SendMode = "sync", *, delete: bool = False
) -> tuple[int, int]:
    sending = alice.submit(
        SendFiles((str(alice.folder / "d"),), mode=mode, delete=delete, poll_s=1.0)
    )
    getting = bob.submit(Receive(await alice.code(sending), output=str(bob.folder / "in")))
    return sending, getting


async def run_sync(
    alice: Person, bob: Person, *, delete: bool = False
) -> tuple[e.TransferDone, e.TransferDone]:
    sending, getting = await begin_sync(alice, bob, delete=delete)
    return await alice.done(sending), await bob.done(getting)


def sync_view(bob: Person) -> e.SyncView:
    view = bob.all(e.OfferReceived)[-1].sync
    assert view is not None
    return view


def change_a_leaf(path: Path) -> None:
    with path.open("r+b") as big:
        big.seek(70 * LEAF + 100)
        big.write(b"changed here")


async def hostile_sync(
    world: World, content: dict[str, bytes | None], *entries: Entry, sync: Sync
) -> tuple[Person, int, Stranger]:
    bob, mallory = await world.person("bob"), await world.person("mallory")
    bob.whenever(e.OfferReceived, lambda event: AcceptOffer(event.ticket, sync=True, delete=True))
    make(bob.folder, content)
    getting = bob.submit(Receive(None, output=str(bob.folder / "in")))
    stranger = Stranger(mallory)
    await stranger.join(await bob.code(getting), "send")
    page = stranger.raw_page(list(entries))
    root = manifest_root(len(entries), [page])
    offer = Offer(1, "files", len(entries), 1, 0, PROOFS, "", delta=True, sync=sync)
    stranger.say(offer, Page(1, 0, page), OfferEnd(1, root))
    return bob, getting, stranger


async def watched(world: World) -> tuple[Person, int, Stranger]:
    """Let Mallory's first offer of a watch be agreed to and end."""
    bob, getting, stranger = await hostile_sync(
        world, {"in/d": None}, folder("d"), sync=Sync(watch=True)
    )
    await stranger.start(Manifest.of([folder("d")]))
    stranger.finish(roots_digest([]))
    await stranger.hears(Complete)
    await bob.state_is("watching", getting)
    return bob, getting, stranger
