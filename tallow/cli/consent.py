"""What is answered to an offer, and which questions a person is asked: pure decisions.

An unverified sender with a warning, or a full disk, turns the default to no. Nothing is asked
that an option has answered. Taken names are never overwritten unless somebody says so. It neither
prints nor reads; offer_talk.py puts the questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from tallow.cli import sentences, sync_sentences, units
from tallow.cli.choice import Choice
from tallow.cli.sheet import enough_space
from tallow.display import display_text
from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, OnConflict, TakenName

YesNo = Literal["yes", "no"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the options say about questions."""

    may_ask: bool
    """Whether a person is there to be asked."""
    yes: bool = False
    to_stdout: bool = False
    """``-o -``: the bytes go where the person sent them; that is consent."""
    on_conflict: OnConflict = "ask"
    select: tuple[str, ...] = ()
    """Patterns of what is taken; none for everything."""
    by_hand: bool = False
    """Whether the person wants to choose before the question."""
    sync: bool = False
    """Whether ``yes`` holds for a sync as one, which replaces what changed."""
    delta: bool = True
    """Whether a sender may learn which parts of changed files are here."""
    delete: bool = False
    """Whether a sync may remove what it does not list."""

    @property
    def selects(self) -> bool:
        """Whether a part may be taken without asking first."""
        return bool(self.select) or self.by_hand


@dataclass(frozen=True, slots=True)
class Accept:
    """Say yes."""

    on_conflict: TakenName = "rename"


@dataclass(frozen=True, slots=True)
class Decline:
    """Say no."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Put a question to the person."""

    prompt: str
    enter_means_yes: bool
    may_select: bool
    """Whether there is anything to choose from."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a person said about a name that exists."""

    choice: TakenName
    for_all: bool = False
    """Whether it holds for all names that follow."""


def judge(
    offer: e.OfferReceived, policy: Policy, *, of: e.OfferReceived | None = None
) -> Accept | Decline | Ask:
    """Return the answer to an offer, or the question that finds it out.

    ``of`` is the whole offer where a part of it was chosen.
    """
    if policy.to_stdout:
        return Accept()
    if policy.yes:
        return accepted(policy)
    if not policy.may_ask:
        return Decline("nobody is there to answer")
    doubtful = bool(offer.flags) and not offer.verified
    whole = of or offer
    return Ask(
        _prompt(offer, whole),
        enter_means_yes=enough_space(offer) and not doubtful,
        may_select=entries_of(whole) > 1,
    )


def answer_to(
    offer: e.OfferReceived,
    policy: Policy,
    on_conflict: TakenName,
    *,
    asked: bool,
    delete: bool = False,
) -> AcceptOffer:
    """Return a yes; an offer is taken as a sync only if a person or an option said so."""
    sync = offer.sync is not None and (asked or policy.sync)
    return AcceptOffer(
        offer.ticket,
        on_conflict,
        sync=sync,
        delta=policy.delta,
        delete=sync and (delete or policy.delete),
    )


def must_ask_about_extra(offer: e.OfferReceived, policy: Policy) -> bool:
    """Return whether a person has to say what becomes of files that are not listed."""
    sync = offer.sync
    wanted = sync is not None and sync.wants_delete and (sync.extra_files or sync.blocked)
    return bool(wanted) and policy.may_ask and not policy.delete


def entries_of(offer: e.OfferReceived) -> int:
    """Return how many lines an offer has."""
    return offer.files + offer.folders + offer.links


def narrowed(offer: e.OfferReceived, choice: Choice) -> e.OfferReceived:
    """Return an offer of what was chosen alone, so that it is judged by itself."""
    tally = choice.tally()
    # A warning that no entry carries is about the list as a whole, and stays.
    unplaced = set(offer.flags) - choice.flag_names
    return msgspec.structs.replace(
        offer,
        files=tally.files,
        folders=tally.folders,
        links=tally.links,
        total_bytes=tally.total_bytes,
        flags=sorted(tally.flags | unplaced),
        conflicts=len(tally.taken),
    )


def taken_prompt(entry: e.OfferEntry, left: int) -> str:
    """Return the question about one name that is taken; ``left`` such names follow it."""
    name = display_text(entry.target, max_width=sentences.NAME_CELLS)
    answers = f"o/r/s/N; O/R/S = all {left + 1}" if left else "o/r/s/N"
    return f"{name} exists already: overwrite, rename, skip, or stop? [{answers}] "


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


def read_consent(
    answer: str | None, *, enter_means_yes: bool, may_select: bool
) -> YesNo | Literal["select"] | None:
    """Read the answer to an offer; the end of input is a no, None is no answer."""
    if may_select and (answer or "").strip().casefold() in ("s", "select"):
        return "select"
    yes = read_yes_no(answer, enter_means_yes=enter_means_yes)
    return None if yes is None else "yes" if yes else "no"


def read_taken(answer: str | None) -> Taken | Literal["stop"] | None:
    """Read the answer about a taken name; Enter and the end of input stop."""
    word = (answer or "").strip()
    for_all = word in ("O", "R", "S") or word.casefold().endswith(" all")
    match word.casefold().removesuffix(" all"):
        case "" | "n" | "no" | "stop":
            return "stop"
        case "r" | "rename":
            return Taken("rename", for_all)
        case "s" | "skip":
            return Taken("skip", for_all)
        case "o" | "overwrite":
            return Taken("overwrite", for_all)
        case _:
            return None


def yes_no(enter_means_yes: bool, *, may_select: bool = False) -> str:
    """Return the brackets behind a question."""
    answers = "Y/n" if enter_means_yes else "y/N"
    return f"[{answers}/s] " if may_select else f"[{answers}] "


def accepted(policy: Policy) -> Accept:
    """Return a yes that asked nobody about taken names: what is there stays as it is."""
    return Accept("rename" if policy.on_conflict == "ask" else policy.on_conflict)


def _prompt(offer: e.OfferReceived, whole: e.OfferReceived) -> str:
    where = sentences.place(offer.output)
    if offer.sync is not None and offer is whole:
        return sync_sentences.question(offer, offer.sync)
    if offer.kind == "stream":
        return f"Receive this stream into {where}? "
    things, count, of_all = "file", offer.files, whole.files
    if not count:
        things, count, of_all = "folder", offer.folders, whole.folders
    if not count:
        things, count, of_all = "link", offer.links, whole.links
    if count < of_all:
        these = f"{'this' if count == 1 else 'these'} {count} of {units.counted(of_all, things)}"
    else:
        these = f"this {things}" if count == 1 else f"these {units.counted(count, things)}"
    return f"Receive {these} ({units.size(offer.total_bytes)}) into {where}? "
