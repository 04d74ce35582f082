"""The conversation about an offer: choosing, the question, and names that exist."""

from __future__ import annotations

import pytest

from tallow.cli.ask import Asker
from tallow.cli.consent import Policy
from tallow.cli.offer_talk import LINES_AT_ONCE, OfferTalk
from tallow.cli.render import Output
from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, DeclineOffer
from tests.cli.happenings import PLAIN, TICKET, entry, offer
from tests.cli.still_console import StillConsole

PERSON = Policy(may_ask=True)
TAKEN = tuple(entry(number, f"t{number}", 1, flags=("overwrite",)) for number in range(4))


class Talked:
    """What came of a conversation."""

    def __init__(self, console: StillConsole) -> None:
        """Nothing yet."""
        self.console = console
        self.asked_for: list[tuple[int, int]] = []
        self.answer: AcceptOffer | DeclineOffer = DeclineOffer(0)


async def talked(offered: e.OfferReceived, *answers: str | None, policy: Policy = PERSON) -> Talked:
    """Hold the conversation with a person who types these answers."""
    console = StillConsole(stdin_tty=True, stdout_tty=True, stderr_tty=True, answers=answers)
    output = Output(console, no_color=True)
    result = Talked(console)

    def lines(start: int, count: int) -> list[e.OfferEntry]:
        result.asked_for.append((start, count))
        return offered.entries[start : start + count]

    talk = OfferTalk(offered, policy, lines, Asker(console, output), output)
    result.answer = await talk.answer()
    return result


async def test_a_plain_yes_reads_no_list() -> None:
    """Who just says yes takes everything, and no line is asked for."""
    result = await talked(offer(*PLAIN), "y")
    assert result.answer == AcceptOffer(TICKET)
    assert result.asked_for == []


async def test_choosing_by_hand() -> None:
    """C4: s shows the list; what is left out is not taken, and the question is put again."""
    result = await talked(offer(*PLAIN, flags=("executable",)), "s", "-3", "", "")
    assert result.answer == AcceptOffer(TICKET, selection=((0, 1), (3, 3)))
    assert "  3 [ ]   setup.exe" in result.console.err
    assert "Chosen: 2 of 3 files, 1 folder, 8.1 MB (81 GB free in ./)" in result.console.err
    assert "Receive these 2 of 3 files (8.1 MB) into ./? [Y/n/s] " in result.console.err


async def test_everything_chosen_again_is_everything() -> None:
    """C4: a choice of all is an answer without a selection."""
    result = await talked(offer(*PLAIN), "s", "none", "all", "", "y")
    assert result.answer == AcceptOffer(TICKET)


async def test_a_choice_may_be_forgotten() -> None:
    """q goes back to the question with what was chosen before."""
    result = await talked(offer(*PLAIN), "s", "-2", "", "s", "none", "q", "y")
    assert result.answer == AcceptOffer(TICKET, selection=((0, 0), (2, 3)))


async def test_an_empty_choice_declines() -> None:
    """C4: nothing chosen is a no."""
    result = await talked(offer(*PLAIN), "s", "none", "")
    assert result.answer == DeclineOffer(TICKET, "nothing was chosen")
    assert "Nothing of the offer is chosen" in result.console.err


async def test_the_end_of_input_declines() -> None:
    """Ctrl+D while choosing is no, and what follows begins on a line of its own."""
    result = await talked(offer(*PLAIN), "s", None)
    assert result.answer == DeclineOffer(TICKET)
    assert result.console.err.endswith("help): \n")


async def test_mistakes_are_said_and_change_nothing() -> None:
    """C4: a wrong number and a pattern without a match are said."""
    result = await talked(offer(*PLAIN), "s", "-1 99", "zz*", "?", "", "y")
    assert result.answer == AcceptOffer(TICKET)
    for said in ("99 is not in the list", "Nothing in the offer matches zz*.", "Enter"):
        assert said in result.console.err


