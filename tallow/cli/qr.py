"""A code as a picture that a camera reads, in half blocks, if the terminal is large enough.

Two rows of the picture share one line of text. Nothing is printed here.
"""

from __future__ import annotations

from typing import Final

_QUIET_MODULES: Final = 2
"""Light margin around the picture; the terminal's own edge adds to it."""
_BLOCKS: Final = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}


def qr_lines(content: str, *, dark_on_light: bool) -> list[str]:
    """Return the picture's lines; without colour, blocks are its light parts on a dark screen."""
    from qrcode.constants import ERROR_CORRECT_L
    from qrcode.main import QRCode

    picture: QRCode = QRCode(border=_QUIET_MODULES, error_correction=ERROR_CORRECT_L)
    picture.add_data(content)
    picture.make(fit=True)
    rows: list[list[bool]] = picture.get_matrix()
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    return [
        "".join(
            _BLOCKS[(upper == dark_on_light, lower == dark_on_light)]
            for upper, lower in zip(above, below, strict=True)
        )
        for above, below in zip(rows[::2], rows[1::2], strict=True)
    ]


def fits(lines: list[str], columns: int, rows: int) -> bool:
    """Return whether a picture stands on the screen together with the lines around it."""
    return bool(lines) and len(lines[0]) <= columns and len(lines) + 5 <= rows
