"""Being told that something changed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tallow.engine.storage.watching import PolledWatch, check_watch, open_watch
from tallow.errors import MissingExtra
from tests.fakes import virtual


@virtual
async def test_a_polled_watch_says_so_every_so_often() -> None:
    """C12: it is time after each interval, and never before."""
    watch = open_watch(["/"], 5.0)
    began_at = asyncio.get_running_loop().time()
    await watch.changed()
    await watch.changed()
    assert asyncio.get_running_loop().time() == began_at + 10
    await watch.close()
    assert isinstance(watch, PolledWatch)


def test_a_missing_extra_names_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2 with what to install; polling needs nothing."""
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(MissingExtra) as raised:
        check_watch(0)
    assert "tallow[watch]" in raised.value.hint and "--poll" in raised.value.hint
    check_watch(1.0)


async def test_the_system_tells_of_a_file_in_a_new_folder(tmp_path: Path) -> None:
    """C12: a change is told once, and what comes after it again."""
    pytest.importorskip("watchfiles", reason="pip install 'tallow[watch]'")
    watch = open_watch([str(tmp_path)], 0)
    telling = asyncio.ensure_future(watch.changed())
    for number in range(200):
        if telling.done():
            break
        # The watch stands a moment after it was opened; a change before that is nobody's.
        (tmp_path / f"folder {number}").mkdir()
        await asyncio.wait([telling], timeout=0.1)
    await asyncio.wait_for(telling, 10)
    await watch.close()
