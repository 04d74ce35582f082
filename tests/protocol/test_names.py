"""Peer-supplied names: what could leave the folder is refused, the rest becomes harmless."""

from __future__ import annotations

import base64
import io
import re
import unicodedata
import zipfile
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.errors import UnsafeName
from tallow.protocol import names
from tallow.protocol.names import Risk, SafePath, TargetSystem, risk_flags, safe_name
from tallow.wire import limits
from tests.vectors import counted, read_json, vectors

POSIX, MACOS, WINDOWS = TargetSystem.POSIX, TargetSystem.MACOS, TargetSystem.WINDOWS
SYSTEMS = [POSIX, MACOS, WINDOWS]
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
ACTED_ON = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NEVER_KEPT = {"Cc", "Cs", "Zl", "Zp"}
DEVICES = {"CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"} | {
    f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"
}
NASTY = st.sampled_from(
    [
        "..", ".", "/", "\\", "C:", "~", "CON", "nul.txt", "com1", "aux ", " ", "\t", "\n", "\0",
        "\x1b[2J", "\x7f", "\x9b", "\u202e", "\u200b", "\u200d", "\ufe0f", "👩", "💻", "e\u0301",
        "é", "ß", "K", ":", "*", "?", '"', "<", "|", ".tallow-", ".part", "\ufffe", "\ud800",
        "\U000e0041", "a" * 100, "日本", "раy", "$", "¹", ".exe", "...", "\u3000", "\ufeff",
    ]
)  # fmt: skip
PATHS = st.lists(NASTY | st.text(max_size=6), max_size=8).map("".join)


def accepted(path: str, system: TargetSystem) -> SafePath | None:
    try:
        return safe_name(path, system=system)
    except UnsafeName as error:
        assert not ACTED_ON.search(error.message)
        assert error.why
        return None


def check_harmless(safe: SafePath, system: TargetSystem) -> None:
    """Hold a result against every promise of the module, by means of other code than its own."""
    assert safe.parts
    assert len(safe.parts) <= limits.PATH_DEPTH_MAX
    for part in safe.parts:
        assert part not in ("", ".", "..")
        assert not set(part) & set("/\\\0" + BIDI)
        assert not {unicodedata.category(character) for character in part} & NEVER_KEPT
        assert len(part.encode()) <= 255
        assert part == part.strip()
        assert not part.casefold().startswith(".tallow-")
        without_emoji = re.sub("[\u200d\ufe0f\U000e0061-\U000e007f]", "", part)
        assert "Cf" not in {unicodedata.category(character) for character in without_emoji}
        if system is WINDOWS:
            assert not set(part) & set('<>:"|?*')
            assert part.rstrip(". ") == part
            assert part.split(".")[0].rstrip().upper() not in DEVICES
    if system is WINDOWS:
        folder = PureWindowsPath("C:\\in\\here")
        assert folder.joinpath(*safe.parts).parts == (*folder.parts, *safe.parts)
        assert not PureWindowsPath(safe.parts[-1]).is_reserved()
    assert safe.changed == (Risk.RENAMED in safe.flags)


# --- refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/etc/passwd", "..", ".", "../x", "a/../b", "a/..", "a/./b", "./a", "a//b", "a/",
        "C:/Windows/x", "c:\\x", "\\\\server\\share", "..\\x", "a\\..\\b", "a/b\\..\\..\\c",
        "a\\..", "a\0b", "\0", "\ud800", "a/\udfff", "x" * 256, "é" * 128, "a/" * 2048 + "a",
        "a/" * 128 + "a",
    ],
)  # fmt: skip
def test_a_name_that_could_escape_is_refused(path: str, system: TargetSystem) -> None:
    """X04 X11: traversal, absolute, drive, UNC, NUL, surrogate, too long, too deep."""
    with pytest.raises(UnsafeName) as caught:
        safe_name(path, system=system)
    assert caught.value.why
    assert not ACTED_ON.search(caught.value.message)


@pytest.mark.parametrize("path", ["C:", "C:x", "x/C:y", "x\\C:y", "\\x", "a/.. /b", "c:stream"])
def test_what_windows_alone_misreads_is_refused_there(path: str) -> None:
    """X11: drive-relative and root-relative forms."""
    with pytest.raises(UnsafeName):
        safe_name(path, system=WINDOWS)
    check_harmless(safe_name(path, system=POSIX), POSIX)


def test_the_error_shows_the_name_without_obeying_it() -> None:
    """X05: escape sequences in a refused name are printed as text."""
    with pytest.raises(UnsafeName) as caught:
        safe_name("../\x1b[2J\u202egpj" + "x" * 500, system=POSIX)
    assert "\\x1b[2J\\u202egpj" in caught.value.message
    assert len(caught.value.message) < 200


