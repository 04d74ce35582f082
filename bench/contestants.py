"""The programs that are compared: each sends one path from one process to another on loopback.

A peer takes part if its program is on PATH; its servers are its own and run on this machine.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.processes import Program, Service, Used


@dataclass(frozen=True)
class Run:
    """One transfer."""

    wall_s: float
    used: Used
    """Sender, receiver and every relay together."""
    sender_mb: float
    receiver_mb: float


class Contestant(Protocol):
    """What can be measured."""

    name: str

    def transfer(self, source: Path, target: Path) -> Run:
        """Send a file or folder into an empty folder."""

    def text(self, text: str, target: Path) -> Run:
        """Send a short text."""

    def stop(self) -> None:
        """End its servers."""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int) -> None:
    """Wait until something listens."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


@dataclass
class Tallow:
    """This program, through its own relay."""

    root: Path
    name: str = "tallow"
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.root / "relay.toml"
        # Rates are for strangers; this relay has one visitor who comes very often.
        config.write_text(
            "[relay]\nconnects_per_minute = 0\ncreates_per_minute = 0\njoins_per_minute = 0\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "relay", "--listen", "127.0.0.1:0"]
            + ["--state", str(self.root / "relay"), "--config", str(config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if process.stdout is None:
            raise RuntimeError("the relay has no standard output")
        self._address = process.stdout.readline().split()[1].decode()
        self.relay = Service(process)

    def transfer(self, source: Path, target: Path) -> Run:
        """``tallow send SOURCE`` to ``tallow receive CODE``."""
        return self._run(["send", source.name, "-q"], source.parent, target)

    def sync(self, source: Path, target: Path) -> Run:
        """``tallow sync SOURCE`` to ``tallow receive CODE`` over what is there."""
        return self._run(["sync", source.name, "-q"], source.parent, target)

    def text(self, text: str, target: Path) -> Run:
        """``tallow send --text``."""
        return self._run(["send", "--text", text, "-q"], target, target)

    def _run(self, words: list[str], folder: Path, target: Path) -> Run:
        tallow = [sys.executable, "-m", "tallow"]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "XDG_STATE_HOME": str(self.root / "state"),
            "TALLOW_RELAY": self._address,
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            **self.extra,
        }
        relay_before, began = self.relay.cpu_s(), time.monotonic()
        sender = Program(
            [*tallow, *words], folder=folder, environment=environment, stdout=subprocess.PIPE
        )
        receiver = Program(
            [*tallow, "receive", sender.line(), "-y", "-q"], folder=target, environment=environment
        )
        received, sent = receiver.ended(), sender.ended()
        wall_s = time.monotonic() - began
        relay_used = Used(self.relay.cpu_s() - relay_before, self.relay.memory_mb("VmHWM"))
        return Run(wall_s, sent + received + relay_used, sent.peak_mb, received.peak_mb)

    def stop(self) -> None:
        """End the relay."""
        self.relay.stop()


@dataclass
class Wormhole:
    """magic-wormhole through its own mailbox and transit relay, never directly."""

    root: Path
    program: str
    name: str = "wormhole"

    def __post_init__(self) -> None:
        twist = str(Path(self.program).with_name("twist"))
        self._mailbox_port, self._transit_port = free_port(), free_port()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._services = [
            Service(
                subprocess.Popen(  # type: ignore[call-overload]  # the two quiet streams
                    [twist, "wormhole-mailbox", f"--port=tcp:{self._mailbox_port}"]
                    + [f"--channel-db={self.root / 'mailbox.sqlite'}"],
                    cwd=self.root,
                    **quiet,
                )
            ),
            Service(
                subprocess.Popen(  # type: ignore[call-overload]
                    [twist, "transitrelay", f"--port=tcp:{self._transit_port}"],
                    cwd=self.root,
                    **quiet,
                )
            ),
        ]
        wait_for_port(self._mailbox_port)
        wait_for_port(self._transit_port)

    def _words(self) -> list[str]:
        return [
            self.program,
            f"--relay-url=ws://127.0.0.1:{self._mailbox_port}/v1",
            f"--transit-helper=tcp:127.0.0.1:{self._transit_port}",
        ]

    def transfer(self, source: Path, target: Path) -> Run:
        """``wormhole send --no-listen`` keeps the transit relay in the path."""
        return self._run(["send", "--no-listen", str(source)], target)

    def text(self, text: str, target: Path) -> Run:
        """``wormhole send --text``."""
        return self._run(["send", "--text", text], target)

    def _run(self, words: list[str], target: Path) -> Run:
        environment = {**os.environ, "HOME": str(self.root)}
        code = f"{time.monotonic_ns() % 100000}-bench-mark"
        before = sum(service.cpu_s() for service in self._services)
        began = time.monotonic()
        sender = Program(
            [*self._words(), *words, "--code", code, "--hide-progress"],
            folder=self.root,
            environment=environment,
        )
        receiver = Program(
            [*self._words(), "receive", "--accept-file", "--no-listen", "--hide-progress", code],
            folder=target,
            environment=environment,
        )
        received, sent = receiver.ended(), sender.ended()
        wall_s = time.monotonic() - began
        servers_s = sum(service.cpu_s() for service in self._services) - before
        used = sent + received + Used(servers_s, 0)
        return Run(wall_s, used, sent.peak_mb, received.peak_mb)

    def stop(self) -> None:
        """End both servers."""
        for service in self._services:
            service.stop()


@dataclass
class Scp:
    """scp to a private sshd on loopback."""

    root: Path
    sshd: str
    name: str = "scp"

    def __post_init__(self) -> None:
        self._port = free_port()
        for key in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.root / key)],
                check=True,
            )
        config = self.root / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1\nPort {self._port}\nHostKey {self.root / 'host'}\n"
            f"AuthorizedKeysFile {self.root / 'user.pub'}\nStrictModes no\nUsePAM no\n"
            f"PidFile {self.root / 'sshd.pid'}\nSubsystem sftp internal-sftp\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        self._service = Service(
            subprocess.Popen(
                [self.sshd, "-D", "-f", str(config)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        wait_for_port(self._port)

    def transfer(self, source: Path, target: Path) -> Run:
        """``scp -r``; the server's children are counted by their sum when they end."""
        began = time.monotonic()
        client = Program(
            ["scp", "-q", "-r", "-P", str(self._port), "-i", str(self.root / "user")]
            + ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
            + [str(source), f"127.0.0.1:{target}/"],
            folder=self.root,
            environment=os.environ,
        )
        used = client.ended()
        return Run(time.monotonic() - began, used, used.peak_mb, 0.0)

    def remote_shell(self) -> str:
        """Return the command that reaches this server, as rsync wants it."""
        quiet = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        return f"ssh -p {self._port} -i {self.root / 'user'} {quiet}"

    def text(self, text: str, target: Path) -> Run:
        """scp has no texts."""
        raise NotImplementedError

    def stop(self) -> None:
        """End sshd."""
        self._service.stop()


def contestants(root: Path) -> list[Contestant]:
    """Return this program and every peer that is on PATH."""
    found: list[Contestant] = [Tallow(_folder(root, "tallow"))]
    wormhole = shutil.which("wormhole")
    if wormhole and Path(wormhole).with_name("twist").exists():
        found.append(Wormhole(_folder(root, "wormhole"), wormhole))
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    if sshd and shutil.which("scp"):
        found.append(Scp(_folder(root, "scp"), sshd))
    return found


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    return folder
