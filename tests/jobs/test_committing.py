"""When reports of storage commitment are tried again."""

from port104.jobs.committing import CommitmentPolicy

POLICY = CommitmentPolicy(first_delay=10, longest_delay=100, patience=1000)


def test_each_pause_is_twice_as_long_up_to_the_longest():
    delays = [POLICY.next_delay(attempt, 0, jitter=0) for attempt in (0, 1, 2, 3, 4, 5_000)]
    assert delays == [10, 20, 40, 80, 100, 100]


def test_half_of_a_pause_is_up_to_chance():
    assert POLICY.next_delay(0, 0, jitter=1) == 5


def test_after_its_time_it_is_given_up():
    assert POLICY.next_delay(7, 999, jitter=0) == 100
    assert POLICY.next_delay(0, 1000, jitter=0) is None
