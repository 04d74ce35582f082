"""What the command line says, as text: one function per sentence, nothing printed.

Peer text comes in raw and passes display_text here, so that no caller can forget it. Words follow
one tone: short, present tense, no exclamation marks; "verified" only where people compared.
"""

from __future__ import annotations

import shlex
from typing import Final

from tallow.cli import units
from tallow.display import display_text
from tallow.engine import events as e
from tallow.protocol.code import UNNUMBERED_BITS_FLOOR

ROOT_SHOWN_CHARS: Final = 16
PIN_SHOWN_CHARS: Final = 16
NAME_CELLS: Final = 64

STATES: Final = {
    "connecting": "Connecting to the relay…",
    "waiting": "Waiting for the other side…",
    "handshake": "Agreeing on keys…",
    "reconnecting": "Looking for the other side again…",
    "verifying": "Waiting for both sides to compare…",
    "watching": "Watching for changes… (Ctrl+C ends it)",
    "listing": "Reading the list…",
    "deciding": "Waiting for the receiver's answer…",
    "finishing": "Checking that everything is on disk…",
}
NOTICES: Final = {
    "crowded": "A third side tried this code and was turned away.",
    "draining": "The relay is about to stop; what runs may still finish.",
    "peer-gone": "The relay lost the other side.",
    "expired": "The relay says that the code has expired.",
}
LISTED: Final = 20
"""Files named one by one; the rest is counted."""


def place(output: str) -> str:
    """Return where things go, as a person writes it."""
    if output == "-":
        return "standard output"
    return "./" if output in (".", "./", "") else display_text(output, max_width=NAME_CELLS)


def person(name: str, fingerprint: str, *, verified: bool = False) -> str:
    """Return who the other side is: a claim in quotes, and what stands behind it."""
    claim = f'calls itself "{display_text(name, max_width=NAME_CELLS)}"' if name else "no name"
    if not fingerprint:
        return f"{claim}, no identity" + (" (symbols compared)" if verified else "")
    shown = display_text(fingerprint)
    if all(letter in "0123456789abcdefABCDEF" for letter in fingerprint):
        groups = [fingerprint[at : at + 4].upper() for at in range(0, len(fingerprint), 4)]
        shown = " ".join(groups)
    return f"{claim}, fingerprint {shown} ({'verified' if verified else 'not verified'})"


def called(name: str) -> str:
    """Return whose screen it is, by what that side calls itself."""
    return f'"{display_text(name, max_width=NAME_CELLS)}"' if name else "the newest receiver"


def symbols(emoji: list[tuple[str, str]]) -> str:
    """Return the symbols with their names, on one line."""
    return "  ".join(f"{sign} {name}" for sign, name in emoji)


def amount(files: int, folders: int, total_bytes: int, links: int = 0) -> str:
    """Return what an offer holds: 3 files, 1 folder, 2 links, 1.2 GB."""
    parts = [units.counted(files, "file")] if files or not (folders or links) else []
    if folders:
        parts.append(units.counted(folders, "folder"))
    if links:
        parts.append(units.counted(links, "link"))
    return ", ".join([*parts, units.size(total_bytes)])


def session_lost(event: e.SessionLost) -> str:
    """Return that the path is gone, and for how long this side looks for another."""
    left = "" if event.left_s is None else f" (for {units.elapsed(event.left_s)} more)"
    return f"Lost the other side: {display_text(event.why)} Looking for it again{left}…"


def resumed(event: e.TransferResumed) -> str:
    """Return what need not travel again."""
    here = [units.size(event.have_bytes)] if event.have_bytes else []
    if event.files:
        here.append(units.counted(event.files, "whole file"))
    changed = f"; {units.counted(event.changed, 'file')} changed since" if event.changed else ""
    return f"Going on where it stopped: {' and '.join(here) or 'nothing yet'} there{changed}."


def not_resumed(event: e.TransferNotResumed) -> str:
    """Return why something unfinished is of no use."""
    return f"What is here of this transfer cannot be used: {display_text(event.why)}"


def paused(event: e.TransferPaused) -> str:
    """Return who holds the transfer, and what would let it go on."""
    if event.reason == "disk-full" and event.by == "here":
        missing = units.size(event.missing_bytes)
        return f"The disk is full: {missing} are missing. Free some space and it goes on."
    if event.reason == "disk-full":
        return "The other side's disk is full; it goes on once there is space."
    return "Paused." if event.by == "here" else "The other side paused."


