"""Python's http.client against the examples: http_client.py CONFORMANCE STREAM CASE, both as HOST:PORT."""

import hashlib
import http.client
import sys

CONFORMANCE, STREAM, CASE = sys.argv[1:]


def connect(address):
    return http.client.HTTPConnection(address, timeout=60)


def ask(connection, method, path, **arguments):
    connection.request(method, path, **arguments)
    response = connection.getresponse()
    return response, response.read()


def equal(got, wanted):
    if got != wanted:
        raise SystemExit(f"{CASE}: got {got!r}, wanted {wanted!r}")


def keep_alive():
    connection = connect(CONFORMANCE)
    connection.connect()
    port = connection.sock.getsockname()
    for number in range(100):
        response, body = ask(connection, "POST", "/", body=f"request {number}".encode())
        equal((response.status, body), (200, f"request {number}".encode()))
        equal(ask(connection, "GET", "/status/204")[1], b"")
        # Had the server closed it, the client would have opened another.
        equal(connection.sock.getsockname(), port)
    response, _ = ask(connection, "GET", "/", headers={"Connection": "close"})
    equal((response.getheader("connection"), response.will_close), ("close", True))


def chunked():
    connection = connect(STREAM)
    pieces = [bytes([number % 256]) * (number + 1) for number in range(500)]
    whole = b"".join(pieces)
    wanted = f"{len(whole)} bytes, sha256 {hashlib.sha256(whole).hexdigest()}\n".encode()
    for _ in range(3):
        response, body = ask(connection, "POST", "/upload", body=iter(pieces), encode_chunked=True,
                             headers={"Transfer-Encoding": "chunked"})
        equal((response.status, body), (200, wanted))


def trailers():
    connection = connect(CONFORMANCE)
    for _ in range(3):
        connection.putrequest("POST", "/echo")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.putheader("Trailer", "X-Checked")
        connection.endheaders()
        connection.send(b"5\r\nhello\r\n0\r\nX-Checked: yes\r\n\r\n")
        response = connection.getresponse()
        # The answer lists the header fields: a trailer is none.
        fields = response.read().lower()
        equal((response.status, b"trailer: x-checked" in fields, b"x-checked: yes" in fields), (200, True, False))


def head():
    connection = connect(CONFORMANCE)
    for path, length in [("/", "2"), ("/stream", None), ("/status/304", None)] * 3:
        response, body = ask(connection, "HEAD", path)
        equal((body, response.getheader("content-length")), (b"", length))
        equal(ask(connection, "GET", "/")[1], b"OK")


def download():
    connection = connect(STREAM)
    connection.request("GET", "/lines")
    response = connection.getresponse()
    equal(response.getheader("transfer-encoding"), "chunked")
    count = 0
    for count, line in enumerate(response, start=1):
        equal(line, b"line %d of 1000000\n" % count)
    equal(count, 1_000_000)


{case.__name__: case for case in [keep_alive, chunked, trailers, head, download]}[CASE]()
print(f"{CASE}: ok")
