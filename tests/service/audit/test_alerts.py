"""No peer can flood the audit trail, nor hide that it tried."""

from port104.service.audit.alerts import (
    ALERTS_PER_WINDOW,
    MOST_ADDRESSES,
    OTHER_ADDRESSES,
    WINDOW_SECONDS,
    AlertLimit,
)


def test_the_first_are_written_and_the_rest_is_counted():
    limit = AlertLimit()
    assert [limit.admit("a", 0.0) for _ in range(ALERTS_PER_WINDOW)] == [True] * ALERTS_PER_WINDOW
    assert [limit.admit("a", 1.0) for _ in range(5)] == [False] * 5
    assert limit.admit("b", 1.0)
    assert limit.due(WINDOW_SECONDS - 0.1) == {}
    assert limit.due(WINDOW_SECONDS) == {"a": 5}
    assert limit.due(2 * WINDOW_SECONDS) == {}


def test_the_next_window_begins_with_its_first_alert():
    limit = AlertLimit()
    for _ in range(ALERTS_PER_WINDOW + 1):
        limit.admit("a", 0.0)
    limit.due(WINDOW_SECONDS)
    assert limit.admit("a", 500.0)
    assert limit.due(500.0 + WINDOW_SECONDS) == {}


def test_addresses_without_end_take_no_memory():
    limit = AlertLimit()
    admitted = [limit.admit(str(number), 0.0) for number in range(3 * MOST_ADDRESSES)]
    assert sum(admitted) == MOST_ADDRESSES + ALERTS_PER_WINDOW
    assert limit.close() == {OTHER_ADDRESSES: 2 * MOST_ADDRESSES - ALERTS_PER_WINDOW}
