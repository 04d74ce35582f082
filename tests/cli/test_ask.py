"""Questions beside a running loop."""

from __future__ import annotations

import asyncio

import pytest

from tallow.cli.ask import Asker
from tallow.cli.render import Output
from tests.cli.still_console import StillConsole


def person(*answers: str | None) -> tuple[StillConsole, Asker]:
    """Return a terminal on which these lines will be typed, and who asks there."""
    console = StillConsole(stdin_tty=True, stderr_tty=True, answers=answers)
    return console, Asker(console, Output(console, no_color=True))


async def test_an_answer_is_returned() -> None:
    """The line that was typed is returned, the end of input as None."""
    console, asker = person("yes", None)
    assert await asker.ask("Sure? ") == "yes"
    assert await asker.ask("Really? ") is None
    assert console.err == "Sure? yes\nReally? \n"


async def test_typed_ahead_is_dropped() -> None:
    """What was typed before a question is dropped, once for each question."""
    console, asker = person("yes", "no")
    await asker.ask("1? ")
    await asker.ask("2? ")
    assert console.dropped == 2


async def test_the_loop_goes_on_while_a_person_thinks() -> None:
    """A question nobody answers holds nothing up and can be given up."""
    console, asker = person()
    question = asyncio.create_task(asker.ask("Sure? "))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not question.done()
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    console.never.set()


async def test_the_next_question_takes_the_waiting_line() -> None:
    """A line typed after its question was given up answers the next one, not nobody."""
    console, asker = person()
    first = asyncio.create_task(asker.ask("1? "))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(asker.ask("2? "))
    await asyncio.sleep(0)
    console.never.set()
    assert await second is None
