"""Events that many tests tell: one relay, one peer, one offer, with everything else as usual."""

from __future__ import annotations

from typing import Literal

from tallow.cli.choice import Choice
from tallow.engine import events as e
from tests.cli.still_engine import TICKET as TICKET

RELAY = "relay.example:4433"
PIN = "ab" * 32
CODE = "7123-banana-crane-oxygen"
EMOJI = [
    ("🐸", "frog"), ("🔑", "key"), ("🌵", "cactus"), ("🎲", "dice"),
    ("🚀", "rocket"), ("🍋", "lemon"), ("⚓", "anchor"), ("🎈", "balloon"),
]  # fmt: skip
DIGITS = "48213 90717 22064 15598 70341 00927 66180 43752"

CONNECTED = e.RelayConnected(TICKET, RELAY, PIN, "tcp", first_use=False)
ALLOCATED = e.CodeAllocated(TICKET, CODE, RELAY, PIN, 3600, 28.0, weak=False)
WAITING = e.TransferState(TICKET, "waiting")
JOINED = e.PeerJoined(TICKET)
TRANSFERRING = e.TransferState(TICKET, "transferring")
NEEDED = e.VerifyStep(TICKET, "needed")


def peer_up(name: str = "bob", fingerprint: str = "", *, verify: bool = False) -> e.PeerUp:
    """Return that the session is confirmed."""
    return e.PeerUp(
        TICKET, name, fingerprint, EMOJI, DIGITS, "initiator", "0011223344556677", verify
    )


def entry(
    number: int,
    path: str,
    size: int = 0,
    kind: Literal["file", "folder", "stream"] = "file",
    flags: tuple[str, ...] = (),
    target: str | None = None,
) -> e.OfferEntry:
    """Return one line of an offer."""
    return e.OfferEntry(number, path, path if target is None else target, kind, size, list(flags))


PLAIN = (
    entry(0, "holiday", kind="folder"),
    entry(1, "holiday/DSC_0132.jpg", 8_100_000),
    entry(2, "holiday/setup.exe", 1_200_000, flags=("executable",)),
    entry(3, "holiday/notes.txt", 512),
)


def offer(
    *entries: e.OfferEntry,
    kind: Literal["files", "stream"] = "files",
    flags: tuple[str, ...] = (),
    conflicts: int = 0,
    free_bytes: int | None = 81_000_000_000,
    note: str = "",
    verified: bool = False,
    output: str = "./",
    name: str = "bob",
    total_bytes: int | None = None,
) -> e.OfferReceived:
    """Return an offer of these entries."""
    listed = list(entries) or [entry(0, "a.txt", 3)]
    folders = sum(one.kind == "folder" for one in listed)
    return e.OfferReceived(
        TICKET,
        kind,
        files=len(listed) - folders,
        folders=folders,
        total_bytes=sum(one.size for one in listed) if total_bytes is None else total_bytes,
        free_bytes=free_bytes,
        note=note,
        entries=listed,
        flags=list(flags),
        conflicts=conflicts,
        output=output,
        verified=verified,
        fingerprint="",
        name=name,
        on_conflict="ask",
    )


def choice_of(offered: e.OfferReceived) -> Choice:
    """Return a choice in which everything is chosen."""
    choice = Choice()
    for one in offered.entries:
        choice.add(one, chosen=True)
    return choice


def progress(
    done_bytes: int = 620_000_000,
    total_bytes: int | None = 1_000_000_000,
    *,
    eta_s: float | None = 35.0,
    files: tuple[int, int] = (1, 3),
    path: str = "holiday/DSC_0132.jpg",
    phase: str = "receiving",
    rate_bps: float = 98_400_000.0,
) -> e.TransferProgress:
    """Return how far it is."""
    return e.TransferProgress(TICKET, phase, done_bytes, total_bytes, *files, rate_bps, eta_s, path)


def done(
    direction: Literal["send", "receive"] = "receive", *, failed: int = 0, roots: str = "ab12" * 16
) -> e.TransferDone:
    """Return the good end."""
    return e.TransferDone(TICKET, direction, 3, 1_200_000_000, 12.0, failed, roots, "./")


def ended(code: str, exit_code: int, message: str = "It ended.") -> e.TransferError:
    """Return a bad end."""
    return e.TransferError(TICKET, code, message, "for a reason", "Do something.", exit_code)
