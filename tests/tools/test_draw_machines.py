"""The pictures of the state machines are those of the tables that the code runs."""

from __future__ import annotations

import enum

import pytest

from tools import draw_machines
from tools.draw_machines import MACHINES, Machine, graphviz, markdown, pictures, steps_of


class _Light(enum.Enum):
    RED = "stop"
    GREEN = "go"
    DARK = "dark"


class _Press(enum.Enum):
    BUTTON = "button"
    FUSE = "fuse blows"


LIGHT = Machine(
    "light",
    "Traffic light",
    "tools/draw_machines.py",
    "1",
    (_Light.RED,),
    steps_of(
        {
            (_Light.RED, _Press.BUTTON): _Light.GREEN,
            (_Light.GREEN, _Press.FUSE): _Light.DARK,
        }
    ),
)


@pytest.mark.parametrize("name", pictures())
def test_pictures_are_fresh(name: str) -> None:
    """A table that changed without its picture fails here: run python -m tools.draw_machines."""
    path = draw_machines.FOLDER / name
    assert path.exists(), "run  python -m tools.draw_machines"
    assert path.read_text(encoding="utf-8") == pictures()[name]


def test_no_picture_is_left_behind() -> None:
    """The folder holds nothing that no table stands behind."""
    assert {path.name for path in draw_machines.FOLDER.iterdir()} == set(pictures())


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_can_be_reached(machine: Machine) -> None:
    """No state of a machine is out of reach, and no state of its enumeration is unused."""
    reached: set[enum.Enum] = set(machine.starts)
    while more := {after for state, _, after in machine.steps if state in reached} - reached:
        reached |= more
    assert reached == set(type(machine.starts[0]))


def test_a_page_holds_picture_and_table() -> None:
    """Every step is an arrow and a row; the end is the state that nothing leaves."""
    page = markdown(LIGHT)
    assert '    state "stop" as RED\n' in page
    assert "    [*] --> RED\n" in page
    assert "    RED --> GREEN: button\n" in page
    assert "    DARK --> [*]\n" in page
    assert "| RED (stop) | button | GREEN (go) |\n" in page
    assert "| GREEN (go) | fuse blows | DARK |\n" in page


def test_a_digraph_holds_every_step() -> None:
    """Graphviz gets the same states, steps and ends."""
    drawn = graphviz(LIGHT)
    assert drawn.startswith('digraph "light" {\n')
    assert '  RED -> GREEN [label="button"];\n' in drawn
    assert '  DARK [label="dark", peripheries=2];\n' in drawn
