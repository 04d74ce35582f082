"""A folder arrives byte for byte, whoever is killed and whenever; nothing travels for nothing.

CHAOS_ROUNDS says how many rounds, CHAOS_SEED where they begin: a round that failed is played again
by  make chaos CHAOS_SEED=its-number CHAOS_ROUNDS=1 .
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.cast import Relay
from tests.chaos.rounds import Round, make_source
from tests.chaos.wire import Wire, wire_to

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "12"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
SIZE_BYTES = int(os.environ.get("CHAOS_BYTES", "30000000"))
BYTES_PER_S = SIZE_BYTES / 2.0


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mixed folder of noise."""
    return make_source(tmp_path_factory.mktemp("source"), random.Random(1), SIZE_BYTES)


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay that is killed now and then."""
    running = Relay(tmp_path_factory.mktemp("relay") / "state")
    yield running
    running.kill()


@pytest.fixture(scope="module")
def wire(relay: Relay) -> Iterator[Wire]:
    """The sender's way to the relay."""
    with wire_to(relay.address, BYTES_PER_S) as held:
        yield held


@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_it_arrives_whoever_is_killed(
    tmp_path: Path, source: Path, relay: Relay, wire: Wire, seed: int
) -> None:
    """C3: after any kill it goes on from what is listed, and the same folder arrives."""
    Round(source, tmp_path, relay, wire, seed).play()
