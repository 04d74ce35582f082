"""The source tree as the house rules read it: one parsed module per file, each parsed once.

This module never judges anything; the rules beside it do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("tallow", "relay")
ALL_CODE = (*PROGRAM, "tests", "bench")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: where it stands, its text and its syntax tree."""

    path: str
    """Relative to the repository, with forward slashes."""
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str, text: str) -> Source:
        """Return the source that a file of this path and text would be."""
        return cls(path, text, ast.parse(text))

    @property
    def stem(self) -> str:
        """Return the file name without its ending."""
        return self.path.rsplit("/", 1)[-1].removesuffix(".py")

    def under(self, *places: str) -> bool:
        """Tell whether the file is one of these files or lies under one of these folders."""
        return any(
            self.path == place or (place.endswith("/") and self.path.startswith(place))
            for place in places
        )

    def at(self, node: ast.AST, what: str) -> str:
        """Return a violation as one line: file, line, what to do."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"

    def calls(self) -> Iterator[ast.Call]:
        """Yield every call."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def functions(self) -> Iterator[FunctionNode]:
        """Yield every function and method, nested ones too."""
        return (
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )


@cache
def sources(*tops: str) -> tuple[Source, ...]:
    """Return the parsed files under these top-level folders, in the order of their paths."""
    found: list[Source] = []
    for top in tops:
        for path in sorted((ROOT / top).rglob("*.py")):
            relative = path.relative_to(ROOT).as_posix()
            found.append(Source.of(relative, path.read_text(encoding="utf-8")))
    return tuple(found)


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for names and attributes; an unnamed start of the chain reads ``?``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return f"{dotted(node.func)}()"
    return "?"


def imported(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Yield every import as the dotted name it reads: ``os.path``, ``time.monotonic``."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node, f"{node.module}.{alias.name}"
