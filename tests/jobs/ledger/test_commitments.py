"""Promised reports in the ledger, on both kinds of database."""

import msgspec
import pytest

from port104.jobs.ledger.commitments import Commitments, Promise, Room
from port104.wire.commitment import CommitmentRequest, Reference

ROOM = Room(10, 5)
REFERENCES = (
    Reference("1.2.840.10008.5.1.4.1.1.7", "1.2.3"),
    Reference("1.2.840.10008.5.1.4.1.1.2", "1.2.4"),
)


def promise(uid="1.2", calling="CT1", references=REFERENCES):
    return Promise(calling, "PORT104", "10.0.0.1", CommitmentRequest(uid, references))


@pytest.fixture
def commitments(database):
    return Commitments(database, "n1")


def taken(commitments, most=10, seconds=60):
    return [msgspec.structs.replace(each, waited=0.0) for each in commitments.take(most, seconds)]


def test_a_promise_is_taken_once_until_it_is_due_again(commitments):
    assert commitments.seconds_until_due() is None
    assert commitments.promise(promise(), ROOM, 0)
    assert commitments.seconds_until_due() == 0
    assert taken(commitments) == [promise()]
    assert taken(commitments) == []
    assert 50 < commitments.seconds_until_due() <= 60
    assert Commitments(commitments._database, "n2").seconds_until_due() is None


def test_what_is_promised_for_later_is_not_due(commitments):
    commitments.promise(promise(), ROOM, 60)
    assert taken(commitments) == []
    assert 50 < commitments.seconds_until_due() <= 60


def test_a_kept_promise_is_forgotten(commitments):
    commitments.promise(promise(), ROOM, 0)
    (each,) = commitments.take(10, 0)
    commitments.kept(each)
    assert commitments.seconds_until_due() is None


def test_a_failed_attempt_is_counted(commitments):
    commitments.promise(promise(), ROOM, 0)
    commitments.postpone(promise(), 0)
    commitments.postpone(promise(), 0)
    assert [each.attempt for each in taken(commitments)] == [2]
    commitments.postpone(promise(), 60)
    assert 50 < commitments.seconds_until_due() <= 60


def test_asked_anew_it_is_promised_anew(commitments):
    commitments.promise(promise(), ROOM, 0)
    commitments.postpone(promise(), 60)
    again = promise(references=REFERENCES[:1])
    assert commitments.promise(again, ROOM, 0)
    commitments.kept(promise())  # the first one's report, which was under way
    assert taken(commitments) == [again]


def test_there_is_room_for_some_only(commitments):
    room = Room(4, 2)
    assert [commitments.promise(promise(str(uid)), room, 0) for uid in (1, 2, 3)] == [True, True, False]
    assert commitments.promise(promise("2"), room, 0)
    assert [commitments.promise(promise("1", f"CT{number}"), room, 0) for number in (2, 3, 4)] == [
        True,
        True,
        False,
    ]
    assert len(taken(commitments, most=3)) == 3
    assert len(taken(commitments)) == 1
