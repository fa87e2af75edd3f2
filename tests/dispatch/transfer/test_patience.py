"""A store that is away is asked again for a while, longer apart each time, and it is said once."""

import pytest

from memory_objects import AWAY
from port104.dispatch.transfer.patience import Patience
from port104.objects.faults import DamagedObjectError


class Clock:
    def __init__(self):
        self.now = 100.0
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def said():
    return []


def patience(clock, said, seconds):
    return Patience(seconds, said.append, clock.sleep, lambda: clock.now)


def failing(*faults):
    waiting = list(faults)

    def work():
        if waiting:
            raise waiting.pop(0)
        return "done"

    return work


def test_what_works_is_done_once(clock, said):
    assert patience(clock, said, 0).do(failing()) == "done"
    assert (clock.pauses, said) == ([], [])


def test_what_is_away_is_asked_again(clock, said):
    assert patience(clock, said, 300).do(failing(*[AWAY] * 8)) == "done"
    assert clock.pauses == [0.5, 1, 2, 4, 5, 5, 5, 5]
    assert said == ["the object store is away; tried again for 300 s"]


def test_not_for_ever(clock, said):
    with pytest.raises(type(AWAY)):
        patience(clock, said, 10).do(failing(*[AWAY] * 99))
    assert clock.now == 110.0
    with pytest.raises(type(AWAY)):
        patience(clock, said, 0).do(failing(AWAY))


def test_what_is_wrong_for_good_is_not_tried_again(clock, said):
    with pytest.raises(DamagedObjectError):
        patience(clock, said, 300).do(failing(DamagedObjectError("damaged")))
    assert clock.pauses == []
