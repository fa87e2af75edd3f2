"""Pauses grow to a limit, and are spread."""

import pytest

from port104.events.patience import delay_of, pause_of


def test_a_broker_is_called_more_and_more_seldom():
    assert [pause_of(failures, 0) for failures in (1, 2, 3, 7, 8, 9, 10**9)] == [0.5, 1, 2, 32, 60, 60, 60]


def test_a_message_is_sent_more_and_more_seldom():
    assert [delay_of(attempt, 0) for attempt in (0, 1, 5, 6, 7, 10**9)] == [5, 10, 160, 300, 300, 300]


@pytest.mark.parametrize("pause", [pause_of, delay_of])
def test_pauses_are_up_to_a_half_shorter(pause):
    assert pause(1, 1) == pause(1, 0) / 2
