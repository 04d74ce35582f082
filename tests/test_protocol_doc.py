"""docs/protocol.md and the code say the same: sections, labels, messages, limits, examples.

Prose cannot be tested, but every table and every example can. A failure prints what the page
should hold; where the two differ, decide first which of them has the bug.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import get_args

import msgspec
import pytest

from tallow.crypto.kdf import sha512
from tallow.crypto.lv import lv, u32
from tallow.crypto.pake import generator
from tallow.crypto.sas import SYMBOLS, sas_bits, sas_digits, sas_emoji
from tallow.crypto.tree import leaf_hash, root_hash
from tallow.protocol import messages
from tallow.protocol.bulk import BulkKind
from tallow.protocol.chain import padded_length
from tallow.protocol.code import generate_code, parse_code, unnumbered_ids
from tallow.protocol.flights import channel_identifier
from tallow.protocol.handshake import AbortReason
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.wire import limits, relay
from tallow.wire.frames import LINK_CAPS, LinkType, PeerType
from tallow.wire.relay_auth import client_proof, relay_key
from tests.house.tree import PROGRAM, ROOT, Source, dotted, sources

PAGE = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
SECTIONS = """
1 1.1 1.2 1.3 2 3 3.1 3.2 3.3 4 4.1 4.2 4.3 4.4 4.5 4.6 5 5.1 5.2 5.3 5.4 5.5 5.6 5.7 6 6.1 6.2 6.3
6.4 6.5 6.6 6.7 6.8 6.9 6.10 7 7.1 7.2 7.3 8 8.1 8.2 8.3 8.4 8.5 8.6 8.7
8.8 8.9 8.10 9 9.1 9.2 9.3 9.4 9.5 9.6 10 11 12 13
""".split()  # noqa: SIM905 - reads as the table of contents that it is
UNITS = frozenset({"KIB", "MIB", "GIB"})


def section(number: str) -> str:
    """Return the text of one section, its subsections left out."""
    found = re.search(rf"^##+ §{re.escape(number)} .*?(?=^##|\Z)", PAGE, re.M | re.S)
    assert found is not None, f"§{number} is not there"
    return found[0]


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of every table row that has a name in backticks."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and "`" in cells[0] + cells[1]:
            yield cells


def plain(cell: str) -> str:
    """Return a cell without its backticks and quotes."""
    return cell.replace("`", "").strip('"')


def test_sections_are_stable() -> None:
    """The numbers that code cites never move: new sections come after the last of their kind."""
    assert re.findall(r"^##+ §(\d+(?:\.\d+)?) ", PAGE, re.M) == SECTIONS


def test_every_cited_section_exists() -> None:
    """A section that code or this page cites is a heading, both ends of a range included."""
    missing = []
    for source in sources(*PROGRAM, "tests"):
        for line in re.findall(r"docs/protocol\.md([^\n]*)", source.text):
            cited = re.findall(r"§(\d+(?:\.\d+)?)", line) + re.findall(r"–(\d+\.\d+)", line)
            missing += [f"{source.path}: §{number}" for number in cited if number not in SECTIONS]
    missing += [
        f"docs/protocol.md: §{number}"
        for number in re.findall(r"§(\d+(?:\.\d+)?)", PAGE)
        if number not in SECTIONS
    ]
    assert not missing, "\n".join(missing)


def test_every_section_with_rules_names_an_attack() -> None:
    """A rule without a reason would be dropped by the next person who finds it in the way."""
    reasoned = [number for number in SECTIONS if "." in number] + ["2", "10", "13"]
    without = {"1.1", "1.3", "4.2", "7.2", "8.6", "9.2", "9.4"}
    mute = [no for no in reasoned if no not in without and "\nWhy: " not in section(no)]
    assert not mute


# --- labels -----------------------------------------------------------------------------------


def labels_derived(source: Source) -> Iterator[str]:
    """Yield the labels that a source passes to Exp."""
    for call in source.calls():
        named = {"expand": 1, "secret": 0}.get(dotted(call.func))
        if named is not None and len(call.args) > named:
            label = call.args[named]
            if isinstance(label, ast.Constant) and isinstance(label.value, str):
                yield label.value


def labels_written(source: Source) -> Iterator[str]:
    """Yield every text or bytes constant of a source that is a label."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if re.fullmatch(r"tallow(-relay)?/1( [a-z0-9 ]+)?\0?", text):
                yield text.rstrip("\0")


def test_labels_are_listed() -> None:
    """Every label of the code stands in §2, once for each key, and no label that it has not."""
    listed = list(rows(section("2")))
    uses = [(cells[0], plain(cells[1])) for cells in listed if len(cells) == 5]
    assert len(uses) == len(set(uses)), "one pair of key and label, one use"
    derived = sorted({label for _, label in uses})
    written = sorted(plain(cells[0]) for cells in listed if len(cells) == 2)
    program = sources("tallow")
    assert derived == sorted({label for source in program for label in labels_derived(source)})
    assert written == sorted({label for source in program for label in labels_written(source)})


# --- messages ---------------------------------------------------------------------------------


def shapes(union: object) -> set[tuple[str, frozenset[str]]]:
    """Return tag and field names of every message of a union."""
    found = set()
    for kind in get_args(union):
        info = msgspec.inspect.type_info(kind)
        assert isinstance(info, msgspec.inspect.StructType)
        found.add((str(info.tag), frozenset(field.encode_name for field in info.fields)))
    return found


