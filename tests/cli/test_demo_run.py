"""What the ends of the demo's processes mean."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE

import pytest

from tallow.cli import demo_run
from tallow.cli.demo_folder import Comparison
from tallow.cli.demo_run import LISTENING, ROOTS, Actor
from tallow.cli.render import Output
from tallow.errors import InternalError
from tests.cli.happenings import done
from tests.cli.still_console import StillConsole
from tests.cli.test_styles import told

ROOT_HEX = "ab" * 32
EQUAL = Comparison(3, 1, 100, ())


def verdict(found: Comparison, sent: str, received: str) -> tuple[int, str]:
    """Return the exit code and what was said about a comparison."""
    console = StillConsole()
    code = demo_run._verdict(found, sent, received, 2.0, Output(console))
    return code, console.err


async def actor(script: str) -> tuple[Actor, StillConsole]:
    """Start a Python script as an actor."""
    console = StillConsole()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=PIPE, stderr=PIPE
    )
    return Actor("sender", process, Output(console)), console


def test_equal_roots_and_trees_are_success() -> None:
    """Both roots and the comparison are shown."""
    code, shown = verdict(EQUAL, ROOT_HEX, ROOT_HEX)
    assert code == 0
    assert shown.count(ROOT_HEX) == 2
    assert "3 files, 1 folder, 100 B are equal byte by byte" in shown


@pytest.mark.parametrize(
    ("found", "sent", "received"),
    [
        (EQUAL, ROOT_HEX, "cd" * 32),
        (EQUAL, "", ""),
        (Comparison(3, 1, 100, ("different: a\x1b",)), ROOT_HEX, ROOT_HEX),
    ],
)
def test_anything_else_is_failure(found: Comparison, sent: str, received: str) -> None:
    """Other roots, no roots, and any difference end with 1."""
    code, shown = verdict(found, sent, received)
    assert code == 1
    assert "The demo failed" in shown
    assert "\x1b" not in shown


def test_roots_are_read_from_the_summary() -> None:
    """The demo understands the last line that the program itself prints."""
    from tallow.cli.options import Speech

    shown = told([done("send")], Speech(verbose=1), sending=True).err
    match = ROOTS.search(shown)
    assert match is not None
    assert match[1] == "ab12" * 16


def test_the_relays_line_is_understood() -> None:
    """The line that a relay prints for scripts gives address and pin."""
    match = LISTENING.fullmatch(f"listening 127.0.0.1:4433 sha256:{ROOT_HEX}")
    assert match is not None
    assert match.groups() == ("127.0.0.1:4433", f"sha256:{ROOT_HEX}")


async def test_an_actor_speaks_with_its_name() -> None:
    """Lines of both streams are shown with the name in front, escaped."""
    sender, console = await actor(
        "import sys; print('out'); sys.stdout.flush(); print('e\\x1brr', file=sys.stderr)"
    )
    assert await sender.first_result() == "out"
    await sender.end(30.0)
    assert sorted(console.err.splitlines()) == ["  sender │ e\\x1brr", "  sender │ out"]


async def test_an_actor_that_fails() -> None:
    """An actor that ends badly, or says nothing, ends the demo."""
    failing, _ = await actor("raise SystemExit(3)")
    with pytest.raises(InternalError, match="did not start"):
        await failing.first_result()
    with pytest.raises(InternalError, match="exit code 3"):
        await failing.end(30.0)


async def test_an_actor_that_hangs_is_ended() -> None:
    """No wait is endless, and no process outlives the demo."""
    hanging, _ = await actor("import time; time.sleep(600)")
    with pytest.raises(InternalError, match="did not end in time"):
        await hanging.end(0.0)
    await demo_run._end(hanging.process)
    assert hanging.process.returncode is not None


def test_children_do_not_see_the_persons_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Options in the environment are the person's, not the demo's; state is temporary."""
    from tallow.cli.demo_folder import Workplace

    monkeypatch.setenv("TALLOW_RELAY", "elsewhere:1")
    with Workplace(keep=False) as place:
        environment = demo_run._environment(place)
        assert not any(name.startswith("TALLOW_") for name in environment)
        assert environment["XDG_STATE_HOME"].startswith(str(place.path))
