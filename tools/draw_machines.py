"""Draw the state machines from the tables that the code runs: ``python -m tools.draw_machines``.

Every machine becomes docs/diagrams/<machine>.md (a mermaid picture and the table) and
docs/diagrams/<machine>.dot (for Graphviz). A test makes the same text in memory and compares, so
a picture is never older than its table. This tool decides nothing about a machine.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from relay import room
from tallow.protocol import handshake, lane_proof, psk_handshake, rendezvous, session
from tallow.protocol.transfer import receiver, sender

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "diagrams"

S = TypeVar("S", bound=enum.Enum)
E = TypeVar("E", bound=enum.Enum)
Steps = tuple[tuple[enum.Enum, enum.Enum, enum.Enum], ...]
"""State, step and next state of every row."""


def steps_of(table: Mapping[tuple[S, E], S]) -> Steps:
    """Return a table's rows, in its order."""
    return tuple((state, step, after) for (state, step), after in table.items())


@dataclass(frozen=True, slots=True)
class Machine:
    """One table, where it stands, and where its life begins."""

    name: str
    title: str
    place: str
    section: str
    starts: tuple[enum.Enum, ...]
    steps: Steps

    def states(self) -> list[enum.Enum]:
        """Return every state of the machine, in the order of its enumeration."""
        used = {state for before, _, after in self.steps for state in (before, after)}
        return [state for state in type(self.starts[0]) if state in used]

    def ends(self) -> list[enum.Enum]:
        """Return the states that nothing leaves."""
        left = {state for state, _, _ in self.steps}
        return [state for state in self.states() if state not in left]


MACHINES = (
    Machine(
        "rendezvous",
        "Dialogue with a relay, the client's side",
        "tallow/protocol/rendezvous.py",
        "4.2",
        (rendezvous.State.FRESH,),
        steps_of(rendezvous.TRANSITIONS),
    ),
    Machine(
        "relay-room",
        "Room at the relay",
        "relay/room.py",
        "4.3",
        (room.RoomState.WAITING,),
        steps_of(room.TRANSITIONS),
    ),
    Machine(
        "handshake",
        "Code handshake, both sides",
        "tallow/protocol/handshake.py",
        "5",
        (handshake.State.FRESH, handshake.State.WAITING_M1),
        steps_of(handshake.TRANSITIONS),
    ),
    Machine(
        "psk-handshake",
        "Handshake of kind psk, both sides",
        "tallow/protocol/psk_handshake.py",
        "5.6",
        (psk_handshake.State.FRESH, psk_handshake.State.WAITING_F1),
        steps_of(psk_handshake.TRANSITIONS),
    ),
    Machine(
        "session",
        "Session, one side",
        "tallow/protocol/session.py",
        "6",
        (session.State.NEW,),
        steps_of(session.TRANSITIONS),
    ),
    Machine(
        "lane-join",
        "Join proof of a further connection, one end",
        "tallow/protocol/lane_proof.py",
        "6.9",
        (lane_proof.State.FRESH,),
        steps_of(lane_proof.TRANSITIONS),
    ),
    Machine(
        "sender",
        "Transfer, the sender's side",
        "tallow/protocol/transfer/sender.py",
        "8",
        (sender.State.IDLE,),
        steps_of(sender.TRANSITIONS),
    ),
    Machine(
        "receiver",
        "Transfer, the receiver's side",
        "tallow/protocol/transfer/receiver.py",
        "8",
        (receiver.State.IDLE,),
        steps_of(receiver.TRANSITIONS),
    ),
)


def markdown(machine: Machine) -> str:
    """Return a machine as a page: picture first, then the table that it was drawn from."""
    lines = [
        f"# {machine.title}",
        "",
        f"Drawn by `python -m tools.draw_machines` from the table in `{machine.place}`.",
        f"The rules stand in [protocol.md](../protocol.md), §{machine.section}.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        *(f'    state "{state.value}" as {state.name}' for state in machine.states()),
        *(f"    [*] --> {state.name}" for state in machine.starts),
        *(
            f"    {state.name} --> {after.name}: {step.value}"
            for state, step, after in machine.steps
        ),
        *(f"    {state.name} --> [*]" for state in machine.ends()),
        "```",
        "",
        "| state | step | next state |",
        "|---|---|---|",
        *(
            f"| {_cell(state)} | {step.value} | {_cell(after)} |"
            for state, step, after in machine.steps
        ),
    ]
    return "\n".join(lines) + "\n"


def graphviz(machine: Machine) -> str:
    """Return a machine as a Graphviz digraph."""
    ends = machine.ends()
    lines = [
        f'digraph "{machine.name}" {{',
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
        '  edge [fontname="sans-serif"];',
        "  begin [shape=point];",
        *(
            f'  {state.name} [label="{state.value}"{", peripheries=2" if state in ends else ""}];'
            for state in machine.states()
        ),
        *(f"  begin -> {state.name};" for state in machine.starts),
        *(
            f'  {state.name} -> {after.name} [label="{step.value}"];'
            for state, step, after in machine.steps
        ),
        "}",
    ]
    return "\n".join(lines) + "\n"


def pictures() -> dict[str, str]:
    """Return every file of docs/diagrams by its name."""
    drawn = {}
    for machine in MACHINES:
        drawn[f"{machine.name}.md"] = markdown(machine)
        drawn[f"{machine.name}.dot"] = graphviz(machine)
    return drawn


def main() -> int:
    """Write every picture; return the exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pictures().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def _cell(state: enum.Enum) -> str:
    return f"{state.name} ({state.value})" if _adds_words(state) else state.name


def _adds_words(state: enum.Enum) -> bool:
    """Tell whether a state's words say more than its name."""
    return str(state.value).casefold() != state.name.casefold()


if __name__ == "__main__":
    sys.exit(main())
