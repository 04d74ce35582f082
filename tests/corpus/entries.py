"""The fault corpus as data: which fault, where, and how it must end.

A section of the corpus is a module with two functions: ``cases`` lists every fault that there is,
``end`` plays one against the code and says how it ended. ``faults.json`` holds what was reviewed;
equal ends of one fault share an entry, and their places are written as ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.corpus import flights, messages, records, relays, transfers
from tests.corpus.cases import Case, Ends

FILE = Path(__file__).with_name("faults.json")


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Faults that end alike: one of them at many places, or several, divided by bars."""

    what: str
    fault: str
    ends: Ends
    at: str = ""
    """Places as ranges, "0-3,17"; empty where the fault has no place."""

    def cases(self) -> Iterator[Case]:
        """Return every single fault of this entry."""
        if not self.at:
            yield from (Case(self.what, fault) for fault in self.fault.split(" | "))
            return
        for span in self.at.split(","):
            first, _, last = span.partition("-")
            for place in range(int(first), int(last or first) + 1):
                yield Case(self.what, self.fault, place)


@dataclass(frozen=True)
class Section:
    """What a module of the corpus offers."""

    cases: Callable[[], Iterable[Case]]
    """Lists every fault."""
    end: Callable[[Case], Ends]
    """Plays a fault and says how it ended."""


SECTIONS = {
    "flights": Section(flights.cases, flights.end),
    "records": Section(records.cases, records.end),
    "messages": Section(messages.cases, messages.end),
    "transfers": Section(transfers.cases, transfers.end),
    "relay": Section(relays.cases, relays.end),
}


def load() -> dict[str, list[Entry]]:
    """Return the corpus as it was reviewed."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, list[Entry]])


def save(corpus: dict[str, list[Entry]]) -> None:
    """Write the corpus, one entry a line."""
    sections = []
    for name, entries in corpus.items():
        lines = ",\n".join("  " + msgspec.json.encode(entry).decode() for entry in entries)
        sections.append(f'"{name}": [\n{lines}\n]')
    FILE.write_text("{\n" + ",\n".join(sections) + "\n}\n", encoding="utf-8")


def gathered(played: Iterable[tuple[Case, Ends]]) -> list[Entry]:
    """Return entries for faults and their ends, equal ends of one fault together."""
    places: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[int]] = {}
    faults: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for case, ends in played:
        ending = tuple(ends.items())
        if case.at is None:
            faults.setdefault((case.what, ending), []).append(case.fault)
        else:
            places.setdefault((case.what, case.fault, ending), []).append(case.at)
    return [
        Entry(what, fault, dict(ends), _ranges(sorted(where)))
        for (what, fault, ends), where in places.items()
    ] + [Entry(what, " | ".join(names), dict(ends)) for (what, ends), names in faults.items()]


def _ranges(places: list[int]) -> str:
    spans: list[list[int]] = []
    for place in places:
        if spans and spans[-1][1] == place - 1:
            spans[-1][1] = place
        else:
            spans.append([place, place])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
