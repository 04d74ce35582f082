"""The table of exit codes, and the errors that end with each."""

from __future__ import annotations

from tallow import errors
from tallow.cli import exit_codes


def test_every_error_has_a_meaning() -> None:
    """D8: every exit code that an error can end with stands in the table."""
    assert {kind.exit_code for kind in exit_codes.error_kinds().values()} <= set(
        exit_codes.MEANINGS
    )


def test_errors_are_found_by_code() -> None:
    """An event's code leads back to its error."""
    kinds = exit_codes.error_kinds()
    assert kinds["wrong-code"] is errors.WrongCode
    assert kinds["storage"] is errors.StorageError


def test_the_table_is_drawn_from_the_tree() -> None:
    """Each error that can end something stands under its exit code."""
    table = exit_codes.error_codes_by_exit()
    assert "crowded" in table[4]
    assert "unknown-nameplate" in table[5]
    assert table[9] == ["partly-done"]
    assert table[exit_codes.DONE] == table[exit_codes.OUTPUT_CLOSED] == []
    listed = {code for codes in table.values() for code in codes}
    assert listed == set(exit_codes.error_kinds()) - {"error"}, "the root is nobody's error"
