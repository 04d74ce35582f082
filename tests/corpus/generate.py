"""Write ``faults.json``: play every fault once and note how it ended.

Run by hand when a fault is added: ``python -m tests.corpus.generate``. What it writes is reviewed
line by line before it is kept, because afterwards the code is held to it.
"""

from __future__ import annotations

from tests.corpus import entries


def main() -> None:
    """Play everything and write the file."""
    corpus = {
        name: entries.gathered((case, section.end(case)) for case in section.cases())
        for name, section in entries.SECTIONS.items()
    }
    entries.save(corpus)


if __name__ == "__main__":
    main()
