"""Final names in batches: each file alone may fail, a full disk ends everything."""

from __future__ import annotations

import pytest

from tallow.engine.events import TransferFile
from tallow.engine.naming import NameQueue, give_names
from tallow.engine.storage.journal import JournalHead
from tallow.engine.storage.sink import Named
from tallow.errors import DiskFull, NotWritable
from tallow.protocol.kept import NotKept
from tallow.protocol.manifest import Selection
from tallow.protocol.messages import Xattrs
from tallow.protocol.transfer.jobs import CheckLeaves, StoreLeaves, StorePack
from tallow.protocol.transfer.receiver import FileReady
from tests.fakes import InlineWorkers, Job, virtual
from tests.world.stranger import file


class Shelf:
    """A sink that only gives names, as a test wants them."""

    in_order = False
    journal_name = ""

    def __init__(self, outcomes: dict[int, Named | Exception]) -> None:
        self.outcomes = outcomes
        self.discarded: list[int] = []

    def give_name(self, file_no: int, xattrs: Xattrs = ()) -> Named:
        """Give the name that was arranged, or fail as arranged."""
        outcome = self.outcomes[file_no]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def discard(self, file_no: int) -> None:
        """Note that it is removed."""
        self.discarded.append(file_no)

    def prepare(self, selection: Selection) -> None:
        """Nothing to make."""

    def begin(self, head: JournalHead) -> None:
        """Nothing to note."""

    def store_leaves(self, job: StoreLeaves) -> list[bytes]:
        """Nothing to store."""
        return []

    def store_pack(self, job: StorePack) -> list[bytes]:
        """Nothing to store."""
        return []

    def make_durable(self) -> None:
        """Nothing to sync."""

    def finish(self) -> None:
        """Nothing to end."""

    def check_leaves(self, job: CheckLeaves) -> list[bytes]:
        """Nothing is there."""
        return [b""] * len(job.lengths)

    def not_kept(self) -> NotKept:
        """Nothing was lost."""
        return NotKept()

    def abandon(self, *, keep: bool) -> bool:
        """Nothing to remove, nothing to keep."""
        return False


def ready(number: int) -> FileReady:
    """Return a file that is whole."""
    return FileReady(number, file(f"p/{number}"), 0, bytes(32))


def test_each_file_is_told_how_it_ended() -> None:
    """Done, renamed and skipped are told with the offered path; a new name stands beside it."""
    shelf = Shelf(
        {0: Named("done", "p/0"), 1: Named("renamed", "p/1 (1)"), 2: Named("skipped", "p/2")}
    )
    assert give_names(shelf, [ready(0), ready(1), ready(2)]) == [
        (0, TransferFile(0, "p/0", "done", "")),
        (1, TransferFile(0, "p/1", "renamed", "p/1 (1)")),
        (2, TransferFile(0, "p/2", "skipped", "")),
    ]
    assert shelf.discarded == []


def test_a_name_that_cannot_be_given_fails_alone() -> None:
    """The file is removed and its reason told; the next ones go on."""
    trouble = NotWritable("p/0 cannot be written.", why="Permission denied")
    shelf = Shelf({0: trouble, 1: NotWritable(), 2: Named("done", "p/2")})
    outcomes = [outcome for _, outcome in give_names(shelf, [ready(0), ready(1), ready(2)])]
    assert [(outcome.status, outcome.reason) for outcome in outcomes] == [
        ("failed", "Permission denied"),
        ("failed", "The output folder cannot be written."),
        ("done", ""),
    ]
    assert shelf.discarded == [0, 1]


def test_a_full_disk_is_not_one_files_trouble() -> None:
    """Without space no further name is tried."""
    shelf = Shelf({0: DiskFull()})
    with pytest.raises(DiskFull):
        give_names(shelf, [ready(0), ready(1)])
    assert shelf.discarded == []


@virtual
async def test_files_that_come_meanwhile_share_the_next_turn() -> None:
    """One batch runs at a time; the bell rings when it is done."""
    workers, batches, rings = InlineWorkers(), [], []

    def before(job: Job) -> None:
        batch = job.args[1]
        assert isinstance(batch, list)
        batches.append(len(batch))

    workers.before = before
    queue = NameQueue(
        workers, Shelf({n: Named("done", str(n)) for n in range(9)}), lambda: rings.append(1)
    )
    for number in range(5):
        queue.put(ready(number))
    assert queue.take() == []
    await workers.turn()
    assert [number for number, _ in queue.take()] == [0]
    assert queue.take() == []
    await workers.turn()
    assert [number for number, _ in queue.take()] == [1, 2, 3, 4]
    assert batches == [1, 4]
    assert len(rings) == 2
    await queue.stop()


@virtual
async def test_stopping_waits_for_what_runs() -> None:
    """Nobody tidies up while a name is being given."""
    workers = InlineWorkers()
    workers.takes_s = lambda _: 5.0
    queue = NameQueue(workers, Shelf({0: Named("done", "0")}), lambda: None)
    queue.put(ready(0))
    await queue.stop()
    assert [number for number, _ in queue.take()] == [0]
    failing = NameQueue(workers, Shelf({0: DiskFull()}), lambda: None)
    failing.put(ready(0))
    await failing.stop()
    with pytest.raises(DiskFull):
        failing.take()
