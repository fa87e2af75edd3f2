"""The log of associations: what it remembers, what it forgets, and that it asks only when it is asked."""

import json

import pytest

from acceptor_service import serving, until
from port104.net.contracts import AssociationEnd, AssociationStart
from port104.service.associations import AssociationLog, Shelf, Wanted
from port104.wire.agreement import AcceptedContext
from port104.wire.command import Status
from port104.wire.pdu import AssociateRJ
from raw_peer import SECONDARY_CAPTURE, association_request
from sender import image

REJECTED = AssociateRJ(result=1, source=1, reason=7)
IMPLICIT = "1.2.840.10008.1.2"


class Told:
    """A log, told of associations at times of the test's choice."""

    def __init__(self, **limits):
        self.now = 1_000_000_000.0
        self.asked = 0
        self.log = AssociationLog(clock=lambda: self.now, monotonic=lambda: self.now, **limits)

    def figures(self):
        self.asked += 1
        return {"stored": 3, "bytes": 300}

    def start(self, association, **titles):
        start = AssociationStart(
            association=association,
            address="10.0.0.5",
            request=association_request(**titles),
            contexts={1: AcceptedContext(SECONDARY_CAPTURE, IMPLICIT)},
            tls=True,
            user="radiographer",
            figures=self.figures,
        )
        self.log.established(start)

    def end(self, association, *, reject=None, outcome="released", why="", hint="", **titles):
        end = AssociationEnd(
            association=association,
            address="10.0.0.5",
            request=association_request(**titles),
            reject=reject,
            broke=False,
            tls=True,
            outcome=outcome,
            why=why,
            hint=hint,
            figures={"stored": 4, "bytes": 400},
        )
        self.log.ended(end)

    def all(self, *, limit=100, offset=0, **wanted):
        _, found = self.log.select(Wanted(**wanted), limit=limit, offset=offset)
        return [json.loads(bytes(each)) for each in found]

    def ids(self, **wanted):
        return [each["id"] for each in self.all(**wanted)]


@pytest.fixture
def told():
    return Told()


def test_a_running_association(told):
    told.start(7)
    assert told.asked == 0
    told.now += 2.5
    (running,) = told.all()
    assert running == {
        "id": 1,
        "state": "running",
        "callingAeTitle": "PEER",
        "calledAeTitle": "PORT104",
        "address": "10.0.0.5",
        "tls": True,
        "user": "radiographer",
        "contexts": [{"id": 1, "sopClassUid": SECONDARY_CAPTURE, "transferSyntaxUid": IMPLICIT}],
        "figures": {
            "stored": 3,
            "duplicates": 0,
            "ignored": 0,
            "refused": 0,
            "failed": 0,
            "echoes": 0,
            "bytes": 300,
        },
        "start": "2001-09-09T01:46:40.000Z",
        "end": None,
        "duration": 2.5,
        "outcome": None,
        "reason": None,
        "hint": None,
    }
    assert told.asked == 1


def test_an_ended_association(told):
    told.start(7)
    told.now += 60
    told.end(7, outcome="aborted by us", why="silent", hint="see dicom.scp.idleTimeout")
    (ended,) = told.all()
    assert (ended["id"], ended["state"], ended["end"]) == (1, "ended", "2001-09-09T01:47:40.000Z")
    assert (ended["duration"], ended["user"], len(ended["contexts"])) == (60.0, "radiographer", 1)
    assert (ended["outcome"], ended["reason"]) == ("aborted by us", "silent")
    assert (ended["hint"], ended["figures"]["stored"]) == ("see dicom.scp.idleTimeout", 4)
    assert told.asked == 0


def test_a_rejected_association_never_ran(told):
    told.end(None, reject=REJECTED, outcome="rejected", why="unknown (1/1/7)")
    (ended,) = told.all()
    assert (ended["outcome"], ended["duration"], ended["contexts"]) == ("rejected", 0.0, [])
    assert ended["start"] == ended["end"]


def test_a_connection_without_a_request_is_no_association(told):
    told.log.ended(AssociationEnd(None, "10.0.0.5", None, None, False, False, "connection lost", "", "", {}))
    assert told.all() == []


def test_those_that_run_come_first_and_the_latest_before_the_others(told):
    for association in (1, 2, 3, 4):
        told.start(association)
    told.end(2)
    told.end(1)
    assert told.ids() == [4, 3, 1, 2]
    assert told.ids(limit=2, offset=1) == [3, 1]
    assert told.log.select(Wanted(), limit=1, offset=9) == (4, [])


def test_filters(told):
    told.start(1, calling_ae_title="CT1")
    told.start(2, calling_ae_title="CT2")
    told.end(2, calling_ae_title="CT2")
    told.end(None, reject=REJECTED, outcome="rejected", calling_ae_title="CT2", called_ae_title="OTHER")
    assert told.ids(state="running") == [1]
    assert told.ids(state="ended") == [3, 2]
    assert told.ids(calling_ae_title="CT2") == [3, 2]
    assert told.ids(called_ae_title="OTHER") == [3]
    assert told.ids(outcome="released") == [2]
    assert told.ids(state="running", outcome="released") == []


def test_one_by_its_number(told):
    told.start(1)
    told.start(2)
    told.end(1)
    assert json.loads(bytes(told.log.find(1)))["state"] == "ended"
    assert json.loads(bytes(told.log.find(2)))["state"] == "running"
    assert told.log.find(3) is None


def test_of_ended_ones_the_last_are_kept():
    told = Told(established=Shelf(3, 10_000))
    told.start(99)
    for association in range(5):
        told.start(association)
        told.end(association)
    assert told.ids() == [1, 6, 5, 4]
    assert told.log.find(2) is None


def test_of_ended_ones_so_many_are_kept_as_there_is_room_for():
    told = Told(refused=Shelf(100, 2000))
    for _ in range(20):
        told.end(None, reject=REJECTED, outcome="rejected", why="x" * 400)
    assert told.ids() == [20, 19]


def test_who_is_refused_all_day_drives_out_nobody():
    told = Told(refused=Shelf(3, 10_000))
    told.start(1)
    for number in range(9):
        told.end(None, reject=REJECTED, outcome="rejected")
        if number == 7:
            told.end(1)
    assert told.ids() == [10, 1, 9, 8]


async def test_over_a_real_association(tmp_path):
    log = AssociationLog()
    async with serving(tmp_path, witnesses=[log]) as service:
        async with service.peer() as peer:
            assert await peer.store(image("1.2.3", b"pixels"), "1.2.3") == Status.SUCCESS
            assert await peer.echo() == Status.SUCCESS
            (text,) = log.select(Wanted(state="running"), limit=9, offset=0)[1]
            running = json.loads(bytes(text))
            assert (running["figures"]["stored"], running["figures"]["echoes"]) == (1, 1)
            assert {context["sopClassUid"] for context in running["contexts"]} >= {SECONDARY_CAPTURE}
        await until(lambda: log.select(Wanted(state="ended"), limit=9, offset=0)[0])
        ended = json.loads(bytes(log.find(running["id"])))
        assert ended["figures"] == running["figures"]
        assert (ended["address"], ended["tls"], ended["user"]) == ("127.0.0.1", False, None)
