"""The laws of the house, each held over the whole tree and shown to catch what it forbids.

The rules live in tests/house/, their exceptions with reasons in tests/house/exceptions.py. A
failure prints one line per violation: file, line, what to do. Imports between floors are held
by import-linter (pyproject.toml) and tests/test_import_hygiene.py, documents by
tests/test_docs.py, the error tree by tests/test_errors.py.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.house import doors, equality, exceptions, shape
from tests.house.tree import ALL_CODE, PROGRAM, ROOT, Source, imported, sources

Rule = Callable[[Source], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Law:
    """A rule, where it holds, and snippets that break it there."""

    rule: Rule
    tops: tuple[str, ...]
    plants: tuple[str, ...]
    under: tuple[str, ...] = ()
    """Folders or files inside ``tops`` to which the rule is confined."""
    plant_path: str = "tallow/engine/planted.py"

    def broken_by(self, source: Source) -> list[str]:
        """Return the rule's violations if it holds for this file."""
        if self.under and not source.under(*self.under):
            return []
        return list(self.rule(source))


PURE = ("tallow/wire/", "tallow/crypto/", "tallow/protocol/", "relay/")
SECRETIVE = (
    "tallow/crypto/", "tallow/protocol/", "tallow/wire/relay_auth.py", "relay/password.py",
)  # fmt: skip
LONG = "x = 1\n" * 401
LONG_FUNCTION = "def f() -> None:\n" + "    x = 1\n" * 60

LAWS = [
    Law(shape.is_short, ALL_CODE, (LONG,)),
    Law(shape.functions_are_short, ALL_CODE, (LONG_FUNCTION,)),
    Law(shape.module_speaks, ALL_CODE, ("x = 1\n",)),
    Law(shape.annotations_are_lazy, ALL_CODE, ("import os\n", "x: int = 1\n")),
    Law(
        shape.public_names_speak,
        PROGRAM,
        (
            "def f() -> None: ...\n",
            "class A: ...\n",
            "class A:\n    '''Do.'''\n    async def f(self) -> None: ...\n",
        ),
    ),
    Law(shape.tests_speak, ("tests",), ("def test_a() -> None: ...\n",)),
    Law(
        shape.names_say_something,
        PROGRAM,
        ("class LinkManager: ...\n", "def do_it() -> None: ...\n"),
    ),
    Law(shape.is_finished, (*PROGRAM, "bench"), ("x = 1  # TODO\n", "# good for now\n")),
    Law(shape.has_mirror, PROGRAM, ("x = 1\n" * 41,)),
    Law(
        doors.prints_in_one_place,
        PROGRAM,
        ("print(1)\n", "click.echo(1)\n", "import sys\nsys.stdout.buffer.write(b'')\n"),
    ),
    Law(
        doors.writes_in_one_place,
        PROGRAM,
        (
            "open(p, 'w')\n",
            "open(p, mode='ab')\n",
            "p.open('x')\n",
            "os.open(p, os.O_RDWR | os.O_CREAT)\n",
            "p.write_bytes(b'')\n",
            "os.replace(a, b)\n",
        ),
        plant_path="tallow/protocol/planted.py",
    ),
    Law(
        doors.sockets_in_one_place,
        PROGRAM,
        (
            "s = socket.socket()\n",
            "await asyncio.open_connection(h, 1)\n",
            "asyncio.get_running_loop().create_connection(f, h, 1)\n",
        ),
    ),
    Law(
        doors.clock_and_chance_in_one_place,
        PROGRAM,
        (
            "import secrets\n",
            "from time import monotonic\n",
            "now = time.time()\n",
            "x = os.urandom(4)\n",
            "now = asyncio.get_running_loop().time()\n",
            "at = datetime.datetime.now()\n",
        ),
    ),
    Law(
        doors.nonces_in_one_place,
        PROGRAM,
        ("from cryptography.hazmat.primitives.ciphers.aead import AESGCM\n",),
    ),
    Law(
        doors.limits_on_one_page,
        PROGRAM,
        ("ROOM_MAX = 4\n", "class A:\n    NAME_MAX_CHARS: int = 2 * KIB\n"),
    ),
    Law(
        doors.catches_by_name,
        PROGRAM,
        (
            "try: f()\nexcept Exception: g()\n",
            "try: f()\nexcept (OSError, BaseException): g()\n",
            "try: f()\nexcept: g()\n",
            "with suppress(Exception): f()\n",
        ),
    ),
    Law(
        doors.refuses_without_assert,
        PROGRAM,
        ("assert raw\n",),
        under=PURE,
        plant_path="tallow/wire/planted.py",
    ),
    Law(
        equality.secrets_compare_in_constant_time,
        PROGRAM,
        ("if tag == other: ...\n", "a = self._key != b\n", "if expected[:32] == proof: ...\n"),
        under=SECRETIVE,
        plant_path="tallow/crypto/planted.py",
    ),
]


