"""The UDP door: on the same port, and shut until somebody speaks QUIC."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.certificate import Certificate
from relay.config import RelayTable, settle
from relay.errors import RelayError
from relay.log import Log
from relay.server import RelayServer
from relay.udp import begins_quic
from tallow.wire.relay import Meet, Waiting
from tests.relay.client import ID, Client, until
from tests.relay.conftest import StartRelay
from tests.relay.quic_client import QuicClient

QUIC_1 = b"\x00\x00\x00\x01"
FIRST = (b"\xc3" + QUIC_1 + b"\x08").ljust(1200, b"\x07")


@pytest.mark.parametrize(
    ("datagram", "begins"),
    [
        (FIRST, True),
        (b"\xd0\x6b\x33\x43\xcf\x08".ljust(1200, b"\x00"), True),
        (FIRST[:-1], False),
        (b"\x43" + FIRST[1:], False),
        (b"\x83" + FIRST[1:], False),
        (b"\xe3" + FIRST[1:], False),
        (b"\xd3" + FIRST[1:], False),
        (FIRST[:4] + b"\x02" + FIRST[5:], False),
        (FIRST[:1] + bytes(4) + FIRST[5:], False),
        (FIRST[:5] + b"\x07" + FIRST[6:], False),
        (FIRST[:5] + b"\x15" + FIRST[6:], False),
        (b"", False),
    ],
    ids=[
        "version 1", "version 2", "not padded", "short header", "fixed bit", "Handshake",
        "another version's Initial", "unknown version", "negotiation", "short id", "long id",
        "nothing",
    ],
)  # fmt: skip
def test_only_a_first_datagram_begins_quic(datagram: bytes, begins: bool) -> None:
    """X14: a look at the first bytes tells what may be the first datagram of a connection."""
    assert begins_quic(datagram) is begins


@given(st.binary(max_size=1500))
def test_no_datagram_is_too_strange(datagram: bytes) -> None:
    """X14: whatever arrives is judged without an error."""
    assert begins_quic(datagram) in (True, False)


PROBE = """
import asyncio, json, socket, sys
from pathlib import Path
from relay.certificate import own_certificate
from relay.config import RelayTable, settle
from relay.log import Log
from relay.server import RelayServer

async def main(state, datagrams):
    settings = settle(RelayTable(), "test", {"listen": "127.0.0.1:0"})
    server = RelayServer(settings, own_certificate(Path(state)), Log(lambda line: None))
    host, port = await server.start()
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for datagram in datagrams:
        sender.sendto(bytes.fromhex(datagram), (host, port))
        await asyncio.sleep(0.05)
    sender.close()
    await server.close()

before = "aioquic" in sys.modules
asyncio.run(main(sys.argv[1], sys.argv[2:]))
print(json.dumps([before, "aioquic" in sys.modules]))
"""


@pytest.mark.wire
@pytest.mark.parametrize(
    ("datagrams", "loaded"),
    [
        (
            [b"", b"\xff" * 1500, b"GET / HTTP/1.1\r\n\r\n", FIRST[:1199], b"\x43" + FIRST[1:]],
            False,
        ),
        ([FIRST], True),
    ],
    ids=["garbage", "a first datagram"],
)
def test_garbage_loads_nothing(
    certificate: Certificate, datagrams: list[bytes], loaded: bool
) -> None:
    """X14: aioquic is loaded by what looks like a QUIC connection, and by nothing else."""
    run = subprocess.run(
        [
            sys.executable, "-c", PROBE, str(certificate.certificate.parent),
            *(datagram.hex() for datagram in datagrams),
        ],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [False, loaded]


@pytest.mark.wire
async def test_garbage_does_not_disturb_tcp_nor_quic(start: StartRelay) -> None:
    """X14: datagrams that mean nothing get no answer, and links go on."""
    lines: list[str] = []
    server, port = await start(lines=lines)
    over_tcp = await Client.enter(port, Meet(ID, 60))
    over_quic = await QuicClient.enter(port, Meet(b"q" * 32, 60))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.setblocking(False)
        for datagram in (
            b"",
            b"\x40",
            b"\xc0" * 6,
            b"\xff" * 1500,
            FIRST,
            FIRST[:5] + b"\xff" * 20,
        ):
            stranger.sendto(datagram, ("127.0.0.1", port))
        for client in (over_tcp, over_quic):
            assert await client.hear() == Waiting()
        await asyncio.sleep(0)
        with pytest.raises(BlockingIOError):
            stranger.recv(2000)
    assert not [line for line in lines if "failure" in line]
    assert len(server.switch) == 2
    for client in (over_tcp, over_quic):
        await client.close()


@pytest.mark.wire
async def test_quic_may_be_left_out(start: StartRelay) -> None:
    """With quic = false the relay leaves UDP alone."""
    _, port = await start(quic=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
        mine.bind(("127.0.0.1", port))


@pytest.mark.wire
async def test_a_udp_port_in_use_is_said(certificate: Certificate) -> None:
    """A port that is free for TCP only is exit 4, and TCP is given back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        settings = settle(RelayTable(), "test", {"listen": f"127.0.0.1:{port}"})
        server = RelayServer(settings, certificate, Log(lambda line: None))
        with pytest.raises(RelayError, match="in use") as caught:
            await server.start()
        assert caught.value.exit_code == 4
        assert "--no-quic" in caught.value.hint
        with socket.create_server(("127.0.0.1", port)):
            pass


@pytest.mark.wire
@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_both_families_reach_one_socket(start: StartRelay) -> None:
    """B2: a relay on [::] takes QUIC from IPv4 clients as it takes their TCP."""
    server, port = await start(listen="[::]:0")
    client = await QuicClient.enter(port, Meet(ID, 60))
    assert await client.hear() == Waiting()
    await client.close()
    await until(lambda: not server._wires)


@pytest.mark.wire
async def test_unreadable_files_leave_the_relay_with_tcp(
    start: StartRelay, certificate: Certificate
) -> None:
    """What QUIC cannot be opened with is logged once, and TCP goes on."""
    lines: list[str] = []
    server, port = await start(lines=lines)
    server._pem = (b"no certificate", b"no key")
    knocking = [await QuicClient.knock(port) for _ in range(2)]
    await until(lambda: any("quic.none" in line for line in lines))
    client = await Client.enter(port, Meet(ID, 60))
    assert await client.hear() == Waiting()
    assert sum("quic.none" in line for line in lines) == 1
    for each in knocking:
        each.vanish()
    await client.close()
