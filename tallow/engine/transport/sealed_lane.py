"""Lanes: plain TCP connections that carry sealed bulk records and nothing else.

A lane proves itself into a session before its first record (protocol/lane_proof.py) and is told
from any other connection by that alone, so it may run through a relay, which joins two of them by
their tokens, or straight from one side to the other. Whatever goes wrong closes this lane only.
Sockets are watched by the loop and read straight into the buffers that records are opened in.
It never opens a record. Before: the relay. After: engine/link.py. Spec: docs/protocol.md §4.6.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable

from tallow.engine.transport.frame_buffers import FrameBuffers
from tallow.engine.transport.way import os_reason
from tallow.errors import LinkError, TallowError, TimedOut
from tallow.protocol.lane_proof import NONCE_BYTES, PROOF_BYTES, LaneJoin
from tallow.wire import limits
from tallow.wire.frames import PEER_PREFIX_BYTES, PeerType

READ_AHEAD_FRAMES = 2
"""Whole frames that wait to be taken; then this lane is not read."""
HEAD_BYTES = PEER_PREFIX_BYTES + 1
WATCH_EVERY_S = 1.0
_TCP_INFO_UNACKED_AT = 24
"""struct tcp_info of Linux: eight bytes, four u32, then tcpi_unacked."""


def _nothing() -> None:
    return None


class LaneConnection:
    """One proven lane."""

    def __init__(self, sock: socket.socket, buffers: FrameBuffers) -> None:
        """Take a connected, proven, non-blocking socket over."""
        self.on_change: Callable[[], None] = _nothing
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._buffers = buffers
        self._frames: deque[memoryview] = deque()
        self._buffer: bytearray | None = None
        """Where the frame under way arrives."""
        self._filled = 0
        self._wanted = HEAD_BYTES
        self._reading = False
        self._unsent: deque[memoryview] = deque()
        self._lost: str | None = None
        self._moved = False
        self._still_s = 0.0
        self._watch = self._loop.call_later(WATCH_EVERY_S, self._look_for_stall)
        self._read(on=True)

    # --- what the engine sees -----------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """True while a record waits to be written."""
        return bool(self._unsent)

    @property
    def lost(self) -> str | None:
        """Why the lane is gone, once every record that came before was taken."""
        return None if self._frames else self._lost

    def take(self) -> memoryview | None:
        """Return the next peer frame."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        if self._lost is None:
            self._read(on=True)
        return frame

    def recycle(self, frame: memoryview) -> None:
        """Give a frame's buffer back."""
        self._buffers.give_back(frame)

    def send(self, frame: memoryview) -> None:
        """Write a peer frame; what does not leave at once is copied."""
        if self._lost is not None:
            return
        if not self._unsent:
            frame = frame[self._send_some(frame) :]
        if frame and self._lost is None:
            if not self._unsent:
                self._loop.add_writer(self._sock, self._writable)
            self._unsent.append(memoryview(bytes(frame)))

    def close(self) -> None:
        """End the lane at once."""
        self._end("this side closed the lane")

    # --- what the loop calls ------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            while self._reading and self._lost is None and self._read_some():
                pass
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._end(os_reason(error))

    def _read_some(self) -> bool:
        """Read once, and note whether there may be more at once."""
        buffer = self._buffer
        if buffer is None:
            buffer = self._buffer = self._buffers.take()
        room = memoryview(buffer)[self._filled : self._wanted]
        count = self._sock.recv_into(room)
        if not count:
            self._end("the other side closed the lane")
            return False
        self._moved = True
        self._filled += count
        if self._filled < self._wanted:
            return False
        if self._wanted == HEAD_BYTES:
            return self._head_is_here(buffer)
        self._frames.append(memoryview(buffer)[: self._filled])
        self._buffer, self._filled, self._wanted = None, 0, HEAD_BYTES
        self._read(on=len(self._frames) < READ_AHEAD_FRAMES)
        self.on_change()
        return self._reading

    def _head_is_here(self, buffer: bytearray) -> bool:
        length, kind = struct.unpack_from(">IB", buffer)
        least = limits.RECORD_HEADER_BYTES + limits.TAG_BYTES
        most = limits.FRAME_MAX_BYTES - PEER_PREFIX_BYTES
        if kind != PeerType.BULK or not least <= length <= most:
            self._end("something other than a bulk record came over the lane")
            return False
        self._wanted = PEER_PREFIX_BYTES + length
        return True

    def _writable(self) -> None:
        while self._unsent:
            frame = self._unsent[0]
            count = self._send_some(frame)
            if self._lost is not None:
                return
            if count < len(frame):
                self._unsent[0] = frame[count:]
                return
            self._unsent.popleft()
        self._loop.remove_writer(self._sock)
        self.on_change()

    def _send_some(self, frame: memoryview) -> int:
        sent = 0
        try:
            while sent < len(frame):
                sent += self._sock.send(frame[sent:])
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._end(os_reason(error))
        self._moved |= sent > 0
        return sent

    def _look_for_stall(self) -> None:
        """Give the lane up when bytes are due and none move."""
        due = bool(self._unsent) or (self._reading and self._filled > 0)
        self._still_s = 0.0 if self._moved or not due else self._still_s + WATCH_EVERY_S
        self._moved = False
        held = bool(self._unsent) and self._is_held()
        if self._still_s >= (limits.LANE_HELD_MAX_S if held else limits.LANE_STALL_S):
            self._end("nothing moves on the lane")
            return
        self._watch = self._loop.call_later(WATCH_EVERY_S, self._look_for_stall)

    def _is_held(self) -> bool:
        """Tell whether the path is well and only the other end takes nothing: all was confirmed."""
        option = getattr(socket, "TCP_INFO", None)
        if option is None:
            return False
        try:
            info = self._sock.getsockopt(socket.IPPROTO_TCP, option, 128)
        except OSError:
            return False
        whole = len(info) >= _TCP_INFO_UNACKED_AT + 4
        return whole and not struct.unpack_from("=I", info, _TCP_INFO_UNACKED_AT)[0]

    def _read(self, *, on: bool) -> None:
        if on == self._reading:
            return
        self._reading = on
        if on:
            self._loop.add_reader(self._sock, self._readable)
        else:
            self._loop.remove_reader(self._sock)

    def _end(self, why: str) -> None:
        if self._lost is not None:
            return
        self._lost = why
        self._watch.cancel()
        self._read(on=False)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        self._unsent.clear()
        if self._buffer is not None:
            self._buffers.give_back(memoryview(self._buffer))
            self._buffer = None
        self.on_change()


async def prove(
    sock: socket.socket, join: LaneJoin, buffers: FrameBuffers, opening: bytes = b""
) -> LaneConnection:
    """Say ``opening``, exchange proofs, and return the lane; the socket is closed if that fails.

    Raises: RemoteProtocolError (no part of the session), TimedOut, LinkError.
    """
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    join.begin(0.0)
    left = NONCE_BYTES + PROOF_BYTES
    try:
        async with asyncio.timeout(join.next_deadline()):
            await loop.sock_sendall(sock, opening + b"".join(join.bytes_to_send()))
            while join.next_event() is None:
                # Never more than the proof: a record behind it stays for the lane itself.
                heard = await loop.sock_recv(sock, left)
                if not heard:
                    raise LinkError("A lane was closed before it stood.")
                left -= len(heard)
                join.receive(heard, 0.0)
                await loop.sock_sendall(sock, b"".join(join.bytes_to_send()))
        return LaneConnection(sock, buffers)
    except TimeoutError:
        sock.close()
        raise TimedOut("A lane did not prove itself in time.") from None
    except OSError as error:
        sock.close()
        raise LinkError("A lane broke before it stood.", why=os_reason(error)) from None
    except (TallowError, asyncio.CancelledError):
        sock.close()
        raise
