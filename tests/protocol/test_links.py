"""Where a kept link may point: no text of a peer's makes one that leads out of its source."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.errors import UnsafeName
from tallow.protocol.links import link_problem, safe_target
from tallow.protocol.names import TargetSystem
from tallow.wire import limits

SYSTEMS = list(TargetSystem)
STEPS = st.sampled_from(["..", ".", "", "a", "b", "l", "..\u200c", ".. ", "\u2025", "...", "é"])
TARGETS = st.lists(STEPS, max_size=7).map("/".join)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("top/l", "file"),
        ("top/l", "sub/file"),
        ("top/l", "sub//./file/"),
        ("top/l", "."),
        ("top/a/l", ".."),
        ("top/a/l", "../b"),
        ("top/a/b/l", "../../c/d"),
        ("top/a/l", "../l"),
    ],
)
def test_what_stays_inside_is_kept(path: str, target: str) -> None:
    """C7: a link to something in its own source is a link there too."""
    assert link_problem(path, target) == ""
    for system in SYSTEMS:
        assert safe_target(path, target, system=system)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("top/l", ""),
        ("top/l", "/etc/passwd"),
        ("top/l", "//host/share"),
        ("top/l", ".."),
        ("top/l", "../other"),
        ("top/a/l", "../.."),
        ("top/a/l", "../../top/a"),
        ("l", "other"),
        ("l", "."),
        ("top/l", "a/../b"),
        ("top/a/l", "d/../../../etc"),
        ("top/a/l", "../x/.."),
        ("top/l", "C:/Windows"),
        ("top/l", "C:evil"),
        ("top/l", "..\\..\\x"),
        ("top/l", "a\0b"),
        ("top/l", "\ud800"),
        ("top/l", "a/" * (limits.PATH_MAX_BYTES // 2) + "b"),
        ("top/l", "a" * (limits.COMPONENT_MAX_BYTES + 1)),
    ],
)
def test_what_leads_out_is_refused(path: str, target: str, system: TargetSystem) -> None:
    """X04, X10, X14: absolute targets, "..", drives and what turns back on its way."""
    assert link_problem(path, target)
    with pytest.raises(UnsafeName) as caught:
        safe_target(path, target, system=system)
    assert caught.value.why


def test_a_target_is_called_as_its_file_is() -> None:
    """C7: where a name is changed for this system, links to it say the changed name."""
    assert safe_target("t/l", "a\u202eb/.tallow-x", system=TargetSystem.POSIX) == "a_b/_.tallow-x"
    assert safe_target("t/l", "aux.txt", system=TargetSystem.WINDOWS) == "_aux.txt"
    assert safe_target("t/l", "aux.txt", system=TargetSystem.POSIX) == "aux.txt"


def test_an_error_shows_nothing_raw() -> None:
    """X05: what stands in the path is escaped in the message."""
    with pytest.raises(UnsafeName) as caught:
        safe_target("t/\x1b[2Jl", "/x", system=TargetSystem.POSIX)
    assert "\x1b" not in str(caught.value)


@given(st.lists(st.tuples(st.sampled_from(["l", "a/l", "a/b/l", "b/l"]), TARGETS), max_size=4))
@settings(max_examples=300, deadline=None)
def test_links_together_lead_nowhere_else(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[str, str]]
) -> None:
    """X10, X17: whatever chain of accepted links is walked, its end lies in the source's tree."""
    outside = tmp_path_factory.mktemp("out")
    top = outside / "top"
    (top / "a/b").mkdir(parents=True)
    (top / "b").mkdir()
    for path, target in links:
        if not link_problem(f"top/{path}", target):
            said = safe_target(f"top/{path}", target, system=TargetSystem.POSIX)
            place = top / path
            if not os.path.lexists(place):
                place.symlink_to(said)
    for path, _ in links:
        place = top / path
        if place.is_symlink():
            _check_inside(place, top)


def _check_inside(place: Path, top: Path) -> None:
    """Follow step by step as a kernel does; a loop leads nowhere at all."""
    try:
        end = place.resolve(strict=False)
    except (OSError, RuntimeError):
        return
    assert end == top or top in end.parents
