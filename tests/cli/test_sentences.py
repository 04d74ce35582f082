"""Sentences: peer text is escaped in every one, and the exact line works."""

from __future__ import annotations

import shlex

import pytest

from tallow.cli import sentences
from tallow.engine import events as e
from tallow.protocol.kept import NotKept
from tests.cli.happenings import ALLOCATED, CODE, PIN, RELAY, TICKET, done

HOSTILE = "a\x1b[2J\u202eb\x07"


def harmless(text: str) -> bool:
    """Tell whether a terminal would act on nothing in this text."""
    return not any(sign in text for sign in "\x1b\u202e\x07")


def test_the_line_for_the_other_machine() -> None:
    """The line can be pasted into a shell as it stands."""
    assert sentences.other_machine(ALLOCATED, sending=True) == (
        f"On the other machine:  tallow receive {CODE} --relay {RELAY}"
    )
    assert sentences.other_machine(ALLOCATED, sending=False) == (
        f"On the other machine:  tallow send --code {CODE} --relay {RELAY} PATH"
    )


def test_the_line_is_quoted_for_a_shell() -> None:
    """A code of one's own with a shell's letters is quoted, a weak one gets its option."""
    event = e.CodeAllocated(TICKET, "it's-$mine", RELAY, PIN, 60, 20.0, weak=True)
    line = sentences.other_machine(event, sending=True).partition(":  ")[2]
    assert shlex.split(line) == [
        "tallow", "receive", "it's-$mine", "--weak-code", "--relay", RELAY,
    ]  # fmt: skip


def test_the_code_carries_relay_and_pin() -> None:
    """The picture holds code, relay and key."""
    assert sentences.code_with_relay(ALLOCATED) == f"{CODE}@{RELAY}#sha256:{PIN}"


def test_names_are_claims() -> None:
    """A name stands in quotes behind "calls itself", and "verified" only where people compared."""
    assert sentences.person("bob", "") == 'calls itself "bob", no identity'
    assert sentences.person("", "") == "no name, no identity"
    assert sentences.person("bob", "7a3f91c0") == (
        'calls itself "bob", fingerprint 7A3F 91C0 (not verified)'
    )
    assert "(verified)" in sentences.person("bob", "7a3f", verified=True)
    assert "not verified" not in sentences.person("bob", "", verified=True)


@pytest.mark.parametrize(
    "sentence",
    [
        sentences.person(HOSTILE, HOSTILE),
        sentences.place(HOSTILE),
        sentences.relay_lost(e.RelayLost(TICKET, RELAY, HOSTILE, 2.0)),
        sentences.relay_fallback(e.RelayFallback(TICKET, HOSTILE, HOSTILE, "tcp", HOSTILE)),
        sentences.notice(HOSTILE),
        sentences.same_wish(e.SameWishMet(TICKET, HOSTILE)),
        sentences.peer_refused(e.PeerRefused(TICKET, "x", HOSTILE, HOSTILE)),
        sentences.file_line(e.TransferFile(TICKET, HOSTILE, "failed", HOSTILE)),
        sentences.left_out(e.SourceSkipped(TICKET, HOSTILE, HOSTILE)),
        sentences.command_failed(e.CommandFailed(TICKET, HOSTILE)),
        "\n".join(sentences.text_from(e.TextArrived(TICKET, "", HOSTILE, HOSTILE), None)),
    ],
)
def test_peer_text_is_escaped(sentence: str) -> None:
    """X05: escape sequences and turned text of a peer reach no sentence."""
    assert harmless(sentence)
    assert "\\x1b" in sentence


def test_a_detour_is_one_line() -> None:
    """B2: what did not connect, why, and what carries the link instead."""
    event = e.RelayFallback(TICKET, RELAY, "tcp", "quic", "connection refused")
    assert sentences.relay_fallback(event) == (
        "TCP to relay.example:4433 did not connect (connection refused); going on over QUIC."
    )
    event = e.RelayFallback(TICKET, RELAY, "quic", "tcp", "")
    assert sentences.relay_fallback(event) == (
        "QUIC to relay.example:4433 did not connect; going on over TCP."
    )


def test_where_things_go() -> None:
    """The current folder and standard output have their usual names."""
    assert sentences.place(".") == sentences.place("./") == "./"
    assert sentences.place("-") == "standard output"
    assert sentences.place("/srv/in/") == "/srv/in/"


def test_amounts() -> None:
    """Files, folders and bytes; folders alone are not called no files."""
    assert sentences.amount(3, 1, 1_200_000_000) == "3 files, 1 folder, 1.2 GB"
    assert sentences.amount(0, 2, 0) == "2 folders, 0 B"
    assert sentences.amount(0, 0, 0) == "0 files, 0 B"


def test_the_last_line() -> None:
    """The summary says what, how fast, where, and that the roots agree; -v shows the whole root."""
    assert sentences.summary(done(), kind="files", verbose=False) == (
        "Received 3 files, 1.2 GB in 12 s (100 MB/s) into ./"
        " — BLAKE3 roots agree (ab12ab12ab12ab12…)"
    )
    whole = sentences.summary(done("send"), kind="files", verbose=True)
    assert whole.startswith("Sent 3 files, 1.2 GB in 12 s (100 MB/s) — ")
    assert "ab12" * 16 in whole


def test_a_text_has_its_own_last_line() -> None:
    """A text is not counted in files."""
    event = e.TransferDone(TICKET, "send", 0, 3, 0.1, 0, "", "")
    assert sentences.summary(event, kind="text", verbose=False) == "The text arrived (3 B)."


def test_a_stream_is_no_file() -> None:
    """A stream is not counted in files, and has no size before its end."""
    event = e.OfferAnswered(TICKET, True, 1, 0)
    assert sentences.answered(event, kind="stream", sending=False) == "Receiving the stream."
    assert (
        sentences.answered(event, kind="stream", sending=True)
        == "They accepted; sending the stream."
    )
    last = sentences.summary(done("send"), kind="stream", verbose=False)
    assert last.startswith("Sent the stream, 1.2 GB, in 12 s")


def test_warnings_about_guessable_codes() -> None:
    """A code without a number warns of the relay, a short one with a number of guessing."""
    assert "relay's operator" in sentences.weak_code(30.0, numbered=False)
    assert "one try" in sentences.weak_code(12.0, numbered=True)


def test_what_was_not_kept_is_one_line() -> None:
    """C7: each kind with its count, in the words of the side that reads it; nothing for nothing."""
    lost = NotKept(links=2, names=1, modes=1, times=3, xattrs=1, holes=1)
    event = e.TransferDone(TICKET, "receive", 1, 3, 0.1, 0, "00", "./", not_kept=lost)
    assert sentences.not_kept(event) == (
        "Not kept: 2 symbolic links, 1 name changed for this system, mode bits of 1 entry,"
        " the time of 3 entries, 1 extended attribute, the holes of 1 sparse file."
    )
    sent = e.TransferDone(TICKET, "send", 1, 3, 0.1, 0, "00", "", not_kept=NotKept(names=2))
    assert sentences.not_kept(sent) == "Not kept: 2 names changed for the other system."
    assert sentences.not_kept(e.TransferDone(TICKET, "send", 1, 3, 0.1, 0, "00", "")) is None


def test_links_are_part_of_the_amount() -> None:
    """C7: an offer of links alone has no files to speak of."""
    assert sentences.amount(3, 1, 1_000, 2) == "3 files, 1 folder, 2 links, 1.0 kB"
    assert sentences.amount(0, 0, 0, 1) == "1 link, 0 B"
