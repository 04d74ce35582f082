"""What reaches the two streams, and the one line that passes."""

from __future__ import annotations

from tallow.cli.render import Output
from tallow.errors import BadCode
from tests.cli.still_console import StillConsole

HOSTILE = "a\x1b[2J\u202eb\n"


def terminal(**environment: str) -> StillConsole:
    """Return a console that is a terminal."""
    return StillConsole(
        stdin_tty=True, stdout_tty=True, stderr_tty=True,
        environment={"TERM": "xterm"} | environment,
    )  # fmt: skip


def test_results_and_words_take_different_streams() -> None:
    """Results go to standard output, words for people to standard error."""
    console = StillConsole()
    output = Output(console)
    output.result("code")
    output.tell("hello")
    assert (console.out, console.err) == ("code\n", "hello\n")


def test_text_goes_raw_into_a_pipe() -> None:
    """A pipe gets the very bytes that were sent, without a line end of ours."""
    console = StillConsole()
    Output(console).text(HOSTILE + "x")
    assert console.written("1") == (HOSTILE + "x").encode()


def test_text_is_harmless_on_a_terminal() -> None:
    """X05: a received text cannot drive the terminal, and ends its line."""
    console = terminal()
    Output(console).text(HOSTILE + "x")
    assert console.out == "a\\x1b[2J\\u202eb\nx\n"


def test_an_error_is_red_on_a_terminal_only() -> None:
    """Only the word error is coloured, and only where colour is wanted."""
    colourful, plain = terminal(), terminal(NO_COLOR="1")
    for console in (colourful, plain):
        Output(console).failure(BadCode("No.", hint="Do."))
    assert colourful.err == "\x1b[1;31merror:\x1b[0m No.\n  try: Do.\n"
    assert plain.err == "error: No.\n  try: Do.\n"


def test_no_color_by_option() -> None:
    """--no-color leaves every escape sequence for colour out."""
    console = terminal()
    Output(console, no_color=True).tell("warning: x", "yellow")
    assert console.err == "warning: x\n"


def test_the_passing_line_is_replaced_and_taken_back() -> None:
    """The passing line is redrawn in place and gone before anything that stays."""
    console = terminal(NO_COLOR="1")
    output = Output(console)
    output.passing("10 %")
    output.passing("10 %")
    output.passing("20 %")
    output.tell("done")
    assert console.err == "\r\x1b[K10 %\r\x1b[K20 %\r\x1b[Kdone\n"


def test_nothing_passes_off_a_terminal() -> None:
    """In a log and on a dumb terminal nothing is animated."""
    for console in (StillConsole(), terminal(TERM="dumb")):
        output = Output(console)
        output.passing("10 %")
        output.close()
        assert console.err == ""


def test_a_question_stays_below_what_is_told() -> None:
    """What happens while a person thinks is shown above the question."""
    console = terminal(NO_COLOR="1")
    output = Output(console)
    output.passing("waiting")
    output.ask("Sure? [Y/n] ")
    output.passing("hidden while asking")
    output.tell("news")
    output.answered()
    output.tell("after")
    assert console.err == ("\r\x1b[Kwaiting\r\x1b[KSure? [Y/n] \nnews\nSure? [Y/n] after\n")


def test_a_question_can_be_withdrawn() -> None:
    """A question that nobody will answer leaves a clean line."""
    console = terminal(NO_COLOR="1")
    output = Output(console)
    output.ask("Sure? ")
    output.withdraw()
    output.withdraw()
    output.tell("gone")
    assert console.err == "Sure? \ngone\n"


def test_closing_ends_every_open_line() -> None:
    """After close the terminal stands at the beginning of an empty line."""
    console = terminal(NO_COLOR="1")
    output = Output(console)
    output.passing("10 %")
    output.close()
    output.ask("Sure? ")
    output.close()
    assert console.err == "\r\x1b[K10 %\r\x1b[KSure? \n"


def test_letters_that_a_terminal_lacks() -> None:
    """A terminal without these letters shows escapes instead of ending the program."""
    console = StillConsole()
    console.stdout.reconfigure(encoding="ascii")  # type: ignore[attr-defined]  # a TextIOWrapper
    Output(console).result("7-grüße-🐸")
    assert console.out == "7-gr\\xfc\\xdfe-\\U0001f438\n"
