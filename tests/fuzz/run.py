"""Fuzz for a time: ``python -m tests.fuzz.run [--seconds 10] [--seed 1] [target …]``.

Without coverage feedback, unless atheris is installed and ``--atheris`` asks for it with one
target. A finding is written to the working folder, its place printed, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tests.fuzz.mutate import Mutator
from tests.fuzz.targets import TARGETS, Target


class Finding(Exception):
    """A target met an exception that it does not document."""

    def __init__(self, name: str, raw: bytes) -> None:
        """Hold the input that led to it."""
        super().__init__(f"{name}: {raw[:200].hex()}")
        self.name = name
        self.raw = raw


def check(name: str, target: Target, raw: bytes) -> bool:
    """Return whether an input was accepted; Finding for anything that is not documented."""
    try:
        return target(raw)
    except Exception as error:
        raise Finding(name, raw) from error


def inputs(name: str, target: Target, seed: int, count: int | None, until: float) -> int:
    """Feed a target its seeds, then mutations until count or time is up; return how many."""
    rng = random.Random(f"{name} {seed}")
    seeds = target.seeds()
    for raw in seeds:
        check(name, target, raw)
    mutator, made = Mutator(seeds, rng), 0
    while (count is None or made < count) and (count is not None or time.monotonic() < until):
        raw = mutator.next()
        made += 1
        if check(name, target, raw):
            mutator.keep(raw)
    return made


def main(arguments: list[str]) -> int:
    """Run targets and return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each target")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run")
    parser.add_argument("--atheris", action="store_true", help="coverage-guided, one target")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="target")
    chosen = parser.parse_args(arguments)
    names = chosen.targets or list(TARGETS)
    if chosen.atheris:
        return guided(names[0], chosen.seconds)
    seed = random.SystemRandom().randrange(1 << 32) if chosen.seed is None else chosen.seed
    print(f"seed {seed}")
    for name in names:
        try:
            made = inputs(name, TARGETS[name], seed, None, time.monotonic() + chosen.seconds)
        except Finding as finding:
            traceback.print_exception(finding)
            place = Path(f"fuzz-{finding.name}.bin")
            place.write_bytes(finding.raw)
            print(f"{name}: FOUND something; the input is in {place}, the seed was {seed}")
            return 1
        print(f"{name}: {made} inputs")
    return 0


def guided(name: str, seconds: float) -> int:
    """Let atheris drive one target; it ends the process itself."""
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        print("atheris is not installed; run without --atheris, or  pip install atheris")
        return 2
    target = TARGETS[name]
    atheris.instrument_all()
    atheris.Setup([name, f"-max_total_time={int(seconds)}"], target)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
