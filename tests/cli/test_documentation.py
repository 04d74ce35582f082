"""docs/cli.md and the program say the same: options, variables, exit codes, errors, events."""

from __future__ import annotations

import re
from typing import get_args

import click
import msgspec
import pytest

from tallow.cli import exit_codes
from tallow.cli.main import COMMANDS, LazyGroup, cli
from tallow.cli.options import EnvironmentOption
from tallow.cli.relay import forget
from tallow.cli.sheet import FLAG_SENTENCES, FLAG_WORDS
from tallow.engine import events as e
from tallow.errors import first_line
from tallow.protocol.names import Risk
from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SHARED = ("Codes and people", "The path", "When it has ended", "Speech")
SECTIONS_OF = {
    "tallow": ("`tallow`",),
    "send": ("`tallow send`", *SHARED),
    "receive": ("`tallow receive`", *SHARED),
    "resume": ("`tallow resume`", *SHARED[1:]),
    "sync": ("`tallow sync`", *SHARED),
    "watch": ("`tallow watch`", *SHARED),
    "forget": ("`tallow relay`", "Speech"),
    "demo": ("`tallow demo`",),
}


def section(title: str) -> str:
    """Return the text below a heading, up to the next one of its level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found is not None, title
    return found[1]


def table(title: str) -> list[list[str]]:
    """Return the cells of a section's table rows, without its head."""
    rows = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def every_command() -> dict[str, click.Command]:
    """Return every command with options of our own."""
    assert isinstance(cli, LazyGroup)
    ctx = click.Context(cli)
    found: dict[str, click.Command] = {"tallow": cli, "forget": forget}
    for name in COMMANDS:
        command = cli.get_command(ctx, name)
        assert command is not None
        found[name] = command
    return found


def options() -> list[tuple[str, click.Option]]:
    """Return every option with the name of its command."""
    return [
        (name, parameter)
        for name, command in every_command().items()
        for parameter in command.params
        if isinstance(parameter, click.Option)
    ]


@pytest.mark.parametrize(("command", "option"), options(), ids=lambda value: str(value))
def test_every_option_is_documented(command: str, option: click.Option) -> None:
    """D8: each flag of each command stands in the section of its command or a shared one."""
    text = "\n".join(section(title) for title in SECTIONS_OF[command])
    for flag in (*option.opts, *option.secondary_opts):
        assert re.search(rf"`{flag}[`\s]", text), f"document {flag} of {command}"


@pytest.mark.parametrize(("command", "option"), options(), ids=lambda value: str(value))
def test_every_variable_is_documented(command: str, option: click.Option) -> None:
    """D4: each option has its variable, and it stands in the same row of the page."""
    if command == "tallow":
        return
    assert isinstance(option, EnvironmentOption)
    assert isinstance(option.envvar, str)
    row = rf"^\| .*`{re.escape(option.opts[-1])}[^|]*\| `{option.envvar}` \|"
    text = "\n".join(section(title) for title in SECTIONS_OF[command])
    assert re.search(row, text, re.M), f"document {option.envvar}"


def test_no_option_is_invented() -> None:
    """The tables name no option that does not exist."""
    real = {flag for _, one in options() for flag in (*one.opts, *one.secondary_opts)}
    for title in {title for titles in SECTIONS_OF.values() for title in titles}:
        for row in re.findall(r"^\| (`-[^|]*) \|", section(title), re.M):
            assert set(re.findall(r"`(--?[a-zA-Z-]+)", row)) <= real | {"-h", "--help"}


def test_every_command_is_documented() -> None:
    """Each command has a section and a row in the list."""
    for name in COMMANDS:
        assert section(f"`tallow {name}`")
        assert f"[`{name}`](#tallow-{name})" in section("`tallow`")


def test_exit_codes_are_documented() -> None:
    """D8: the table of exit codes is the program's."""
    assert table("Exit codes") == [
        [str(number), meaning] for number, meaning in sorted(exit_codes.MEANINGS.items())
    ]


def test_error_codes_are_documented() -> None:
    """D8: each error stands with its exit code and its sentence, and no other."""
    wanted = {
        (f"`{code}`", str(kind.exit_code), first_line(kind))
        for code, kind in exit_codes.error_kinds().items()
        if code != "error"
    }
    assert {tuple(row) for row in table("Errors")} == wanted


def test_events_are_documented_with_their_fields() -> None:
    """D8: each event stands with exactly its fields, in their order."""
    documented = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in table("Events")}
    real = {}
    for kind in get_args(e.AnyEvent):
        tag = msgspec.inspect.type_info(kind)
        assert isinstance(tag, msgspec.inspect.StructType)
        real[str(tag.tag)] = [name for name in kind.__struct_fields__ if name != "ticket"]
    assert documented == real


@pytest.mark.parametrize(
    "kind",
    [
        e.VerifyStep,
        e.OfferSent,
        e.TransferAdded,
        e.TransferState,
        e.TransferFile,
        e.TransferPaused,
        e.TransferUnfinished,
    ],
)
def test_words_of_events_are_documented(kind: type[e.Event]) -> None:
    """D8: where a field takes one of a few words, the page has all of them."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    row = next(row for row in table("Events") if row[0] == f"`{info.tag}`")
    for field in info.fields:
        if isinstance(field.type, msgspec.inspect.LiteralType):
            assert all(f"`{word}`" in row[2] for word in field.type.values)


def test_entries_and_flags_are_documented() -> None:
    """D8: the fields of an entry and every risk flag stand below the events."""
    text = section("Events")
    for name in e.OfferEntry.__struct_fields__:
        assert f"`{name}`" in text
    for risk in Risk:
        assert f"`{risk.value}`" in text


def test_every_risk_has_plain_words() -> None:
    """Each risk flag has a word beside the name and a sentence below the list."""
    risks = {risk.value for risk in Risk}
    assert set(FLAG_WORDS) == set(FLAG_SENTENCES) == risks
