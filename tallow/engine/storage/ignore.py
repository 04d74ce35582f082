"""What git would leave out of a folder: .gitignore files, info/exclude, the person's own list.

A rule speaks about a path itself. What lies in a folder that is left out is never asked about, so
a file in it cannot be brought back by a negation, as in git. The last rule of the nearest list
that speaks decides. Whether git already tracks a file is not looked at.
Before: walk.py asks about each path on its way. It reads lists, runs no program and writes
nothing. The rules are those of gitignore(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": "!-/:-@\\[-`{-~", "space": "\\s", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_PIECE_BYTES = 1 << 16
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True)
class IgnoreList:
    """The rules of one list; ``above`` is the folder they speak about, "" or "/a/b"."""

    above: str
    folders: re.Pattern[str]
    """Alternatives, the last rule first; a group for each."""
    files: re.Pattern[str]
    folder_verdicts: tuple[bool, ...]
    file_verdicts: tuple[bool, ...]

    def verdict(self, path: str, folder: bool) -> bool | None:
        """Return whether a path ("/a/b") is left out, or None if no rule speaks about it."""
        below = path[len(self.above) :]
        match = (self.folders if folder else self.files).fullmatch(below)
        if match is None or match.lastindex is None:
            return None
        return (self.folder_verdicts if folder else self.file_verdicts)[match.lastindex - 1]


Chain = tuple[IgnoreList, ...]
"""Lists that hold in a folder, the nearest first."""


def left_out(chain: Chain, path: str, folder: bool) -> bool:
    """Return whether git would leave a path out, its parents being in."""
    if path.endswith("/.git"):
        return True
    for rules in chain:
        verdict = rules.verdict(path, folder)
        if verdict is not None:
            return verdict
    return False


def chain_above(source: Path) -> tuple[str, Chain]:
    """Return a source's place in its repository ("" or "/a/b") and the lists from above it."""
    folders = [source, *source.parents]
    top = next((one for one in folders if os.path.lexists(one / ".git")), None)
    if top is None:
        return "", _lists(_global_list(), above="")
    parts = source.relative_to(top).parts
    place = "".join(f"/{part}" for part in parts)
    chain = chain_of_repository(top, "")
    for depth in range(len(parts)):
        above = "".join(f"/{part}" for part in parts[:depth])
        chain = chain_inside(chain, top.joinpath(*parts[:depth]), above)
    return place, chain


def chain_of_repository(top: Path, above: str) -> Chain:
    """Return the lists that hold in a whole repository."""
    return (
        *_lists(_common_folder(top) / "info" / "exclude", above=above),
        *_lists(_global_list(), above=above),
    )


def chain_inside(chain: Chain, folder: Path, place: str) -> Chain:
    """Return the lists that hold inside a folder, whose place is "" or "/a/b"."""
    return (*_lists(folder / ".gitignore", above=place), *chain)


def read_rules(lines: Iterable[str], above: str = "") -> IgnoreList | None:
    """Return the rules of a list's lines, or None if there are none."""
    rules = [rule for line in lines if (rule := _rule(line)) is not None]
    if not rules:
        return None
    rules.reverse()
    files = [rule for rule in rules if not rule.folders_only]
    return IgnoreList(
        above,
        _alternatives(rules),
        _alternatives(files),
        tuple(rule.leaves_out for rule in rules),
        tuple(rule.leaves_out for rule in files),
    )


# --- where lists are --------------------------------------------------------------------------


def _lists(path: Path, *, above: str) -> Chain:
    """Read a list; one that is not there, or is a link, has no rules."""
    content = _content(path)
    lines = os.fsdecode(content.removeprefix(b"\xef\xbb\xbf")).split("\n")
    rules = read_rules((line.removesuffix("\r") for line in lines), above)
    return () if rules is None else (rules,)


def _content(path: Path) -> bytes:
    try:
        descriptor = os.open(path, _READ)
    except OSError:
        return b""
    pieces: list[bytes] = []
    try:
        while piece := os.read(descriptor, _PIECE_BYTES):
            pieces.append(piece)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
    return b"".join(pieces)


