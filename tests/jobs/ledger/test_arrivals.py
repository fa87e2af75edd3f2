"""What came is in one group, and groups are closed once."""

import threading

import msgspec
import pytest

from arrivals import RULE, arrival
from port104.jobs.ledger.arrivals import record
from port104.jobs.ledger.closing import close_due, next_due

LATE_WITH_ALL = msgspec.structs.replace(RULE, late="all")


def come(database, *arrivals, now=100.0, node="n1"):
    with database.changing() as session:
        return record(session, node, arrivals, now)


def rows(database, sql, *parameters):
    with database.reading() as session:
        return session.run(sql, *parameters)


def members(database):
    """(value, state) of a group -> the files in it."""
    found = rows(
        database,
        "SELECT g.value, g.state, i.file FROM port104_instance i JOIN port104_group g ON g.id = i.group_id"
        " WHERE i.state = 'kept' ORDER BY i.file",
    )
    together = {}
    for value, state, file in found:
        together.setdefault((value, state), []).append(file)
    return together


def close(database, now):
    return list(close_due(database, now, lambda session, group: None))


def due(database):
    with database.reading() as session:
        return next_due(session)


def test_instances_of_one_value_are_together(database):
    assert come(database, arrival(1), arrival(2), arrival(3, value="another")) == 3
    assert come(database, arrival(4), now=102) == 1
    assert members(database) == {
        ("study", "open"): ["00/0001.dcm", "00/0002.dcm", "00/0004.dcm"],
        ("another", "open"): ["00/0003.dcm"],
    }


def test_the_same_value_under_another_ae_title_or_tag_is_another_group(database):
    by_series = msgspec.structs.replace(RULE, tag=0x0020000E)
    come(database, arrival(1), arrival(2, called_ae_title="OTHER"), arrival(3, rule=by_series))
    assert len(rows(database, "SELECT id FROM port104_group")) == 3


def test_each_instance_moves_the_time(database):
    assert due(database) is None
    come(database, arrival(1), now=100)
    assert due(database) == 105
    come(database, arrival(2), now=104)
    assert due(database) == 109
    assert close(database, 108.9) == []
    (group,) = close(database, 109)
    assert (group.called_ae_title, group.opened, group.last) == ("PORT104", 100, 104)
    assert (group.instances, group.reason, group.follows, group.with_all) == (2, "idle", None, False)
    assert close(database, 1000) == []
    assert due(database) is None


def test_a_clock_that_lags_moves_no_time_back(database):
    come(database, arrival(1), now=104)
    come(database, arrival(2), now=100)
    assert due(database) == 109


def test_at_its_age_it_is_closed_though_it_goes_on(database):
    for number in range(15):
        come(database, arrival(number), now=100 + 4 * number)
    assert due(database) == 160
    (group,) = close(database, 160)
    assert group.reason == "age"


def test_what_was_announced_is_whole_at_once(database):
    come(database, arrival(1, announced=3), arrival(2), now=100)
    assert due(database) == 105
    come(database, arrival(3), now=101)
    (group,) = close(database, 101)
    assert group.reason == "complete"


def test_the_larger_announcement_counts(database):
    come(database, arrival(1, announced=3), arrival(2, announced=1), now=100)
    assert due(database) == 105


def test_without_a_value_it_is_held(database):
    come(database, arrival(1, value=None), arrival(2, value=None), now=100)
    assert members(database) == {("", "holding"): ["00/0001.dcm", "00/0002.dcm"]}
    assert due(database) is None
    assert close(database, 1e9) == []


def test_what_is_told_twice_is_written_once(database):
    come(database, arrival(1), arrival(2))
    assert come(database, arrival(1), arrival(2), arrival(3)) == 1
    close(database, 200)
    assert come(database, arrival(1), arrival(2), arrival(3), now=300) == 0
    assert members(database) == {("study", "closed"): ["00/0001.dcm", "00/0002.dcm", "00/0003.dcm"]}
    assert len(rows(database, "SELECT id FROM port104_group")) == 1


def test_of_two_versions_in_one_batch_the_last_is_kept(database):
    assert come(database, arrival(1, written=5), arrival(1, written=6)) == 1
    assert rows(database, "SELECT written FROM port104_instance") == [(6,)]


def test_other_bytes_in_its_place_are_another_instance(database):
    come(database, arrival(1), arrival(2))
    close(database, 200)
    assert come(database, arrival(1, written=2), now=300) == 1
    assert members(database) == {
        ("study", "closed"): ["00/0002.dcm"],
        ("study", "open"): ["00/0001.dcm"],
    }
    assert rows(database, "SELECT COUNT(*) FROM port104_instance WHERE state = 'replaced'") == [(1,)]


def test_what_was_removed_and_comes_again_is_another_instance(database):
    come(database, arrival(1))
    with database.changing() as session:
        session.run("UPDATE port104_instance SET state = 'removed'")
    assert come(database, arrival(1)) == 0
    assert come(database, arrival(1, written=2)) == 1


@pytest.mark.parametrize("rule", [RULE, LATE_WITH_ALL])
def test_what_comes_late_follows(database, rule):
    come(database, arrival(1, rule=rule), now=100)
    (first,) = close(database, 200)
    come(database, arrival(2, rule=rule), now=300)
    (second,) = close(database, 400)
    come(database, arrival(3, rule=rule), now=500)
    (third,) = close(database, 600)
    assert (second.follows, second.with_all) == (first.id, rule.late == "all")
    assert third.follows == second.id


def test_what_is_to_be_done_is_of_the_same_transaction(database):
    come(database, arrival(1))

    def fail(session, group):
        session.run("DELETE FROM port104_instance")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(close_due(database, 200, fail))
    assert members(database) == {("study", "open"): ["00/0001.dcm"]}
    assert len(close(database, 200)) == 1


def test_many_at_once(database):
    numbers = range(1234)
    assert come(database, *(arrival(number) for number in numbers)) == 1234
    assert come(database, *(arrival(number) for number in numbers)) == 0
    (group,) = close(database, 200)
    assert group.instances == 1234


@pytest.mark.parametrize("open_database", ["postgresql"], indirect=True)
@pytest.mark.peer
def test_two_engines_make_one_group_of_a_study(open_database):
    """Each takes a half, in small batches; groups of several studies are joined in any order."""
    engines = [open_database() for _ in range(2)]
    faults = []

    def receive(number):
        try:
            for first in range(0, 100, 4):
                several = [arrival(first + each, value=f"study {each}") for each in range(4)]
                come(engines[number], *several[:: 1 - 2 * number], node=f"n{number}")
        except Exception as fault:  # noqa: BLE001 - of whatever kind
            faults.append(fault)

    threads = [threading.Thread(target=receive, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    closed = []
    threads = [threading.Thread(target=lambda e=e: closed.extend(close(e, 200))) for e in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [group.instances for group in closed] == [50] * 4
