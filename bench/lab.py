"""The network lab, if there is one: namespaces with delays, for measurements in round trips.

The lab is a module outside this project, found by TALLOW_LAB or beside the repository; it needs
root and Linux. What is captured here is counted by packets, so that a slow machine does not look
like a slow protocol.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ETH_IP = 0x0800
TCP = 6
SYN, ACK = 0x02, 0x10
CAPTURE_BYTES = 1 << 22


class NoLab(Exception):
    """Why the lab cannot be used here."""


def load_lab() -> ModuleType:
    """Return the lab's module; NoLab says why not."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise NoLab("the network lab needs root on Linux")
    for program in ("ip", "nft", "tc"):
        if shutil.which(program) is None:
            raise NoLab(f"the network lab needs {program}")
    beside = Path(__file__).resolve().parents[2] / "shared" / "lab"
    path = Path(os.environ.get("TALLOW_LAB") or beside) / "netlab.py"
    if not path.is_file():
        raise NoLab("no network lab: set TALLOW_LAB to the folder of netlab.py")
    if "netlab" in sys.modules:
        return sys.modules["netlab"]
    spec = importlib.util.spec_from_file_location("netlab", path)
    if spec is None or spec.loader is None:
        raise NoLab(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules["netlab"] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP segment as the relay's host saw it."""

    at: float
    source: tuple[str, int]
    target: tuple[str, int]
    flags: int
    payload_bytes: int

    @property
    def speaks(self) -> bool:
        """Whether it opens a connection or carries bytes; bare acknowledgements do not."""
        return bool(self.flags & SYN) or self.payload_bytes > 0


class Capture:
    """Every TCP segment at one host of the lab since the capture began."""

    def __init__(self, lab: Any, host: str) -> None:
        """Listen below IP; the kernel keeps the instants."""
        # AF_PACKET and SO_TIMESTAMPNS have no names on other systems.
        self._socket: socket.socket = lab.socket(host, 17, socket.SOCK_RAW, socket.htons(3))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CAPTURE_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, 35, 1)
        self._socket.setblocking(False)

    def segments(self) -> list[Segment]:
        """Return what was captured, oldest first; instants are unix time."""
        found: list[Segment] = []
        while True:
            try:
                raw, extra, _, _ = self._socket.recvmsg(65600, 64)
            except BlockingIOError:
                return found
            at = time.time()
            for _, _, stamp in extra:
                seconds, nanoseconds = struct.unpack_from("@qq", stamp)
                at = seconds + nanoseconds / 1e9
            if segment := read_segment(raw, at):
                found.append(segment)

    def close(self) -> None:
        """Let the namespace go."""
        self._socket.close()


def read_segment(raw: bytes, at: float) -> Segment | None:
    """Take an Ethernet frame apart; None if it is no TCP over IPv4."""
    if len(raw) < 54 or int.from_bytes(raw[12:14], "big") != ETH_IP or raw[23] != TCP:
        return None
    ip_bytes = 4 * (raw[14] & 15)
    total = int.from_bytes(raw[16:18], "big")
    tcp = raw[14 + ip_bytes :]
    if len(tcp) < 20:
        return None
    from_port, to_port = struct.unpack_from(">HH", tcp)
    payload = total - ip_bytes - 4 * (tcp[12] >> 4)
    source, target = socket.inet_ntoa(raw[26:30]), socket.inet_ntoa(raw[30:34])
    return Segment(at, (source, from_port), (target, to_port), tcp[13], payload)