def shapes_listed(*numbers: str) -> set[tuple[str, frozenset[str]]]:
    """Return tag and field names of every message in the three-column tables of sections."""
    return {
        (plain(cells[0]), frozenset(re.findall(r"`(\w+)`", cells[1])))
        for number in numbers
        for cells in rows(section(number))
        if len(cells) == 3 and cells[0] != "`t`"
    }


def test_messages_are_listed() -> None:
    """Every message stands in its table with exactly its fields."""
    assert shapes_listed("4.2") == shapes(relay.ClientSays) | shapes(relay.RelaySays)
    assert shapes_listed("6.5") == shapes(messages.SessionMessage)
    assert shapes_listed("7.2") == shapes(messages.TransferMessage)
    identity = set(messages.IdentityProof.__struct_fields__)
    listed = re.findall(r"`(\w+)`", "".join(cells[0] for cells in rows(section("6.6"))))
    assert identity <= set(listed)


def test_words_of_messages_are_listed() -> None:
    """Refusals, notices, reasons and aborts stand in the page, all of them."""
    refusals = [plain(cells[0]) for cells in rows(section("4.2")) if len(cells) == 2]
    assert refusals[1:] == list(get_args(relay.RefusalCode))
    notices = ", ".join(f"`{kind}`" for kind in get_args(relay.NoticeKind)[:-1])
    assert f"Notices are {notices} and `{get_args(relay.NoticeKind)[-1]}`." in PAGE
    reasons = [plain(cells[0]) for cells in rows(section("8.6"))][1:]
    info = msgspec.inspect.type_info(messages.Cancel)
    assert isinstance(info, msgspec.inspect.StructType)
    reason = next(field.type for field in info.fields if field.name == "reason")
    assert isinstance(reason, msgspec.inspect.LiteralType)
    assert set(reasons) == set(reason.values)
    for abort in AbortReason:
        assert f"| {abort.value} | {abort.name} |" in section("5.4")


def test_frame_types_are_listed() -> None:
    """Types of frames and of bulk bodies stand in the page with their numbers and caps."""
    for link in LinkType:
        row = re.search(rf"\| 0x{link:02x} \| {link.name} \| .* \| ([\d ]+).*\|", section("4.1"))
        assert row is not None
        assert int(row[1].replace(" ", "")) == LINK_CAPS[link]
    for peer in PeerType:
        assert f"| 0x{peer:02x} | {peer.name} |" in section("6.1")
    for bulk in BulkKind:
        assert f"| {bulk.value} | {bulk.name} |" in section("8.3")


# --- limits -----------------------------------------------------------------------------------


def test_limits_are_listed() -> None:
    """§12 names every limit with its value, in the order of the module."""
    listed = [(plain(cells[0]), float(cells[1])) for cells in rows(section("12"))]
    there = [
        (name, float(value))
        for name, value in vars(limits).items()
        if name.isupper() and name not in UNITS
    ]
    wrong = [f"| `{name}` | {value:.17g} | … | … |" for name, value in there]
    assert listed == there, "the rows should begin:\n" + "\n".join(wrong)


# --- examples ---------------------------------------------------------------------------------


def secret_bytes(count: int) -> bytes:
    """Return 01 02 03 …, the randomness of the examples."""
    return bytes(range(1, count + 1))


KEY_HASH = bytes(range(32))
ONE_FILE = Manifest.of([Entry("a", EntryKind.FILE, 5, 0o644, 0)])
ANONYMOUS = sas_bits(bytes(64), b"", b"")
PROOF = client_proof(relay_key("correct horse", KEY_HASH), b"\1" * 32, b"\2" * 32, KEY_HASH)

EXAMPLES = {
    "lv": lv("a", "").hex(),
    "code": generate_code("7123", 3, secret_bytes).text,
    "padding": f"1 000 becomes {padded_length(1000):_}".replace("_", " "),
    "generator": generator(b"absurd-avocado-ball", channel_identifier("code", "7123")).hex(),
    "password": PROOF.hex(),
    "page": ONE_FILE.pages[0].hex(),
    "manifest root": ONE_FILE.root().hex(),
    "empty root": root_hash(0, 65_536, []).hex(),
    "root": root_hash(5, 65_536, [leaf_hash(b"hello")]).hex(),
    "emoji": " ".join(sign for sign, _ in sas_emoji(ANONYMOUS)),
    "digits": sas_digits(ANONYMOUS),
    "symbols": " | ".join(f"{sign} {name}" for sign, name in SYMBOLS[56:]),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_what_the_code_makes(name: str) -> None:
    """An example is what an implementer would compare with, so it is computed."""
    assert EXAMPLES[name] in PAGE


def test_symbols_are_listed_in_order() -> None:
    """The 64 symbols stand in §6.7 in the order that both sides count in."""
    listed = re.findall(r"(\S+) ([a-z]+) (?=\|)", section("6.7"))
    assert [pair for pair in listed if pair in SYMBOLS] == list(SYMBOLS)


def test_the_unnumbered_formula() -> None:
    """§3.2: meeting id and password are the two halves of one slow hash over key hash and day."""
    seen: list[tuple[bytes, bytes]] = []

    def stretch(password: bytes, salt: bytes) -> bytes:
        seen.append((password, salt))
        return sha512(password, salt)

    code = parse_code("mycode", allow_weak=True)
    halves = unnumbered_ids(code, KEY_HASH, 20_000, stretch)
    salt = sha512(b"tallow/1 meet", lv(KEY_HASH, u32(20_000)))[:32]
    out = sha512(b"mycode", salt)
    assert (seen, halves) == ([(b"mycode", salt)], (out[:32], out[32:]))
