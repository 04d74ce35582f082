"""Which entries of an offer are taken: marks, sums, runs of numbers, patterns. Pure.

A list may be a million long, so an entry costs a few bytes here and no name is kept; whoever
needs names asks the engine for lines again. A folder with something in it has no mark of its own:
it is taken as far as what is inside. Shown by picker.py, used by offer_talk.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from tallow.engine.events import OfferEntry

OVERWRITE: Final = "overwrite"
Mark = Literal["x", "-", " "]
"""All of it, some of it, nothing of it."""
Match = Callable[[OfferEntry], bool]
_NOWHERE: Final = -1


@dataclass(frozen=True, slots=True)
class Tally:
    """What a choice comes to."""

    files: int
    folders: int
    total_bytes: int
    flags: frozenset[str]
    taken: tuple[int, ...]
    """Chosen files whose name exists here already."""
    links: int = 0


class Choice:
    """A mark for each entry of one offer."""

    def __init__(self) -> None:
        """Hold no entries yet."""
        self._chosen = bytearray()
        self._folder = bytearray()
        self._link = bytearray()
        self._holds = bytearray()
        """1 for a folder with something inside."""
        self._sizes = array("Q")
        self._above = array("l")
        self._flags = array("H")
        self._flag_names: list[str] = []
        self._folders: dict[str, int] = {}

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._chosen)

    @property
    def flag_names(self) -> frozenset[str]:
        """Every flag that any entry has, chosen or not."""
        return frozenset(self._flag_names)

    def add(self, entry: OfferEntry, *, chosen: bool) -> None:
        """Append the next entry."""
        above = self._folders.get(entry.path.rpartition("/")[0], _NOWHERE)
        if above != _NOWHERE:
            self._holds[above] = 1
        folder = entry.kind == "folder"
        if folder:
            self._folders[entry.path] = len(self)
        self._chosen.append(chosen)
        self._folder.append(folder)
        self._link.append(entry.kind == "link")
        self._holds.append(0)
        self._sizes.append(entry.size)
        self._above.append(above)
        self._flags.append(self._bits(entry.flags))

    def copy(self) -> Choice:
        """Return the same marks for trying something out; names are shared."""
        twin = Choice.__new__(Choice)
        twin.__dict__.update(self.__dict__)
        twin._chosen = bytearray(self._chosen)
        return twin

    def mark(self, numbers: Iterable[int], *, wanted: bool | None) -> None:
        """Take entries or leave them, folders with all they hold; None turns them over.

        Turned over, they go out if all of them were in, else all go in.
        """
        reached = bytearray(len(self))
        for number in numbers:
            reached[number] = 1
        for number, above in enumerate(self._above):
            if above != _NOWHERE and reached[above]:
                reached[number] = 1
        leaves = [at for at, hit in enumerate(reached) if hit and not self._holds[at]]
        if wanted is None:
            wanted = not all(self._chosen[at] for at in leaves)
        for at in leaves:
            self._chosen[at] = wanted

    def marks(self, numbers: Iterable[int]) -> list[Mark]:
        """Return the marks of some entries."""
        some, whole = self._some(), self._whole()
        return ["x" if whole[at] else "-" if some[at] else " " for at in numbers]

    def tally(self) -> Tally:
        """Return the sums over what is chosen."""
        files = folders = links = total = bits = 0
        taken = []
        overwrite = self._bit(OVERWRITE)
        for at, in_it in enumerate(self._some()):
            if not in_it:
                continue
            bits |= self._flags[at]
            if self._folder[at]:
                folders += 1
                continue
            links += self._link[at]
            files += not self._link[at]
            total += self._sizes[at]
            if self._flags[at] & overwrite:
                taken.append(at)
        flags = frozenset(name for name in self._flag_names if bits & self._bit(name))
        return Tally(files, folders, total, flags, tuple(taken), links)

    def runs(self) -> tuple[tuple[int, int], ...] | None:
        """Return first and last number of each chosen run; None if everything is chosen."""
        chosen = self._some()
        if all(chosen):
            return None
        found: list[tuple[int, int]] = []
        at = chosen.find(1)
        while at != -1:
            end = chosen.find(0, at)
            end = len(chosen) if end == -1 else end
            found.append((at, end - 1))
            at = chosen.find(1, end)
        return tuple(found)

    def _some(self) -> bytearray:
        """Return 1 for each entry of which something is chosen."""
        some = bytearray(
            picked and not holds for picked, holds in zip(self._chosen, self._holds, strict=True)
        )
        for at in self._children():
            some[self._above[at]] |= some[at]
        return some

    def _whole(self) -> bytearray:
        """Return 1 for each entry that is chosen with all that it holds."""
        whole = bytearray(
            picked or holds for picked, holds in zip(self._chosen, self._holds, strict=True)
        )
        for at in self._children():
            whole[self._above[at]] &= whole[at]
        return whole

    def _children(self) -> Iterator[int]:
        """Yield entries that lie in a listed folder, from the inside out."""
        # A folder counts as being above only what is listed after it.
        return (at for at in range(len(self) - 1, -1, -1) if self._above[at] != _NOWHERE)

    def _bits(self, flags: Iterable[str]) -> int:
        bits = 0
        for flag in flags:
            if flag not in self._flag_names:
                self._flag_names.append(flag)
            bits |= self._bit(flag)
        return bits

    def _bit(self, flag: str) -> int:
        return 1 << self._flag_names.index(flag) if flag in self._flag_names else 0


def matcher(patterns: Iterable[str]) -> Match:
    """Return what finds the entries that gitignore patterns name.

    Where every pattern begins with "!", it finds everything but these.
    """
    from pathspec import GitIgnoreSpec

    lines = [pattern for pattern in patterns if pattern]
    all_but = bool(lines) and all(line.startswith("!") for line in lines)
    spec = GitIgnoreSpec.from_lines(
        [line.removeprefix("!") for line in lines] if all_but else lines
    )

    def match(entry: OfferEntry) -> bool:
        path = entry.path + "/" * (entry.kind == "folder")
        return spec.match_file(path) != all_but

    return match
