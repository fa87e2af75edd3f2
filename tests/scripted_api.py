"""An API that answers as it is told, for those who ask one."""

import json
import threading
from http.server import BaseHTTPRequestHandler


class Api:
    """Answers requests in order, and keeps them: (method, path, headers, body)."""

    def __init__(self):
        self.answers = []
        self.requests = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = False  # a socket of the file system has none

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                api.requests.append((self.command, self.path, self.headers, body and json.loads(body)))
                status, document, headers = api.answers.pop(0)
                kind = "application/json" if status < 400 else "application/problem+json"
                if isinstance(document, bytes):
                    content, kind = document, "text/plain"
                else:
                    content = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": len(content), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                if content:  # of nothing a peer that has the head already has all, and may be gone
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

            def log_message(self, *_):
                pass

        self.handler = Handler

    def will_answer(self, status, document=None, **headers):
        self.answers.append((status, document, headers))


def served(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    return thread