async def test_pages() -> None:
    """C4: twenty lines at a time, back and forth, and not beyond the ends."""
    many = offer(*(entry(number, f"f{number:02}", 1) for number in range(45)))
    result = await talked(many, "s", "p", "n", "n", "n", "p", "-45", "", "y")
    shown = [line for line in result.console.err.splitlines() if "next page" in line]
    first = [line.split()[0] for line in shown]
    assert first == ["1", "1", "21", "41", "41", "21", "21"]
    assert result.answer == AcceptOffer(TICKET, selection=((0, 43),))


async def test_patterns_choose_before_the_question() -> None:
    """C4: --select PATTERN takes what matches, and the question says how much that is."""
    policy = Policy(may_ask=True, select=("*.jpg", "notes.*"))
    result = await talked(offer(*PLAIN), "y", policy=policy)
    assert result.answer == AcceptOffer(TICKET, selection=((0, 1), (3, 3)))
    assert "these 2 of 3 files" in result.console.err


async def test_patterns_need_nobody() -> None:
    """C4: with --yes the patterns are the answer."""
    policy = Policy(may_ask=False, yes=True, select=("!*.exe",), on_conflict="skip")
    result = await talked(offer(*PLAIN), policy=policy)
    assert result.answer == AcceptOffer(TICKET, "skip", ((0, 1), (3, 3)))
    nothing = Policy(may_ask=False, yes=True, select=("zz",))
    assert isinstance((await talked(offer(*PLAIN), policy=nothing)).answer, DeclineOffer)


async def test_select_without_a_pattern_begins_with_the_list() -> None:
    """C4: --select alone shows the list first; one single entry leaves nothing to choose."""
    policy = Policy(may_ask=True, by_hand=True)
    result = await talked(offer(*PLAIN), "none 4", "", "y", policy=policy)
    assert result.answer == AcceptOffer(TICKET, selection=((0, 0), (3, 3)))
    assert (await talked(offer(), "y", policy=policy)).answer == AcceptOffer(TICKET)


async def test_a_long_list_is_read_in_pieces() -> None:
    """C4: lines that the event does not hold are asked for."""
    many = [entry(number, f"f{number}", 1) for number in range(2 * LINES_AT_ONCE + 1)]
    policy = Policy(may_ask=False, yes=True, select=("f1000",))
    result = await talked(offer(*many), policy=policy)
    assert result.answer == AcceptOffer(TICKET, selection=((1000, 1000),))
    assert [start for start, _ in result.asked_for] == [0, LINES_AT_ONCE, 2 * LINES_AT_ONCE]


@pytest.mark.parametrize(
    ("answers", "conflicts"),
    [
        (("o", "r", "s", "o"), ("overwrite", "rename", "skip", "overwrite")),
        (("o", "S"), ("overwrite", "skip", "skip", "skip")),
        (("O",), ("overwrite",) * 4),
        (("rename all",), ("rename",) * 4),
    ],
)
async def test_each_taken_name_is_asked_about(
    answers: tuple[str, ...], conflicts: tuple[str, ...]
) -> None:
    """C4: every file whose name exists has an answer of its own, or one answer stands for all."""
    result = await talked(offer(*TAKEN, conflicts=4), "y", *answers)
    assert isinstance(result.answer, AcceptOffer)
    assert result.answer.conflicts == tuple(enumerate(conflicts))
    assert result.answer.on_conflict == "rename"


async def test_a_taken_name_may_stop_it() -> None:
    """Enter at a taken name stops before anything is written."""
    for answer in ("", None, "n"):
        result = await talked(offer(*TAKEN, conflicts=4), "y", "o", answer)
        assert result.answer == DeclineOffer(TICKET)


async def test_names_that_were_left_out_are_not_asked_about() -> None:
    """C4: only what is chosen can be in the way."""
    result = await talked(offer(*TAKEN, conflicts=4), "s", "none 2", "", "y", "o")
    assert result.answer == AcceptOffer(TICKET, selection=((1, 1),), conflicts=((1, "overwrite"),))
    free = offer(entry(0, "new", 1), *TAKEN[1:], conflicts=3)
    result = await talked(free, "s", "none 1", "", "y")
    assert result.answer == AcceptOffer(TICKET, selection=((0, 0),))