def _global_list() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME")
    return Path(config or Path("~/.config").expanduser()) / "git" / "ignore"


def _common_folder(top: Path) -> Path:
    """Return a repository's own folder; that of a second work tree is named in two files."""
    folder = top / ".git"
    for name in (folder, "commondir"):
        try:
            text = (folder / name).read_text(encoding="utf-8", errors="surrogateescape")
        except (OSError, ValueError):
            continue
        above = top if name is folder else folder
        folder = above / text.removeprefix("gitdir:").strip("\r\n ")
    return folder


# --- rules as patterns ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: str
    leaves_out: bool
    folders_only: bool


def _rule(line: str) -> _Rule | None:
    line = _without_trailing_spaces(line)
    if not line or line.startswith("#"):
        return None
    leaves_out = not line.startswith("!")
    glob = line if leaves_out else line[1:]
    folders_only = glob.endswith("/")
    glob = glob[:-1] if folders_only else glob
    anchored = "/" in glob
    pattern = _translate(glob.removeprefix("/"), anchored)
    if not glob or pattern is None:
        return None
    return _Rule(("/" if anchored else ".*/") + pattern, leaves_out, folders_only)


def _without_trailing_spaces(line: str) -> str:
    end = len(line)
    while line[:end].endswith(" "):
        slashes = len(line[: end - 1]) - len(line[: end - 1].rstrip("\\"))
        if slashes % 2:
            break
        end -= 1
    return line[:end]


def _alternatives(rules: list[_Rule]) -> re.Pattern[str]:
    # A rule's own pattern has no groups, so the group that took part tells which rule it was.
    return re.compile("|".join(f"({rule.pattern})" for rule in rules) or r"(?!)", re.DOTALL)


def _translate(glob: str, anchored: bool) -> str | None:
    """Return a glob as a regular expression without groups, or None if it matches nothing."""
    out: list[str] = []
    at = 0
    while at < len(glob):
        letter = glob[at]
        if letter == "*":
            at, piece = _stars(glob, at, anchored)
        elif letter == "?":
            at, piece = at + 1, "[^/]"
        elif letter == "[":
            found = _bracket(glob, at + 1)
            if found is None:
                return None
            at, piece = found
        else:
            at += letter == "\\"
            if at == len(glob):
                return None
            at, piece = at + 1, re.escape(glob[at])
        out.append(piece)
    return "".join(out)


def _stars(glob: str, at: int, anchored: bool) -> tuple[int, str]:
    end = at
    while glob[end : end + 1] == "*":
        end += 1
    whole = (at == 0 or glob[at - 1] == "/") and (end == len(glob) or glob[end] == "/")
    if end - at < 2 or not anchored or not whole:
        return end, "[^/]*"
    if end == len(glob):
        return end, ".*"
    return end + 1, "(?:.*/)?"


def _bracket(glob: str, at: int) -> tuple[int, str] | None:
    """Read a set behind its "["; None if it never ends or names an unknown class."""
    negated = glob[at : at + 1] in ("!", "^")
    at += negated
    items: list[str] = []
    first = True
    while first or glob[at : at + 1] != "]":
        first = False
        if glob.startswith("[:", at) and (end := glob.find("]", at + 2)) > 0:
            name = glob[at + 2 : end - 1]
            if glob[end - 1] == ":" and end - 1 >= at + 2:
                if name not in _CLASSES:
                    return None
                items.append(_CLASSES[name])
                at = end + 1
                continue
        low, at = _letter(glob, at)
        if glob[at : at + 1] == "-" and glob[at + 1 : at + 2] not in ("]", ""):
            high, at = _letter(glob, at + 1)
            if low and high and low <= high:
                items.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            high = low
            items.append(re.escape(low))
        if not low or not high:
            return None
    if negated:
        return at + 1, f"[^/{''.join(items)}]"
    return at + 1, f"(?!/)[{''.join(items)}]" if items else "(?!)"


def _letter(glob: str, at: int) -> tuple[str, int]:
    """Return the letter at a place, unescaped, and where the next one is; "" at the end."""
    at += glob[at : at + 1] == "\\"
    return glob[at : at + 1], at + 1
