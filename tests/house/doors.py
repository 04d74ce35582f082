"""Rules about doors: what may happen in one place only, and nowhere else in the program.

Printing, writing files, opening sockets, reading clocks, drawing randomness, building nonces,
setting limits, catching broadly. Each rule takes one source and yields its violations.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.house import exceptions
from tests.house.tree import Source, dotted, imported

PRINT_CALLS = re.compile(
    r"(print|pprint|click\.(echo|secho|echo_via_pager)"
    r"|sys\.(stdout|stderr)(\.buffer)?\.(write|writelines))"
)
WRITE_CALLS = re.compile(
    r"os\.(replace|rename|renames|unlink|remove|rmdir|truncate|ftruncate|link|symlink|write|pwrite"
    r"|mkdir|makedirs)"
    r"|shutil\.(copy\w*|move|rmtree)|tempfile\.\w+"
    r"|.*\.(write_text|write_bytes|symlink_to|hardlink_to|touch|mkdir|rmdir|unlink)"
)
SOCKET_CALLS = re.compile(
    r"socket\.\w+|asyncio\.(open_connection|start_server|open_unix_connection|start_unix_server)"
    r"|.*\.(create_connection|create_server|create_datagram_endpoint|getaddrinfo|sock_connect"
    r"|connect_accepted_socket|create_unix_connection|create_unix_server|wrap_socket)"
)
CLOCK_CALLS = re.compile(
    r"time\.(time|monotonic|perf_counter|time_ns|monotonic_ns|perf_counter_ns|localtime|gmtime)"
    r"|os\.(urandom|getrandom)|random\.\w+|secrets\.\w+|uuid\.uuid\d"
    r"|(datetime\.)*(datetime|date)\.(now|utcnow|today)"
    r"|(loop|self\._loop|.*get_(running|event)_loop\(\))\.time"
)
CLOCK_IMPORTS = re.compile(
    r"(random|secrets)(\..*)?|os\.(urandom|getrandom)"
    r"|time\.(time|monotonic|perf_counter|time_ns|monotonic_ns|perf_counter_ns)"
)
CIPHERS = re.compile(r"(AESGCM|AESGCMSIV|AESCCM|AESSIV|ChaCha20Poly1305|AESOCB3|Cipher)")
WRITE_FLAGS = frozenset({"O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC"})


def prints_in_one_place(source: Source) -> Iterator[str]:
    """Allow printing in cli/render.py only."""
    if source.under(*exceptions.PRINTING):
        return
    for call in source.calls():
        if PRINT_CALLS.fullmatch(dotted(call.func)):
            yield source.at(call, f"{dotted(call.func)}: print through tallow/cli/render.py")


def writes_in_one_place(source: Source) -> Iterator[str]:
    """Allow writing to the disk in engine/storage only."""
    if source.under(*exceptions.WRITING):
        return
    for call in source.calls():
        name = dotted(call.func)
        if WRITE_CALLS.fullmatch(name) or _opens_for_writing(call, name):
            yield source.at(call, f"{name}: write through tallow/engine/storage")


def sockets_in_one_place(source: Source) -> Iterator[str]:
    """Allow sockets and name look-ups in engine/transport only."""
    if source.under(*exceptions.SOCKETS):
        return
    for call in source.calls():
        if SOCKET_CALLS.fullmatch(dotted(call.func)):
            yield source.at(call, f"{dotted(call.func)}: connect through tallow/engine/transport")


def clock_and_chance_in_one_place(source: Source) -> Iterator[str]:
    """Allow clocks and randomness in engine/ports.py and crypto only."""
    if source.under(*exceptions.CLOCK_AND_CHANCE):
        return
    for node, name in imported(source):
        if CLOCK_IMPORTS.fullmatch(name):
            yield source.at(node, f"{name}: take now and rng from the ports")
    for call in source.calls():
        if CLOCK_CALLS.fullmatch(dotted(call.func)):
            yield source.at(call, f"{dotted(call.func)}: take now and rng from the ports")


def nonces_in_one_place(source: Source) -> Iterator[str]:
    """Allow ciphers, and with them nonces, in crypto only."""
    if source.under(*exceptions.NONCES):
        return
    for node, name in imported(source):
        if CIPHERS.fullmatch(name.rsplit(".", 1)[-1]):
            yield source.at(node, f"{name}: seal and open through tallow/crypto")


def limits_on_one_page(source: Source) -> Iterator[str]:
    """Allow numbers called MAX in wire/limits.py only."""
    if source.under(*exceptions.LIMITS):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            name = dotted(target).rsplit(".", 1)[-1]
            if name.isupper() and "MAX" in name.split("_") and _holds_a_number(value):
                yield source.at(node, f"{name}: move it to tallow/wire/limits.py")


def catches_by_name(source: Source) -> Iterator[str]:
    """Allow swallowing every exception in a few named places only; clean up and raise is fine."""
    if source.under(*exceptions.BROAD_CATCHES):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _lets_go(node):
            yield source.at(node, "catch the errors you expect, by name")
        elif (
            isinstance(node, ast.Call)
            and dotted(node.func).endswith("suppress")
            and any(_is_broad(argument) for argument in node.args)
        ):
            yield source.at(node, "suppress the errors you expect, by name")


def refuses_without_assert(source: Source) -> Iterator[str]:
    """Refuse assert where peer input passes: python -O removes it, and it has no error type."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assert):
            yield source.at(node, "raise a typed error instead of assert")


def _opens_for_writing(call: ast.Call, name: str) -> bool:
    if name == "os.open" or name.endswith("opener"):
        return any(
            isinstance(node, ast.Attribute) and node.attr in WRITE_FLAGS for node in ast.walk(call)
        )
    if name not in ("open", "io.open", "os.fdopen") and not name.endswith(".open"):
        return False
    modes = [word.value for word in call.keywords if word.arg == "mode"]
    modes += call.args[0:1] if name.endswith(".open") and name != "io.open" else call.args[1:2]
    return any(
        isinstance(mode, ast.Constant)
        and isinstance(mode.value, str)
        and re.fullmatch(r"[rwaxbt+]{1,4}", mode.value) is not None
        and bool(set(mode.value) & set("wax+"))
        for mode in modes
    )


def _holds_a_number(value: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Constant) and isinstance(node.value, int | float)
        for node in ast.walk(value)
    )


def _lets_go(caught: ast.ExceptHandler) -> bool:
    """Tell whether the handler ends by raising what it caught."""
    last = caught.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(dotted(name) in ("Exception", "BaseException") for name in names)
