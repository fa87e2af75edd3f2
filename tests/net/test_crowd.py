"""Connections without an association: who gives way to a new one."""

import pytest

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
