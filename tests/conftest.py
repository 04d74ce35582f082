"""What every test run shares: one hypothesis profile and the count of replayed vectors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.vectors import replayed

# Same examples on every machine and no clock in the verdict: a red test is red everywhere.
settings.register_profile(
    "tallow",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tallow")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a parallel worker's counts to the process that prints them."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["vectors"] = dict(replayed)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up what a parallel worker replayed."""
    replayed.update(getattr(node, "workeroutput", {}).get("vectors", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many published vectors were replayed, by topic."""
    if replayed:
        counts = ", ".join(f"{topic} {n}" for topic, n in sorted(replayed.items()))
        terminalreporter.write_line(f"vectors: {counts}")
