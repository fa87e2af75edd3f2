"""A store in a folder of its own, and associations that send to it through socket pairs."""

import socket
from contextlib import suppress

import pytest
import trio

from port104 import native, uids
from port104.completions import completions_in
from port104.storage.store import open_store
from port104.wire.command import decode_command
from raw_peer import SECONDARY_CAPTURE, message, store_request


class Listener:
    """Tells the associations of a store of the instances that nobody else waits for."""

    def __init__(self):
        self.associations = {}

    def __call__(self, instances):
        for completion in completions_in(instances.taken.records):
            if completion.kind == native.STORED and not completion.unsent:
                self.associations[completion.intake].completed(completion)


class Association:
    """A sender at one end of a socket pair, and the native link, lent to an intake, at the other."""

    def __init__(self, store, *, fed=False, overwrite=False, window=1, **changes):
        self.store = store
        if store.on_stored is None:
            store.on_stored = Listener()
        self.socket, self.other = socket.socketpair()
        self.other.setblocking(False)
        self.link = native.Link(-1 if fed else self.other.fileno(), self.other.fileno())
        self.link.establish(1 << 20)
        self.completions = []
        self._news = trio.Event()
        self.lent = False
        facts = {
            "calling_ae_title": "MODALITY",
            "called_ae_title": "PORT104",
            "syntax": uids.EXPLICIT_VR_LITTLE_ENDIAN,
            "peer_maximum_length": 0,
            "maximum_size": 0,
        } | changes
        contexts = [(1, SECONDARY_CAPTURE, facts.pop("syntax"))]
        self.intake = store.intake(
            self.link, contexts, window=window, overwrite=overwrite, callback=self.completed, **facts
        )
        if isinstance(store.on_stored, Listener):
            store.on_stored.associations[self.intake.id] = self

    def lend(self, **changes):
        self.lent = True
        self.intake.lend(**changes)

    def completed(self, completion):
        self.completions.append(completion)
        self.lent = self.lent and completion.kind != native.RETURNED
        self._news.set()

    async def next_completion(self):
        while not self.completions:
            self._news = trio.Event()
            await self._news.wait()
        return self.completions.pop(0)

    async def send(self, data):
        await trio.to_thread.run_sync(self.socket.sendall, data)

    async def store_one(self, data_set, instance="1.2.3", message_id=1):
        """One whole instance, to its completion."""
        await self.send(message(1, store_request(instance, message_id), data_set))
        return await self.next_completion()

    async def response(self):
        """The next response's command set, which comes as one PDU."""
        data = await trio.to_thread.run_sync(self.socket.recv, 1000)
        return decode_command(data[12:])

    async def close(self):
        """As a session ends: break off what is being received, wait, and release the intake."""
        self.link.interrupt()
        with suppress(OSError):
            self.other.shutdown(socket.SHUT_RD)
        while self.lent or self.intake.counts().under_way:
            if not self.lent:
                self.lend(give_up=True)
            await self.next_completion()
        self.store.release(self.intake)
        self.socket.close()
        self.other.close()


@pytest.fixture(params=[False, True], ids=["os", "sync"])
def sync(request):
    return request.param


@pytest.fixture
async def store(tmp_path, sync):
    async with open_store(tmp_path, sync=sync, threads=2) as opened:
        yield opened


@pytest.fixture
async def associate(store):
    """Makes associations with a store, by default the fixture's; they are lent unless they are fed."""
    made = []

    def associate(to=store, *, fed=False, **changes):
        association = Association(to, fed=fed, **changes)
        made.append(association)
        if not fed:
            association.lend()
        return association

    yield associate
    for association in made:
        if association.store is store:
            await association.close()


@pytest.fixture
def association_with():
    """For stores that a test opens itself: it must close what it makes."""

    def associate(store):
        association = Association(store)
        association.lend()
        return association

    return associate
