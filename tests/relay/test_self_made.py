"""The certificate's own process: what it makes, what it leaves out, and how it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from relay import self_made
from relay.certificate import FILE_NAME, own_certificate
from relay.errors import EXIT_LOCAL, RelayError

ROOT = Path(__file__).parents[2]


def run(program: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter that stands in a folder."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


def test_making_one_loads_no_library_here(tmp_path: Path) -> None:
    """B4: after a first start from an empty folder ``cryptography`` is not in this process."""
    program = (
        "import sys, pathlib; from relay.certificate import own_certificate\n"
        "made = own_certificate(pathlib.Path('state'))\n"
        "print(made.pin, 'cryptography' in sys.modules)"
    )
    (tmp_path / "state").mkdir()
    ended = run(program, tmp_path)
    assert ended.stdout.split() == [own_certificate(tmp_path / "state").pin, "False"], ended.stderr


def test_it_speaks_pem_alone() -> None:
    """What is read back is one certificate and one key, nothing around them."""
    made = self_made.in_a_process_of_its_own().decode("ascii").split()
    assert made[0] == "-----BEGIN"
    assert made.count("-----END") == 2
    assert "".join(made).count("PRIVATEKEY") == 2


def test_nothing_in_the_present_folder_is_run(tmp_path: Path) -> None:
    """A relay started in somebody else's folder runs none of its files."""
    for name in ("cryptography", "relay", "datetime"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('planted')")
    program = (
        "import sys; sys.path.remove('')\n"
        "from relay.self_made import in_a_process_of_its_own\n"
        "print(in_a_process_of_its_own()[:10])"
    )
    ended = run(program, tmp_path)
    assert ended.stdout == "b'-----BEGIN'\n", ended.stderr


def test_a_failure_is_told_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken library is exit 8 with its own last words, and leaves no file."""
    (tmp_path / "cryptography.py").write_text("raise ImportError('no such wheel')")
    monkeypatch.syspath_prepend(str(tmp_path))
    state = tmp_path / "state"
    state.mkdir()
    with pytest.raises(RelayError, match="no such wheel") as caught:
        own_certificate(state)
    assert caught.value.exit_code == EXIT_LOCAL
    assert not (state / FILE_NAME).exists()


@pytest.mark.parametrize("interpreter", ["", "/nonexistent/python"])
def test_no_interpreter_is_told(monkeypatch: pytest.MonkeyPatch, interpreter: str) -> None:
    """Where no process can be started the operator hears it, with a way out."""
    monkeypatch.setattr(sys, "executable", interpreter)
    with pytest.raises(RelayError, match="cannot be made") as caught:
        self_made.in_a_process_of_its_own()
    assert "cert and key" in caught.value.hint
