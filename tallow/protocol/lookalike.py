"""Does a name look like another one? A modest check for letters borrowed from other scripts.

It knows the usual tricks (Cyrillic or Greek letters inside a Latin word, mathematical letters,
characters that look like "/" or "."), not the whole confusables table, and it only ever leads to
a warning. This module never changes a name. Source of the method: UTS 39 §5.1, reduced.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_SCRIPTS: Final = frozenset(
    {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "GEORGIAN", "LISU", "DESERET"}
)
"""Scripts whose letters pass for one another; Latin beside Han or kana is everyday writing."""
_LATIN_TWINS: Final = frozenset(
    "аеорсухіјѕԁԛԝһӏгпкмтвнАВЕКМНОРСТУХІЈЅԌԚԜҺ"  # Cyrillic
    "αοριυνκτχγωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"  # Greek
)
_IMPOSTORS: Final = frozenset("ɑɡɩɪʟǀǃ∕⁄／⧸＼∖﹨․．")
_WORD = re.compile(r"[^\W\d_]+")


def looks_like_another(component: str) -> bool:
    """Return whether a path component mixes scripts in a word or imitates Latin otherwise."""
    if component.isascii():
        return False
    if any(character in _IMPOSTORS or _is_styled(character) for character in component):
        return True
    words = _WORD.findall(component.rpartition(".")[0] or component)
    if any(len(_scripts(word)) > 1 for word in _WORD.findall(component)):
        return True
    latin = any("LATIN" in _scripts(word) for word in words)
    return latin and any(_LATIN_TWINS.issuperset(word) for word in words)


def _scripts(word: str) -> set[str]:
    return {_script(letter) for letter in word} & _SCRIPTS


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """Return the script of a letter as its Unicode name states it."""
    name = unicodedata.name(letter, "")
    # "FULLWIDTH LATIN SMALL LETTER A" and the like name the script second.
    return next((word for word in name.split()[:2] if word in _SCRIPTS), "")


def _is_styled(character: str) -> bool:
    """Whether this is a mathematical or letter-like form of a plain ASCII letter or digit."""
    if not ("\u2100" <= character <= "\u218f" or "\U0001d400" <= character <= "\U0001d7ff"):
        return False
    letter = unicodedata.category(character)[0] in "LN"
    return letter and unicodedata.normalize("NFKC", character).isascii()
