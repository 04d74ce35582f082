"""The relay as a program: flags, exit codes, the line for scripts, and signals."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.__main__ import main
from tallow.wire.relay import (
    Allocate,
    Auth,
    Claim,
    ClientHello,
    Join,
    Notice,
    Paired,
    Refused,
    RelayHello,
)
from tallow.wire.relay_auth import client_proof, relay_key
from tests.relay.client import FIRST, NONCE, Client

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"listening (\S+):(\d+) sha256:([0-9a-f]{64})\n")

posix = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")


class RelayProcess:
    """A relay in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, key_hash: bytes) -> None:
        """Hold the process and what its line said."""
        self.process = process
        self.port = port
        self.key_hash = key_hash

    async def words(self) -> str:
        """Wait for the end and return what people were told."""
        assert self.process.stderr is not None
        said = await self.process.stderr.read()
        await self.process.wait()
        return said.decode()


@asynccontextmanager
async def relay_process(state: Path, *flags: str) -> AsyncIterator[RelayProcess]:
    """Run ``python -m relay`` until the block ends."""
    environment = {name: value for name, value in os.environ.items() if "TALLOW" not in name}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", "--listen", "127.0.0.1:0", "--state", str(state), *flags,
        cwd=ROOT, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = LINE.fullmatch((await process.stdout.readline()).decode())
        assert line is not None
        yield RelayProcess(process, int(line[2]), bytes.fromhex(line[3]))
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def pair(port: int) -> tuple[Client, Client]:
    """Return creator and joiner of plate 77."""
    creator = await Client.enter(port, Claim("77", 600))
    await creator.hear()
    joiner = await Client.enter(port, Join("77", FIRST))
    assert await joiner.hear() == Paired("joiner")
    assert await creator.hear() == Paired("creator", FIRST, 1)
    return creator, joiner


@posix
@pytest.mark.wire
async def test_a_relay_process_serves_drains_and_ends(tmp_path: Path) -> None:
    """B2, B3: two clients meet at a real process; SIGTERM lets them finish, then it exits 0."""
    async with relay_process(tmp_path) as relay:
        creator, joiner = await pair(relay.port)
        joiner.send(b"m3")
        assert await creator.data() == b"m3"
        relay.process.send_signal(signal.SIGTERM)
        for client in (creator, joiner):
            assert await client.hear() == Notice("draining")
        late = await Client.enter(relay.port, Allocate(60))
        assert await late.hear() == Refused("draining")
        creator.send(b"the rest")
        assert await joiner.data() == b"the rest"
        await joiner.close()
        said = await relay.words()
        assert relay.process.returncode == 0
    assert f"127.0.0.1:{relay.port}" in said
    assert relay.key_hash.hex() in said
    assert "Traceback" not in said
    for client in (creator, late):
        await client.close()


@posix
@pytest.mark.wire
async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """B3: whoever does not want to wait for running pairs signals again."""
    async with relay_process(tmp_path, "--drain", "1h") as relay:
        creator, joiner = await pair(relay.port)
        relay.process.send_signal(signal.SIGINT)
        assert await creator.hear() == Notice("draining")
        relay.process.send_signal(signal.SIGTERM)
        said = await relay.words()
        assert relay.process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in said
    for client in (creator, joiner):
        await client.close()


@pytest.mark.wire
async def test_a_password_file_locks_the_relay(tmp_path: Path) -> None:
    """B3: the password in the file is what creating takes, and it is never printed."""
    file = tmp_path / "pass"
    file.write_text("open sesame\n")
    async with relay_process(tmp_path, "--password-file", str(file), "--json-log") as relay:
        client = await Client.connect(relay.port)
        hello = await client.hear()
        assert isinstance(hello, RelayHello)
        assert hello.auth
        key = relay_key("open sesame", relay.key_hash)
        proof = client_proof(key, NONCE, hello.nonce, relay.key_hash)
        client.say(ClientHello([1], NONCE), Auth(proof), Claim("48151623", 60))
        assert not isinstance(await client.hear(), Refused)
        relay.process.terminate()
        said = await relay.words()
        await client.close()
    assert "sesame" not in said
    assert '{"time": ' in said
    assert "48151623" not in said


@posix
@pytest.mark.wire
async def test_the_state_is_for_its_owner(tmp_path: Path) -> None:
    """X10: the first start leaves a 0700 directory with a 0600 key, the second uses it."""
    hashes = []
    for _ in range(2):
        async with relay_process(tmp_path / "state") as relay:
            hashes.append(relay.key_hash)
    assert hashes[0] == hashes[1]
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "state", tmp_path / "state" / "relay.pem")
    }
    assert modes == {"state": 0o700, "relay.pem": 0o600}


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")
@pytest.mark.wire
async def test_a_serving_relay_never_loads_the_library_that_signs(tmp_path: Path) -> None:
    """B4: a first start makes its certificate elsewhere, so the process has none of its cost."""
    async with relay_process(tmp_path / "state") as relay:
        client = await Client.enter(relay.port, Claim("7", 60))
        await client.hear()
        loaded = _maps(relay.process.pid)
        await client.close()
    assert "_ssl" in loaded
    assert "cryptography" not in loaded


def _maps(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


def test_help_is_not_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Help goes to stdout and exits 0."""
    assert main(["--help"]) == 0
    assert "--listen" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags",
    [
        ["--nonsense"],
        ["--listen", "nowhere"],
        ["--drain", "soon"],
        ["--expires-max", "1y"],
        ["--config", "/nonexistent.toml"],
        ["--open", "--password-file", "x"],
        ["--listen", "127.0.0.1:0", "--password-file", "/nonexistent"],
    ],
)
def test_wrong_flags_are_exit_2(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong flag is said in words, without a traceback."""
    assert main(["--state", str(tmp_path), *flags]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(("tallow-relay: ", "usage: "))
    assert said.out == ""
    assert "Traceback" not in said.err


def test_a_port_in_use_is_exit_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says that the port is in use and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["--listen", place, "--state", str(tmp_path)]) == 4
    said = capsys.readouterr()
    assert f"Cannot listen on {place}: the port is in use" in said.err
    assert "--listen" in said.err
    assert said.out == ""


def test_a_state_that_cannot_be_is_exit_8(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A state directory that is a file is said in words."""
    (tmp_path / "file").write_bytes(b"")
    assert main(["--listen", "127.0.0.1:0", "--state", str(tmp_path / "file")]) == 8
    assert "state directory" in capsys.readouterr().err


def test_check_reads_and_stops(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """B5: a configuration can be checked without starting anything."""
    path = tmp_path / "relay.toml"
    path.write_text("[relay]\nrooms = 5\n")
    assert main(["--config", str(path), "--check"]) == 0
    path.write_text("[relay]\nrooms = 0\n")
    assert main(["--config", str(path), "--check"]) == 2
    assert "relay.rooms" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["relay.toml"]
