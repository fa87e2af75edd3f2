"""Who may have an association, and who gives way: decisions without a socket or a clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.net.contracts import Limits
from port104.net.gate import Full, Gate
from port104.wire.negotiation import Rejection

NOW = 1000.0


class Member:
    """An association whose peer spoke at `since` last."""

    def __init__(self, since=NOW):
        self.since = since
        self.looks = 0

    def silent_since(self, now):
        self.looks += 1
        return self.since


def gate(**limits):
    facts = {"associations": 3, "send_timeout": 1, "shutdown_deadline": 1, "idle_grace": 60.0}
    return Gate(Limits(**(facts | limits)))


def enter(door, member, address="10.0.0.1", calling="PEER", now=NOW):
    return door.enter(member, address=address, calling=calling, now=now)


def full(setting):
    return Full(Rejection.LOCAL_LIMIT_EXCEEDED, f"dicom.scp.{setting}")


def test_there_is_room_up_to_the_limit_and_again_when_one_leaves():
    door = gate()
    members = [Member() for _ in range(3)]
    assert [enter(door, member) for member in members] == [[], [], []]
    assert enter(door, Member()) == full("maximumNumberOfAssociations")
    assert door.associations == 3
    door.leave(members[1])
    assert enter(door, Member()) == []
    assert enter(door, Member()) == full("maximumNumberOfAssociations")


def test_leaving_twice_is_leaving_once():
    door = gate()
    member, other = Member(), Member()
    enter(door, member)
    enter(door, other)
    door.leave(member)
    door.leave(member)
    door.leave(Member())
    assert door.associations == 1


@pytest.mark.parametrize(
    ("limit", "setting", "same", "other"),
    [
        (
            "associations_per_address",
            "maximumNumberOfAssociationsPerAddress",
            {"address": "10.0.0.1", "calling": "B"},
            {"address": "10.0.0.2", "calling": "A"},
        ),
        (
            "associations_per_calling_ae_title",
            "maximumNumberOfAssociationsPerCallingAeTitle",
            {"address": "10.0.0.2", "calling": "A"},
            {"address": "10.0.0.1", "calling": "B"},
        ),
    ],
)
def test_narrower_limits(limit, setting, same, other):
    door = gate(**{limit: 1})
    first = Member()
    assert enter(door, first, "10.0.0.1", "A") == []
    assert enter(door, Member(), **same) == full(setting)
    assert enter(door, Member(), **other) == []
    door.leave(first)
    assert enter(door, Member(), **same) == []


def test_an_ipv6_host_has_one_address():
    door = gate(associations_per_address=1)
    assert enter(door, Member(), "2001:db8::1") == []
    assert enter(door, Member(), "2001:db8::ffff:2%eth0") == full("maximumNumberOfAssociationsPerAddress")
    assert enter(door, Member(), "2001:db8:0:1::1") == []


def test_the_one_that_is_silent_longest_gives_way():
    door = gate()
    members = [Member(NOW - 61), Member(NOW - 100), Member(NOW)]
    for member in members:
        enter(door, member)
    newcomer = Member()
    assert enter(door, newcomer) == [members[1]]
    assert door.associations == 3
    assert enter(door, Member()) == [members[0]]
    assert enter(door, Member()) == full("maximumNumberOfAssociations")


def test_nobody_gives_way_while_there_is_room():
    door = gate()
    silent = Member(0.0)
    enter(door, silent)
    assert enter(door, Member()) == []
    assert silent.looks == 0


def test_nobody_gives_way_for_another_address_s_limit():
    door = gate(associations_per_address=1)
    enter(door, Member(0.0), "10.0.0.2")
    enter(door, Member(), "10.0.0.1")
    assert enter(door, Member(), "10.0.0.1") == full("maximumNumberOfAssociationsPerAddress")


def test_one_that_gives_way_to_a_narrow_limit_makes_room_in_all():
    door = gate(associations_per_calling_ae_title=1)
    silent = Member(0.0)
    enter(door, silent, calling="A")
    enter(door, Member(0.0), calling="B")
    enter(door, Member(0.0), calling="C")
    assert enter(door, Member(), calling="A") == [silent]


def test_two_give_way_where_each_makes_other_room():
    door = gate(associations_per_calling_ae_title=1, associations_per_address=1)
    title, address = Member(0.0), Member(0.0)
    enter(door, title, "10.0.0.1", "A")
    enter(door, address, "10.0.0.2", "B")
    assert enter(door, Member(), "10.0.0.2", "A") == [title, address]
    assert door.associations == 1


def test_nobody_gives_way_in_vain():
    door = gate(associations_per_calling_ae_title=1, associations_per_address=1)
    silent, busy = Member(0.0), Member(NOW)
    enter(door, silent, "10.0.0.1", "A")
    enter(door, busy, "10.0.0.2", "B")
    assert enter(door, Member(), "10.0.0.2", "A") == full("maximumNumberOfAssociationsPerAddress")
    assert door.associations == 2
    assert enter(door, Member(), "10.0.0.1", "C") == [silent]


def test_a_flood_is_refused_without_looking_at_everybody():
    door = gate()
    members = [Member(NOW - 50), Member(NOW), Member(NOW)]
    for member in members:
        enter(door, member)
    for _ in range(100):
        assert isinstance(enter(door, Member(), now=NOW + 9), Full)
    assert [member.looks for member in members] == [1, 1, 1]
    assert enter(door, Member(), now=NOW + 10) == [members[0]]


def test_a_closed_gate_lets_nobody_in():
    door = gate()
    door.close()
    assert enter(door, Member()) == Full(Rejection.TEMPORARY_CONGESTION)


def test_nothing_is_kept_of_who_has_left():
    door = gate(associations_per_address=1, associations_per_calling_ae_title=1)
    for number in range(100):
        member = Member()
        enter(door, member, f"10.0.0.{number}", f"AE{number}")
        door.leave(member)
    assert not door._groups
    assert not door._members


@given(
    visits=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 120), st.booleans()), max_size=40
    )
)
def test_no_limit_is_ever_exceeded_and_nobody_who_spoke_lately_gives_way(visits):
    door = gate(associations=3, associations_per_address=2, associations_per_calling_ae_title=2)
    inside = {}
    for now, (address, calling, silence, leaves) in enumerate(visits):
        if leaves and inside:
            gone = next(iter(inside))
            door.leave(gone)
            del inside[gone]
        member = Member(NOW + now - silence)
        answer = enter(door, member, f"10.0.0.{address}", f"AE{calling}", now=NOW + now)
        if not isinstance(answer, Full):
            for each in answer:
                assert NOW + now - each.since >= 60
                del inside[each]
            inside[member] = (address, calling)
        assert door.associations == len(inside) <= 3
        for index in range(2):
            values = [facts[index] for facts in inside.values()]
            assert all(values.count(value) <= 2 for value in values)
