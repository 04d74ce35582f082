"""display_text: no text from outside makes a terminal do anything but show characters."""

from __future__ import annotations

import base64
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.display import (
    cell_width,
    display_block,
    display_text,
    has_bidi_control,
    replace_hidden,
)
from tests.vectors import counted, read_json, vectors

ACTED_ON = re.compile("[\x00-\x1f\x7f-\x9f]")
TURNS_AROUND = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
EMOJI = ["👩‍💻", "❤️‍🔥", "👨‍👩‍👧‍👦", "🏳️‍🌈", "👩🏽‍🚀", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇩🇪", "✔️", "🫨"]


def check_inert(shown: str) -> None:
    """Hold displayed text against every promise, by means of other code than its own."""
    assert not ACTED_ON.search(shown)
    assert not TURNS_AROUND.search(shown)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp", "Co"}
    assert "\n" not in shown
    shown.encode()  # No surrogate is left.
    assert display_text(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("", ""),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"),
        ("\x7f\x80\x9b31m", "\\x7f\\x80\\x9b31m"),
        ("x\u202egpj.exe", "x\\u202egpj.exe"),
        ("a\u200bb\ufeffc", "a\\u200bb\\ufeffc"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("\ud800", "\\ud800"),
        ("\ufffe\U0010ffff", "\\ufffe\\U0010ffff"),
        ("\U000e0041", "\\U000e0041"),
        ("\ue0b0", "\\ue0b0"),
        ("👩\u200dx", "👩\\u200dx"),
        ("résumé", "résumé"),
        ("日本語", "日本語"),
        ("\u0301a", "\\u0301a"),
    ],
)
def test_hidden_characters_become_visible(text: str, shown: str) -> None:
    """X05: controls, bidi, zero-width, separators, surrogates, noncharacters, private use."""
    assert display_text(text) == shown


@pytest.mark.parametrize("emoji", EMOJI)
def test_emoji_sequences_are_kept(emoji: str) -> None:
    """Joined, coloured, flagged and keycap emoji stay whole."""
    assert display_text(f"a {emoji} b") == f"a {emoji} b"
    assert replace_hidden(emoji, lambda _: "_") == emoji


def test_marks_do_not_climb_out_of_the_line() -> None:
    """More than six marks on a letter are shown as escapes."""
    shown = display_text("e" + "\u0301" * 10)
    assert shown.count("\u0301") == 6
    assert shown.count("\\u0301") == 4


def test_blocks_keep_lines_and_widen_tabs() -> None:
    """A message keeps its lines; nothing else of it moves the cursor."""
    assert display_block("a\n\tb\r\nc\rd\x1b[A\n") == "a\n    b\nc\\x0dd\\x1b[A\n"
    assert display_block("x\n\u0301") == "x\n\\u0301"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abcdef", 1, "…"),
        ("abcdef", 0, ""),
        ("abcdef", -1, ""),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("ab\x1bcd", 5, "ab…"),
        ("👩‍💻👩‍💻", 5, "👩‍💻…"),
    ],
)
def test_text_is_cut_by_cells_and_never_inside_a_character(
    text: str, width: int, shown: str
) -> None:
    """Wide letters, marks, joined emoji and escapes are kept or left out whole."""
    assert display_text(text, max_width=width) == shown


@pytest.mark.parametrize(
    ("text", "cells"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("1️⃣", 2), ("ﾊﾝｶｸ", 4), ("", 0)]
)
def test_width_is_counted_in_cells(text: str, cells: int) -> None:
    """Wide letters take two cells, marks none."""
    assert cell_width(text) == cells


def test_bidi_controls_are_found() -> None:
    """A name that turns the line around can be flagged."""
    assert has_bidi_control("a\u2066b")
    assert not has_bidi_control("שלום")


def ansi_texts() -> list[str]:
    """Return every published terminal sequence, decoded both as UTF-8 and byte by byte."""
    codes = read_json("ansi", "ansi_regex_codes.json")
    pushes = read_json("ansi", "libvterm_pushes.json")
    screens = read_json("ansi", "xterm_escape_sequence_files.json")
    recordings = read_json("ansi", "alacritty_recordings.json")
    raw = [b"\x1b" + entry["after_esc"].encode() for entry in codes]
    raw += [bytes.fromhex(entry["push_hex"]) for entry in pushes]
    raw += [base64.b64decode(entry["in_b64"]) for entry in screens]
    raw += [base64.b64decode(entry["bytes_b64"]) for entry in recordings]
    raw.append((vectors("ansi") / "fuzzdb_terminal_escape_codes.txt").read_bytes())
    counted("ansi", len(raw))
    texts = [item.decode("latin-1") for item in raw]
    texts += [item.decode("utf-8", "surrogateescape") for item in raw]
    return texts


def test_terminal_sequences_are_shown_not_obeyed() -> None:
    """X05: no published CSI, OSC, DCS or C1 sequence leaves a byte that a terminal acts on."""
    for text in ansi_texts():
        shown = display_text(text)
        check_inert(shown)
        block = display_block(text)
        assert not ACTED_ON.search(block.replace("\n", ""))
        assert cell_width(display_text(text, max_width=40)) <= 40


def test_naughty_strings_are_inert() -> None:
    """X05: the big list of naughty strings."""
    cases = read_json("strings", "blns.json")
    for case in cases:
        check_inert(display_text(case["s"]))
    counted("strings", len(cases))


def test_every_code_point_is_inert() -> None:
    """X05: all of Unicode, one by one: nothing that acts, turns around or hides gets through."""
    for start in range(0, 0x110000, 0x1000):
        text = " ".join(map(chr, range(start, start + 0x1000)))
        shown = display_text(text)
        check_inert(shown)
        assert "Cf" not in {unicodedata.category(character) for character in shown}


def test_invisible_characters_are_made_visible() -> None:
    """X05: Unicode's list of ignorable, bidi, noncharacter and variation-selecting code points."""
    listing = vectors("unicode") / "format_and_invisible_properties.txt"
    replayed = 0
    for line in listing.read_text("utf-8").splitlines():
        span, _, kind = line.split("#")[0].partition(";")
        if kind.strip() in ("", "White_Space", "Pattern_White_Space", "Deprecated"):
            continue
        first, _, last = span.strip().partition("..")
        for number in range(int(first, 16), int(last or first, 16) + 1):
            replayed += 1
            assert display_text(f"a{chr(number)}b").isascii(), hex(number)
    assert replayed > 4000
    counted("unicode", replayed)


NASTY = st.sampled_from(
    ["\x1b[", "\x9b", "\u202e", "\u200d", "\ufe0f", "👩", "💻", "🏽", "🏴", "\u0301", "\\x1b",
     "\n", "#", "\u20e3", "\ud83d", "\udc69", "日", "\U000e0067", "\u2800", "\t"]
)  # fmt: skip
TEXTS = st.lists(NASTY | st.text(max_size=4), max_size=12).map("".join)


@settings(deadline=None, max_examples=4000)
@given(TEXTS, st.integers(-1, 30))
def test_any_text_is_inert_and_fits(text: str, width: int) -> None:
    """X05: whatever a peer writes is one line, shows as text, is stable, and fits its width."""
    shown = display_text(text)
    check_inert(shown)
    cut = display_text(text, max_width=width)
    check_inert(cut)
    assert cell_width(cut) <= max(0, width)
    assert cut == shown or cut == "" or cut.endswith("…")
    for line in display_block(text).split("\n"):
        check_inert(line)
