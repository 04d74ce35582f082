"""The documents tell the truth: tables and tests agree, and what is named exists.

When a table disagrees with the tests, the failure prints each row as it has to read; replace the
row of that id by the printed line.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house import claims
from tests.house.tree import PROGRAM, ROOT, sources

REQUIREMENTS = "docs/requirements.md"
ATTACKS = "docs/attacks.md"
PAGES = sorted(
    path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
)
NAMED_PATH = re.compile(r"`((?:tallow|relay|tests|docs|bench|snapshots)/[\w./-]*)(?:::\w+)*`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
SECTION = re.compile(r"^#+ §?(\d+(?:\.\d+)*)\b", re.M)


def page_text(page: str) -> str:
    """Return a page of the documentation."""
    return (ROOT / page).read_text(encoding="utf-8")


def sections_cited(text: str) -> list[str]:
    """Return the section numbers that a source text cites from docs/protocol.md."""
    paragraphs = re.findall(r"docs/protocol\.md ((?:[^\n]|\n(?! *\n))*)", text)
    sentences = [re.split(r"\.\s|\"\"\"", paragraph)[0] for paragraph in paragraphs]
    return [number for one in sentences for number in re.findall(r"§(\d+(?:\.\d+)*)", one)]


def test_requirements_are_complete() -> None:
    """Every requirement has one row, in order."""
    assert [row.id for row in claims.rows(REQUIREMENTS)] == list(claims.REQUIREMENTS)


def test_attacks_are_complete() -> None:
    """Every attack of the checklist has one row, in order."""
    assert [row.id for row in claims.rows(ATTACKS)] == list(claims.ATTACKS)


@pytest.mark.parametrize(("page", "absence"), [(REQUIREMENTS, "not yet:"), (ATTACKS, "later:")])
def test_tables_and_tests_agree(page: str, absence: str) -> None:
    """A row names exactly the tests whose docstrings claim its id."""
    wrong = claims.rows_to_write(page, absence)
    assert not wrong, f"\nwrite these rows into {page}:\n" + "\n".join(wrong)


@pytest.mark.parametrize(("page", "absence"), [(REQUIREMENTS, "not yet:"), (ATTACKS, "later:")])
def test_a_row_without_a_test_says_why(page: str, absence: str) -> None:
    """Where no test shows a row, a release or a reason stands instead."""
    for row in claims.rows(page):
        if row.shown_by.startswith(absence):
            assert re.search(r"\w+ \w+", row.shown_by.removeprefix(absence)), row.line()


@pytest.mark.parametrize(("page", "absence"), [(REQUIREMENTS, "not yet:"), (ATTACKS, "later:")])
def test_what_is_missing_is_said(page: str, absence: str) -> None:
    """A row misses all of itself exactly as long as no test shows any of it."""
    for row in claims.rows(page):
        missing = row.words[-1]
        assert missing, row.line()
        assert (missing == "all") == row.shown_by.startswith(absence), row.line()


def test_requirements_have_a_release() -> None:
    """Every requirement is due in the first release or in a later one."""
    for row in claims.rows(REQUIREMENTS):
        assert row.words[1] in ("now", "next"), row.line()


def test_claims_name_known_ids() -> None:
    """No test claims an id that neither table has."""
    unknown = {id_: tests for id_, tests in claims.claims().items() if id_ not in claims.KNOWN}
    assert not unknown


@pytest.mark.parametrize(
    ("docstring", "ids"),
    [
        ("X14: a huge length is refused.", {"X14"}),
        ("A2, X08: other words, other key.", {"A2", "X08"}),
        ("A wrong code burns (A3, X25).", {"A3", "X25"}),
        ("A trap like X10 is shut.", {"X10"}),
        ("C1 control characters are escaped.", set()),
        ("The attacker A1 learns nothing.", set()),
    ],
)
def test_ids_are_read_from_docstrings(docstring: str, ids: set[str]) -> None:
    """Ids count where they are meant as ids, not where the same letters mean something else."""
    assert claims.ids_claimed(docstring) == ids


@pytest.mark.parametrize("page", PAGES)
def test_named_files_exist(page: str) -> None:
    """A file that a page names is there."""
    named = {found[1].rstrip("/") for found in NAMED_PATH.finditer(page_text(page))}
    missing = sorted(path for path in named if not (ROOT / path).exists())
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """A relative link leads to a file."""
    folder = (ROOT / page).parent
    targets = [found[1] for found in LINK.finditer(page_text(page))]
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    missing = [target for target in local if not Path(folder / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_named_make_targets_exist(page: str) -> None:
    """A make target that a page names is in the Makefile."""
    targets = set(re.findall(r"^([a-z0-9]+):", page_text("Makefile"), re.M))
    code = " ".join(re.findall(r"```.*?```|`[^`\n]+`", page_text(page), re.S))
    named = set(re.findall(r"\bmake ([a-z0-9]+)", code))
    assert named <= targets


def test_cited_sections_exist() -> None:
    """A section of the protocol that the code cites is in docs/protocol.md."""
    if not (ROOT / "docs/protocol.md").exists():
        pytest.skip("docs/protocol.md is not there")
    sections = set(SECTION.findall(page_text("docs/protocol.md")))
    missing = [
        f"{source.path}: §{number}"
        for source in sources(*PROGRAM)
        for number in sections_cited(source.text)
        if number not in sections
    ]
    assert not missing, "\n".join(missing)
