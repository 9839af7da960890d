"""The requests that are sent, and the answers that count."""

from dataclasses import dataclass

HELLO = b"Hello, World!"
PIECE = bytes(n % 251 for n in range(16 * 1024))
STREAMED = PIECE * 64
SMALL_BODY = HELLO
LARGE_BODY = STREAMED


@dataclass(frozen=True)
class Scenario:
    """One kind of load."""

    name: str
    """As a file's name."""
    title: str
    request: bytes
    body: bytes
    """Of the answer."""
    connections: int = 64
    depth: int = 1
    """Requests in one write on each connection."""
    counted: int = 1_280
    """Requests whose instructions are counted: N, and 2N after it. Whole bursts on all connections."""
    traced: int = 3_200
    """The same for system calls: more, since how many connections a wait finds ready differs from one to the next."""


def scenarios(requests):
    """All of them; `requests` is the folder of the heads that the other figures use, too."""
    plain = (requests / "get-40.http").read_bytes()
    browser = (requests / "get-browser-700.http").read_bytes()
    return [
        Scenario("plain", "40-byte GET", plain, HELLO),
        Scenario("plain-16", "40-byte GET, 16 pipelined", plain, HELLO, depth=16, counted=2_048, traced=32_768),
        Scenario("browser", "browser's 700-byte GET", browser, HELLO),
        Scenario("browser-16", "browser's 700-byte GET, 16 pipelined", browser, HELLO, depth=16, counted=2_048, traced=32_768),
        Scenario("post", "POST of 13 bytes, echoed", post("/echo", SMALL_BODY), SMALL_BODY),
        Scenario("out", "1 MiB streamed out", get("/stream"), STREAMED, connections=8, counted=48, traced=160),
        Scenario("in", "1 MiB streamed in", post("/upload", LARGE_BODY), b"%d" % len(LARGE_BODY), connections=8, counted=48, traced=160),
    ]


def get(path):
    return b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n" % path.encode()


def post(path, body):
    head = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
    return head % (path.encode(), len(body)) + body
