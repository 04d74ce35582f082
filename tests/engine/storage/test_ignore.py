"""What git would leave out: rules by hand, and the same answers as git itself on random lists."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallow.engine.storage.ignore import chain_above, left_out, read_rules
from tallow.engine.storage.walk import WalkOptions, walk_sources
from tallow.errors import UsageError
from tallow.protocol.manifest import EntryKind
from tests.engine.storage.trees import make

GIT = shutil.which("git")
needs_git = pytest.mark.skipif(GIT is None, reason="git is not on the path")


@pytest.fixture(autouse=True)
def own_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give git and the walk a configuration of their own, whatever this machine's is."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield home / "config"


def git(folder: Path, *arguments: str) -> bytes:
    """Run git in a folder and return what it says."""
    assert GIT is not None
    command = [GIT, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=30).stdout


def sent(source: Path, *, kind: EntryKind = EntryKind.FILE) -> set[str]:
    """Return the files that the walk lists below a source under git's rules."""
    try:
        tree = walk_sources([str(source)], options=WalkOptions(git=True))
    except UsageError:
        return set()
    return {
        entry.path.partition("/")[2] for entry in tree.manifest if entry.kind is kind
    } - {""}  # fmt: skip


def git_lists(source: Path) -> set[str]:
    """Return the files that git would not leave out below a folder of an empty repository."""
    listed = git(source, "ls-files", "-co", "--exclude-standard", "-z")
    return {os.fsdecode(name) for name in listed.split(b"\0") if name}


def git_leaves_out(folder: Path, *paths: str) -> set[str]:
    """Return which of these paths git would leave out."""
    asked = subprocess.run(
        [str(GIT), "-C", str(folder), "check-ignore", "--no-index", "--stdin", "-z"],
        input="\0".join(paths).encode(), check=False, capture_output=True, timeout=30,
    )  # fmt: skip
    assert asked.returncode in (0, 1), asked.stderr
    return {os.fsdecode(name) for name in asked.stdout.split(b"\0") if name}


@pytest.mark.parametrize(
    ("rules", "path", "folder", "verdict"),
    [
        ("a", "/a", False, True),
        ("a", "/x/y/a", True, True),
        ("/a", "/x/a", False, None),
        ("x/a", "/y/x/a", False, None),
        ("a/", "/a", False, None),
        ("a/", "/x/a", True, True),
        ("a\n!a", "/a", False, False),
        ("!a\na", "/a", False, True),
        ("!keep/", "/keep/x", False, None),
        ("*.log", "/x/.log", False, True),
        ("*", "/x/y", False, True),
        ("a/*", "/a/b/c", False, None),
        ("a/**", "/a/b/c", False, True),
        ("a/**", "/a", True, None),
        ("**/a", "/a", False, True),
        ("a/**/b", "/a/b", False, True),
        ("a/**/b", "/a/x/y/b", False, True),
        ("a/**/b", "/ab", False, None),
        ("a**b", "/a/b", False, None),
        ("/a**b", "/axxb", False, True),
        ("a?c", "/a/c", False, None),
        ("[a-c]x", "/bx", False, True),
        ("[!a-c]x", "/bx", False, None),
        ("[^a-c]x", "/dx", False, True),
        ("[]-]x", "/]x", False, True),
        ("[]-]x", "/-x", False, True),
        ("[[:digit:]_]x", "/7x", False, True),
        ("[[:digit:]_]x", "/_x", False, True),
        ("[[:nonsense:]]x", "/nx", False, None),
        ("[\\]]x", "/]x", False, True),
        ("[a", "/[a", False, None),
        ("x[!a]y/z", "/x/y/z", False, None),
        ("\\!a", "/!a", False, True),
        ("\\#a", "/#a", False, True),
        ("#a", "/#a", False, None),
        ("a\\", "/a\\", False, None),
        ("a\\*", "/a*", False, True),
        ("a\\*", "/ab", False, None),
        ("a  ", "/a", False, True),
        ("a\\ ", "/a ", False, True),
        ("a\\\\ ", "/a\\", False, True),
        (" a", "/ a", False, True),
        ("a.b", "/axb", False, None),
        ("line\nbreak", "/line\nbreak", False, None),
        ("*", "/line\nbreak", False, True),
        ("/", "/a", True, None),
        ("//", "/a", True, None),
        ("!", "/a", True, None),
        ("a//b", "/a/b", False, None),
        ("&&[a&&b]||~~--", "/&&&||~~--", False, True),
    ],
)
def test_rules_by_hand(rules: str, path: str, folder: bool, verdict: bool | None) -> None:
    """C6: each form of rule in gitignore(5), with what it does not match."""
    read = read_rules(rules.split("\n"))
    assert (read and read.verdict(path, folder)) is verdict


