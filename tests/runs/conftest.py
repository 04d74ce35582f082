"""A relay for the whole run, and two people for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.runs.programs import Person, RelayProcess, relay_running


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """One relay on a free port."""
    with relay_running(tmp_path_factory.mktemp("relay")) as running:
        yield running


@contextmanager
def _person(tmp_path: Path, name: str, relay: RelayProcess) -> Iterator[Person]:
    home, folder = tmp_path / f"{name}-home", tmp_path / name
    home.mkdir()
    folder.mkdir()
    person = Person(home, folder, relay.address)
    try:
        yield person
    finally:
        person.tidy()


@pytest.fixture
def alice(tmp_path: Path, relay: RelayProcess) -> Iterator[Person]:
    """The sender."""
    with _person(tmp_path, "alice", relay) as person:
        yield person


@pytest.fixture
def bob(tmp_path: Path, relay: RelayProcess) -> Iterator[Person]:
    """The receiver."""
    with _person(tmp_path, "bob", relay) as person:
        yield person


@pytest.fixture
def carol(tmp_path: Path, relay: RelayProcess) -> Iterator[Person]:
    """Somebody else."""
    with _person(tmp_path, "carol", relay) as person:
        yield person
