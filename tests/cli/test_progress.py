"""The moving line."""

from __future__ import annotations

from tallow.cli.progress import Progress
from tallow.display import cell_width
from tests.cli.happenings import progress


def test_nothing_is_said_before_the_first_event() -> None:
    """Without an event there is no line."""
    assert Progress(sending=True).line(0.0, 80) == ""


def test_the_whole_line() -> None:
    """Phase, percent, bytes, files, speed, time left and the current file stand in it."""
    shown = Progress(sending=False)
    shown.update(progress(), 10.0)
    assert shown.line(10.0, 120) == (
        "Receiving   62 %  620 MB of 1.0 GB  1/3 files  98.4 MB/s  35 s left  holiday/DSC_0132.jpg"
    )


def test_the_time_left_counts_down_by_the_clock() -> None:
    """Between two events the time left shrinks and never goes below a second."""
    shown = Progress(sending=True)
    shown.update(progress(eta_s=8.0), 10.0)
    assert "8 s left" in shown.line(10.0, 120)
    assert "5 s left" in shown.line(13.0, 120)
    shown.update(progress(620_000_001, eta_s=1.0), 13.0)
    assert "1 s left" in shown.line(15.0, 120)


def test_a_stall_is_said() -> None:
    """After five seconds without bytes the line says for how long; new bytes end it."""
    shown = Progress(sending=True)
    shown.update(progress(), 0.0)
    shown.update(progress(), 4.0)
    assert "98.4 MB/s" in shown.line(4.9, 120)
    assert "stalled 8 s" in shown.line(8.0, 120)
    shown.update(progress(630_000_000), 9.0)
    assert "stalled" not in shown.line(9.0, 120)


def test_a_stream_has_no_percent() -> None:
    """While the end is unknown the line shows what went, and no time left."""
    shown = Progress(sending=True)
    shown.update(progress(total_bytes=None, eta_s=None, path=""), 0.0)
    assert shown.line(0.0, 120) == "Sending  620 MB  98.4 MB/s"


def test_the_end_shows_no_speed() -> None:
    """When all bytes are there, nothing is left to wait for."""
    shown = Progress(sending=False)
    shown.update(progress(1_000_000_000, phase="finishing", path=""), 0.0)
    assert shown.line(60.0, 120) == "Checking  100 %  1.0 GB of 1.0 GB  1/3 files"


def test_the_line_never_wraps() -> None:
    """The line fits any width, whatever the file is called."""
    shown = Progress(sending=False)
    shown.update(progress(path="夏" * 200 + "\x1b[2J"), 0.0)
    for columns in range(1, 140):
        line = shown.line(0.0, columns)
        assert cell_width(line) <= columns
        assert "\x1b" not in line
