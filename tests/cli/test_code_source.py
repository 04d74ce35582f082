"""Where codes come from, and typos that are caught on the keyboard."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tallow.cli import code_source
from tallow.cli.render import Output
from tallow.errors import SourceUnreadable, Terminated, UsageError
from tallow.protocol.code import Code, CodeKind, generate_code, parse_code
from tests.cli.still_console import StillConsole

GOOD = generate_code("7123", 3, lambda count: bytes(range(count)))


def typo(code: Code) -> str:
    """Return a code with a letter too much in its last word."""
    return f"{code.text}z"


def prompted(*answers: str | None, stdout_tty: bool = True) -> tuple[Code | None, StillConsole]:
    """Return what the prompt makes of these lines."""
    console = StillConsole(stdin_tty=True, stderr_tty=True, stdout_tty=stdout_tty, answers=answers)
    return code_source.prompt_for_code(console, Output(console, no_color=True), weak=False), console


def test_a_good_code_is_taken() -> None:
    """C10: the prompt takes a code and completes its words."""
    code, console = prompted(GOOD.text)
    assert code == GOOD
    assert {"crop", "cross", "crowd"} <= set(console.completed)


def test_an_empty_line_asks_for_a_new_code() -> None:
    """Enter alone is the wish for a new code."""
    code, _ = prompted("  ")
    assert code is None


def test_a_typo_is_caught_with_the_nearest_word() -> None:
    """C10: a slip is said, the nearest word is shown, Enter takes it, and nothing was sent."""
    code, console = prompted(typo(GOOD), "")
    assert code == GOOD
    last = GOOD.words.rpartition("-")[2]
    assert f"did you mean {last}?" in console.err
    assert f"Use {GOOD.text}? [Y/n, a = as typed]" in console.err


def test_a_correction_may_be_refused() -> None:
    """After no the code is typed again; after a it is taken as it was typed."""
    again, _ = prompted(typo(GOOD), "n", GOOD.text)
    assert again == GOOD
    kept, _ = prompted(typo(GOOD), "a")
    assert kept == parse_code(typo(GOOD))
    assert kept is not None
    assert kept.kind is CodeKind.CUSTOM


def test_what_cannot_be_a_code_is_asked_again() -> None:
    """Half a code and a weak code lead back to the prompt, with the reason."""
    code, console = prompted("7123", "abc", GOOD.text)
    assert code == GOOD
    assert "only the number" in console.err
    assert "too easy to guess" in console.err


def test_the_end_of_input_ends_the_prompt() -> None:
    """Ctrl+D gives no code."""
    with pytest.raises(UsageError):
        prompted(None)


def test_standard_output_stays_clean() -> None:
    """With results going elsewhere, the prompt is written to standard error."""
    code, console = prompted(GOOD.text, stdout_tty=False)
    assert code == GOOD
    assert console.out == ""
    assert code_source.PROMPT in console.err


def test_a_code_from_a_file(tmp_path: Path) -> None:
    """X06: a file hands over a code that no list of processes shows."""
    file = tmp_path / "code"
    file.write_text(f"{GOOD.text} \nrest\n")
    assert code_source.code_from_file(str(file), StillConsole()) == GOOD.text
    piped = StillConsole(chunks=[b"7-a-", b"b-c\nrest"])
    assert code_source.code_from_file("-", piped) == "7-a-b-c"


def test_no_code_where_one_was_promised(tmp_path: Path) -> None:
    """An empty source and a missing file are named."""
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(UsageError, match="holds no code"):
        code_source.code_from_file(str(empty), StillConsole())
    with pytest.raises(UsageError, match="Standard input holds no code"):
        code_source.code_from_input(StillConsole())
    with pytest.raises(SourceUnreadable):
        code_source.code_from_file(str(tmp_path / "missing"), StillConsole())


def test_endless_input_is_no_code() -> None:
    """Standard input is read up to the length of a code, not for ever."""
    console = StillConsole(chunks=[b"x" * 100_000])
    assert len(code_source.code_from_input(console)) == code_source.LINE_BYTES


@pytest.mark.parametrize(
    ("incomplete", "found"),
    [
        ("7123-banana-crow", ["7123-banana-crowd"]),
        ("7123-ZOO", ["7123-zoo"]),
        ("7123-", []), ("7123", []), ("", []), ("word-cro", []), ("7123-qqq", []),
    ],
)  # fmt: skip
def test_shells_complete_words(incomplete: str, found: list[str]) -> None:
    """D6: the word being typed is completed behind a number, and only there."""
    assert code_source.completions(incomplete) == found


def test_words_at_the_prompt() -> None:
    """Words complete from their first letter; numbers and nothing do not."""
    assert "banana" in code_source.words_for("ban")
    assert code_source.words_for("7") == code_source.words_for("") == []


def test_a_mistyped_word_completes_to_the_one_that_was_meant() -> None:
    """C10: Tab behind a slip gives the nearest word; where none stands out, nothing."""
    assert code_source.words_for("bananna") == ["banana"]
    assert code_source.words_for("qqqq") == []


def test_only_the_first_line_of_a_paste_is_a_code() -> None:
    """C10: what was pasted behind the code answers no question."""
    code, console = prompted(f"{GOOD.text}\ny\n")
    assert code == GOOD
    assert console.err == ""


def test_nothing_typed_ahead_takes_a_correction() -> None:
    """C10: the nearest word is taken by an answer to the question, not by what came before it."""
    _, console = prompted(typo(GOOD), "")
    assert console.dropped == 1


def test_sigterm_at_the_prompt_leaves_the_line() -> None:
    """The error that follows begins on a line of its own."""

    class Ended(StillConsole):
        def read_code(self, prompt: str, complete: Callable[[str], list[str]]) -> str | None:
            raise Terminated

    console = Ended(stdin_tty=True, stdout_tty=True, stderr_tty=True)
    with pytest.raises(Terminated):
        code_source.prompt_for_code(console, Output(console), weak=False)
    assert console.out == "\n"


def test_others_on_this_machine(tmp_path: Path) -> None:
    """X06: a code on the command line is warned of where another person has a session."""
    if os.name != "posix":
        pytest.skip("users have no numbers on Windows")
    assert not code_source.others_logged_in(str(tmp_path / "nobody-knows"))
    for name in (str(os.getuid()), "0", "not-a-user", "999"):
        (tmp_path / name).mkdir(exist_ok=True)
    assert not code_source.others_logged_in(str(tmp_path))
    (tmp_path / str(os.getuid() + 4711)).mkdir()
    assert code_source.others_logged_in(str(tmp_path))


def test_the_warning_names_other_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """X06: the warning says how to hand a code over unseen, and is silent alone."""
    monkeypatch.setattr(code_source, "others_logged_in", lambda: True)
    assert "TALLOW_CODE" in (code_source.visible_code_warning() or "")
    monkeypatch.setattr(code_source, "others_logged_in", lambda: False)
    assert code_source.visible_code_warning() is None


def test_codes_without_a_number_are_warned_of() -> None:
    """Whoever uses a code without a number is told that the relay can try guesses."""
    assert code_source.weak_code_warning(None) is None
    assert code_source.weak_code_warning(GOOD) is None
    strange = parse_code("k9xq2-vb7rw-tz4mp")
    assert "relay's operator" in (code_source.weak_code_warning(strange) or "")
