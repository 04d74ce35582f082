"""What is answered to an offer, and which questions a person is asked: pure decisions.

An unverified sender with a warning, or a full disk, turns the default to no. Nothing is asked
that an option has answered. Taken names are never overwritten unless somebody says so. It neither
prints nor reads; exchange.py puts the questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tallow.cli import sentences, units
from tallow.cli.sheet import enough_space
from tallow.engine import events as e
from tallow.engine.commands import OnConflict

TakenNames = Literal["rename", "skip", "overwrite"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the options say about questions."""

    may_ask: bool
    """Whether a person is there to be asked."""
    yes: bool = False
    to_stdout: bool = False
    """``-o -``: the bytes go where the person sent them; that is consent."""
    on_conflict: OnConflict = "ask"


@dataclass(frozen=True, slots=True)
class Accept:
    """Say yes."""

    on_conflict: TakenNames = "rename"


@dataclass(frozen=True, slots=True)
class Decline:
    """Say no."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Put a question to the person."""

    prompt: str
    enter_means_yes: bool


def judge(offer: e.OfferReceived, policy: Policy) -> Accept | Decline | Ask:
    """Return the answer to an offer, or the question that finds it out."""
    if policy.to_stdout:
        return Accept()
    if policy.yes:
        return accepted(policy)
    if not policy.may_ask:
        return Decline("nobody is there to answer")
    doubtful = bool(offer.flags) and not offer.verified
    return Ask(_prompt(offer), enter_means_yes=enough_space(offer) and not doubtful)


def conflict_prompt(offer: e.OfferReceived, policy: Policy) -> str | None:
    """Return the question about names that are taken, None if there is nothing to ask."""
    if not offer.conflicts or policy.on_conflict != "ask":
        return None
    verb = "exists" if offer.conflicts == 1 else "exist"
    return f"{offer.conflicts} {verb} already: rename, skip, overwrite, or stop? [r/s/o/N] "


def read_yes_no(answer: str | None, *, enter_means_yes: bool) -> bool | None:
    """Read the answer to a yes/no question; the end of input is a no, None is no answer."""
    if answer is None:
        return False
    match answer.strip().casefold():
        case "":
            return enter_means_yes
        case "y" | "yes":
            return True
        case "n" | "no":
            return False
        case _:
            return None


def read_conflict(answer: str | None) -> TakenNames | Literal["stop"] | None:
    """Read the answer about taken names; Enter and the end of input stop."""
    match (answer or "").strip().casefold():
        case "" | "n" | "no" | "stop":
            return "stop"
        case "r" | "rename":
            return "rename"
        case "s" | "skip":
            return "skip"
        case "o" | "overwrite":
            return "overwrite"
        case _:
            return None


def yes_no(enter_means_yes: bool) -> str:
    """Return the brackets behind a question."""
    return "[Y/n] " if enter_means_yes else "[y/N] "


def accepted(policy: Policy) -> Accept:
    """Return a yes that asked nobody about taken names: what is there stays as it is."""
    return Accept("rename" if policy.on_conflict == "ask" else policy.on_conflict)


def _prompt(offer: e.OfferReceived) -> str:
    where = sentences.place(offer.output)
    if offer.kind == "stream":
        return f"Receive this stream into {where}? "
    things, of_them = ("file", offer.files) if offer.files else ("folder", offer.folders)
    these = f"this {things}" if of_them == 1 else f"these {units.counted(of_them, things)}"
    return f"Receive {these} ({units.size(offer.total_bytes)}) into {where}? "
