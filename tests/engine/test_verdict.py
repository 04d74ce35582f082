"""How sending to several ends, from how it ended for each."""

from __future__ import annotations

import pytest

from tallow.engine import events as e
from tallow.engine.verdict import Final, verdict_on
from tallow.errors import CodeExpired, CodeGuessed, Interrupted, TallowError


def done(*, failed: int = 0, roots: str = "ab") -> e.TransferDone:
    """Return that one receiver has it."""
    return e.TransferDone(2, "send", 3, 100, 1.0, failed, roots, "")


def ended(code: str, exit_code: int, *, resumable: bool = False) -> e.TransferError:
    """Return that one receiver has not got it."""
    return e.TransferError(3, code, f"{code}.", "why", "hint", exit_code, resumable)


DECLINED, GONE = ended("declined", 7), ended("peer-gone", 5, resumable=True)

ENDS: dict[str, tuple[list[Final], int, TallowError | None, tuple[str, int]]] = {
    "all done": ([done(), done()], 2, None, ("done", 0)),
    "one missing": ([done(), DECLINED], 2, None, ("partly-done", 9)),
    "files missing": ([done(), done(failed=1)], 2, None, ("partly-done", 9)),
    "too few came": ([done()], 2, CodeExpired(), ("partly-done", 9)),
    "all declined": ([DECLINED, DECLINED], 2, None, ("declined", 7)),
    "all failed otherwise": ([DECLINED, GONE], 2, None, ("partly-done", 9)),
    "nobody came": ([], 2, CodeExpired(), ("code-expired", 5)),
    "guessed at once": ([], 0, CodeGuessed(), ("code-guessed", 3)),
    "guessed later": ([done()], 0, CodeGuessed(), ("partly-done", 9)),
    "open until the end": ([done(), done()], 0, CodeExpired(), ("done", 0)),
    "open, one failed": ([done(), GONE], 0, CodeExpired(), ("partly-done", 9)),
    "open, nobody came": ([], 0, CodeExpired(), ("code-expired", 5)),
    "interrupted": ([done()], 0, Interrupted(), ("interrupted", 130)),
    "interrupted, one gone": ([done(), GONE], 2, Interrupted(), ("interrupted", 130)),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_how_it_ended(end: tuple[list[Final], int, TallowError | None, tuple[str, int]]) -> None:
    """C13: 0 when everybody wanted has everything, 9 when some have, else what went wrong."""
    finals, receivers, error, (code, exit_code) = end
    final = verdict_on(1, finals, receivers, error, seconds=2.0)
    assert final.ticket == 1
    if isinstance(final, e.TransferDone):
        assert (code, exit_code) == ("done", 0)
        assert (final.files, final.total_bytes, final.failed) == (6, 200, 0)
    else:
        assert (final.code, final.exit_code) == (code, exit_code)
        assert final.resumable == (GONE in finals)


def test_what_they_took_may_differ() -> None:
    """C13: one root is shown only where all of them are the same."""
    same = verdict_on(1, [done(), done()], 2, None, seconds=1.0)
    other = verdict_on(1, [done(), done(roots="cd")], 2, None, seconds=1.0)
    assert isinstance(same, e.TransferDone)
    assert isinstance(other, e.TransferDone)
    assert (same.roots, other.roots) == ("ab", "")
