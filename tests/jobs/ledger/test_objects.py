"""Which instances wait for the object store, which are there, and which files may go."""

import pytest

from arrivals import arrival, plan_by
from port104.jobs.ledger.ledger import Ledger
from port104.jobs.ledger.looking.objects import ObjectBacklog, object_backlog
from port104.jobs.ledger.objects import StoredInstance
from port104.objects.held import Held

NS = 1_000_000_000
PLACE = "s3://bucket/site/ at Amazon S3"
NO_LIMIT = {"A": 9}


@pytest.fixture
def ledger(database):
    made = Ledger(database, "n1")
    made.has_object_store = True
    made.register("/payloads/n1", "ingress-1")
    made.moving.arrive(PLACE)
    return made


def came(ledger, *numbers, **facts):
    """Instances of one study come at such seconds, and are known by what this returns."""
    arrivals = [arrival(number, written=number * NS, replaced=False, **facts) for number in numbers]
    ledger.record(arrivals)
    return [(each.file, each.written) for each in arrivals]


def key_of(node, file, written):
    return f"site/{node}/{file}.{written // NS}"


def taken(ledger, most):
    return [each.identity for each in ledger.objects.take(most, key_of)]


def held(identity):
    return StoredInstance(*identity, Held(key_of("n1", *identity), 7, "d1", "e1"))


def store(ledger, identities):
    taken(ledger, 99)
    assert ledger.objects.stored([held(each) for each in identities]) == []


def close(ledger, **settings):
    with ledger._database.changing() as session:
        session.run("UPDATE port104_group SET due = 0 WHERE state = 'open'")
    ledger.close_due(now=ledger.now(), plan_of=lambda called, now: plan_by(called, settings, now))


def backlog(ledger):
    with ledger._database.reading() as session:
        return object_backlog(session, "n1")


def releasable(ledger, age=0):
    return [each.identity for each in ledger.objects.releasable(PLACE, age, 100)]


def test_what_comes_waits_until_the_store_holds_it(ledger):
    identities = came(ledger, 1, 2, 3)
    came(ledger, 2)  # told twice
    assert taken(ledger, 9) == identities
    assert taken(ledger, 2) == identities[:2]
    assert backlog(ledger) == ObjectBacklog(3, 1.0)
    store(ledger, identities[:2])
    assert taken(ledger, 9) == identities[2:]
    assert backlog(ledger) == ObjectBacklog(1, 3.0)
    store(ledger, identities[2:])
    assert backlog(ledger) == ObjectBacklog(0, None)
    assert ledger.objects.seconds_until_due() is None


def test_without_a_store_nothing_waits_and_later_all_of_it_does(ledger):
    ledger.has_object_store = False
    identities = came(ledger, *range(1, 8))
    assert taken(ledger, 9) == []
    store_of_some = came(ledger, 3)
    ledger.has_object_store = True
    assert (after := ledger.objects.want_some(most=3)) == identities[2]
    assert (after := ledger.objects.want_some(after, most=3)) == identities[5]
    store(ledger, store_of_some)
    assert ledger.objects.want_some(after, most=3) is None
    assert ledger.objects.want_some() is None  # as each start does
    assert taken(ledger, 9) == [each for each in identities if each not in store_of_some]


def test_what_was_removed_before_there_was_a_store_does_not_wait(ledger):
    ledger.has_object_store = False
    gone, there = came(ledger, 1, 2)
    ledger.write_off_instances([gone])
    ledger.objects.want_some()
    assert taken(ledger, 9) == [there]


def test_what_is_put_off_comes_later(ledger):
    first, second = came(ledger, 1, 2)
    ledger.objects.put_off([first], 60)
    assert taken(ledger, 9) == [second]
    assert ledger.objects.seconds_until_due() == 0
    store(ledger, [second])
    assert 55 < ledger.objects.seconds_until_due() <= 60


def test_what_went_meanwhile_is_not_wanted_in_the_store(ledger):
    first, second = came(ledger, 1, 2)
    taken(ledger, 9)
    ledger.objects.forget([first])
    assert ledger.objects.stored([held(first), held(second)]) == [held(first)]
    assert ledger.objects.keys_of([first, second]) == [key_of("n1", *second)]


def test_a_run_knows_where_its_instances_are(ledger):
    first, _ = came(ledger, 1, 2)
    store(ledger, [first])
    close(ledger, **{"pipeline-a": "A"})
    members = ledger.members_of(ledger.begin(NO_LIMIT))
    assert [(each.file, each.held) for each in members] == [
        (first[0], held(first).held),
        ("00/0002.dcm", None),
    ]


