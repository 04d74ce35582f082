"""The rule that secrets are never compared with ``==``: the time it takes tells where they differ.

It reads names: a value called key, secret, tag, mac, proof or like one is taken for a secret
unless its name or the other side of the comparison shows that it is a number or a label.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.house.tree import Source

SECRET_WORDS = frozenset(
    {
        "key", "keys", "secret", "secrets", "tag", "mac", "proof", "proofs", "psk", "password",
        "passphrase", "words", "prs", "isk", "prk", "confirmation", "commitment", "seed",
    }
)  # fmt: skip
SECRET_NAMES = frozenset({"t_r", "t_i", "c_i", "k", "ss", "T_r", "T_i"})
"""The protocol's own letters: confirmation tags, the commitment, shared points."""
LABEL_WORDS = frozenset(
    {
        "public", "bytes", "length", "len", "count", "size", "id", "ids", "index", "kind", "type",
        "number", "epoch", "name", "names", "path", "at", "s", "max", "min", "verified", "state",
    }
)  # fmt: skip
"""Words that turn the name into a label, a number or something public."""


def secrets_compare_in_constant_time(source: Source) -> Iterator[str]:
    """Refuse == and != between secrets; hmac.compare_digest is the way."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if not isinstance(operator, ast.Eq | ast.NotEq):
                continue
            if any(_is_secret(a) and not _is_label(b) for a, b in ((left, right), (right, left))):
                yield source.at(node, f"{ast.unparse(node)}: compare with hmac.compare_digest")


def _is_secret(node: ast.expr) -> bool:
    name = _terminal_name(node)
    if name in SECRET_NAMES or name.lstrip("_") in SECRET_NAMES:
        return True
    words = {word for word in re.split(r"_+", name.lower()) if word}
    return bool(words & SECRET_WORDS) and not words & LABEL_WORDS and not name.isupper()


def _is_label(node: ast.expr) -> bool:
    """Tell whether the other side shows that no secret is compared: a number, a word, an enum."""
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, bytes)
    if isinstance(node, ast.Call):
        return _terminal_name(node.func) in ("len", "type", "id")
    return isinstance(node, ast.Attribute) and node.attr.isupper()


def _terminal_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return _terminal_name(node.value)
    return ""