def other_machine(event: e.CodeAllocated, *, sending: bool) -> str:
    """Return the exact line for the other machine."""
    words = ["receive", event.code] if sending else ["send", "--code", event.code]
    # A code without a number that is this weak is refused over there too.
    refused = event.bits < UNNUMBERED_BITS_FLOOR and not event.code[:1].isdigit()
    weak = ["--weak-code"] if refused else []
    line = shlex.join(["tallow", *words, *weak, "--relay", event.relay])
    return f"On the other machine:  {line}" + ("" if sending else " PATH")


def code_with_relay(event: e.CodeAllocated) -> str:
    """Return the whole code with the relay and its key, for a picture of it."""
    pin = event.pin.removeprefix("sha256:")
    return f"{event.code}@{event.relay}" + (f"#sha256:{pin}" if pin else "")


def code_life(event: e.CodeAllocated) -> str:
    """Return how long a code lives and for how many."""
    life = units.lifetime(event.expires_s)
    if event.receivers == 1:
        return f"It works once, for {life}."
    if event.receivers == 0:
        return f"It works for every receiver who comes, for {life}; Ctrl+C ends it."
    return f"It works for {event.receivers} receivers, for {life}."


def code_closed(event: e.CodeClosed) -> str:
    """Return that nobody else can come in."""
    why = f" ({display_text(event.why)})" if event.why else ""
    message = display_text(event.message)
    return f"Nobody else can come in: {message}{why} Who is in goes on."


def one_up(event: e.PeerUp) -> str:
    """Return that one of several receivers is there; its name stands in front of the line."""
    claim = person("", event.fingerprint).removeprefix("no name, ")
    shown = "" if event.verify else f"; symbols: {symbols(event.emoji)}"
    return f"connected, {claim}{shown}"


def one_done(event: e.TransferDone) -> str:
    """Return that one of several receivers has it."""
    if not event.roots:
        return f"the text arrived ({units.size(event.total_bytes)})."
    took = f"in {units.elapsed(event.seconds)}"
    missing = f", {units.counted(event.failed, 'file')} missing" if event.failed else ""
    return f"done, {amount(event.files, 0, event.total_bytes)} {took}{missing}."


def one_failed(event: e.TransferError) -> str:
    """Return why one of several receivers has not got it."""
    why = f" ({display_text(event.why)})" if event.why else ""
    rest = " tallow resume  goes on from what is there." if event.resumable else ""
    return f"not done: {display_text(event.message)}{why}{rest}"


def summary_of_several(event: e.TransferDone, receivers: int) -> str:
    """Return the last line of sending to several: to how many, and that all agree."""
    what = f"Sent {units.size(event.total_bytes)} to {units.counted(receivers, 'receiver')}"
    line = f"{what} in {units.elapsed(event.seconds)}"
    root = f" — BLAKE3 roots agree ({display_text(event.roots[:ROOT_SHOWN_CHARS])}…)"
    return line + (root if event.roots else ".")


def weak_code(bits: float, *, numbered: bool) -> str:
    """Return the warning for a code that somebody could guess."""
    if numbered:
        return f"warning: this code is easy to guess (about {bits:.0f} bits); it allows one try."
    return (
        f"warning: the relay's operator can try to guess this code (about {bits:.0f} bits);"
        " a number in front of it (7-mycode) prevents that."
    )


def relay_connected(event: e.RelayConnected) -> str:
    """Return which relay answers, and its key if it is new."""
    where = f"Relay {display_text(event.relay)}"
    if not event.first_use:
        return f"{where}, over {display_text(event.transport)}."
    pin = display_text(event.pin.removeprefix("sha256:")[:PIN_SHOWN_CHARS])
    return f"{where}: first use, its key sha256:{pin}… is remembered."


def relay_fallback(event: e.RelayFallback) -> str:
    """Return that the link goes another way than was wished."""
    tried, used = display_text(event.tried).upper(), display_text(event.used).upper()
    why = f" ({display_text(event.why)})" if event.why else ""
    relay = display_text(event.relay)
    return f"{tried} to {relay} did not connect{why}; going on over {used}."


def relay_lost(event: e.RelayLost) -> str:
    """Return that the link is being made again."""
    why = f" ({display_text(event.why)})" if event.why else ""
    return f"The link to the relay broke{why}; trying again in {units.elapsed(event.retry_s)}."


def notice(kind: str) -> str:
    """Return what the relay says about the room."""
    return NOTICES.get(kind, f"The relay says: {display_text(kind, max_width=NAME_CELLS)}.")


def code_guessed(event: e.CodeGuessed) -> str:
    """Return that somebody joined with a wrong code."""
    return f"Somebody joined with a wrong code ({event.counted} of {event.budget} tries)."


