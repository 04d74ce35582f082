"""Each decoder under a fixed number of mutated inputs; longer runs are for ``make fuzz``."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.mutate import Mutator
from tests.fuzz.run import Finding, check, inputs, main
from tests.fuzz.targets import TARGETS, Target

COUNTS = {"relay-link": 800, "display-text": 2500, "code": 2500, "link-frame": 6000}
COUNT = 10_000


@pytest.mark.parametrize("name", TARGETS)
def test_a_decoder_takes_anything(name: str) -> None:
    """X14, X20 (I2): whatever bytes arrive, a decoder returns or raises what it documents, and
    what it accepts holds together."""
    count = COUNTS.get(name, COUNT)
    assert inputs(name, TARGETS[name], 1, count, 0.0) == count


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_taken(name: str) -> None:
    """A fuzz run that only ever sees refusals shows little: at least one seed is accepted."""
    target = TARGETS[name]
    assert any(target(raw) for raw in target.seeds())


def test_a_finding_is_found() -> None:
    """A decoder that lets another exception escape is noticed, with the input that did it."""

    def careless(raw: bytes) -> None:
        if raw[:1] == b"\xff":
            raise IndexError

    target = Target(careless, (ValueError,), lambda: [b"\xfe"])
    with pytest.raises(Finding) as found:
        inputs("careless", target, 1, 10_000, 0.0)
    assert found.value.raw[:1] == b"\xff"
    with pytest.raises(Finding):
        check("careless", target, found.value.raw)


def test_a_seed_gives_the_same_inputs() -> None:
    """A run can be repeated."""
    made = [[Mutator([b"abc", b"defg"], random.Random(n)).next() for _ in "12"] for n in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_the_command_runs_a_target(capsys: pytest.CaptureFixture[str]) -> None:
    """A target can be run by name for a time."""
    assert main(["--seconds", "0.01", "--seed", "5", "selection"]) == 0
    assert "seed 5\nselection: " in capsys.readouterr().out
