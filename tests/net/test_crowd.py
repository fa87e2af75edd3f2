"""Connections without an association: who gives way to a new one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.net.crowd import Crowd, counted_as


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_what_an_address_is_counted_as(address, counted):
    assert counted_as(address) == counted


def test_the_one_that_has_waited_longest_gives_way():
    crowd = Crowd(limit=3, per_address=0)
    assert [crowd.arrive(name, "a") for name in "123"] == [None] * 3
    assert crowd.arrive("4", "b") == "1"
    crowd.leave("2")
    assert crowd.arrive("5", "b") is None
    assert crowd.arrive("6", "b") == "3"


def test_who_has_an_association_counts_and_stays():
    crowd = Crowd(limit=2, per_address=0)
    crowd.arrive("1", "a")
    crowd.settle("1")
    crowd.arrive("2", "a")
    crowd.settle("2")
    assert crowd.arrive("3", "a") is None  # it is to be told that there is no room
    assert crowd.arrive("4", "a") == "3"
    crowd.wait("1")  # its association is over
    assert crowd.arrive("5", "a") == "4"
    assert crowd.arrive("6", "a") == "1"


def test_one_address_makes_room_for_itself_alone():
    crowd = Crowd(limit=100, per_address=2)
    crowd.arrive("1", "a")
    crowd.arrive("2", "b")
    crowd.arrive("3", "b")
    assert crowd.arrive("4", "b") == "2"
    assert crowd.arrive("5", "a") is None
    crowd.settle("3")
    crowd.settle("4")
    assert crowd.arrive("6", "b") is None
    assert crowd.arrive("7", "b") == "6"


def test_descriptors_that_run_out_take_who_has_waited_longest():
    crowd = Crowd(limit=0, per_address=0)
    assert crowd.give_way() is None
    for name in "123":
        crowd.arrive(name, "a")
    crowd.settle("1")
    assert crowd.give_way() == "2"
    assert crowd.give_way() == "3"
    assert crowd.give_way() is None


def test_who_has_given_way_is_counted_no_more():
    crowd = Crowd(limit=1, per_address=0)
    crowd.arrive("1", "a")
    assert crowd.arrive("2", "a") == "1"
    crowd.settle("1")
    crowd.wait("1")
    crowd.leave("1")
    assert crowd.arrive("3", "a") == "2"


def test_nothing_is_kept_of_who_has_left():
    crowd = Crowd(limit=10, per_address=2)
    for number in range(100):
        crowd.arrive(number, f"10.0.0.{number}")
        if number % 2:
            crowd.settle(number)
        crowd.leave(number)
    assert not any((crowd._address_of, crowd._counts, crowd._waiting, crowd._waiting_at))


class Model:
    """The same by one list, longest waiting first, and a search for everything."""

    def __init__(self, limit, per_address):
        self.limit = limit
        self.per_address = per_address
        self.present = {}
        self.waiting = []

    def arrive(self, member, address):
        there = [each for each in self.present if self.present[each] == address]
        candidates = []
        if self.per_address and len(there) >= self.per_address:
            candidates = [each for each in self.waiting if each in there]
        elif self.limit and len(self.present) >= self.limit:
            candidates = self.waiting
        gone = self.leave(next(iter(candidates), None))
        self.present[member] = address
        self.waiting.append(member)
        return gone

    def settle(self, member):
        self.waiting = [each for each in self.waiting if each != member]

    def wait(self, member):
        if member in self.present and member not in self.waiting:
            self.waiting.append(member)

    def leave(self, member):
        self.settle(member)
        self.present.pop(member, None)
        return member


ACTS = st.sampled_from(["arrive", "settle", "wait", "leave"])


@given(
    acts=st.lists(st.tuples(ACTS, st.integers(0, 15)), max_size=60),
    limit=st.integers(0, 4),
    per_address=st.integers(0, 2),
)
def test_whatever_happens_it_counts_who_is_there(acts, limit, per_address):
    crowd = Crowd(limit=limit, per_address=per_address)
    model = Model(limit, per_address)
    for act, member in acts:
        if act != "arrive":
            getattr(crowd, act)(member)
            getattr(model, act)(member)
        elif member not in model.present:
            address = f"10.0.0.{member % 3}"
            assert crowd.arrive(member, address) == model.arrive(member, address)
    while (gone := crowd.give_way()) is not None:
        assert gone == model.waiting[0]
        model.leave(gone)
    assert not model.waiting
    assert set(crowd._address_of) == set(model.present)
