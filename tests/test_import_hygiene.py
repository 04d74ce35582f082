"""What an import drags in, seen from a fresh interpreter.

`tallow --help` has to feel instant and a relay has to fit on a small machine, so heavy libraries
load only inside the command that needs them. The floors themselves are held by import-linter.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.house.tree import ROOT, imported, sources

HEAVY = frozenset(
    {
        "textual", "aioquic", "zeroconf", "rich", "websockets", "keyring", "platformdirs",
        "tomlkit", "dns", "PIL", "pyperclip", "cryptography", "msgspec",
    }
)  # fmt: skip
SLOW_STDLIB = frozenset({"asyncio", "ssl"})
CLICK = frozenset({"click", "colorama", "typing_extensions"})
"""click, and what it needs on Windows or an old Python."""


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a statement loads into a fresh interpreter."""
    probe = (
        "import sys, json; before = set(sys.modules); "
        f"{statement}; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr.splitlines()[-1:]
    loaded: list[str] = json.loads(run.stdout)
    return set(loaded)


def tops(modules: set[str]) -> set[str]:
    """Return the top-level names of these modules."""
    return {name.partition(".")[0] for name in modules}


def outside_the_stdlib(modules: set[str]) -> set[str]:
    """Return the top-level names that do not belong to Python itself."""
    return {name for name in tops(modules) if name not in sys.stdlib_module_names}


def test_the_package_imports_nothing() -> None:
    """`import tallow` loads no other module, so the relay can use tallow.wire alone."""
    assert loaded_by("import tallow") == {"tallow"}


def test_the_front_door_loads_click_alone() -> None:
    """`import tallow.cli.main` loads click and light parts of the standard library only."""
    loaded = loaded_by("import tallow.cli.main")
    assert outside_the_stdlib(loaded) <= CLICK | {"tallow"}
    assert not tops(loaded) & SLOW_STDLIB


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Help and version come up without the library of any command."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tallow", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.splitlines()[-1:]
    imports = [line for line in run.stderr.splitlines() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip() for line in imports}
    assert "tallow" in loaded
    assert not tops(loaded) & (HEAVY | SLOW_STDLIB)


def test_the_relay_package_is_light() -> None:
    """`import relay` loads neither Textual, aioquic nor cryptography."""
    assert outside_the_stdlib(loaded_by("import relay")) == {"relay"}


def test_the_relay_server_loads_wire_alone() -> None:
    """A running relay holds wire and MessagePack, no screen, no QUIC and no front door."""
    loaded = loaded_by("import relay.server")
    assert not tops(loaded) & (HEAVY - {"msgspec"} | {"click"})
    ours = {name for name in loaded if name.startswith("tallow.")}
    assert all(name == "tallow.wire" or name.startswith("tallow.wire.") for name in ours)


def test_an_engine_that_never_dialled_quic_has_none() -> None:
    """What a transfer over TCP needs loads no aioquic; only dialling QUIC does."""
    loaded = loaded_by("import tallow.engine.engine, tallow.engine.system, relay.__main__")
    assert "tallow.engine.transport.dialer" in loaded
    assert "aioquic" not in tops(loaded)
    assert "aioquic" in tops(loaded_by("import tallow.engine.transport.quic_way"))
    assert "aioquic" in tops(loaded_by("import relay.quic"))


def test_the_relay_names_wire_alone() -> None:
    """No file of the relay names a room of Tallow other than wire, not even lazily."""
    strangers = [
        source.at(node, name)
        for source in sources("relay")
        for node, name in imported(source)
        if name.startswith("tallow.") and not name.startswith(("tallow.wire", "tallow.__version__"))
    ]
    assert not strangers, "\n".join(strangers)


def test_every_code_folder_is_a_package() -> None:
    """A folder without __init__.py would let two test files of one name collide unseen."""
    folders = {
        path.parent for top in ("tallow", "relay", "tests") for path in (ROOT / top).rglob("*.py")
    }
    bare = [
        str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()
    ]
    assert not bare, f"add __init__.py with a docstring to {sorted(bare)}"
