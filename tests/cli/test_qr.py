"""The picture of a code."""

from __future__ import annotations

from tallow.cli.qr import fits, qr_lines

CONTENT = "7123-banana-crane-oxygen@relay.example:4433#sha256:" + "ab" * 32


def modules(lines: list[str], *, dark_on_light: bool) -> list[list[bool]]:
    """Return which modules of a picture are dark, row by row."""
    halves = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}
    rows: list[list[bool]] = []
    for line in lines:
        drawn = [halves[sign] for sign in line]
        rows += [[pair[half] == dark_on_light for pair in drawn] for half in (0, 1)]
    return rows


def test_the_picture_is_square_and_has_its_finders() -> None:
    """C10: the picture has the three corner marks that a camera looks for, in both colourings."""
    for dark_on_light in (True, False):
        rows = modules(qr_lines(CONTENT, dark_on_light=dark_on_light), dark_on_light=dark_on_light)
        width = len(rows[0])
        assert len(rows) in (width, width + 1)
        margin = 2
        finder = [[True] * 7, [True, *[False] * 5, True]]
        for left in (margin, width - margin - 7):
            top = [row[left : left + 7] for row in rows[margin : margin + 2]]
            assert top == finder
        assert not any(rows[0])


def test_both_colourings_show_the_same() -> None:
    """What is block on light is gap on dark."""
    on_light = modules(qr_lines(CONTENT, dark_on_light=True), dark_on_light=True)
    on_dark = modules(qr_lines(CONTENT, dark_on_light=False), dark_on_light=False)
    assert on_light == on_dark


def test_it_fits_or_not() -> None:
    """A picture needs its width, its height and a few lines for the words around it."""
    lines = ["#" * 40] * 20
    assert fits(lines, 40, 25)
    assert not fits(lines, 39, 25)
    assert not fits(lines, 40, 24)
    assert not fits([], 80, 24)
