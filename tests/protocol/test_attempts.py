"""How many guesses a code has: the table of the accounting rules, row by row."""

from __future__ import annotations

from itertools import product

import pytest

from tallow.protocol.attempts import Attempts, Verdict
from tallow.wire import limits


def after(budget: int, runs: str) -> list[str]:
    """Play runs – (f)alse confirmation, (d)rop, (c)onfirmed – and return what came of each."""
    attempts, came = Attempts(budget), []
    for run in runs:
        if attempts.exhausted:
            came.append("refused")
            continue
        attempts = attempts.started()
        if run == "c":
            attempts = attempts.confirmed()
            came.append("confirmed")
        else:
            judge = attempts.after_false_confirmation if run == "f" else attempts.after_drop
            came.append(judge().value)
    return came


@pytest.mark.parametrize(
    ("budget", "runs", "came"),
    [
        # A false T_i or abort(confirm) burns at once; an explicit yes reopens below three.
        (3, "fff", ["ask", "ask", "dead"]),
        # A run that ends after M2 without T_i only counts; the third burns whatever its kind.
        (3, "ddd", ["wait", "wait", "dead"]),
        (3, "ddf", ["wait", "wait", "dead"]),
        (3, "dfd", ["wait", "ask", "dead"]),
        (3, "fdf", ["ask", "wait", "dead"]),
        (3, "ffd", ["ask", "ask", "dead"]),
        # Nothing runs after that.
        (3, "dddd", ["wait", "wait", "dead", "refused"]),
        (3, "fffc", ["ask", "ask", "dead", "refused"]),
        # Success uncounts its own run only: failures before it still share the budget.
        (3, "c", ["confirmed"]),
        (3, "cccddd", ["confirmed"] * 3 + ["wait", "wait", "dead"]),
        (3, "dcdcf", ["wait", "confirmed", "wait", "confirmed", "dead"]),
        (3, "ddc", ["wait", "wait", "confirmed"]),
        # A weak code has one.
        (1, "f", ["dead"]),
        (1, "d", ["dead"]),
        (1, "cd", ["confirmed", "dead"]),
        (1, "dc", ["dead", "refused"]),
    ],
)
def test_the_accounting_table(budget: int, runs: str, came: list[str]) -> None:
    """A2, X25: drops, false confirmations and reopenings share one total."""
    assert after(budget, runs) == came


@pytest.mark.parametrize("budget", [1, limits.ATTEMPTS_MAX])
def test_no_order_gives_more_guesses_than_the_budget(budget: int) -> None:
    """A2: over every sequence of six runs, no more can test a guess than the budget allows."""
    for runs in product("fdc", repeat=6):
        came = after(budget, "".join(runs))
        guesses = sum(each in {verdict.value for verdict in Verdict} for each in came)
        assert guesses <= budget
        assert came.count("dead") <= 1
        if "dead" in came:
            assert set(came[came.index("dead") + 1 :]) <= {"refused"}


def test_the_budget_is_three() -> None:
    """A2: success of an attacker against the creator stays at or below 3 · 2^-28."""
    assert limits.ATTEMPTS_MAX == 3


def test_a_counter_from_disk_goes_on_where_it_stood() -> None:
    """A2: a restarted process that read two counted runs has one left."""
    attempts = Attempts(3, counted=2)
    assert not attempts.exhausted
    assert attempts.started().exhausted
    assert attempts.started().after_drop() is Verdict.DEAD
    assert Attempts(1, counted=2).exhausted


def test_counting_changes_nothing_in_place() -> None:
    """A2: an accounting is a value; what was stored stays what was stored."""
    attempts = Attempts(3)
    attempts.started()
    assert attempts == Attempts(3, 0)
    assert attempts.started().started() == Attempts(3, 2)