def test_a_list_without_rules_is_none() -> None:
    """Blank lines and comments say nothing."""
    assert read_rules(["", "   ", "# only this", "!", "/"]) is None


def test_a_list_speaks_about_its_folder() -> None:
    """A rule in a nested list is anchored where the list lies."""
    rules = read_rules(["/a"], "/x")
    assert rules is not None
    assert rules.verdict("/x/a", folder=False)
    assert rules.verdict("/x/y/a", folder=False) is None


REPOSITORY: Mapping[str, bytes | None] = {
    ".gitignore": b"\xef\xbb\xbf*.log\r\nbuild/\n!keep.log\n/top\n"
    b"deep/**/tmp\nonly/*\n!only/this\n",
    "a.log": b"", "keep.log": b"", "top": b"", "sub/top": b"", "build/x": b"", "sub/build": b"",
    "sub/.gitignore": b"!*.log\nkeep.log\n/local\n", "sub/a.log": b"", "sub/keep.log": b"",
    "sub/local": b"", "sub/x/local": b"", "deep/tmp": b"", "deep/1/2/tmp": b"", "deep/tmp2": b"",
    "only/this": b"", "only/that": b"", "build/.gitignore": b"!x\n", "mine": b"", "sub/mine": b"",
    "theirs.tmp": b"", "sub/theirs.tmp": b"", "empty": None, "gone/x.log": b"",
}  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path, own_config: Path) -> Path:
    """A repository with lists of every kind."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    make(folder, REPOSITORY)
    make(folder, {".git/info/exclude": b"mine\n"})
    make(own_config, {"git/ignore": b"*.tmp\n"})
    return folder


@needs_git
@pytest.mark.parametrize("source", [".", "sub", "deep", "deep/1", "only", "gone"])
def test_git_says_the_same(repository: Path, source: str) -> None:
    """C6: --git sends what git lists, also from a subfolder of a repository."""
    assert sent(repository / source) == git_lists(repository / source)


@needs_git
def test_folders_are_left_out_whole(repository: Path) -> None:
    """C6: .git and what is left out are not listed; a folder left empty is."""
    assert sent(repository, kind=EntryKind.FOLDER) == {
        "deep", "deep/1", "deep/1/2", "empty", "gone", "only", "sub", "sub/x",
    }  # fmt: skip


@needs_git
def test_a_source_that_is_named_is_sent(repository: Path) -> None:
    """Who names a folder means it, though git would leave it out; its own rules still hold."""
    make(repository, {"build/y.log": b""})
    assert sent(repository / "build") == {".gitignore", "x"}


@needs_git
def test_a_second_work_tree_has_the_lists_of_the_first(repository: Path) -> None:
    """The .git of a second work tree is a file that leads to the common lists."""
    git(repository, "add", "sub/top")
    git(repository, "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", "m")
    second = repository.parent / "second"
    git(repository, "worktree", "add", "-q", str(second))
    make(second, {"mine": b"", "x.tmp": b"", "yours": b""})
    assert sent(second) == git_lists(second) == {"sub/top", "yours"}


@needs_git
def test_a_repository_inside_has_rules_of_its_own(repository: Path) -> None:
    """The lists of an outer repository end where another one begins."""
    inner = repository / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    make(inner, {".gitignore": b"*.c\n", "a.log": b"", "a.c": b"", "mine": b"", "a.tmp": b""})
    assert {path for path in sent(repository) if path.startswith("inner/")} == {
        "inner/.gitignore", "inner/a.log", "inner/mine",
    }  # fmt: skip
    assert sent(inner) == git_lists(inner)


def test_lists_hold_without_a_repository(tmp_path: Path) -> None:
    """A folder that is in no repository still has its .gitignore files."""
    make(tmp_path, {"p/.gitignore": b"x\n", "p/x": b"", "p/y": b"", "p/sub/x": b""})
    if chain_above(tmp_path)[1]:
        pytest.skip("the temporary folder lies in a repository")
    assert sent(tmp_path / "p") == {".gitignore", "y"}


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_a_list_must_be_a_file(tmp_path: Path, kind: str) -> None:
    """A .gitignore that is something else has no rules and stops nothing."""
    make(tmp_path, {"rules": b"x\n", "p/x": b""})
    place = tmp_path / "p" / ".gitignore"
    if kind == "link":
        place.symlink_to(tmp_path / "rules")
    elif kind == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)
    assert "x" in sent(tmp_path / "p")


NAMES = ("a", "b", "ab", "x.log", "keep.log", "c d")
PIECES = st.sampled_from(
    ["a", "b", "ab", "x.log", "keep.log", "*", "?", "**", "a*", "*b", "*.log", "[ab]", "[!a]", "a?",
     "x.*", "[a-z].log", "\\a", "c d", "?*", "[[:alpha:]]", "k*g"]
)  # fmt: skip


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Draw one rule."""
    pieces = draw(st.lists(PIECES, min_size=1, max_size=3))
    before, after = draw(st.sampled_from(["", "", "/"])), draw(st.sampled_from(["", "", "/"]))
    return draw(st.sampled_from(["", "", "!"])) + before + "/".join(pieces) + after


