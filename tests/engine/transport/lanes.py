"""Sockets, proofs and records for tests of lanes."""

from __future__ import annotations

import asyncio
import random
import socket
import struct

from tallow.crypto.secret import SecretBytes
from tallow.engine.transport.frame_buffers import FrameBuffers
from tallow.engine.transport.sealed_lane import LaneConnection
from tallow.protocol.chain import Direction
from tallow.protocol.lane_proof import LaneJoin, LaneProof
from tallow.wire.frames import PeerType

SECRET = bytes(range(64))


def join(role: Direction, secret: bytes = SECRET, nonce: bytes | None = None) -> LaneJoin:
    """Return one side's proof, with its role for a nonce."""
    return LaneJoin(LaneProof(SecretBytes(secret), role, "lane", nonce or role.encode() * 32))


def record(size: int, *, kind: int = PeerType.BULK, seed: int = 0) -> bytes:
    """Return a peer frame of this many sealed bytes."""
    body = random.Random(seed).randbytes(size)
    return struct.pack(">IBHIQ", 15 + size, kind, 3, 0, seed) + body


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Return two ends of one connection, non-blocking."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    one.setblocking(False)
    other.setblocking(False)
    return one, other


def lane_and_socket() -> tuple[LaneConnection, socket.socket]:
    """Return a proven lane and the bare socket at its other end."""
    mine, theirs = tcp_pair()
    return LaneConnection(mine, FrameBuffers()), theirs


async def arrived(lane: LaneConnection) -> memoryview:
    """Return the next frame; its buffer is the caller's."""
    bell = asyncio.Event()
    lane.on_change = bell.set
    async with asyncio.timeout(10):
        while (frame := lane.take()) is None:
            if lane.lost is not None:
                raise ConnectionError(lane.lost)
            await bell.wait()
            bell.clear()
    return frame


async def taken(lane: LaneConnection) -> bytes:
    """Return the next frame and give its buffer back."""
    frame = await arrived(lane)
    content = bytes(frame)
    lane.recycle(frame)
    return content


async def loss(lane: LaneConnection) -> str:
    """Wait for the end of a lane and return why it ended."""
    bell = asyncio.Event()
    lane.on_change = bell.set
    async with asyncio.timeout(10):
        while lane.lost is None:
            await bell.wait()
            bell.clear()
    return lane.lost


def lost(lane: LaneConnection) -> str | None:
    """Return why a lane is gone; a call, so that a checker does not take the answer for lasting."""
    return lane.lost


def congested(lane: LaneConnection) -> bool:
    """Return whether a record waits, as above."""
    return lane.congested
