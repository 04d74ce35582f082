"""The demo as a whole, with real processes and a small file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT


@pytest.mark.wire
@pytest.mark.timeout(120)
def test_the_demo_shows_equal_roots(tmp_path: Path) -> None:
    """A relay, a sender and a receiver move a real folder; both roots agree; nothing is left."""
    run = subprocess.run(
        [sys.executable, "-m", "tallow", "demo", "--size", "1MB"],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False,
        env={"PATH": "", "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONUTF8": "1",
             "TALLOW_RELAY": "192.0.2.1:1", "TALLOW_CODE": "1-not-this"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    roots = re.findall(r"BLAKE3 root, \w+: +([0-9a-f]{64})", run.stderr)
    assert len(roots) == 2
    assert roots[0] == roots[1]
    assert "are equal byte by byte" in run.stderr
    for actor in ("relay", "sender", "receiver"):
        assert re.search(rf"^ *{actor} │ ", run.stderr, re.M)
    assert "\x1b" not in run.stderr
    assert list(tmp_path.iterdir()) == []
