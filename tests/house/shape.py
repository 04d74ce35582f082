"""Rules about the shape of a file: length, names, docstrings, tests beside it.

Each rule takes one source and yields its violations, one line each, saying what to do.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.house import exceptions
from tests.house.tree import ROOT, FunctionNode, Source

FILE_LINES = 400
FUNCTION_LINES = 60
MIRROR_LINES = 40

BANNED_WORDS = frozenset(
    {"manager", "handler", "helper", "helpers", "util", "utils", "misc", "common", "base"}
)
BANNED_STEMS = frozenset({"data", "process", "stuff"})

CALLBACKS = frozenset(
    {
        "connection_made", "connection_lost", "data_received", "datagram_received",
        "error_received", "eof_received", "get_buffer", "buffer_updated", "pause_writing",
        "resume_writing",
    }
)  # fmt: skip
"""Methods whose meaning asyncio documents."""

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bfor now\b|in a real (program|system)", re.I)


def is_short(source: Source) -> Iterator[str]:
    """Hold files to 400 lines."""
    lines = source.text.count("\n")
    if lines > FILE_LINES and source.path not in exceptions.LONG_FILES:
        yield f"{source.path}: {lines} lines; split it by idea (stop at {FILE_LINES})"


def functions_are_short(source: Source) -> Iterator[str]:
    """Hold functions to 60 lines."""
    for function in source.functions():
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        name = f"{source.path}::{function.name}"
        if lines > FUNCTION_LINES and name not in exceptions.LONG_FUNCTIONS:
            yield source.at(function, f"{function.name} has {lines} lines; aim at 40, stop at 60")


def module_speaks(source: Source) -> Iterator[str]:
    """Ask every module for a docstring."""
    if not ast.get_docstring(source.tree):
        yield f"{source.path}:1: say what this module is for in a docstring"


def annotations_are_lazy(source: Source) -> Iterator[str]:
    """Ask every module with code for the annotations import."""
    has_code = any(
        isinstance(
            node,
            ast.Import | ast.ImportFrom | ast.AnnAssign | ast.ClassDef | ast.FunctionDef
            | ast.AsyncFunctionDef,
        )
        for node in source.tree.body
    )  # fmt: skip
    has_import = any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for node in source.tree.body
    )
    if has_code and not has_import:
        yield f"{source.path}:1: add  from __future__ import annotations"


def public_names_speak(source: Source) -> Iterator[str]:
    """Ask every public class, function and method for a docstring."""
    yield from _mute_names(source, source.tree.body)


def tests_speak(source: Source) -> Iterator[str]:
    """Ask every test function for the sentence it proves."""
    for function in source.functions():
        if function.name.startswith("test_") and not ast.get_docstring(function):
            yield source.at(function, f"{function.name}: say in one sentence what it shows")


def names_say_something(source: Source) -> Iterator[str]:
    """Refuse words that name no idea: manager, helper, utils and their kin."""
    if source.stem in BANNED_STEMS or BANNED_WORDS & set(source.stem.split("_")):
        yield f"{source.path}: name the file after its idea, not {source.stem!r}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            words = {word.lower() for word in re.findall(r"[A-Z][a-z]*", node.name)}
            if words & BANNED_WORDS:
                yield source.at(node, f"name the class after its idea, not {node.name}")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.lstrip(
            "_"
        ).startswith(("do_", "process_")):
            yield source.at(node, f"say what {node.name} does")


def is_finished(source: Source) -> Iterator[str]:
    """Refuse notes about work that is still to come."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if found := UNFINISHED.search(line):
            yield f"{source.path}:{number}: finish it instead of writing {found.group()!r}"


def has_mirror(source: Source) -> Iterator[str]:
    """Ask every module over 40 lines for a test file that bears its name."""
    lines = source.text.count("\n")
    if lines <= MIRROR_LINES or source.under(*exceptions.UNMIRRORED):
        return
    *folders, _ = source.path.removeprefix("tallow/").split("/")
    wanted = f"test_{source.stem.strip('_')}"
    places = ["/".join(["tests", *folders[:depth]]) for depth in range(len(folders), -1, -1)]
    for place in places[: max(1, len(folders))]:
        if any((ROOT / place).glob(f"{wanted}.py")) or any((ROOT / place).glob(f"{wanted}_*.py")):
            return
    yield f"{source.path}: write {places[0]}/{wanted}.py (or give a reason in UNMIRRORED)"


def _mute_names(source: Source, body: list[ast.stmt], owner: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield source.at(node, f"class {owner}{node.name} needs a docstring")
            yield from _mute_names(source, node.body, f"{owner}{node.name}.")
        elif (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and _is_ours(node)
            and not ast.get_docstring(node)
        ):
            yield source.at(node, f"{owner}{node.name} needs a docstring")


def _is_ours(function: FunctionNode) -> bool:
    """Tell public names from private ones and from those that another contract documents."""
    if function.name.startswith("_") or function.name in CALLBACKS:
        return False
    written = " ".join(ast.unparse(decorator) for decorator in function.decorator_list)
    return not re.search(r"\b(override|overload|setter|group|command|callback)\b", written)
