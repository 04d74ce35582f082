"""What tests say they show, and what the two tables of the documentation say shows what.

A test claims an id in its docstring: ``"X14: a huge length is refused."``, ``"A2, X08: …"`` or
``"… (A2, X08)."``; attack ids count anywhere. Rows end in a cell with the claiming tests, or with
the reason why there is none. Nothing is written here: a row that disagrees is printed as it
should be.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.house.tree import ROOT, Source, sources

COUNTS = {"A": 5, "B": 5, "C": 14, "D": 8, "E": 3, "F": 4, "G": 3, "H": 6, "I": 5, "J": 6}
REQUIREMENTS = tuple(f"{letter}{n}" for letter, top in COUNTS.items() for n in range(1, top + 1))
ATTACKS = tuple(f"X{n:02}" for n in range(1, 27))
KNOWN = frozenset(REQUIREMENTS) | frozenset(ATTACKS)

_ID = r"(?:[A-J]\d{1,2}|X\d{2})"
_IDS = rf"{_ID}(?:(?:, | and ){_ID})*"


def ids_claimed(docstring: str) -> set[str]:
    """Return the ids that a test's docstring claims to show."""
    claimed = set(re.findall(r"\bX\d{2}\b", docstring))
    places = [*re.findall(rf"\A({_IDS}):", docstring), *re.findall(rf"\(({_IDS})\)", docstring)]
    for place in places:
        claimed |= set(re.findall(_ID, place))
    return claimed


def tests_of(source: Source) -> Iterator[tuple[str, str]]:
    """Yield every test of a file as its pytest address and its docstring."""
    for node in source.tree.body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        owner = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for function in inside:
            if isinstance(
                function, ast.FunctionDef | ast.AsyncFunctionDef
            ) and function.name.startswith("test_"):
                yield f"{source.path}::{owner}{function.name}", ast.get_docstring(function) or ""


def claims() -> dict[str, list[str]]:
    """Return for each id the tests that claim to show it, in the order of the tree."""
    found: dict[str, list[str]] = defaultdict(list)
    for source in sources("tests"):
        for address, docstring in tests_of(source):
            for claimed in ids_claimed(docstring):
                found[claimed].append(address)
    return dict(found)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: an id, the cells that people write, and the cell about tests."""

    id: str
    words: tuple[str, ...]
    shown_by: str

    def line(self) -> str:
        """Return the row as it stands in the file."""
        return f"| {' | '.join((self.id, *self.words, self.shown_by))} |"

    def corrected(self, tests: list[str], absence: str) -> Row:
        """Return the row as the tests make it; ``absence`` begins a reason why none exists."""
        shown_by = "<br>".join(f"`{test}`" for test in tests)
        if not shown_by:
            shown_by = self.shown_by if self.shown_by.startswith(absence) else absence + " …"
        return Row(self.id, self.words, shown_by)


def rows(page: str) -> list[Row]:
    """Read the rows of a page's tables whose first cell is an id."""
    found: list[Row] = []
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(_ID, cells[0]):
            found.append(Row(cells[0], tuple(cells[1:-1]), cells[-1]))
    return found


def rows_to_write(page: str, absence: str) -> list[str]:
    """Return the lines that a page needs instead of those it has, ready to be pasted."""
    shown = claims()
    return [
        right.line()
        for row in rows(page)
        if (right := row.corrected(shown.get(row.id, []), absence)) != row
    ]
