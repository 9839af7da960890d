"""Whether a peer answers what all of them have to answer. A wrong answer disqualifies it from the loads that ask for it."""

import socket

from harness.scenarios import STREAMED, get, post

SECONDS = 10


class Wrong(Exception):
    """An answer that is not the one that was wanted."""


def wrong_scenarios(port, scenarios):
    """The reason by the name of each scenario whose answers are wrong; and the bytes of the answer to a plain GET."""
    reasons, length = {}, None
    plain = next(scenario for scenario in scenarios if scenario.name == "plain")
    for scenario in scenarios:
        try:
            for request, body in exchanges(scenario):
                answer = ask(port, request, [body] * request_count(request, scenario))
                if scenario is plain and length is None:
                    length = answer
        except (Wrong, OSError) as reason:
            reasons[scenario.name] = str(reason)
    return reasons, length


def exchanges(scenario):
    """Requests and the body that each has to be answered with: the scenario's own, and others that a constant would not do for."""
    yield scenario.request * scenario.depth, scenario.body
    if scenario.name == "post":
        for body in (b"", b"x", b"another body ".ljust(1_000, b".")):
            yield post("/echo", body), body
    if scenario.name == "in":
        for length in (1, 70_000):
            yield post("/upload", STREAMED[:length]), b"%d" % length


def request_count(request, scenario):
    return scenario.depth if request.startswith(scenario.request) else 1


def missing_is_404(port):
    """Raises Wrong unless a path that is not there is answered 404: the peer looks at paths."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(get("/nothing-here"))
        status, _, _ = read_head(connection.makefile("rb"))
    if status != 404:
        raise Wrong(f"status {status} for a path that is not there")


def ask(port, request, bodies):
    """Sends what may be several requests in one write, and checks each answer; gives the bytes of the first one."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(request)
        stream = connection.makefile("rb")
        lengths = [one(stream, body) for body in bodies]
    return lengths[0]


def one(stream, wanted):
    status, fields, length = read_head(stream)
    if status != 200:
        raise Wrong(f"status {status}")
    if "date" not in fields or "content-type" not in fields:
        raise Wrong("no Date or no Content-Type")
    body = read_body(stream, fields)
    if body != wanted:
        raise Wrong(f"another body: {len(body)} bytes, {body[:40]!r}, where {len(wanted)} were wanted, {wanted[:40]!r}")
    return length + len(body)


def read_head(stream):
    """Status, fields by lower-case name, and the head's bytes."""
    line = stream.readline(65_536)
    parts = line.split(b" ", 2)
    if len(parts) < 2 or parts[0] != b"HTTP/1.1" or not parts[1].isdigit():
        raise Wrong(f"not a status line of HTTP/1.1: {line[:80]!r}")
    fields, length = {}, len(line)
    while (line := stream.readline(65_536)) not in (b"\r\n", b""):
        length += len(line)
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() in fields and name.lower() in ("content-length", "transfer-encoding", "date"):
            raise Wrong(f"{name} twice")
        fields[name.lower()] = value.strip()
    return int(parts[1]), fields, length + len(line)


def read_body(stream, fields):
    coding, length = fields.get("transfer-encoding"), fields.get("content-length")
    if coding is None and length is not None and length.isdigit():
        return stream.read(int(length))
    if length is not None or coding is None or coding.lower() != "chunked":
        raise Wrong("not framed by one Content-Length or in chunks")
    body = b""
    while size := chunk_size(stream.readline(4_096)):
        body += stream.read(size)
        if stream.read(2) != b"\r\n":
            raise Wrong("a chunk is longer than it says")
    if stream.readline(4_096) != b"\r\n":
        raise Wrong("trailers, or no end")
    return body


def chunk_size(line):
    try:
        return int(line.split(b";")[0].strip(), 16)
    except ValueError:
        raise Wrong(f"not a chunk's size: {line[:40]!r}") from None
