"""A server on Python's http.server for the example `proxy` to ask: backend.py. It prints its port, and serves until its input ends."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORTS = set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        PORTS.add(self.client_address[1])

    def answer(self, status, body, *fields):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for number in range(1000):
                piece = f"line {number}\n".encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/end":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"to the end")
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"cut off")
            self.close_connection = True
        elif self.path == "/none":
            self.send_response(204)
            self.end_headers()
        elif self.path == "/connections":
            self.answer(200, str(len(PORTS)).encode())
        else:
            fields = [[name.lower(), value] for name, value in self.headers.items()]
            seen = {"method": self.command, "target": self.path, "fields": fields}
            body = json.dumps(seen).encode()
            self.answer(200, body, ("Connection", "x-hop"), ("X-Hop", "not to be seen"), ("X-End", "to be seen"), ("Keep-Alive", "timeout=5"))

    do_HEAD = do_DELETE = do_OPTIONS = do_GET

    def do_POST(self):
        length = self.headers.get("Content-Length")
        if length is not None:
            body = self.rfile.read(int(length))
        else:
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        self.answer(200, body[::-1])

    do_PUT = do_POST

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
