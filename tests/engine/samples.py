"""One sample of every event, as an exchange would emit it."""

from __future__ import annotations

from tallow.engine import events as e
from tallow.protocol.kept import NotKept

ENTRY = e.OfferEntry(0, "a\u202eb", "a_b", "file", 5, ["bidi", "renamed"])
EVERY: list[e.AnyEvent] = [
    e.RelayConnected(1, "relay.test:4433", "00" * 32, "tcp", first_use=True),
    e.RelayFallback(1, "relay.test:4433", "tcp", "quic", "connection refused"),
    e.RelayLost(1, "relay.test:4433", "reset", 2.0),
    e.RelayNotice(1, "crowded"),
    e.CodeAllocated(1, "7-a-b-c", "relay.test:4433", "00" * 32, 3600, 28.0, weak=False),
    e.CodeGuessed(1, 1, 3, can_reopen=True),
    e.CodeDropped(1, 3, 3, dead=True),
    e.CodeClosed(1, "code-guessed", "This code is dead.", "why"),
    e.PeerJoined(1),
    e.PeerRefused(1, "peer-version", "Other version.", "they speak 2"),
    e.PeerUp(1, "Bob", "ab cd", [("⛵", "boat")], "12345", "initiator", "00ff", verify=True),
    e.SameWishMet(1, "send"),
    e.VerifyStep(1, "needed"),
    e.SourceSkipped(1, "p/link", "it is a symbolic link"),
    e.OfferSent(1, "files", 1, 0, 5),
    e.OfferReceived(
        1, "files", 1, 0, 5, 10**12, "note", [ENTRY], ["bidi"], 0, "/tmp/", verified=False,
        fingerprint="", name="Alice", on_conflict="ask",
        sync=e.SyncView(1, 2, 3, 99, 1, 0, 1, ["d/old"], wants_delete=True, watch=True),
    ),
    e.OfferAnswered(1, accepted=True, files=1, total_bytes=5),
    e.TextArrived(1, "text", "note", "Alice"),
    e.TransferAdded(1, "send"),
    e.TransferState(1, "waiting"),
    e.SessionLost(1, "The wire broke.", 0.2, 60.0),
    e.TransferResumed(1, 3, 1, 0),
    e.TransferNotResumed(1, "it is damaged"),
    e.TransferPaused(1, "here", "disk-full", 9),
    e.TransferContinued(1),
    e.SyncRemoved(1, "old/", "it is not empty"),
    e.SyncRound(1, 2, 3, 9, 0, 0.5),
    e.TransferProgress(1, "sending", 3, None, 0, 1, 1.5, None, "a"),
    e.TransferFile(1, "a", "failed", "it vanished"),
    e.SyncRemoved(1, "d/old"),
    e.SyncRound(1, 1, 3, 99, 0, 0.5),
    e.TransferDone(1, "send", 1, 5, 0.5, 0, "00" * 32, "", not_kept=NotKept(links=2, names=1)),
    e.TransferError(1, "peer-gone", "Gone.", "why", "hint", 5, resumable=True),
    e.TransferUnfinished(0, "00ff" * 4, "send", ["/home/a"], "Bob", 3, 5, 60.0, expired=False),
    e.CommandFailed(1, "This transfer has ended."),
]  # fmt: skip