LISTS = st.lists(rules(), max_size=5).map("\n".join)


def fill(folder: Path, depth: int) -> None:
    """Make files and folders of every name, three deep."""
    for name in NAMES:
        if depth and name in ("a", "b", "keep.log"):
            (folder / name).mkdir()
            fill(folder / name, depth - 1)
        else:
            (folder / name).touch()


@pytest.fixture(scope="module")
def forest() -> Iterator[Path]:
    """An empty repository with a tree in it, whose lists are rewritten again and again."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve() / "forest"
        folder.mkdir()
        if GIT is not None:
            git(folder, "init", "-q")
        fill(folder, 2)
        yield folder


@needs_git
@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.tuples(LISTS, LISTS, LISTS, LISTS))
def test_random_lists_mean_what_git_means(
    forest: Path, own_config: Path, lists: tuple[str, str, str, str]
) -> None:
    """C6: whatever the lists say, with negations at every level, the walk sends what git lists."""
    places = [".gitignore", "a/.gitignore", "a/b/.gitignore", ".git/info/exclude"]
    make(forest, {place: rule.encode() for place, rule in zip(places, lists, strict=True)})
    assert sent(forest) == git_lists(forest)
    if not git_leaves_out(forest, "a"):
        assert sent(forest / "a") == git_lists(forest / "a")


@needs_git
@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(LISTS, LISTS)
def test_every_path_is_judged_as_git_does(
    forest: Path, own_config: Path, below: str, world: str
) -> None:
    """C6: also single folders and files get the verdict of git check-ignore."""
    make(forest, {".gitignore": below.encode(), "a/.gitignore": b"", "a/b/.gitignore": b""})
    make(forest, {".git/info/exclude": b""})
    make(own_config, {"git/ignore": world.encode()})
    paths = ["a", "b", "x.log", "keep.log", "c d", "ab"]
    chain = chain_above(forest / "a")[1]
    ours = {name for name in paths if left_out(chain, f"/{name}", (forest / name).is_dir())}
    assert ours == git_leaves_out(forest, *paths)
