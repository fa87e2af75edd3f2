"""A destination that fails is left alone, asked, and trusted again once it has taken something."""

from port104.export.breaker import Breaker
from port104.export.policy import ExportPolicy

POLICY = ExportPolicy(strikes=3, first_pause=10, longest_pause=35)


def opened(times=1):
    breaker = Breaker(POLICY)
    for _ in range(times):
        breaker.strike(breaker.until or 0, "refused", 0, hard=True)
    return breaker


def test_failures_in_a_row_open_it():
    breaker = Breaker(POLICY)
    for _ in range(2):
        breaker.strike(0, "aborted", 0, hard=False)
    assert breaker.condition(0) == "closed"
    breaker.answered()
    for _ in range(3):
        assert breaker.condition(0) == "closed"
        breaker.strike(0, "aborted", 0, hard=False)
    assert (breaker.condition(9), breaker.condition(10)) == ("open", "half-open")


def test_no_connection_opens_it_at_once_and_each_time_for_longer():
    breaker, pauses, now = Breaker(POLICY), [], 0
    for _ in range(4):
        breaker.strike(now, "refused", 0, hard=True)
        pauses.append(breaker.until - now)
        now = breaker.until
    assert pauses == [10, 20, 35, 35]
    assert breaker.why == "refused"


def test_jitter_makes_it_shorter():
    breaker = Breaker(POLICY)
    breaker.strike(0, "refused", 1, hard=True)
    assert breaker.until == 5


def test_what_fails_while_it_is_open_says_nothing_new():
    breaker = opened()
    breaker.strike(1, "aborted", 0, hard=True)
    assert (breaker.until, breaker.why) == (10, "refused")


def test_one_echo_asks_at_a_time():
    breaker = opened()
    assert not breaker.may_probe(9)
    assert breaker.may_probe(10)
    breaker.probe()
    assert not breaker.may_probe(10)
    breaker.strike(11, "timed out", 0, hard=True)
    assert (breaker.until, breaker.may_probe(30)) == (31, False)
    assert breaker.may_probe(31)


def test_after_an_echo_the_first_failure_opens_it_again_for_longer():
    breaker = opened()
    breaker.probe()
    breaker.probed()
    assert breaker.condition(10) == "closed"
    breaker.strike(10, "status A700", 0, hard=False)
    assert breaker.until == 30


def test_what_was_taken_makes_all_well():
    breaker = opened(times=3)
    breaker.probed()
    breaker.answered()
    assert breaker.is_sound
    breaker.strike(100, "refused", 0, hard=True)
    assert breaker.until == 110
