"""Where a peer's symbolic link may point: inside the tree of its own source, and nowhere else.

A target climbs first and descends then, never the other way round: after a component that may be
a link itself, ".." means whatever that link points to, so that two harmless links could lead out
together. Both sides ask here, the sender before it lists a link and the receiver before it shows
one. It never touches a disk and never follows anything. Spec: docs/protocol.md §7.3; X04, X10, X14.
"""

from __future__ import annotations

from tallow.display import display_text
from tallow.errors import UnsafeName
from tallow.protocol.names import SHOWN_CELLS, TargetSystem, safe_name
from tallow.wire import limits


def link_problem(path: str, target: str) -> str:
    """Return why a link at a path of the list may not have this target, or ""."""
    problem = _unfit(target)
    if problem:
        return problem
    climbs, steps = _apart(target)
    if ".." in steps:
        return "its target turns back on its way"
    # The first component of a path is the source itself; a link there has no tree around it.
    if climbs > path.count("/") - 1:
        return "it leads out of what is sent"
    return ""


def safe_target(path: str, target: str, *, system: TargetSystem) -> str:
    """Return what a link is made to say here: its components as they are called on this system.

    Raises: UnsafeName for a target that an honest sender would not have listed.
    """
    problem = link_problem(path, target)
    if problem:
        raise _unsafe(path, f"As a link, {problem}.")
    climbs, steps = _apart(target)
    # Each by the rules of a name: what a file system may take for ".." is cleaned or refused too.
    cleaned = [part for step in steps for part in safe_name(step, system=system).parts]
    return "/".join([".."] * climbs + cleaned) or "."


def _unfit(target: str) -> str:
    """Return why no link at all may have a target."""
    if not target:
        return "its target is empty"
    try:
        size_bytes = len(target.encode())
    except UnicodeEncodeError:
        return "its target is not valid Unicode"
    if size_bytes > limits.PATH_MAX_BYTES:
        return "its target is too long"
    if "\0" in target:
        return "its target holds a NUL"
    if target.startswith("/") or target[1:2] == ":" or "\\" in target:
        # A drive or a backslash is a way out on the next system that the link reaches.
        return "its target is no relative path"
    if any(len(step.encode()) > limits.COMPONENT_MAX_BYTES for step in target.split("/")):
        return "a part of its target is too long"
    return ""


def _apart(target: str) -> tuple[int, list[str]]:
    """Return how many folders a target climbs first, and the components that follow."""
    steps = [step for step in target.split("/") if step not in ("", ".")]
    climbs = 0
    while climbs < len(steps) and steps[climbs] == "..":
        climbs += 1
    return climbs, steps[climbs:]


def _unsafe(path: str, why: str) -> UnsafeName:
    shown = display_text(path[: 4 * SHOWN_CELLS], max_width=SHOWN_CELLS)
    return UnsafeName(f"The offer holds a link that cannot be made: “{shown}”.", why=why)