def test_an_instance_that_is_known_by_another_time_keeps_its_key(ledger):
    """As after a kill, where it may have been put there already."""
    first, second = came(ledger, 1, 2)
    store(ledger, [first])
    ledger.rewritten(first[0], first[1], 77 * NS)
    ledger.rewritten(second[0], second[1], 78 * NS)
    (waiting,) = ledger.objects.take(9, key_of)
    assert waiting == (second[0], 78 * NS, key_of("n1", *second))
    assert ledger.objects.keys_of([(first[0], 77 * NS)]) == [key_of("n1", *first)]


def test_files_may_go_once_the_store_holds_them_and_no_run_needs_them(ledger):
    identities = came(ledger, 1, 2, 3)
    store(ledger, identities[:2])
    assert releasable(ledger) == []  # its group is open
    close(ledger, **{"pipeline-a": "A"})
    assert releasable(ledger) == []  # its run waits
    run = ledger.begin(NO_LIMIT)
    assert releasable(ledger) == []
    ledger.end(run, "failed", "exit code 1")
    assert releasable(ledger) == identities[:2]
    assert releasable(ledger, age=3600) == []
    ledger.rerun(run.id)
    assert releasable(ledger) == []
    ledger.end(ledger.begin(NO_LIMIT), "succeeded", "")
    ledger.objects.released(identities[:1])
    assert releasable(ledger) == identities[1:2]
    ledger.objects.wait_again(identities[1:2])
    assert releasable(ledger) == []
    assert set(taken(ledger, 9)) == set(identities[1:])


def test_a_later_group_of_the_same_study_needs_what_came_before(ledger):
    identities = came(ledger, 1)
    store(ledger, identities)
    close(ledger)
    assert releasable(ledger) == identities
    came(ledger, 2)
    close(ledger, **{"pipeline-a": "A"})
    assert releasable(ledger) == []


def test_what_others_took_the_place_of_may_leave_the_store(ledger):
    (old,) = came(ledger, 1)
    store(ledger, [old])
    ledger.record([arrival(1, written=9 * NS, replaced=True)])
    assert ledger.objects.replaced(9) == []  # the group is open
    close(ledger)
    assert [each.identity for each in ledger.objects.replaced(9)] == [old]
    ledger.objects.forget([old])
    assert ledger.objects.replaced(9) == []


def test_each_engine_has_its_own(ledger, database):
    came(ledger, 1)
    other = Ledger(database, "n2")
    assert taken(other, 9) == []


# ---- runs that wait for their payload ----


@pytest.fixture
def run(ledger):
    came(ledger, 1)
    close(ledger, **{"pipeline-a": "A"})
    return ledger.begin(NO_LIMIT)


def state_of(ledger, run):
    with ledger._database.reading() as session:
        ((*found, due),) = session.run(
            "SELECT state, attempt, why, ended, due FROM port104_run WHERE id = ?", run.id
        )
    return tuple(found), due - ledger.now()


def test_a_run_that_is_put_back_has_used_up_no_attempt(ledger, run):
    assert ledger.put_back(run, "waits for 3 instances")
    found, due = state_of(ledger, run)
    assert found == ("waiting", 0, "waits for 3 instances", None)
    assert 0 < due <= 0.5
    assert not ledger.put_back(run, "twice")
    with ledger._database.changing() as session:
        session.run("UPDATE port104_run SET due = 0")
    again = ledger.begin(NO_LIMIT)
    assert (again.attempt, again.tries) == (1, 1)
    assert ledger.confirm(again, 60)


def test_it_waits_longer_the_older_its_job_is_but_a_minute_at_most(ledger, run):
    with ledger._database.changing() as session:
        session.run("UPDATE port104_job SET created = created - 100000")
    ledger.put_back(run, "waits")
    _, due = state_of(ledger, run)
    assert 59 < due <= 60


def test_it_is_cancelled_where_somebody_wanted_that_meanwhile(ledger, run):
    ledger.cancel(run.id)
    ledger.put_back(run, "waits")
    (state, attempt, _, ended), _ = state_of(ledger, run)
    assert (state, attempt, ended is not None) == ("cancelled", 0, True)


def test_it_is_not_put_back_by_who_has_lost_it(ledger, database, run):
    assert not Ledger(database, "n2").put_back(run, "waits")
    assert state_of(ledger, run)[0][0] == "running"
