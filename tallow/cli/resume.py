"""``tallow resume``: list, go on with, or clear away transfers that did not end.

Both sides say ``tallow resume`` and find each other by what they kept of their first session; no
code is needed. Only click is imported before it is known that something is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tallow.cli import exit_codes
from tallow.cli.options import (
    Ending,
    PathPolicy,
    Speech,
    ending_options,
    option,
    path_options,
    speech_options,
)
from tallow.cli.outside import Outside
from tallow.cli.param_types import Span

if TYPE_CHECKING:
    from tallow.cli.render import Output
    from tallow.engine.storage.records import TransferRecord, TransferRecords

SUMMARY = "Go on with a transfer that did not end."
ID_SHOWN_CHARS = 8


@click.command("resume", short_help=SUMMARY)
@click.argument("transfer", required=False, metavar="[ID]")
@option("--list", "listing", is_flag=True, help="Show what is unfinished here.")
@option("--clean", is_flag=True, help="Remove what is left of ID, or of all older than 7 days.")
@option("--timeout", type=Span(), metavar="TIME", help="Give up if nobody comes: 30s, 10m, 1h.")
@ending_options
@path_options
@speech_options
@click.pass_context
def resume(
    ctx: click.Context,
    transfer: str | None,
    listing: bool,
    clean: bool,
    timeout: int | None,
    ending: Ending,
    path: PathPolicy,
    speech: Speech,
) -> int:
    """Go on with a transfer that did not end.

    Say it on both sides: they find each other without a code. Without an ID it goes on with the
    one transfer that is unfinished here.
    """
    from tallow.cli.render import Output
    from tallow.engine.ports import SystemClock
    from tallow.engine.storage.records import TransferRecords

    outside = Outside.of(ctx)
    output = Output(outside.console, no_color=speech.no_color)
    clock = SystemClock()
    records = TransferRecords(outside.open_state(), clock)
    if listing and clean:
        raise click.UsageError("Give one of --list and --clean.", ctx)
    if clean:
        return _clean(records, transfer, output, as_json=speech.json)
    if listing:
        return _list(records, output, clock.wall(), as_json=speech.json)
    record = _one(records, transfer)
    return _go_on(outside, output, record, timeout, ending, path, speech)


def _one(records: TransferRecords, wanted: str | None) -> TransferRecord:
    from tallow.errors import UsageError

    found = [item for item in records.all() if item.id.startswith(wanted or "")]
    if len(found) == 1:
        return found[0]
    if wanted:
        message = "There is no such unfinished transfer." if not found else "That fits several."
    else:
        message = "Nothing is unfinished here." if not found else "Several are unfinished here."
    raise UsageError(message, hint="tallow resume --list  shows what is unfinished.")


def _list(records: TransferRecords, output: Output, now: float, *, as_json: bool) -> int:
    from tallow.engine import events as e

    for record in sorted(records.all(), key=lambda item: item.updated_at):
        event = e.TransferUnfinished(
            0,
            id=record.id,
            direction=record.direction,
            what=list(record.sources) if record.direction == "send" else [record.output],
            peer=record.peer_name,
            done_bytes=record.done_bytes,
            total_bytes=record.total_bytes,
            age_s=max(0.0, now - record.updated_at),
            expired=records.expired(record),
        )
        if as_json:
            output.result_raw(e.encode_event(event) + b"\n")
        else:
            output.result(_line(event))
    for damaged in records.damaged():
        output.tell(f"A record cannot be read: {damaged}", "yellow")
    return exit_codes.DONE


def _line(event: object) -> str:
    from tallow.cli import units
    from tallow.display import display_text
    from tallow.engine import events as e

    if not isinstance(event, e.TransferUnfinished):
        return ""
    towards = "to" if event.direction == "send" else "from"
    who = f' {towards} "{display_text(event.peer, max_width=32)}"' if event.peer else ""
    what = ", ".join(display_text(item, max_width=60) for item in event.what[:3])
    more = f" and {len(event.what) - 3} more" if len(event.what) > 3 else ""
    arrow = "send" if event.direction == "send" else "into"
    done = f"{units.size(event.done_bytes)} of {units.size(event.total_bytes)}"
    old = ", too old to keep" if event.expired else ""
    age = units.elapsed(event.age_s)
    return f"{event.id[:ID_SHOWN_CHARS]}  {arrow} {what}{more}{who}: {done}, {age} ago{old}"


def _clean(records: TransferRecords, wanted: str | None, output: Output, *, as_json: bool) -> int:
    from tallow.cli import units
    from tallow.display import display_text

    chosen = [_one(records, wanted)] if wanted else [r for r in records.all() if records.expired(r)]
    removed = 0
    for record in chosen:
        tidied = records.clean(record)
        removed += not tidied.in_use
        if tidied.in_use:
            output.tell(f"{record.id[:ID_SHOWN_CHARS]} is being gone on with and stays.", "yellow")
        for name in () if tidied.in_use else tidied.left:
            output.tell(f"could not be removed: {display_text(name)}", "yellow")
    if not wanted:
        records.remove_damaged()
    if not as_json:
        output.tell(f"Removed what was left of {units.counted(removed, 'transfer')}.")
    return exit_codes.DONE


def _go_on(
    outside: Outside,
    output: Output,
    record: TransferRecord,
    timeout_s: int | None,
    ending: Ending,
    path: PathPolicy,
    speech: Speech,
) -> int:
    from tallow.cli.consent import Policy
    from tallow.cli.exchange import Plan, run_exchange
    from tallow.cli.path_policy import password_warning, settings_for
    from tallow.cli.style_choice import style_for
    from tallow.cli.styles import Telling
    from tallow.engine.commands import Resume
    from tallow.protocol.address import parse_address

    console = outside.console
    may_ask = console.stdin_tty and console.stderr_tty and not speech.no_input
    settings = settings_for(path, console, code_relay=parse_address(record.relay))
    warning = password_warning(path)
    if warning is not None:
        output.tell(warning, "yellow")
    plan = Plan(
        Resume(record.id, None if timeout_s is None else float(timeout_s)),
        settings,
        Policy(may_ask),
        again="tallow resume  goes on from here.",
        show_crashes=outside.wants_traceback(speech.verbose),
        ending=ending,
    )
    sending = record.direction == "send"
    telling = Telling(sending, outside.now, speech.verbose, False, False)
    return run_exchange(plan, outside, output, style_for(speech, output, telling))
