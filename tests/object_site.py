"""A storage folder whose instances are in an object store too, in memory, with a clock of its own."""

import trio

from arrivals import arrival, plan_by
from memory_objects import MemoryObjects
from port104.database.sqlite import SqliteDatabase
from port104.dispatch.desk import Desk
from port104.dispatch.releasing import Releaser
from port104.dispatch.uploading import Uploader
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.tables import SCHEMA
from stored_file import put

HOUR = 3600.0


class ObjectSite:
    """A storage folder, its ledger and an object store; `now` is the ledger's clock."""

    def __init__(self, root):
        self.root = root
        self.now = 2e9
        self.database = SqliteDatabase(root / "ledger.sqlite3", SCHEMA, clock=lambda: self.now)
        self.ledger = Ledger(self.database, "n1")
        self.ledger.has_object_store = True
        self.ledger.register(str(root), "ingress-1")
        self.store = MemoryObjects()
        self.desk = Desk(self.ledger)
        self.lost = []
        self.releaser = self.keeping(HOUR)

    def keeping(self, seconds):
        return Releaser(self.desk, self.root, self.store, 3, seconds, lambda: self.lost.append(True))

    async def study(self, number, **settings):
        """A study of one instance comes, is closed and put into the store; returns its path and identity."""
        path = put(self.root, f"1.2.3.{number}", written=self.now)
        identity = f"{path.parent.name}/{path.name}", path.stat().st_mtime_ns
        told = arrival(number, value=f"{number}", file=identity[0], written=identity[1], replaced=False)
        self.ledger.record([told])
        self.now += 10
        self.ledger.close_due(
            now=self.ledger.now(), plan_of=lambda called, now: plan_by(called, settings, now)
        )
        await self.upload()
        return path, identity

    async def upload(self):
        with trio.move_on_after(0.1):
            await Uploader(self.desk, self.root, "n1", self.store, 2, lambda: 0.0).run()

    def states(self):
        with self.database.reading() as session:
            return [state for (state,) in session.run("SELECT state FROM port104_object ORDER BY written")]
