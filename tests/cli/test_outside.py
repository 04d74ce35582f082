"""The real surroundings: put together lazily, and safe to look at."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from tallow.cli.outside import Outside
from tallow.crypto import secret
from tallow.engine.engine import Engine
from tallow.engine.settings import Settings
from tests.cli.still_console import Stage, StillConsole
from tests.house.tree import ROOT


def test_the_caller_may_put_surroundings() -> None:
    """A command uses what was put around it, else the real thing."""
    outside = Stage().outside()
    assert Outside.of(click.Context(click.Command("x"), obj=outside)) is outside
    assert Outside.of(click.Context(click.Command("x"))) is not outside


async def test_the_real_engine_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real engine opens without touching network or disk, in a hardened process."""
    hardened: list[bool] = []
    monkeypatch.setattr(secret, "harden_process", lambda: hardened.append(True))
    async with Outside.system().open_engine(Settings()) as engine:
        assert isinstance(engine, Engine)
        assert engine.crashes == []
    assert hardened == [True]


def test_the_clock_runs() -> None:
    """The clock is monotonic."""
    now = Outside.system().now
    assert now() <= now()


@pytest.mark.parametrize(
    ("verbose", "environment", "wanted"),
    [(0, {}, False), (1, {}, False), (2, {}, True), (0, {"TALLOW_DEBUG": "1"}, True)],
)
def test_who_gets_a_traceback(verbose: int, environment: dict[str, str], wanted: bool) -> None:
    """-vv or TALLOW_DEBUG asks for a traceback."""
    outside = Stage(StillConsole(environment=environment)).outside()
    assert outside.wants_traceback(verbose) is wanted


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_leaving_does_not_wait_for_threads(seconds: float) -> None:
    """A process that is to leave leaves with its exit code, whatever still runs."""
    script = (
        "import sys, threading; from tallow.cli.outside import Outside;"
        " print('last words', end='');"
        f" Outside.system().leave_after({seconds}, 130); threading.Event().wait()"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (130, "last words")
