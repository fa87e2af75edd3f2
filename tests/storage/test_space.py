"""The limits on free space, by figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.storage.space import GIGABYTE, Room, Volume, Watermarks

GB = GIGABYTE


def room_after(watermarks, size, *free):
    """Judge one figure after the other; what there is room for at last."""
    for bytes_free in free:
        watermarks.judge(Volume(size, bytes_free))
    return watermarks.room


@pytest.mark.parametrize(
    ("size", "free", "room"),
    [
        (100 * GB, 100 * GB, Room.ENOUGH),
        (100 * GB, 15 * GB + 1, Room.ENOUGH),
        (100 * GB, 15 * GB, Room.LOW),  # 85 % in use
        (100 * GB, 5 * GB + 1, Room.LOW),
        (100 * GB, 5 * GB, Room.NONE),
        (100 * GB, 0, Room.NONE),
        # On a small volume the reserve is the larger one: there is nothing between the two.
        (20 * GB, 5 * GB + 1, Room.ENOUGH),
        (20 * GB, 5 * GB, Room.NONE),
        (5 * GB, 5 * GB, Room.NONE),
    ],
)
def test_the_defaults(size, free, room):
    assert Watermarks(85, 5 * GB).judge(Volume(size, free)) is room


@pytest.mark.parametrize(
    ("percent", "reserve", "free", "room"),
    [
        (100, 0, 1, Room.ENOUGH),
        (100, 0, 0, Room.NONE),
        (1, 0, 99 * GB + 1, Room.ENOUGH),
        (1, 0, 99 * GB, Room.LOW),
        (100, 30 * GB, 30 * GB, Room.NONE),
    ],
)
def test_other_settings(percent, reserve, free, room):
    assert Watermarks(percent, reserve).judge(Volume(100 * GB, free)) is room


def test_a_limit_is_left_above_where_it_was_met():
    size = 100 * GB
    met = Watermarks(85, 5 * GB)
    assert room_after(met, size, 15 * GB, int(15.75 * GB)) is Room.LOW
    assert room_after(met, size, int(15.75 * GB) + 1) is Room.ENOUGH
    assert room_after(met, size, int(15.75 * GB)) is Room.ENOUGH
    assert room_after(met, size, 5 * GB, int(5.25 * GB)) is Room.NONE
    assert room_after(met, size, int(5.25 * GB) + 1) is Room.LOW
    assert room_after(met, size, int(5.25 * GB)) is Room.LOW


def test_on_a_large_volume_it_is_left_a_gigabyte_above():
    assert room_after(Watermarks(85, 0), 10_000 * GB, 1500 * GB, 1501 * GB) is Room.LOW
    assert room_after(Watermarks(85, 0), 10_000 * GB, 1500 * GB, 1501 * GB + 1) is Room.ENOUGH


def test_other_limits_hold_with_the_next_judgement():
    watermarks = Watermarks(85, 5 * GB)
    assert room_after(watermarks, 100 * GB, 10 * GB) is Room.LOW
    watermarks.set(95, GB)
    assert watermarks.room is Room.LOW
    assert room_after(watermarks, 100 * GB, 10 * GB) is Room.ENOUGH


def test_without_a_name_left_there_is_no_room():
    watermarks = Watermarks(85, 0)
    assert watermarks.judge(Volume(100 * GB, 50 * GB, names=False)) is Room.NONE
    assert watermarks.judge(Volume(100 * GB, 50 * GB)) is Room.ENOUGH


@given(
    percent=st.integers(1, 100),
    reserve=st.integers(0, 200 * GB),
    size=st.integers(0, 200 * GB),
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
def test_nothing_is_taken_into_the_reserve_and_space_that_returns_opens(percent, reserve, size, shares):
    watermarks = Watermarks(percent, reserve)
    for share in shares:
        volume = Volume(size, int(size * share))
        room = watermarks.judge(volume)
        assert volume.free > reserve or room is Room.NONE
        assert volume.free > watermarks.limit(volume) or room is not Room.ENOUGH
        assert volume.free <= reserve + GB or room is not Room.NONE
        assert volume.free <= watermarks.limit(volume) + GB or room is Room.ENOUGH
