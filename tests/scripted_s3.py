"""An S3 server that holds objects in memory and does wrong what a test says; by HTTP or TLS, on loopback."""

import contextlib
import hashlib
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CUT = "cut"
"""It closes the connection without an answer."""
TRUNCATE = "truncate"
"""It closes the connection in the middle of the body."""
DAMAGE = "damage"
"""It stores, or gives back, other bytes than it was given."""
OTHER_ETAG = "other etag"
"""It has another word for the bytes, as stores have that encrypt with keys of their own."""
HANG = "hang"
"""It says nothing, until the server ends."""


def error(status, code):
    """An answer as S3 has it."""
    return status, f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()


class ScriptedS3:
    """`faults`: method -> what its next requests meet, in turn: an answer of `error`, or a word above.

    `away`: all are refused. `pause`: seconds that each PUT takes.
    """

    def __init__(self):
        self.objects = {}
        self.faults = {}
        self.away = False
        self.pause = 0.0
        self.requests = []
        self.ending = threading.Event()
        self.endpoint = None

    def fault_of(self, method):
        if self.away:
            return error(503, "SlowDown")
        waiting = self.faults.get(method, [])
        return waiting.pop(0) if waiting else None

    def key_of(self, path):
        """Without the bucket, as in a path."""
        return path.partition("?")[0].lstrip("/").partition("/")[2]


class _Handler(BaseHTTPRequestHandler):
    script = None
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        content = self.body()
        self.script.ending.wait(self.script.pause)
        if (fault := self.met()) is None or fault in (DAMAGE, OTHER_ETAG):
            held = content[:-1] + b"?" if fault == DAMAGE else content
            self.script.objects[self.script.key_of(self.path)] = held
            self.answer(200, b"", etag=self.etag_of(held) if fault != OTHER_ETAG else "0" * 32)

    def do_GET(self):
        self.give(with_body=True)

    def do_HEAD(self):
        self.give(with_body=False)

    def do_POST(self):
        body = self.body().decode()
        if self.met() is None:
            keys = [part.partition("</Key>")[0] for part in body.split("<Key>")[1:]]
            for key in keys:
                self.script.objects.pop(key, None)
            deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            self.answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def give(self, *, with_body):
        fault = self.met()
        if fault not in (None, DAMAGE, TRUNCATE, OTHER_ETAG):
            return
        content = self.script.objects.get(self.script.key_of(self.path))
        if content is None:
            self.answer(*error(404, "NoSuchKey"), with_body=with_body)
            return
        etag = "1" * 32 if fault == OTHER_ETAG else self.etag_of(content)
        if fault == DAMAGE:
            content = b"?" + content[1:]
        self.answer(200, content, etag=etag, with_body=with_body, cut=fault == TRUNCATE)

    def met(self):
        """Do what the script says; returns the fault."""
        self.script.requests.append((self.command, self.path))
        fault = self.script.fault_of(self.command)
        if fault == CUT:
            self.close_connection = True
        elif fault == HANG:
            self.script.ending.wait(30)
            self.close_connection = True
        elif isinstance(fault, tuple):
            self.answer(*fault, with_body=self.command != "HEAD")
        return fault

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    @staticmethod
    def etag_of(content):
        return hashlib.md5(content).hexdigest()

    def answer(self, status, content, *, etag=None, with_body=True, cut=False):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", formatdate(0, usegmt=True))
        if etag is not None:
            self.send_header("ETag", f'"{etag}"')
        self.end_headers()
        if with_body:
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.close_connection = True

    def log_message(self, *_):
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that goes away is what tests want


@contextlib.contextmanager
def serving_s3(server, context=None):
    """Let it listen, over TLS with a `context`; yields its endpoint."""
    http = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"script": server}))
    if context is not None:
        http.socket = context.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        server.endpoint = f"http{'s' if context else ''}://127.0.0.1:{http.server_address[1]}"
        yield server.endpoint
    finally:
        server.ending.set()
        http.shutdown()
        thread.join()
        http.server_close()
