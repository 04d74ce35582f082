"""Names that imitate other names are noticed; names in their own script are left in peace."""

from __future__ import annotations

import unicodedata

import pytest

from tallow.protocol.lookalike import looks_like_another
from tests.vectors import counted, vectors


@pytest.mark.parametrize(
    "name",
    [
        "раypal.txt",  # Cyrillic er, a
        "invoіce.pdf",  # Cyrillic i
        "gοοgle",  # Greek omicron
        "my аcc.txt",  # a whole word of Cyrillic twins beside Latin
        "𝐩𝐝𝐟",  # mathematical letters
        "etc∕passwd",  # division slash
        "photo․exe",  # one dot leader
        "readme.тxt",  # mixed extension
    ],
)
def test_imitations_are_noticed(name: str) -> None:
    """A letter from another script inside a word, styled letters, false slashes and dots."""
    assert looks_like_another(name)


@pytest.mark.parametrize(
    "name",
    [
        "report.pdf",
        "résumé.doc",
        "отчет.pdf",
        "Καλημέρα.txt",
        "日本語ABC.txt",
        "写真 2024.jpg",
        "한국어 file.txt",
        "שלום.txt",
        "10 µm.txt",
        "Tallow™.txt",
        "👩‍💻.py",
        "Straße.txt",
    ],
)
def test_honest_names_are_left_in_peace(name: str) -> None:
    """Everyday names of any script raise no alarm, or the alarm would soon be ignored."""
    assert not looks_like_another(name)


def test_letters_meant_to_be_confused_are_noticed_in_a_latin_word() -> None:
    """Unicode's list of intentional look-alikes: each letter of a foreign script is noticed."""
    replayed = 0
    for line in (vectors("unicode") / "intentional.txt").read_text("utf-8").splitlines():
        fields = line.split("#")[0].split(";")
        if len(fields) != 2:
            continue
        twins = [chr(int(field.strip(), 16)) for field in fields]
        scripts = [unicodedata.name(twin, "").split(" ")[0] for twin in twins]
        foreign = {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "DESERET"}
        if (
            scripts[0] == "LATIN"
            and scripts[1] in foreign
            and "LETTER" in unicodedata.name(twins[1])
        ):
            replayed += 1
            assert looks_like_another(f"ma{twins[1]}ter"), hex(ord(twins[1]))
    assert replayed > 20
    counted("unicode", replayed)
