"""Where published test vectors are found, how they are read, and how many were replayed.

The vectors are not part of the repository. ``TALLOW_VECTORS`` names their folder; without it a
folder beside the checkout is tried, and a test that finds neither is skipped with a reason.
This module never judges a result.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

replayed: Counter[str] = Counter()
"""How many vectors of each topic this process has replayed."""


def vectors(topic: str) -> Path:
    """Return the folder of a topic, or skip the calling test."""
    named = os.environ.get("TALLOW_VECTORS")
    root = Path(named) if named else Path(__file__).parents[2] / "shared" / "vectors"
    folder = root / topic
    if not folder.is_dir():
        pytest.skip(f"no test vectors for {topic}: set TALLOW_VECTORS to their folder")
    return folder


def counted(topic: str, n: int) -> None:
    """Record that ``n`` more vectors of a topic were replayed."""
    replayed[topic] += n


def read_json(topic: str, file: str) -> Any:
    """Return the content of one JSON vector file, or skip the calling test."""
    path = vectors(topic) / file
    if not path.is_file():
        pytest.skip(f"no {file} among the test vectors for {topic}")
    return json.loads(path.read_text(encoding="utf-8"))


def read_cases(topic: str, file: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return (group, test) pairs of a file in Wycheproof or ACVP form."""
    groups = read_json(topic, file)["testGroups"]
    return [(group, case) for group in groups for case in group["tests"]]


def read_records(topic: str, file: str, first: str) -> Iterator[dict[str, str]]:
    """Yield the ``key = value`` records of a text file; each begins with the key ``first``."""
    path = vectors(topic) / file
    if not path.is_file():
        pytest.skip(f"no {file} among the test vectors for {topic}")
    record: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        key, separator, value = line.partition("=")
        if not separator or line.startswith("#"):
            continue
        if key.strip().lower() == first and record:
            yield record
            record = {}
        record[key.strip()] = value.strip()
    if record:
        yield record
