"""What an export is called by what became of its results: a part is never all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.jobs.exporting import Tally, state_of


@pytest.mark.parametrize(
    ("tally", "state"),
    [
        (Tally(3), "waiting"),
        (Tally(3, delivered=2), "waiting"),
        (Tally(3, failed=2, cancelled=0), "waiting"),
        (Tally(3, delivered=3), "delivered"),
        (Tally(4, delivered=3, failed=1), "partial"),
        (Tally(4, delivered=2, failed=2), "partial"),  # a half is not more than a half
        (Tally(4, delivered=1, failed=3), "failed"),
        (Tally(4, failed=1, cancelled=3), "failed"),
        (Tally(4, delivered=3, cancelled=1), "partial"),
        (Tally(4, cancelled=4), "cancelled"),
    ],
)
def test_the_state_of_an_export(tally, state):
    assert state_of(tally, 0.5) == state


@pytest.mark.parametrize(
    ("threshold", "state"), [(0, "failed"), (0.24, "failed"), (0.25, "partial"), (1, "partial")]
)
def test_the_failure_threshold_tells_a_part_from_a_failure(threshold, state):
    assert state_of(Tally(4, delivered=3, failed=1), threshold) == state


COUNTS = st.integers(0, 5)


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.floats(0, 1))
def test_only_what_is_whole_is_delivered(waiting, delivered, failed, cancelled, threshold):
    total = waiting + delivered + failed + cancelled
    state = state_of(Tally(total, delivered, failed, cancelled), threshold)
    assert (state == "delivered") == (delivered == total)
    assert (state == "waiting") == (waiting > 0)
