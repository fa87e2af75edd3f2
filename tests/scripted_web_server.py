"""A web server of DICOMweb whose every answer a test writes down; over TCP or TLS, on loopback."""

import contextlib
import json
import ssl
from typing import NamedTuple

import trio


class Request(NamedTuple):
    method: str
    target: str
    headers: dict
    body: bytes

    @property
    def parts(self):
        """The content of each part of the body."""
        boundary = self.headers["content-type"].rpartition("boundary=")[2].encode()
        *parts, end = self.body.split(b"--" + boundary)[1:]
        assert end == b"--\r\n"
        head = b"\r\nContent-Type: application/dicom\r\n\r\n"
        assert all(part.startswith(head) and part.endswith(b"\r\n") for part in parts)
        return [part[len(head) : -2] for part in parts]


def answer(status=200, body=b"", *headers):
    lines = [f"HTTP/1.1 {status} Some Words", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def stored(*uids, failed=(), warnings=(), status=200):
    """An answer to STOW-RS. `failed`, `warnings`: pairs of UID and reason."""

    def item(uid, **reason):
        return {"00081155": {"vr": "UI", "Value": [uid]}} | {
            tag: {"vr": "US", "Value": [value]} for tag, value in reason.items()
        }

    document = {
        "00081199": [item(uid) for uid in uids] + [item(uid, **{"00081196": why}) for uid, why in warnings],
        "00081198": [item(uid, **{"00081197": why}) for uid, why in failed],
    }
    body = json.dumps({tag: {"vr": "SQ", "Value": items} for tag, items in document.items() if items})
    return answer(status, body.encode(), "Content-Type: application/dicom+json")


HANG = object()
"""It says nothing more."""
CLOSE = object()
"""It closes the connection."""


class WebServer:
    """`answers`: one for each POST, in turn; bytes, HANG, CLOSE, or a function of the request.

    `options`: what every OPTIONS is answered with.
    """

    def __init__(self, *answers):
        self.answers = list(answers)
        self.options = answer(405)
        self.requests = []
        self.connections = 0

    @property
    def posted(self):
        """The POSTs that came."""
        return [request for request in self.requests if request.method == "POST"]

    async def __call__(self, stream):
        self.connections += 1
        with contextlib.suppress(trio.BrokenResourceError, ssl.SSLError):
            buffer = b""
            while (taken := await self._take(stream, buffer)) is not None:
                request, buffer = taken
                self.requests.append(request)
                act = self.options if request.method == "OPTIONS" else self.answers.pop(0)
                if callable(act):
                    act = act(request)
                if act is CLOSE:
                    return
                if act is HANG:
                    await trio.sleep_forever()
                await stream.send_all(act)

    async def _take(self, stream, data):
        while b"\r\n\r\n" not in data:
            if not (more := await stream.receive_some()):
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(body) < length:
            if not (more := await stream.receive_some()):
                return None
            body += more
        method, target, _ = first.split()
        return Request(method, target, headers, body[:length]), body[length:]


@contextlib.asynccontextmanager
async def serving_web(server, context=None):
    """Let it listen, over TLS with a `context`; yields its URL."""

    async def serve(task_status=trio.TASK_STATUS_IGNORED):
        if context is None:
            await trio.serve_tcp(server, 0, host="127.0.0.1", task_status=task_status)
        else:
            await trio.serve_ssl_over_tcp(server, 0, context, host="127.0.0.1", task_status=task_status)

    async with trio.open_nursery() as nursery:
        (listener, *_) = await nursery.start(serve)
        port = (listener if context is None else listener.transport_listener).socket.getsockname()[1]
        yield f"http{'s' if context else ''}://127.0.0.1:{port}/dicom-web"
        nursery.cancel_scope.cancel()
