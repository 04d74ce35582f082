"""How sending to several ended, from how it ended for each of them.

Pure: finals in, one final out. Before: receivers.py. After: the front doors, which have shown a
line for each receiver by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

from tallow.engine import events as e
from tallow.errors import Cancelled, CodeExpired, PartlyDone, TallowError
from tallow.protocol.kept import ALL_KEPT

Final = e.TransferDone | e.TransferError


def verdict_on(
    ticket: int,
    ended: Sequence[Final],
    receivers: int,
    error: TallowError | None,
    *,
    seconds: float,
) -> Final:
    """Return the final event of the whole.

    ``receivers`` is how many were wanted, 0 for as many as come; ``error`` is why nobody else was
    let in, None if nobody else was wanted. Done means that everybody who was wanted has everything.
    """
    done = [final for final in ended if isinstance(final, e.TransferDone)]
    failed = [final for final in ended if isinstance(final, e.TransferError)]
    resumable = any(final.resumable for final in failed)
    if isinstance(error, Cancelled):
        return _error(ticket, error, resumable=resumable)
    whole = [final for final in done if not final.failed]
    # Where nobody counted, a code that ran out is the end that was meant.
    in_time = error is None or (receivers == 0 and isinstance(error, CodeExpired))
    if whole and in_time and len(whole) == len(ended):
        return _done(ticket, whole, seconds)
    if done or (failed and len({final.exit_code for final in failed}) > 1):
        return _error(ticket, _partly(whole, receivers or len(ended), error), resumable=resumable)
    if failed:
        first = failed[0]
        return e.TransferError(
            ticket,
            first.code,
            first.message if len(failed) == 1 else f"No receiver got it. {first.message}",
            first.why,
            first.hint,
            first.exit_code,
            resumable,
        )
    return _error(ticket, error or PartlyDone("Nobody came."), resumable=False)


def _partly(whole: Sequence[Final], wanted: int, error: TallowError | None) -> PartlyDone:
    return PartlyDone(
        f"{len(whole)} of {wanted} receivers have everything.",
        why="" if error is None else error.message,
        hint="The others are listed above; send again for them.",
    )


def _done(ticket: int, done: Sequence[e.TransferDone], seconds: float) -> e.TransferDone:
    roots = {final.roots for final in done}
    return e.TransferDone(
        ticket,
        direction="send",
        files=sum(final.files for final in done),
        total_bytes=sum(final.total_bytes for final in done),
        seconds=seconds,
        failed=0,
        roots=roots.pop() if len(roots) == 1 else "",
        output="",
        not_kept=reduce(or_, (final.not_kept for final in done), ALL_KEPT),
    )


def _error(ticket: int, error: TallowError, *, resumable: bool) -> e.TransferError:
    return e.TransferError(
        ticket,
        error.code,
        error.message,
        error.why,
        error.hint,
        error.exit_code,
        resumable,
    )
