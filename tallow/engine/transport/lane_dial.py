"""How a lane comes to stand: dialled through a relay, dialled straight, or listened for.

Before: dialer.py for the relay's side of it. After: sealed_lane.py. It never says which transfer a
lane is for: the proof does. Spec: docs/protocol.md §4.6.
"""

from __future__ import annotations

import asyncio
import socket

from tallow.engine.transport.frame_buffers import FrameBuffers
from tallow.engine.transport.sealed_lane import LaneConnection, prove
from tallow.engine.transport.way import os_reason
from tallow.errors import LinkError
from tallow.protocol.lane_proof import LaneJoin
from tallow.wire import limits
from tallow.wire.relay import LANE_MAGIC

ADDRESSES_TRIED = 4
_BACKLOG = limits.LANES_PER_SESSION_MAX


async def through_relay(
    host: str, port: int, token: bytes, join: LaneJoin, buffers: FrameBuffers
) -> LaneConnection:
    """Dial a relay's lane and prove it; LinkError, TimedOut or RemoteProtocolError."""
    return await prove(await _connect(host, port), join, buffers, LANE_MAGIC + token)


async def straight(host: str, port: int, join: LaneJoin, buffers: FrameBuffers) -> LaneConnection:
    """Dial the other side itself and prove the lane; errors as for ``through_relay``."""
    return await prove(await _connect(host, port), join, buffers)


class LaneListener:
    """A socket at which the other side of one session may dial lanes."""

    def __init__(self, host: str, port: int, buffers: FrameBuffers) -> None:
        """Listen; OSError if that is not possible."""
        self._sock = socket.create_server((host, port), backlog=_BACKLOG)
        self._sock.setblocking(False)
        self._buffers = buffers

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._sock.getsockname()[1]
        return port

    async def accept(self, join: LaneJoin) -> LaneConnection:
        """Take the next connection and let it prove itself; errors as for ``through_relay``."""
        sock, _ = await asyncio.get_running_loop().sock_accept(self._sock)
        return await prove(sock, join, self._buffers)

    def close(self) -> None:
        """Listen no more."""
        self._sock.close()


async def _connect(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    if hasattr(asyncio, "ProactorEventLoop"):
        raise LinkError("A lane cannot be dialled.", why="this system watches no sockets")
    why = "there is no such host"
    try:
        async with asyncio.timeout(limits.LANE_DIAL_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            for family, kind, number, _, place in found[:ADDRESSES_TRIED]:
                sock = socket.socket(family, kind, number)
                sock.setblocking(False)
                try:
                    await loop.sock_connect(sock, place)
                except OSError as error:
                    sock.close()
                    why = os_reason(error)
                except BaseException:  # a cancelled dial leaves no socket either
                    sock.close()
                    raise
                else:
                    return sock
    except TimeoutError:
        why = f"no answer within {limits.LANE_DIAL_S:g} s"
    except OSError as error:
        why = os_reason(error)
    raise LinkError("A lane cannot be dialled.", why=why)
