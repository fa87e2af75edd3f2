"""The decider of silence, pace and length: looks in, a reason out."""

import math

import pytest

from port104.wire.patience import Patience, PatienceLimits, Sight


class Watch:
    """A patience and a clock; `look` is taken at each multiple of ten seconds."""

    def __init__(self, **changes: float) -> None:
        limits = {"idle": 300.0, "message": 1000.0, "minimum_rate": 100.0, "rate_grace": 40.0}
        self.patience = Patience(PatienceLimits(**(limits | changes)), 0.0)
        self.now = 0.0
        self.received = 0

    def look(self, more: int = 0, message: int | None = 1, *, waits_for_us: bool = False) -> str:
        self.now += 10
        self.received += more
        return self.patience.look(self.now, Sight(self.received, message, waits_for_us))


@pytest.mark.parametrize(
    ("limits", "first_look"),
    [
        (PatienceLimits(), math.inf),
        (PatienceLimits(idle=60.0), 60.0),
        (PatienceLimits(message=80.0), 20.0),
        (PatienceLimits(minimum_rate=1.0, rate_grace=8.0, message=80.0), 2.0),
        (PatienceLimits(rate_grace=8.0), math.inf),  # a grace without a rate
    ],
)
def test_looks_are_as_rare_as_the_limits_allow(limits: PatienceLimits, first_look: float) -> None:
    assert Patience(limits, 0.0).next_look() == first_look


def test_fast_enough() -> None:
    watch = Watch()
    for _ in range(90):
        assert watch.look(1000) == ""


def test_a_byte_a_second() -> None:
    watch = Watch()
    said = [watch.look(10) for _ in range(5)]
    assert said[:4] == [""] * 4
    assert said[4] == "the peer sent 40 bytes of a message in 40 s, less than 100 a second"


def test_a_pause_shorter_than_the_grace() -> None:
    watch = Watch()
    for _ in range(20):
        assert watch.look(4000) == ""
        assert [watch.look() for _ in range(3)] == ["", "", ""]


def test_a_burst_buys_no_time_beyond_its_grace() -> None:
    watch = Watch()
    watch.look()
    assert watch.look(10_000_000) == ""
    said = [watch.look() for _ in range(7)]
    assert said[:6] == [""] * 6
    assert said[6].startswith("the peer sent 0 bytes of a message in 40 s")


def test_slow_messages_that_end() -> None:
    watch = Watch()
    for number in range(50):
        assert watch.look(10, message=number // 3) == ""


def test_between_messages_there_is_no_pace() -> None:
    watch = Watch()
    for _ in range(29):
        assert watch.look(0, message=None) == ""
    assert watch.look(0, message=None) == "the peer was silent for too long"


def test_bytes_end_silence_for_as_long_again() -> None:
    watch = Watch()
    for _ in range(100):
        assert watch.look(message=None) == ""
        assert watch.look(1, message=None) == ""


def test_the_same_message_after_an_answer_is_measured_anew() -> None:
    watch = Watch()
    for _ in range(4):
        assert watch.look() == ""
    assert watch.look(waits_for_us=True) == ""
    said = [watch.look() for _ in range(4)]
    assert said[:3] == [""] * 3
    assert said[3]


def test_a_peer_that_waits_for_us_is_neither_slow_nor_silent() -> None:
    watch = Watch()
    for _ in range(99):
        assert watch.look(waits_for_us=True) == ""


def test_a_message_that_does_not_end() -> None:
    watch = Watch(minimum_rate=0.0)
    said = [watch.look(1) for _ in range(101)]
    assert said[:100] == [""] * 100
    assert said[100] == "the peer did not end a message within 1000 s"


def test_without_a_rate_only_silence_counts() -> None:
    watch = Watch(minimum_rate=0.0, message=math.inf)
    for _ in range(200):
        assert watch.look(1) == ""


def test_a_note_judges_nothing() -> None:
    watch = Watch()
    watch.patience.note(1e6, 0)
    assert watch.patience.heard == 0
    watch.patience.note(1e6, 1)
    assert watch.patience.heard == 1e6