def code_dropped(event: e.CodeDropped) -> str:
    """Return that somebody left before confirming."""
    end = "this code is dead" if event.dead else "the code still works"
    return (
        f"Somebody joined and left before proving the code"
        f" ({event.counted} of {event.budget} tries); {end}."
    )


def same_wish(event: e.SameWishMet) -> str:
    """Return that both sides want the same."""
    wish = display_text(event.wish, max_width=NAME_CELLS)
    return f"Somebody with this code also wants to {wish}; the code still works."


def peer_refused(event: e.PeerRefused) -> str:
    """Return why somebody who came was sent away."""
    why = f" ({display_text(event.why)})" if event.why else ""
    return f"Somebody came and left again: {display_text(event.message)}{why} Still waiting."


def verify_step(step: str) -> str | None:
    """Return where the comparison stands, None where a question says it."""
    return {
        "confirmed_here": "Confirmed here; waiting for the other side to compare.",
        "confirmed_there": "The other side says that the symbols match.",
        "done": "Both people compared the symbols: nobody is in between.",
    }.get(step)


def answered(event: e.OfferAnswered, *, kind: str, sending: bool) -> str | None:
    """Return what was agreed; None for a no, which the error says."""
    if not event.accepted:
        return None
    verb = "They accepted; sending" if sending else "Receiving"
    what = "the stream" if kind == "stream" else amount(event.files, 0, event.total_bytes)
    return f"{verb} {what}."


def file_line(event: e.TransferFile) -> str:
    """Return what became of one file."""
    reason = f" ({display_text(event.reason)})" if event.reason else ""
    return f"{event.status}: {display_text(event.path)}{reason}"


def left_out(event: e.SourceSkipped) -> str:
    """Return what will not be sent, and why."""
    return f"left out: {display_text(event.path)} ({display_text(event.reason)})"


def offer_sent(event: e.OfferSent) -> str:
    """Return what the other side sees now."""
    if event.kind == "stream":
        return "Offering a stream."
    if event.kind == "text":
        return f"Sending the text ({units.size(event.total_bytes)})."
    what = amount(event.files, event.folders, event.total_bytes, event.links)
    verb = {"copy": "Offering", "sync": "Offering to sync", "watch": "Offering to keep in step"}
    return f"{verb[event.mode]} {what}."


def command_failed(event: e.CommandFailed) -> str:
    """Return that something asked for had no effect."""
    return f"warning: {display_text(event.message)}"


def text_from(event: e.TextArrived, peer: e.PeerUp | None) -> list[str]:
    """Return the lines that stand above a text on a terminal."""
    fingerprint = peer.fingerprint if peer else ""
    lines = [f"Text from: {person(event.name, fingerprint)}"]
    if event.note:
        lines.append(f'Note:      "{display_text(event.note)}"')
    return lines


def summary(event: e.TransferDone, *, kind: str, verbose: bool) -> str:
    """Return the last line: what, how fast, where, and that the roots agree."""
    received = event.direction == "receive"
    if kind == "text" or not event.roots:
        what = "Received the text" if received else "The text arrived"
        return f"{what} ({units.size(event.total_bytes)})."
    speed = units.rate(event.total_bytes / event.seconds) if event.seconds > 0 else ""
    took = f"in {units.elapsed(event.seconds)}" + (f" ({speed})" if speed else "")
    where = f" into {place(event.output)}" if received else ""
    root = event.roots if verbose else f"{event.roots[:ROOT_SHOWN_CHARS]}…"
    verb = "Received" if received else "Sent"
    what = amount(event.files, 0, event.total_bytes)
    if kind == "stream":
        what = f"the stream, {units.size(event.total_bytes)},"
    return f"{verb} {what} {took}{where} — BLAKE3 roots agree ({display_text(root)})"


def not_kept(event: e.TransferDone) -> str | None:
    """Return what did not survive the way, on one line; None if everything did."""
    lost, counted = event.not_kept, units.counted
    where = "this system" if event.direction == "receive" else "the other system"
    kinds = [
        (lost.links, counted(lost.links, "symbolic link")),
        (lost.names, f"{counted(lost.names, 'name')} changed for {where}"),
        (lost.modes, f"mode bits of {counted(lost.modes, 'entry', 'entries')}"),
        (lost.times, f"the time of {counted(lost.times, 'entry', 'entries')}"),
        (lost.xattrs, counted(lost.xattrs, "extended attribute")),
        (lost.holes, f"the holes of {counted(lost.holes, 'sparse file')}"),
    ]
    said = [words for count, words in kinds if count]
    return f"Not kept: {', '.join(said)}." if said else None
