"""The API in this process, and who asks it: requests go to its gatekeeper as Hypercorn would give them."""

import contextlib
import json
from functools import partial

from port104.dispatch.desk import Desk
from port104.dispatch.draining import Drain
from port104.dispatch.filing import Filing
from port104.dispatch.lookout import Lookout
from port104.jobs.ledger.opening import look_into, open_ledger
from port104.native import SpoolCounts
from port104.service.api.access import Peer
from port104.service.api.deliveries import deliveries_of
from port104.service.api.health import Health, LedgerHealth
from port104.service.api.serving import Behind, gatekeeper_of
from port104.service.associations import AssociationLog
from port104.service.condition import Condition
from port104.service.reception import Reception
from port104.service.registrar import open_registrar
from port104.service.settings.api import ApiSettings
from port104.service.settings.local_aes import LocalAESettings
from port104.service.settings.scp import ScpSettings
from port104.service.settings.storage import StorageSettings
from port104.service.settings.tree import DicomSettings, Settings
from port104.storage.space import Room, Volume

CONTROL = Peer(uid=0)
HERE = Peer(address="127.0.0.1")
ELSEWHERE = Peer(address="10.0.0.9")
NODE = "n1"
ORIGIN = "site.json: dicom.scp.aeTitles[0]"


class Watch:
    """A volume with room, unless a test says otherwise."""

    room = Room.ENOUGH
    volume = Volume(size=1000, free=400)


class Runs:
    """A lookout.Runs: what a dispatcher does, without threads."""

    def __init__(self, ledger):
        self._ledger = ledger

    async def cancel(self, run_id):
        return self._ledger.cancel(run_id)

    async def rerun(self, run_id):
        return self._ledger.rerun(run_id)


class Exports:
    """A lookout.Exports: what an exporter does, without threads."""

    def __init__(self, ledger):
        self._outbox = ledger.outbox

    async def retry(self, export_id):
        return self._outbox.retry(export_id, 0.5)

    async def cancel(self, export_id):
        return self._outbox.cancel(export_id, 0.5)


class Keeper:
    """What a drain asks a bookkeeper."""

    is_counting = False
    waiting = 0


class Answer:
    """A response; names of headers are in lower case."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def problem(self):
        """What its type says after urn:port104:problem:."""
        assert self.headers["content-type"] == "application/problem+json"
        assert (self.json["status"], set(self.json) <= {"type", "title", "status", "detail", "errors"}) == (
            self.status,
            True,
        )
        return self.json["type"].removeprefix("urn:port104:problem:")

    @property
    def faults(self):
        return {fault["field"]: fault["reason"] for fault in self.json["errors"]}


class API:
    """A gatekeeper over a registrar of its own; `ask` sends a request to it."""

    def __init__(self, registrar, settings, lookout, runs, filing, exports, drain):
        self.registrar = registrar
        self.watch = Watch()
        self.has_room = True
        self.asked = {}
        self.established = 3
        self.figures = []
        self.condition = Condition()
        self.condition.serves()
        self.ledger_health = LedgerHealth(None, 0)
        self.object_store = None
        self.associations = AssociationLog()
        counts = dict.fromkeys(SpoolCounts.__struct_fields__, 0) | {"stored": 12}
        self.reception = Reception()
        self.health = Health(
            condition=self.condition,
            watch=self.watch,
            registrar=registrar,
            associations=lambda: self.established,
            counts=lambda: SpoolCounts(**counts),
            ledger=lambda: self.ledger_health,
            deliveries=deliveries_of(lookout, lambda: self.figures),
            is_drained=drain.is_begun,
            object_store=self.read_object_store,
        )
        self.drain = drain
        self.behind = Behind(
            registrar=registrar,
            associations=self.associations,
            health=self.health,
            lookout=lookout,
            runs=runs,
            filing=filing,
            exports=exports,
            has_room=lambda: self.has_room,
            verify=self.verify,
            reception=self.reception,
            drain=drain,
        )
        self.gatekeeper = gatekeeper_of(settings, self.behind)

    async def verify(self, destination):
        """What `asked` says of a destination that is asked by C-ECHO."""
        return self.asked[destination.name]

    async def read_object_store(self):
        return self.object_store

    async def ask(self, method, target, body=None, *, peer=CONTROL, raw=None, tls=False, **headers):
        """Ask; `body` is sent as JSON, `raw` as it is. Headers are written with _ for -."""
        content = json.dumps(body).encode() if body is not None else raw or b""
        given = {"host": "localhost:5000"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if content:
            given = {"content-type": "application/json", "content-length": str(len(content))} | given
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "https" if tls else "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items() if value],
            "client": None,
            "server": None,
            "state": {},
        }
        sent = []

        async def receive():
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message):
            sent.append(message)

        await self.gatekeeper.serve(peer, scope, receive, send)
        start, *bodies = sent
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, b"".join(each.get("body", b"") for each in bodies))


@contextlib.asynccontextmanager
async def serving_api(folder, **settings):
    """An API whose configuration has the AE title GIVEN; `settings` are those of the section api."""
    scp = ScpSettings(ae_titles=(LocalAESettings(ae_title="GIVEN"),))
    configured = Settings(
        dicom=DicomSettings(scp=scp),
        storage=StorageSettings(temporary=str(folder)),
        api=ApiSettings(**settings),
    )
    async with open_registrar(configured, {"dicom.scp.aeTitles": "site.json"}) as registrar:
        ledger = open_ledger(None, folder, NODE)
        ledger.register(str(folder), "ingress-1")
        lookout = Lookout(partial(look_into, None, folder), folder, NODE)
        try:
            desk = Desk(ledger)
            api = API(
                registrar,
                configured.api,
                lookout,
                Runs(ledger),
                Filing(desk, folder, NODE, lambda: None),
                Exports(ledger),
                Drain(desk, Keeper(), lookout, NODE),
            )
            api.ledger = ledger
            yield api
        finally:
            await lookout.close()
            ledger.close()
