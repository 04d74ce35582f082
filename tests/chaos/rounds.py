"""One round: a folder travels, somebody is killed or stopped, once or twice, and it goes on.

A seed decides who, how, when and how it is gone on with; "when" is a number of bytes on the wire,
so that a seed means nearly the same on every machine. Whatever it decides, the same must hold in
the end, and nothing that the receiver had listed may have travelled twice.
"""

from __future__ import annotations

import random
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.cast import Actor, Relay, wait_for
from tests.chaos.listing import Listed, entries_of, listed, records_of, state_of
from tests.chaos.watching import watched
from tests.chaos.wire import Wire
from tests.runs.programs import Person, make_tree, tree_of

SLACK_BYTES = 400_000
"""Handshake, list of files, have-list: what a session costs whatever it carries."""


@dataclass(frozen=True, slots=True)
class Blow:
    """Something that happens to one of the three."""

    victim: str
    kind: signal.Signals
    at: float
    """When: the part of what was to travel that has passed the wire."""
    when_listed: bool
    """Then the wire is held until the journal lists something, and let go with the blow."""
    stopped_s: float
    how: str
    """How it is gone on with: the same code, ``tallow resume``, or a new code."""
    both: bool
    """Whether the side that was left alone is killed too."""


def drawn(chance: random.Random) -> list[Blow]:
    """Draw what happens in a round."""
    blows = []
    for _ in range(chance.choice([1, 1, 2])):
        when_listed = chance.random() < 0.5
        blow = Blow(
            victim=chance.choice(["sender", "receiver", "receiver", "relay"]),
            kind=chance.choice([signal.SIGKILL] * 4 + [signal.SIGTERM, signal.SIGSTOP]),
            # Of less than that there is nothing to list.
            at=chance.uniform(0.15 if when_listed else 0.0, 1.02),
            when_listed=when_listed,
            stopped_s=chance.uniform(0.05, 1.0),
            how=chance.choice(["code", "resume", "new"]),
            both=chance.random() < 0.4,
        )
        blows.append(blow)
    return blows


def make_source(folder: Path, chance: random.Random, scale: int) -> Path:
    """Make a folder of large, small, nested and empty files; ``scale`` is about its size."""
    files = {f"in/big-{number}.bin": int(scale * part) for number, part in enumerate((0.4, 0.3))}
    files["in/a/b/c/deep.bin"] = int(scale * 0.25)
    for number in range(300):
        files[f"in/many/{number % 7}/{number:03}.dat"] = chance.randrange(0, int(scale / 3000))
    files |= {"in/empty": 0, "in/a/empty too": 0, "in/ünïcode 日本.txt": 40_000}
    content = {name: chance.randbytes(size) for name, size in files.items()}
    return make_tree(folder, content, folders=["in/nothing here", "in/a/b/none"]) / "in"


