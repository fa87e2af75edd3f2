"""An API server of Kubernetes with the same watch semantics, in process, whose faults a test plays.

Every change has a resource version; a watch tells what came after the one it asks from, or 410 where that has
been compacted away; lists come in pages; status is a subresource.
"""

import contextlib
import itertools
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import trio

from port104.cluster.place import Place
from scripted_web_server import WebServer, answer, serving_web

KINDS = {
    "localaes": "LocalAE",
    "sources": "Source",
    "destinations": "Destination",
    "pipelines": "Pipeline",
}
BASE = "/apis/port104.io/v1/namespaces/imaging/"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def selected(made, query):
    """Whether an object has the labels that are asked for; a bookmark goes to everyone."""
    wanted = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
    metadata = made["metadata"]
    return "name" not in metadata or wanted.items() <= metadata.get("labels", {}).items()


class StubApiServer(WebServer):
    """`away`: it closes every connection; `refusing`: plural -> status; `page`: most of one list's page."""

    def __init__(self):
        super().__init__()
        self.objects = {}
        self.history = []
        self.events = []
        self.version = 100
        self.oldest = 0
        self.away = False
        self.refusing = {}
        self.page = 1000
        self.token = "first"
        self.torn = None
        """Bytes of the next change that a watch sends before it breaks off."""
        self.ends_watches = False
        """Whether a watch ends as soon as it has said what there is."""
        self.watches = 0
        self.lists = 0
        self._uids = itertools.count(1)
        self._news = trio.Event()
        self._streams = set()

    # ---- what users do ----

    def apply(self, plural, name, spec):
        """As kubectl apply."""
        known = self.objects.get((plural, name))
        if known is None:
            number = next(self._uids)
            created = datetime(2026, 11, 30, tzinfo=UTC) + timedelta(seconds=number)
            metadata = {
                "name": name,
                "namespace": "imaging",
                "uid": f"uid-{number}",
                "creationTimestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "generation": 1,
            }
            made = {"apiVersion": "port104.io/v1", "kind": KINDS[plural], "metadata": metadata, "spec": spec}
        else:
            metadata = {**known["metadata"], "generation": known["metadata"]["generation"] + 1}
            made = {**known, "metadata": metadata, "spec": spec}
        self._put("ADDED" if known is None else "MODIFIED", plural, made)

    def delete(self, plural, name):
        self._put("DELETED", plural, self.objects[plural, name])
        del self.objects[plural, name]

    def bookmark(self):
        self.version += 1
        metadata = {"resourceVersion": str(self.version), "creationTimestamp": None}
        for plural, kind in KINDS.items():
            self._tell(plural, "BOOKMARK", {"kind": kind, "metadata": metadata})

    def compact(self):
        """What was is not told any more."""
        self.oldest = self.version

    async def hang_up(self):
        """Break every connection."""
        for stream in [*self._streams]:
            await trio.aclose_forcefully(stream)

    def condition(self, plural, name):
        """What its status says; nothing at first."""
        [condition] = self.objects[plural, name].get("status", {}).get("conditions", [{}])
        return condition

    # ---- what it does ----

    def _put(self, kind, plural, made):
        self.version += 1
        made = {**made, "metadata": {**made["metadata"], "resourceVersion": str(self.version)}}
        self.objects[plural, made["metadata"]["name"]] = made
        self._tell(plural, kind, made)

    def _tell(self, plural, kind, made):
        self.history.append((self.version, plural, {"type": kind, "object": made}))
        self._news.set()
        self._news = trio.Event()

    async def __call__(self, stream):
        self._streams.add(stream)
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            buffer = b""
            while (taken := await self._take(stream, buffer)) is not None:
                request, buffer = taken
                self.requests.append(request)
                if self.away or not await self._serve(stream, request):
                    break
        self._streams.discard(stream)

    async def _serve(self, stream, request):
        parts = urlsplit(request.target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            return await self._refuse(stream, 401, "Unauthorized")
        if parts.path == "/api/v1/namespaces/imaging/events":
            self.events.append(json.loads(request.body))
            return await self._say(stream, {}, 201)
        plural, *below = parts.path.removeprefix(BASE).split("/")
        if plural in self.refusing:
            return await self._refuse(stream, self.refusing[plural], "no")
        if request.method == "PATCH":
            return await self._patch(stream, request, plural, *below)
        if "watch" in query:
            return await self._watch(stream, plural, query)
        return await self._list(stream, plural, query)

    async def _list(self, stream, plural, query):
        self.lists += 1
        items = [each for (kind, _), each in self.objects.items() if kind == plural and selected(each, query)]
        start = int(query.get("continue", "0"))
        end = start + min(self.page, int(query["limit"]))
        more = {"continue": str(end)} if end < len(items) else {}
        metadata = {"resourceVersion": str(self.version), **more}
        return await self._say(stream, {"kind": "List", "metadata": metadata, "items": items[start:end]})

    async def _watch(self, stream, plural, query):
        self.watches += 1
        version = int(query["resourceVersion"])
        await stream.send_all(CHUNKED)
        if version < self.oldest:
            gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
            await stream.send_all(chunk(self._line({"type": "ERROR", "object": gone})) + LAST_CHUNK)
            return True
        while True:
            news = self._news  # what comes while lines are sent is not slept through
            for number, kind, change in [*self.history]:
                if number <= version or kind != plural or not selected(change["object"], query):
                    continue
                version = number
                line = self._line(change)
                if self.torn is not None:
                    torn, self.torn = self.torn, None
                    await stream.send_all(chunk(line[:torn]))
                    return False
                await stream.send_all(chunk(line))
            if self.ends_watches:
                await stream.send_all(LAST_CHUNK)
                return True
            await news.wait()

    async def _patch(self, stream, request, plural, name, subresource):
        assert subresource == "status"
        assert request.headers["content-type"] == "application/merge-patch+json"
        known = self.objects.get((plural, name))
        if known is None:
            return await self._refuse(stream, 404, "not found")
        status = {**known.get("status", {}), **json.loads(request.body)["status"]}
        self._put("MODIFIED", plural, {**known, "status": status})
        return await self._say(stream, self.objects[plural, name])

    async def _refuse(self, stream, status, message):
        return await self._say(stream, {"kind": "Status", "code": status, "message": message}, status)

    async def _say(self, stream, document, status=200):
        await stream.send_all(answer(status, json.dumps(document).encode()))
        return True

    def _line(self, change):
        return json.dumps(change).encode() + b"\n"


@contextlib.asynccontextmanager
async def serving_api(server, account):
    """Let it listen; yields the Place, whose token file is in the folder `account`."""

    async with serving_web(server) as url:
        (account / "token").write_text(f"{server.token}\n")
        yield Place(url.removesuffix("/dicom-web"), "imaging", account / "token")