def law_name(law: Law) -> str:
    """Return the rule's name for the test's id."""
    return law.rule.__name__


@pytest.mark.parametrize("law", LAWS, ids=law_name)
def test_the_tree_keeps_the_law(law: Law) -> None:
    """Every file keeps every rule that holds for it."""
    broken = [line for source in sources(*law.tops) for line in law.broken_by(source)]
    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize("law", LAWS, ids=law_name)
def test_the_law_catches_what_it_forbids(law: Law) -> None:
    """A rule that could not fail would hold nothing: each one catches its planted violations."""
    for text in law.plants:
        assert law.broken_by(Source.of(law.plant_path, text)), text


QUIET = '''"""Speak."""
from __future__ import annotations
import hmac
from tallow.wire import limits
ROOM_MAX = limits.ROOM_MAX
def open_door(tag: bytes, kind: int, p: Path) -> None:
    """Open."""
    if len(tag) != 32 or kind == Kind.SECRET or public_key == other:
        raise ValueError
    if not hmac.compare_digest(tag, other) or key_id == 3 or word == "key":
        raise ValueError
    with p.open("rb") as file, open(p, "r") as also, os.open(p, os.O_RDONLY) as third:
        clock.time()
        self._rng.random(4)
    try:
        connect()
    except BaseException:
        close()
        raise
'''


@pytest.mark.parametrize("law", LAWS, ids=law_name)
def test_the_law_lets_honest_code_pass(law: Law) -> None:
    """No rule cries out at code that keeps it but looks alike."""
    assert law.broken_by(Source.of("tallow/crypto/honest.py", QUIET)) == []


EXCEPTIONS = {
    "LONG_FILES": exceptions.LONG_FILES,
    "LONG_FUNCTIONS": exceptions.LONG_FUNCTIONS,
    "UNMIRRORED": exceptions.UNMIRRORED,
    "PRINTING": exceptions.PRINTING,
    "WRITING": exceptions.WRITING,
    "SOCKETS": exceptions.SOCKETS,
    "CLOCK_AND_CHANCE": exceptions.CLOCK_AND_CHANCE,
    "NONCES": exceptions.NONCES,
    "LIMITS": exceptions.LIMITS,
    "BROAD_CATCHES": exceptions.BROAD_CATCHES,
}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_every_exception_has_a_reason_and_a_file(name: str) -> None:
    """An exception names something that exists and says why it may."""
    for place, reason in EXCEPTIONS[name].items():
        assert len(reason.split()) >= 3, f"{name}: {place} needs a reason"
        assert (ROOT / place.split("::")[0]).exists(), f"{name}: {place} is gone; drop the line"


ARCHIVES = frozenset({"zipfile", "tarfile", "zipimport", "bz2", "lzma", "gzip", "zlib"})


def test_no_archive_is_ever_unpacked() -> None:
    """X01: the program holds no code that unpacks an archive, so no peer can flag one for it."""
    found = [
        source.at(node, name)
        for source in sources(*PROGRAM)
        for node, name in imported(source)
        if name.partition(".")[0] in ARCHIVES or name == "shutil.unpack_archive"
    ]
    assert not found, "\n".join(found)


def test_randomness_is_the_systems() -> None:
    """X18: nothing draws from a predictable generator."""
    found = [
        source.at(node, name)
        for source in sources(*PROGRAM)
        for node, name in imported(source)
        if name.partition(".")[0] == "random"
    ]
    assert not found, "\n".join(found)


WEAKENING = re.compile(r"--(no-)?(plain|plaintext|clear|cleartext|insecure|encrypt\w*|crypto|tls)")


def test_no_option_turns_encryption_off() -> None:
    """X26: no option sends anything in clear."""
    found = [
        source.at(node, str(node.value))
        for source in sources(*PROGRAM)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and WEAKENING.fullmatch(node.value)
    ]
    assert not found, "\n".join(found)
