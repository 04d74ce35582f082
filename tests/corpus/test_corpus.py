"""Every fault of the corpus against the code: the reviewed end, no other, and no hang."""

from __future__ import annotations

from functools import cache

import pytest

from tallow.protocol.attempts import Attempts, Verdict
from tests.corpus import flights
from tests.corpus.cases import Case, Ends
from tests.corpus.entries import SECTIONS, Entry, gathered, load

PLACED = {
    "flights": ("M1", "M2", "M3"),
    "records": ("control", "bulk"),
    "messages": ("peer", "client", "relay"),
    "transfers": ("",),
    "relay": ("client", "relay"),
}
PARTS = [(name, prefix) for name, prefixes in PLACED.items() for prefix in prefixes]
FOR_EVER = ("open", "never", "never ends")


@cache
def corpus() -> dict[str, list[Entry]]:
    """Return the kept corpus."""
    return load()


def entries(section: str, prefix: str = "") -> list[Entry]:
    """Return the entries about one thing."""
    return [entry for entry in corpus()[section] if entry.what.startswith(prefix)]


def kept(section: str) -> list[tuple[Case, Ends]]:
    """Return every single fault of a section with its end."""
    return [(case, entry.ends) for entry in corpus()[section] for case in entry.cases()]


def test_the_corpus_has_every_section() -> None:
    """Each part of the code that plays faults has its section of the file."""
    assert list(corpus()) == list(SECTIONS) == list(PLACED)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_corpus_names_every_fault_once(section: str) -> None:
    """Each byte, field and message that can be damaged has exactly one entry, and none is left
    of what is no more."""
    named = [case for case, _ in kept(section)]
    assert len(set(named)) == len(named)
    assert set(named) == set(SECTIONS[section].cases())
    played = {id(entry) for prefix in PLACED[section] for entry in entries(section, prefix)}
    assert played == {id(entry) for entry in corpus()[section]}


@pytest.mark.parametrize(("section", "prefix"), PARTS)
def test_every_fault_ends_as_reviewed(section: str, prefix: str) -> None:
    """X07, X08, X14, X20 and X25: one fault in a flight, record, message or relay frame ends in
    the expected error on each side, never in a hang and never in another exception."""
    play = SECTIONS[section].end
    other = [
        (case, entry.ends, ends)
        for entry in entries(section, prefix)
        for case in entry.cases()
        if (ends := play(case)) != entry.ends
    ]
    assert not other, other[:5]


@pytest.mark.parametrize("section", SECTIONS)
def test_nothing_waits_for_ever(section: str) -> None:
    """X13: whatever is damaged, each side has ended by its deadline."""
    assert not [entry for entry in corpus()[section] if set(entry.ends.values()) & {*FOR_EVER}]


def test_no_damage_to_a_flight_is_agreed_on() -> None:
    """A2, X08 and X26: whatever is done to a flight, two never confirm; a copy behind the true
    flight comes too late to matter."""
    agreed = {
        case for case, ends in kept("flights") if ends["joiner"] == ends["creator"] == "Confirmed"
    }
    assert agreed == {Case("M2", "double"), Case("M3", "double")}
    confirmed = {ends["creator"] for case, ends in kept("flights") if case not in agreed}
    assert "Confirmed" not in confirmed
    # A joiner is done when T_r held; a damaged M3 keeps only the creator from it.
    early = {case for case, ends in kept("flights") if ends["joiner"] == "Confirmed"}
    assert {case for case in early if case.what[:2] != "M3"} == {
        Case("M1", "double"),
        Case("M2", "double"),
    }


def test_every_fault_costs_what_the_rules_say() -> None:
    """A2: before M2 nothing counts; a false confirmation burns; whatever else follows M2 counts
    and the third one ends the code for good."""
    for case, ends in kept("flights"):
        flight, creator, code = case.what[:2], ends["creator"], ends["code"]
        if flight == "M1" and creator in ("RemoteProtocolError", "PeerVersion", "PeerGone"):
            # The one M1 that was answered before a second one came.
            assert code == ("counted" if case == Case("M1", "double") else "whole"), case
        elif flight != "M1":
            assert code != "whole", case
        assert (code == "burnt") == (creator == "WrongCode"), case
        assert (code == "spent") == (creator == "Confirmed"), case
        if ends["joiner"] in ("WrongCode", "Confirmed") and case.fault != "abort 1":
            assert ends["joiner counts"] == "yes", case


@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_run_is_judged_by_how_it_ended(before: int) -> None:
    """Drops wait, false confirmations ask, the last counted run is the end of either."""
    after = Attempts(3, before).started()
    last = before == 2
    assert after.after_drop() is (Verdict.DEAD if last else Verdict.WAIT)
    assert after.after_false_confirmation() is (Verdict.DEAD if last else Verdict.ASK)
    assert after.confirmed() == Attempts(3, before)


def test_what_is_written_is_what_is_read() -> None:
    """The file's ranges and bars name the faults that were played, in any order."""
    played = [
        (Case("M1", "flip", 3), {"a": "b"}),
        (Case("M1", "flip", 1), {"a": "b"}),
        (Case("M1", "flip", 2), {"a": "c"}),
        (Case("M1", "flip", 4), {"a": "b"}),
        (Case("M1", "drop"), {"a": "b"}),
        (Case("M1", "double"), {"a": "b"}),
    ]
    made = gathered(played)
    assert [entry.at for entry in made] == ["1,3-4", "2", ""]
    assert made[-1].fault == "drop | double"
    again = [(case, entry.ends) for entry in made for case in entry.cases()]
    assert sorted(map(str, again)) == sorted(map(str, played))


def test_the_corpus_can_tell_one_end_from_another() -> None:
    """A fault's end is played, not looked up: an undamaged byte ends otherwise."""
    assert flights.end(Case("M3", "flip low bit", 4))["creator"] == "WrongCode"
    assert flights.end(Case("M3", "flip low bit", 0))["creator"] == "RemoteProtocolError"
