"""Python's websockets against the example `websocket`: host, port, and the name of the case."""

import asyncio
import base64
import os
import socket
import struct
import sys
import tempfile

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

HOST, PORT, CASE = sys.argv[1], int(sys.argv[2]), sys.argv[3]
AT = f"ws://{HOST}:{PORT}"
PATIENCE = 30


def client(path, **options):
    return connect(AT + path, proxy=None, open_timeout=PATIENCE, compression=None, **options)


async def echo():
    async with client("/echo") as peer:
        for message in ["hello", "", "h\u00e9 \U0001f980", b"", bytes(range(256)), "x" * 4096]:
            await peer.send(message)
            assert await peer.recv() == message
        # In fragments, with a ping between them.
        await peer.send(["one, ", "two, ", "three"])
        assert await peer.recv() == "one, two, three"
        # Many before the first is read.
        for number in range(500):
            await peer.send(f"number {number}")
        for number in range(500):
            assert await peer.recv() == f"number {number}"


async def pings():
    async with client("/echo") as peer:
        for payload in [b"", b"ping", bytes(125)]:
            await asyncio.wait_for(await peer.ping(payload), PATIENCE)
        await peer.pong(b"for nothing")
        await peer.send("still there")
        assert await peer.recv() == "still there"


async def closes():
    for code, reason in [(1000, ""), (1001, "away"), (4999, "r\u00e9ason")]:
        peer = await client("/echo")
        await peer.close(code, reason)
        assert (peer.protocol.close_rcvd.code, peer.protocol.close_rcvd_then_sent) == (code, False)
    peer = await client("/echo")
    await peer.send("x" * 4097)
    await closed_with(peer, 1009)


async def closed_with(peer, code):
    try:
        while True:
            await asyncio.wait_for(peer.recv(), PATIENCE)
    except ConnectionClosed as closed:
        assert closed.rcvd is not None and closed.rcvd.code == code, closed


async def chat():
    """Enough connections that both workers have some."""
    peers = [await client("/chat") for _ in range(30)]
    for number, speaker in enumerate(peers):
        await speaker.send(f"{number} says hello")
        for peer in peers:
            assert await asyncio.wait_for(peer.recv(), PATIENCE) == f"{number} says hello"
    # Those that are gone are no longer told, and the others are.
    for peer in peers[1::2]:
        await peer.close()
    await peers[0].send("half of us")
    for peer in peers[0::2]:
        assert await asyncio.wait_for(peer.recv(), PATIENCE) == "half of us"
    await peers[0].send(b"bytes")
    await closed_with(peers[0], 1003)
    for peer in peers:
        await peer.close()


async def full():
    """The room has 200 seats, and they are free again afterwards."""
    for _ in range(2):
        peers = [await client("/chat") for _ in range(200)]
        try:
            await client("/chat")
        except InvalidStatus as refused:
            assert refused.response.status_code == 503, refused
        else:
            raise AssertionError("201 members in a room for 200")
        # Each waits until the server has closed, and so has given the seat back.
        await asyncio.gather(*(peer.close() for peer in peers))


def head(lines):
    with socket.create_connection((HOST, PORT), PATIENCE) as peer:
        peer.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = peer.recv(4096)
            assert more, answer
            answer += more
    return answer.split(b"\r\n\r\n")[0].decode().lower().split("\r\n")


async def handshakes():
    key = base64.b64encode(os.urandom(16)).decode()
    fine = {
        "Host": f"{HOST}:{PORT}",
        "Connection": "keep-alive, Upgrade",
        "Upgrade": "h2c, WebSocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }

    def ask(method="GET", path="/echo", version="1.1", **changes):
        fields = fine | {name.replace("_", "-"): value for name, value in changes.items()}
        lines = [f"{name}: {value}" for name, values in fields.items() for value in ([] if values is None else [values] if isinstance(values, str) else values)]
        return head([f"{method} {path} HTTP/{version}", *lines])

    # RFC 6455, section 1.3.
    answer = ask()
    assert answer[0] == "http/1.1 101 switching protocols", answer
    assert "sec-websocket-accept: " + "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".lower() in answer, answer
    assert "upgrade: websocket" in answer and "connection: upgrade" in answer, answer
    assert ask(Origin=f"http://{HOST}:{PORT}")[0].startswith("http/1.1 101 ")
    for status, changes in [
        (426, {"Sec_WebSocket_Version": "8"}),
        (426, {"Sec_WebSocket_Version": ["13", "13"]}),
        (426, {"Upgrade": None, "Connection": None}),
        (426, {"Upgrade": "h2c"}),
        (426, {"Connection": "keep-alive"}),
        (426, {"version": "1.0"}),
        (400, {"Content_Length": "2"}),
        (400, {"Sec_WebSocket_Version": None}),
        (400, {"Sec_WebSocket_Key": None}),
        (400, {"Sec_WebSocket_Key": [key, key]}),
        (400, {"Sec_WebSocket_Key": base64.b64encode(bytes(15)).decode()}),
        (400, {"Sec_WebSocket_Key": base64.b64encode(bytes(17)).decode()}),
        (400, {"Sec_WebSocket_Key": "!" * 24}),
        (403, {"Origin": "http://elsewhere.example"}),
        (403, {"Origin": "null"}),
        (405, {"method": "POST", "Content_Length": "0"}),
        (404, {"path": "/elsewhere"}),
    ]:
        answer = ask(**changes)
        assert answer[0].startswith(f"http/1.1 {status} "), (changes, answer)
        if status == 426:
            assert "sec-websocket-version: 13" in answer and "upgrade: websocket" in answer, answer
            assert any(line.startswith("connection: ") and "upgrade" in line for line in answer), answer


async def browser():
    """Chromium tells the chat what it makes of the echo."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with client("/chat") as peer:
            flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--remote-debugging-port=0"]
            chromium = await asyncio.create_subprocess_exec(
                "chromium", *flags, f"--user-data-dir={profile}", f"http://{HOST}:{PORT}/#report",
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                assert await peer.recv() == "echo right, closed 3000 clean"
            finally:
                chromium.kill()
                await chromium.wait()


async def violations():
    """What no client library sends."""

    def frame(first, payload, mask=b"\1\2\3\4"):
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        return bytes([first, 0x80 | len(payload)]) + mask + masked

    for sent, code in [
        (b"\x81\x05Hello", 1002),
        (frame(0xC1, b"a"), 1002),
        (frame(0x83, b"a"), 1002),
        (frame(0x80, b"a"), 1002),
        (frame(0x09, b"a"), 1002),
        (frame(0x01, b"a") + frame(0x81, b"b"), 1002),
        (frame(0x81, b"\xff"), 1007),
        (frame(0x88, b"\x03"), 1002),
        (b"\x82\xff" + bytes([0x7F]) + bytes(7) + b"\1\2\3\4", 1009),
    ]:
        with socket.create_connection((HOST, PORT), PATIENCE) as peer:
            lines = ["GET /echo HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
            # The first frame right behind the handshake.
            peer.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + sent)
            answer = b""
            while more := peer.recv(4096):
                answer += more
            assert answer.split(b"\r\n\r\n", 1)[1] == b"\x88\x02" + struct.pack(">H", code), (sent, answer)
    # One that goes without a word is no harm to the next.
    peer = await client("/echo")
    peer.transport.abort()
    await echo()


asyncio.run(asyncio.wait_for(globals()[CASE](), 90))
print(f"{CASE}: ok")
