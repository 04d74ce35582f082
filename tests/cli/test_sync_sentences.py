"""What is said of syncs: counts, meaning, and names that cannot drive the terminal."""

from __future__ import annotations

from msgspec import structs

from tallow.cli import consent, sync_sentences
from tallow.cli.consent import Policy
from tallow.cli.sheet import sheet
from tallow.engine import events as e

SYNC = e.SyncView(3, 2, 95, 5_000_000, 1, 0, 4, ["d/\x1b[2Jold"], wants_delete=True, watch=False)
OFFER = e.OfferReceived(
    1, "files", 100, 1, 9_000_000, 10**12, "", [], [], 2, "./", verified=False,
    fingerprint="", name="Zo\x1b[31me", on_conflict="ask", sync=SYNC,
)  # fmt: skip


def test_the_sheet_says_what_a_yes_means() -> None:
    """C12: counts, what the sender learns, and what would be removed each have a line."""
    text = "\n".join(sheet(OFFER, None, "", columns=80))
    assert "3 new, 2 changed, 95 unchanged" in text
    assert "will learn which parts of your 1 changed file it already has" in text
    assert "4 files here are not in the list and would be removed" in text
    assert "… and 3 more" in text
    assert "2 files here are replaced" in text


def test_names_cannot_drive_the_terminal() -> None:
    """X05: names of files and of the sender, and reasons, are escaped."""
    lines = sheet(OFFER, None, "", columns=80)
    lines.append(sync_sentences.removed(e.SyncRemoved(1, "a\x1b[2J", "b\x07")))
    lines.append(sync_sentences.removed(e.SyncRemoved(1, "\u202ex")))
    assert all(line.isprintable() for line in lines)


def test_a_watch_says_that_it_goes_on() -> None:
    """C12: the consent of a watch names what later changes mean."""
    watch = structs.replace(OFFER, sync=structs.replace(SYNC, watch=True))
    assert any("without asking" in line for line in sheet(watch, None, "", columns=80))


def test_the_question_of_a_sync() -> None:
    """C12: unverified and something is replaced, so Enter is no; the question has the numbers."""
    ask = consent.judge(structs.replace(OFFER, flags=["overwrite"]), Policy(may_ask=True))
    assert isinstance(ask, consent.Ask)
    assert not ask.enter_means_yes
    assert ask.prompt == "Sync (3 new, 2 changed, 95 unchanged, 5.0 MB) with ./? "


def test_a_yes_says_only_what_was_agreed_to() -> None:
    """X01: a plain --yes is no sync; removing needs a yes of its own or its option."""

    def answer(policy: Policy, *, asked: bool = False, delete: bool = False) -> tuple[bool, bool]:
        said = consent.answer_to(OFFER, policy, "rename", asked=asked, delete=delete)
        return said.sync, said.delete

    assert answer(Policy(False, yes=True)) == (False, False)
    assert answer(Policy(False, yes=True, delete=True)) == (False, False)
    assert answer(Policy(False, yes=True, sync=True)) == (True, False)
    assert answer(Policy(False, yes=True, sync=True, delete=True)) == (True, True)
    assert answer(Policy(True), asked=True) == (True, False)
    assert answer(Policy(True), asked=True, delete=True) == (True, True)
    assert consent.must_ask_about_extra(OFFER, Policy(True))
    assert not consent.must_ask_about_extra(OFFER, Policy(True, delete=True))


def test_the_last_line() -> None:
    """C12: nothing to do is said as such; else what travelled, what stayed, what went."""
    done = e.TransferDone(
        1, "receive", 0, 0, 1.0, 0, "ab" * 32, "./", mode="sync", left_files=9, removed=1
    )
    nothing = "Nothing to transfer: 9 files unchanged, 1 file removed."
    assert sync_sentences.summary(done) == nothing
    some = structs.replace(done, files=2, total_bytes=5_000_000)
    assert sync_sentences.summary(some).startswith("Received 2 files, 5.0 MB in ")
