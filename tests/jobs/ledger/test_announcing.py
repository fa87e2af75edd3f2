"""How many instances a group will have, as somebody else knows: written down, and it is closed by it."""

import msgspec
import pytest

from arrivals import RULE, arrival
from port104.jobs.grouping import SERIES_INSTANCE_UID
from port104.jobs.ledger.announcing import OpenGroup, announce, open_groups
from port104.jobs.ledger.arrivals import record
from port104.jobs.ledger.closing import close_due

BY_SERIES = msgspec.structs.replace(RULE, tag=SERIES_INSTANCE_UID)


def come(database, *arrivals, now=100.0):
    with database.changing() as session:
        record(session, "n1", arrivals, now)


def tell(database, number, group=None):
    """Announce a number for the only group."""
    with database.changing() as session:
        if group is None:
            ((group,),) = session.run("SELECT id FROM port104_group")
        return announce(session, group, RULE, number)


def found(database):
    with database.reading() as session:
        return open_groups(session)


def state(database):
    with database.reading() as session:
        return session.run("SELECT announced, due, reason, instances FROM port104_group")[0]


def close(database, now):
    return [(each.instances, each.reason) for each in close_due(database, now, lambda session, group: None)]


def test_open_groups_of_studies_and_series_are_found(database):
    by_patient = msgspec.structs.replace(RULE, tag=0x00100020)
    come(database, arrival(1, value="1.2"), now=100)
    come(database, arrival(2, value="1.3.1", rule=BY_SERIES, study_instance_uid="1.3"), now=101)
    come(database, arrival(3, value="P1", rule=by_patient), arrival(4, value=None), now=102)
    come(database, arrival(5, value="1.4", called_ae_title="OTHER"), now=104)
    described = [msgspec.structs.replace(each, id="") for each in found(database)]
    assert described == [
        OpenGroup("", "PORT104", RULE.tag, "1.2", "1.2"),
        OpenGroup("", "PORT104", SERIES_INSTANCE_UID, "1.3.1", "1.3"),
        OpenGroup("", "OTHER", RULE.tag, "1.4", "1.4"),
    ]
    close(database, 105)
    assert [each.value for each in found(database)] == ["1.3.1", "1.4"]


def test_a_group_is_closed_once_as_many_came_as_were_announced(database):
    come(database, arrival(1), arrival(2))
    assert not tell(database, 3)
    assert state(database) == (3, 105, "idle", 2)
    come(database, arrival(3), now=101)
    assert state(database) == (3, 101, "complete", 3)
    assert close(database, 101) == [(3, "complete")]


def test_a_group_is_due_at_once_where_all_are_there(database):
    come(database, arrival(1), arrival(2))
    assert tell(database, 2)
    assert close(database, 100) == [(2, "complete")]


def test_a_number_that_is_smaller_than_what_is_there_closes_nothing(database):
    come(database, arrival(1), arrival(2))
    assert not tell(database, 1)
    assert state(database) == (None, 105, "idle", 2)


@pytest.mark.parametrize(("first", "second", "announced"), [(3, 5, 5), (5, 3, 5), (4, 4, 4)])
def test_the_largest_number_holds(database, first, second, announced):
    come(database, arrival(1, announced=first))
    assert not tell(database, second)
    assert state(database)[0] == announced


def test_a_larger_number_puts_off_a_group_that_was_to_be_closed(database):
    come(database, arrival(1, announced=1))
    assert state(database)[2] == "complete"
    assert not tell(database, 2)
    assert close(database, 104) == []
    assert close(database, 105) == [(1, "idle")]


def test_nothing_is_announced_to_a_group_that_is_closed_or_none(database):
    come(database, arrival(1))
    close(database, 105)
    assert not tell(database, 1)
    assert not tell(database, 1, group="no-such-group")
    assert state(database)[0] is None
