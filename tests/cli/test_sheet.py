"""The sheet before the question."""

from __future__ import annotations

import msgspec

from tallow.cli.sheet import enough_space, sheet, warnings
from tallow.engine import events as e
from tests.cli.happenings import PLAIN, entry, offer, peer_up
from tests.cli.still_console import same_as_transcript

HOSTILE = "a\x1b[2J\u202eb"


def test_a_whole_sheet() -> None:
    """Who, symbols, note, amount, free space, names with sizes and flags, what to look out for."""
    found = sheet(
        offer(*PLAIN, flags=("executable",), note="from the lake\nyours"),
        peer_up(),
        "relay.example:4433",
        columns=80,
    )
    assert same_as_transcript("sheet", "\n".join(found) + "\n")


def test_many_entries_are_counted() -> None:
    """Twenty lines are shown, the rest is a number."""
    many = [entry(number, f"f{number:03d}", 1) for number in range(214)]
    found = sheet(offer(*many), None, "", columns=80)
    assert sum(line.startswith("  f") for line in found) == 20
    assert "  … and 194 more" in found


def test_hostile_text_stays_text() -> None:
    """X05: names, notes, claims and flags of a peer cannot drive the terminal."""
    found = "\n".join(
        sheet(
            offer(
                entry(0, HOSTILE, 1, flags=(HOSTILE,), target=f"safe{HOSTILE}"),
                note=HOSTILE,
                name=HOSTILE,
                flags=(HOSTILE, "bidi"),
            ),
            peer_up(HOSTILE),
            HOSTILE,
            columns=80,
        )
    )
    assert "\x1b" not in found
    assert "\u202e" not in found
    assert "\\x1b[2J" in found


def test_a_strange_order_cannot_mislead() -> None:
    """X04: a name is indented only below the very folder printed above it."""
    found = sheet(
        offer(
            entry(0, "a", kind="folder"),
            entry(1, "b", kind="folder"),
            entry(2, "a/inside-a", 1),
            entry(3, "b/inside-b", 1),
            entry(4, "ab/other", 1),
        ),
        None,
        "",
        columns=80,
    )
    names = [line.split("  ")[1] for line in found if line.startswith("  ")]
    assert names == ["a/", "b/", "a/inside-a", "b/inside-b", "ab/other"]


def test_nested_names_are_indented() -> None:
    """Inside folders that were just printed, only the last part is shown."""
    found = sheet(
        offer(
            entry(0, "a", kind="folder"),
            entry(1, "a/b", kind="folder"),
            entry(2, "a/b/c.txt", 1),
            entry(3, "a/d.txt", 1),
        ),
        None,
        "",
        columns=80,
    )
    assert [line.rstrip(" 1B") for line in found if line.startswith("  ")] == [
        "  a/", "    b/", "      c.txt", "    d.txt",
    ]  # fmt: skip


def test_changed_names_are_shown() -> None:
    """A name that will be another one here is shown with both."""
    found = sheet(offer(entry(0, "x/CON", 1, target="x/CON_")), None, "", columns=80)
    assert any("x/CON → x/CON_" in line for line in found)


def test_long_names_fit_the_terminal() -> None:
    """No line of the list is wider than the terminal, whatever the names."""
    long = entry(0, "夏" * 300, 10**12, flags=("executable",))
    for columns in (60, 80, 120):
        found = sheet(offer(long), None, "", columns=columns)
        line = next(line for line in found if line.startswith("  "))
        assert len(line) < columns


def test_warnings_in_plain_words() -> None:
    """Flags become sentences, taken names are counted, and a full disk is said."""
    found = warnings(
        offer(flags=("executable", "overwrite"), conflicts=2, total_bytes=10, free_bytes=3)
    )
    assert found == [
        "it holds programs, or files that run when opened",
        "2 of these names exist here already",
        "only 3 B are free, 10 B needed",
    ]


def test_space_is_unknown_for_a_pipe() -> None:
    """Nobody knows the free space behind standard output."""
    assert enough_space(offer(total_bytes=10, free_bytes=None))
    assert enough_space(offer(total_bytes=10, free_bytes=10))
    assert not enough_space(offer(total_bytes=11, free_bytes=10))


def test_a_stream_has_no_size() -> None:
    """A stream is not said to be empty."""
    found = sheet(offer(entry(0, "stdin", kind="stream"), kind="stream"), None, "", columns=80)
    assert any("a stream of unknown size" in line for line in found)


def test_a_long_note_is_cut() -> None:
    """A note of many lines does not push the question off the screen."""
    found = sheet(offer(note="\n".join("line" for _ in range(100))), None, "", columns=80)
    assert sum("line" in line for line in found) == 5


def test_a_link_shows_where_it_points() -> None:
    """C7, X05: the target stands behind the name, escaped, and links are counted."""
    link = e.OfferEntry(0, "l", "l", "link", 0, ["symlink"], points_to=f"a/{HOSTILE}")
    shown = msgspec.structs.replace(offer(link, flags=("symlink",)), files=0, links=1)
    found = sheet(shown, None, "", columns=80)
    assert any("l -> a/a\\x1b[2J" in line and "! link" in line for line in found)
    assert any(line.startswith("Offer:    1 link") for line in found)
    assert "Look out: it holds links" in found
    assert not set("\n".join(found)) & set("\x1b\u202e")