def test_the_home_folder_of_the_sender_s_choice_stays_in_the_target() -> None:
    """X04: "~/.ssh/authorized_keys" is a folder called ~ inside the target, and a dotfile."""
    safe = safe_name("~/.ssh/authorized_keys", system=POSIX)
    assert safe.parts == ("~", ".ssh", "authorized_keys")
    assert Risk.DOTFILE in safe.flags


# --- renamed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a\nb", "a_b"),
        ("a\x1b[31mb", "a_[31mb"),
        ("a\x7f\x80\x9fb", "a___b"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe"),
        ("a\u200bb\ufeffc\u00add", "a_b_c_d"),
        ("a\ufffeb\U0001ffffc", "a_b_c"),
        ("x\u200dy\ufe0f", "x_y_"),
        ("\U000e0068\U000e0069", "__"),
        ("\u3164", "_"),
        (" a ", "_a_"),
        ("\u3000a\u00a0", "_a_"),
        ("a\\b", "a_b"),
        (".tallow-0a1b.part", "_.tallow-0a1b.part"),
        (".Tallow-x", "_.Tallow-x"),
    ],
)
def test_awkward_names_are_renamed_alike_everywhere(
    path: str, expected: str, system: TargetSystem
) -> None:
    """X05: controls, bidi, invisible characters, outer spaces, temporary names."""
    safe = safe_name(f"d/{path}", system=system)
    assert safe.parts == ("d", expected)
    assert safe.changed
    assert Risk.RENAMED in safe.flags


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("Nul .tar.gz", "_Nul .tar.gz"),
        ("LPT9", "_LPT9"),
        ("COM¹.log", "_COM¹.log"),
        ("conin$", "_conin$"),
        ("CLOCK$.x", "_CLOCK$.x"),
        ("AUX. ", "AUX__"),
        ("name.", "name_"),
        ("name . .", "name____"),
        ("...", "___"),
        ('ab<>:"|?*', "ab_______"),
        ("file.txt::$DATA", "file.txt__$DATA"),
    ],
)
def test_what_windows_reserves_is_renamed_there_only(path: str, expected: str) -> None:
    """C7 X11: device names, forbidden signs, trailing dots; left alone where they are legal."""
    assert safe_name(path, system=WINDOWS).parts == (expected,)
    if path.strip() == path:
        assert safe_name(path, system=POSIX) == SafePath(
            (path,), False, safe_name(path, system=POSIX).flags
        )
        assert not safe_name(path, system=MACOS).changed


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    "path",
    [
        "report.pdf", "a b/c d.txt", "résumé.doc", "re\u0301sume\u0301.doc", "日本語/ファイル.txt",
        "👩‍💻.txt", "❤️‍🔥", "👨‍👩‍👧‍👦/x", "1️⃣.md", "🏴󠁧󠁢󠁥󠁮󠁧󠁿.svg", "שלום.txt", ".bashrc", "..a", "-rf",
        "CONSOLE.txt", "com10", "nullable.py", "a'b&c;d", "x" * 255, "é" * 127,
        "Screenshot 2024 at 9.41.00\u202fAM.png",
    ],
)  # fmt: skip
def test_ordinary_names_stay_as_they_are(path: str, system: TargetSystem) -> None:
    """Unicode names, emoji sequences and odd but legal names are stored as they came."""
    safe = safe_name(path, system=system)
    assert "/".join(safe.parts) == path
    assert not safe.changed


@pytest.mark.parametrize("system", SYSTEMS)
@settings(deadline=None, max_examples=500)
@given(path=st.text("aZ9_ .,+=@()-/é:~\n", max_size=14) | st.sampled_from(["x" * 256, "a/" * 127]))
def test_the_short_look_says_what_the_long_one_does(path: str, system: TargetSystem) -> None:
    """X04: plain paths are passed quickly, and nothing but what the whole examination passes."""
    quick = accepted(path, system)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "_is_plainly_safe", lambda *_: False)
        assert accepted(path, system) == quick


def test_a_name_that_renaming_makes_too_long_is_refused() -> None:
    """The filler in front never yields more than 255 bytes."""
    with pytest.raises(UnsafeName):
        safe_name("CON." + "x" * 251, system=WINDOWS)
    assert safe_name("CON." + "x" * 250, system=WINDOWS).changed


# --- vectors and chance -----------------------------------------------------------------------


