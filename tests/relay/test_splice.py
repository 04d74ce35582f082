"""Two sockets joined: every byte in order both ways, back-pressure, ends that carry over."""

from __future__ import annotations

import asyncio
import os
import random
import socket

import pytest

from relay.splice import Splice
from tallow.wire import limits
from tests.relay.client import until

IN_KERNEL = pytest.mark.parametrize(
    "in_kernel",
    [
        pytest.param(
            True, marks=pytest.mark.skipif(not hasattr(os, "splice"), reason="needs splice")
        ),
        False,
    ],
)

pytestmark = pytest.mark.wire


class Joined:
    """Two outer ends, with a splice between."""

    def __init__(self, *, in_kernel: bool) -> None:
        self.ends = 0
        self.one, inner = _tcp_pair()
        self.other, outer = _tcp_pair()
        self.inner = (inner, outer)
        self.splice = Splice(inner, outer, self._ended, in_kernel=in_kernel)

    def _ended(self) -> None:
        self.ends += 1

    def close(self) -> None:
        """End everything."""
        self.splice.end()
        self.one.close()
        self.other.close()


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    one.setblocking(False)
    other.setblocking(False)
    return one, other


async def _read(sock: socket.socket, count: int) -> bytes:
    loop, got = asyncio.get_running_loop(), bytearray()
    while len(got) < count:
        piece = await loop.sock_recv(sock, count - len(got))
        if not piece:
            break
        got += piece
    return bytes(got)


@IN_KERNEL
async def test_bytes_arrive_whole_in_both_directions(in_kernel: bool) -> None:
    """B2: megabytes cross in both directions at once and arrive as they were sent."""
    loop, joined = asyncio.get_running_loop(), Joined(in_kernel=in_kernel)
    there = random.Random(1).randbytes(5 * limits.MIB)
    back = random.Random(2).randbytes(3 * limits.MIB)
    sent = asyncio.gather(
        loop.sock_sendall(joined.one, there), loop.sock_sendall(joined.other, back)
    )
    got = await asyncio.gather(_read(joined.other, len(there)), _read(joined.one, len(back)))
    await sent
    assert (got[0] == there, got[1] == back) == (True, True)
    assert joined.splice.moved_bytes == len(there) + len(back)
    joined.close()


@IN_KERNEL
async def test_a_reader_who_stops_stops_the_sender(in_kernel: bool) -> None:
    """X10: a side that does not read makes the relay hold a bounded amount, not all of it."""
    joined = Joined(in_kernel=in_kernel)
    chunk, taken = bytes(limits.MIB), 0
    quiet = 0
    while quiet < 200 and taken < 256 * limits.MIB:
        await asyncio.sleep(0)
        try:
            taken += joined.one.send(chunk)
            quiet = 0
        except BlockingIOError:
            quiet += 1
    assert taken < 128 * limits.MIB
    assert await _read(joined.other, taken) == bytes(taken)
    joined.close()


@IN_KERNEL
async def test_an_end_carries_over_behind_the_last_byte(in_kernel: bool) -> None:
    """What was written before one side said goodbye arrives first; both goodbyes end the lane."""
    joined = Joined(in_kernel=in_kernel)
    joined.one.send(b"last words")
    joined.one.shutdown(socket.SHUT_WR)
    assert await _read(joined.other, 100) == b"last words"
    joined.other.send(b"and mine")
    joined.other.shutdown(socket.SHUT_WR)
    assert await _read(joined.one, 100) == b"and mine"
    await until(lambda: joined.ends == 1)
    joined.close()
    assert joined.ends == 1


@IN_KERNEL
async def test_a_broken_end_ends_both(in_kernel: bool) -> None:
    """A reset on one side closes the other."""
    joined = Joined(in_kernel=in_kernel)
    joined.one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    joined.one.close()
    await until(lambda: joined.ends == 1)
    assert await _read(joined.other, 1) == b""
    assert [sock.fileno() for sock in joined.inner] == [-1, -1]
    joined.close()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
async def test_an_ended_lane_leaves_no_file_open() -> None:
    """X10: pipes and sockets are closed with their lane."""
    loop = asyncio.get_running_loop()
    before = len(os.listdir("/proc/self/fd"))
    joined = Joined(in_kernel=True)
    content = bytes(2 * limits.RELAY_LANE_CHUNK_BYTES)
    await loop.sock_sendall(joined.one, content)
    assert await _read(joined.other, len(content)) == content
    joined.close()
    assert len(os.listdir("/proc/self/fd")) == before
