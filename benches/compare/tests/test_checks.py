import socket
import threading
import unittest
from pathlib import Path

from harness import checks
from harness.scenarios import HELLO, PIECE, STREAMED, scenarios

SCENARIOS = scenarios(Path(__file__).resolve().parents[2] / "requests")
FIELDS = b"Date: now\r\nContent-Type: text/plain\r\n"


class Peer:
    """A server in memory that answers as it is told: `answer` makes an answer's bytes out of method, path and body."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Unlike closing it, this wakes the thread that accepts.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.talk(connection)
            except OSError:
                # Whoever has seen a wrong answer leaves without the rest, with a reset.
                continue

    def talk(self, connection):
        with connection, connection.makefile("rb") as stream:
            while line := stream.readline():
                length = 0
                while (field := stream.readline()) not in (b"\r\n", b""):
                    if field.lower().startswith(b"content-length:"):
                        length = int(field.split(b":")[1])
                method, path, _ = line.split()
                connection.sendall(self.answer(method, path, stream.read(length)))


def right(method, path, body):
    if path == b"/stream":
        return chunked([PIECE] * 64)
    content = {b"/": HELLO, b"/echo": body, b"/upload": b"%d" % len(body)}.get(path)
    return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" if content is None else whole(content)


def whole(content, fields=FIELDS, status=b"200 OK"):
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, fields, len(content), content)


def chunked(pieces):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\n" + FIELDS + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def wrong(answer):
    with Peer(answer) as peer:
        return checks.wrong_scenarios(peer.port, SCENARIOS)[0]


class Answers(unittest.TestCase):
    def test_right_answers_pass_and_their_length_is_told(self):
        with Peer(right) as peer:
            checks.missing_is_404(peer.port)
            self.assertEqual(checks.wrong_scenarios(peer.port, SCENARIOS), ({}, len(whole(HELLO))))

    def test_a_peer_that_ignores_paths_is_found_out(self):
        with Peer(lambda *_: whole(HELLO)) as peer, self.assertRaises(checks.Wrong):
            checks.missing_is_404(peer.port)

    def test_one_wrong_answer_disqualifies_from_its_scenario_alone(self):
        changed = {
            "post": lambda method, path, body: whole(HELLO) if path == b"/echo" else right(method, path, body),
            "in": lambda method, path, body: whole(b"1048576") if path == b"/upload" else right(method, path, body),
            "out": lambda method, path, body: chunked([PIECE] * 63) if path == b"/stream" else right(method, path, body),
        }
        for name, answer in changed.items():
            self.assertEqual(set(wrong(answer)), {name})

    def test_each_way_to_be_wrong_is_seen(self):
        gets = {"plain", "plain-16", "browser", "browser-16"}
        for answer in (
            whole(b"Hello, world!"),
            whole(HELLO, status=b"500 Oh"),
            whole(HELLO, fields=b"Content-Type: text/plain\r\n"),
            whole(HELLO, fields=FIELDS + b"Content-Length: 13\r\n"),
            whole(HELLO, fields=FIELDS + b"Transfer-Encoding: chunked\r\n"),
            b"HTTP/1.0 200 OK\r\n" + FIELDS + b"\r\n" + HELLO,
            b"nonsense\r\n\r\n",
        ):
            reasons = wrong(lambda method, path, body, answer=answer: answer if path == b"/" else right(method, path, body))
            self.assertEqual(set(reasons), gets, answer)

    def test_what_is_wanted_is_a_mebibyte_in_pieces(self):
        self.assertEqual(len(STREAMED), 1 << 20)


if __name__ == "__main__":
    unittest.main()