class Round:
    """One transfer with its misfortunes."""

    def __init__(self, source: Path, root: Path, relay: Relay, wire: Wire, seed: int) -> None:
        """``source`` is sent as it is; ``root`` is empty and the round's own."""
        self._source = source
        self._chance = random.Random(seed)
        people = []
        for name in ("alice", "bob"):
            (root / name).mkdir()
            (root / f"{name}-home").mkdir()
            people.append(Person(root / f"{name}-home", root / name))
        people[0].relay, people[1].relay = wire.address, relay.address
        people[0].extra["TALLOW_TRANSPORT"] = people[1].extra["TALLOW_TRANSPORT"] = "tcp"
        self._sender, self._receiver = Actor(people[0], root), Actor(people[1], root)
        self._relay = relay
        self._wire = wire
        self._entries = entries_of(source)
        self._total_bytes = sum(entry.size for entry in self._entries.values())
        self._code = ""
        self._mark = 0
        self._had = Listed()
        self._late = False
        """Whether somebody was killed when all had arrived."""
        self.blows: list[str] = []
        """What happened, for whoever reads a failure."""

    def play(self) -> None:
        """Play it; AssertionError with the whole story if something does not hold."""
        output = self._receiver.person.folder
        try:
            with watched(output, self._source) as watcher:
                self._begin()
                for blow in drawn(self._chance):
                    if not self._arrived():
                        self._suffer(blow)
                self._both_end()
            assert watcher.found == []
            self._check_resumed()
            self._check_end(output)
        except AssertionError as error:
            lines = [*self.blows, "--- sender", self._sender.said()]
            story = "\n".join([*lines, "--- receiver", self._receiver.said()])
            raise AssertionError(f"{error}\n{story}") from None
        finally:
            self._wire.let_go()
            self._sender.kill()
            self._receiver.kill()

    # --- the transfer -------------------------------------------------------------------------

    def _begin(self) -> None:
        """Start both sides under a new code."""
        self._mark, self._had = self._wire.mark(), Listed()
        self._sender.start("send", str(self._source))
        sender = self._sender
        wait_for(lambda: bool(sender.events("code.allocated")) or not sender.alive(), "a code")
        allocated = sender.events("code.allocated")
        assert allocated, "the sender ended without a code"
        self._code = str(allocated[0]["code"])
        self._receiver.start("receive", self._code, "--yes")

    def _suffer(self, blow: Blow) -> None:
        left = max(0, self._total_bytes - self._had.total_bytes)
        due, mark = int(left * blow.at), self._mark
        if blow.when_listed:
            self._wire.hold_at(mark, due)
        wait_for(
            lambda: self._wire.bytes_since(mark) >= due or not self._both_run(), f"{due} bytes"
        )
        if blow.when_listed and self._wire.holds():
            wait_for(lambda: self._listed().total_bytes > 0 or not self._both_run(), "a journal")
        self.blows.append(f"{blow}: {self._wire.bytes_since(mark)} bytes after mark {mark}")
        if blow.kind is signal.SIGSTOP:
            self._stop_for(blow)
            self._wire.let_go()
            return
        # What the sender says from now on, it says on another connection.
        self._mark = self._wire.mark()
        self._strike(blow)
        self._wire.let_go()
        self._check_cost(mark)
        self._late = self._arrived()
        if self._late:
            self._kill_both()
        else:
            self._go_on(blow)

    def _stop_for(self, blow: Blow) -> None:
        victim = self._victim(blow)
        victim.signal(signal.SIGSTOP)
        threading.Event().wait(blow.stopped_s)
        victim.signal(signal.SIGCONT)

    def _strike(self, blow: Blow) -> None:
        victim = self._victim(blow)
        if blow.kind is signal.SIGKILL or isinstance(victim, Relay):
            victim.kill()
            return
        other = self._receiver if victim is self._sender else self._sender
        lost = len(other.events("session.lost"))
        victim.signal(blow.kind)
        self._wire.let_go()
        wait_for(lambda: not self._sender.alive() or not self._receiver.alive(), "an end")
        # The other side is told, or notices; what it was told ends it.
        wait_for(lambda: not victim.alive(), "an end after the signal")
        wait_for(
            lambda: not other.alive() or len(other.events("session.lost")) > lost, "a reaction"
        )

    def _victim(self, blow: Blow) -> Actor | Relay:
        actors = {"sender": self._sender, "receiver": self._receiver}
        return actors.get(blow.victim, self._relay)

    def _go_on(self, blow: Blow) -> None:
        """Start again what is gone, as the seed says and as far as what is there allows."""
        if self._relay.running.process.poll() is not None:
            self._relay.start_again()
            if self._both_run():
                self._note()
                return
        how = blow.how
        if blow.both or how == "new":
            self._kill_both()
        self._note()
        can = [bool(records_of(actor.person)) for actor in (self._sender, self._receiver)]
        for actor, has_record in zip((self._sender, self._receiver), can, strict=True):
            if not actor.alive() and not has_record:
                how = "new"
        self.blows.append(f"going on by {how}; records {can}; {self._had}")
        if how == "new":
            self._kill_both()
            self._mark = self._wire.mark()
            if not all(can):
                self._had = Listed()
            had, mark = self._had, self._mark
            self._begin()
            self._had, self._mark = had, mark
            return
        if not self._sender.alive():
            again = ("resume",) if how == "resume" else ("send", str(self._source), "--code")
            self._sender.start(*again, *(() if how == "resume" else (self._code,)))
        if not self._receiver.alive():
            again = ("resume",) if how == "resume" else ("receive", self._code, "--yes")
            self._receiver.start(*again)

    def _kill_both(self) -> None:
        self._sender.kill()
        self._receiver.kill()

    def _note(self) -> None:
        self._had = self._listed()

    def _listed(self) -> Listed:
        return listed(self._receiver.person, self._entries)

    def _both_run(self) -> bool:
        return self._sender.alive() and self._receiver.alive()

    def _arrived(self) -> bool:
        """Tell whether there is nothing left to go on with, whoever was killed since."""
        return any(actor.events("transfer.done") for actor in (self._sender, self._receiver))

    def _both_end(self) -> None:
        mark = self._mark
        wait_for(self._settled, "both ends")
        self._check_cost(mark)
        if self._sender.alive():
            self._late = True
            self._kill_both()

    def _settled(self) -> bool:
        """Tell whether both have ended, or one alone can never learn that all is there.

        A sender that was killed with the last bytes on their way looks for a receiver that is done.
        """
        if self._receiver.alive():
            return False
        states = [event["state"] for event in self._sender.events("transfer.state")]
        looks = states[-1:] == ["reconnecting"] and self._receiver.events("transfer.done")
        return not self._sender.alive() or bool(looks)

    # --- what must hold -----------------------------------------------------------------------

    def _check_cost(self, mark: int) -> None:
        """Hold what travelled since a moment against what the receiver had listed by then."""
        travelled = self._wire.bytes_since(mark)
        allowed = (self._total_bytes - self._had.total_bytes) * 1.02 + SLACK_BYTES
        assert travelled <= allowed, f"{travelled} bytes travelled, {allowed:.0f} were missing"

    def _check_resumed(self) -> None:
        told = self._receiver.events("transfer.resumed")
        if self._had.total_bytes and not self._late:
            assert told, "the receiver had listed something and did not go on from it"
            last = told[-1]
            assert isinstance(last["have_bytes"], int)
            assert isinstance(last["files"], int)
            assert last["files"] >= self._had.named_files
            # A receiver that went on living may have finished a file that was listed in part.
            if last["files"] == self._had.named_files:
                assert last["have_bytes"] >= self._had.leaf_bytes

    def _check_end(self, output: Path) -> None:
        ends = self._sender.exit_code, self._receiver.exit_code
        assert ends == (0, 0) or self._late, f"the transfer did not come to its end: {ends}"
        arrived, sent = tree_of(output / "in"), tree_of(self._source)
        assert arrived.keys() == sent.keys(), sorted(arrived.keys() ^ sent.keys())
        assert [name for name in sent if sent[name] != arrived[name]] == []
        left = sorted(path.name for path in output.rglob(".tallow-*"))
        assert left == [], f"left in the output folder: {left}"
        for actor in (self._sender, self._receiver):
            for record in records_of(actor.person) if self._late else []:
                # Who was killed before it heard of the end cannot know.
                assert actor.person.run("resume", "--clean", record.id).code == 0
            assert records_of(actor.person) == [], f"a record is left: {actor.person.folder.name}"
            state = actor.person.home / "state" / "tallow"
            drafts = [path.name for path in state.iterdir() if "transfer-" in path.name]
            assert drafts == [], f"left in the state folder: {drafts}"
            assert state_of(actor.person).names("transfer-") == []