def test_naughty_file_names_stay_inside_the_target(tmp_path: Path) -> None:
    """X04 X11: each published hostile name is refused or lands below the target on every system."""
    cases = read_json("filenames", "naughty_filenames.json")
    landed = 0
    for case in cases:
        for variant in (case["name"], f"sub/{case['name']}", case["name"].lstrip("/\\")):
            for system in SYSTEMS:
                safe = accepted(variant, system)
                if safe is None:
                    continue
                check_harmless(safe, system)
                if system is POSIX:
                    target = tmp_path.joinpath(*safe.parts)
                    assert target.resolve().is_relative_to(tmp_path.resolve())
                    landed += 1
    assert landed > len(cases)
    counted("filenames", len(cases))


def test_names_inside_a_hostile_archive_are_only_names() -> None:
    """X01: an archive is one opaque file; the name of its symlink is judged like any other."""
    raw = base64.b64decode(read_json("filenames", "zip_with_symlink.json")["base64"])
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for info in archive.infolist():
            assert safe_name(info.filename, system=POSIX).parts == (info.filename,)
            flags = risk_flags(info.filename, info.external_attr >> 16, "symlink")
            assert Risk.SYMLINK in flags
    counted("filenames", 1)


def test_naughty_strings_as_names_are_harmless() -> None:
    """X05: each naughty string, as a name, is refused or cleaned on every system."""
    cases = read_json("strings", "blns.json")
    for case in cases:
        for system in SYSTEMS:
            for variant in (case["s"], case["s"].replace("/", "-")):
                safe = accepted(variant, system)
                if safe is not None:
                    check_harmless(safe, system)
    counted("strings", len(cases))


def test_every_invisible_character_is_replaced() -> None:
    """X05: what Unicode calls ignorable, bidi control or noncharacter never reaches a disk."""
    wanted = {"Bidi_Control", "Join_Control", "Noncharacter_Code_Point", "Variation_Selector",
              "Default_Ignorable_Code_Point"}  # fmt: skip
    listing = vectors("unicode") / "format_and_invisible_properties.txt"
    replayed = 0
    for line in listing.read_text("utf-8").splitlines():
        span, _, kind = line.split("#")[0].partition(";")
        if kind.strip() not in wanted:
            continue
        first, _, last = span.strip().partition("..")
        for number in range(int(first, 16), int(last or first, 16) + 1):
            replayed += 1
            assert safe_name(f"a{chr(number)}b", system=POSIX).parts == ("a_b",), hex(number)
    assert replayed > 4000
    counted("unicode", replayed)


@pytest.mark.parametrize("system", SYSTEMS)
@settings(deadline=None, max_examples=3500)
@given(path=PATHS)
def test_random_names_are_refused_or_harmless(path: str, system: TargetSystem) -> None:
    """X04 X05 X11: whatever a peer invents stays inside, and what was cleaned stays clean."""
    safe = accepted(path, system)
    if safe is not None:
        check_harmless(safe, system)
        again = safe_name("/".join(safe.parts), system=system)
        assert again.parts == safe.parts
        assert not again.changed


# --- risks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "mode", "kind", "expected"),
    [
        ("a.txt", 0o644, "file", set()),
        ("a/b.py", 0o644, "file", set()),
        ("run", 0o644, "file", set()),
        ("tool", 0o755, "file", {Risk.EXECUTABLE}),
        ("folder", 0o755, "folder", set()),
        ("example.com", 0o755, "folder", set()),
        ("Evil.app", 0o755, "folder", {Risk.EXECUTABLE}),
        ("invoice.pdf.EXE", 0o644, "file", {Risk.EXECUTABLE}),
        ("setup.exe. .", 0o644, "file", {Risk.EXECUTABLE}),
        (".bashrc", 0o644, "file", {Risk.DOTFILE}),
        ("a/.ssh/x", 0o600, "file", {Risk.DOTFILE}),
        ("link", 0o777, "symlink", {Risk.SYMLINK}),
        ("x\u202egpj.exe", 0o644, "file", {Risk.BIDI, Risk.EXECUTABLE}),
        ("раypal", 0o644, "file", {Risk.LOOKALIKE}),
        ("отчет.pdf", 0o644, "file", set()),
    ],
)
def test_risks_are_named_before_consent(
    path: str, mode: int, kind: str, expected: set[Risk]
) -> None:
    """X04 C4: programs, hidden files, links, turned-around and look-alike names are flagged."""
    assert risk_flags(path, mode, kind) == expected


@settings(deadline=None, max_examples=500)
@given(PATHS, st.integers(0, 0o7777), st.sampled_from(["file", "folder", "symlink"]))
def test_every_name_has_its_risks(path: str, mode: int, kind: str) -> None:
    """Flags are computed for any text, also for names that will be refused."""
    flags = risk_flags(path, mode, kind)
    assert Risk.OVERWRITE not in flags
    assert (Risk.SYMLINK in flags) == (kind == "symlink")
    assert (Risk.BIDI in flags) == bool(set(path) & set(BIDI))
