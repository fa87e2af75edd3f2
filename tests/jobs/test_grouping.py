"""When a group is closed, and what belongs together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.jobs.grouping import (
    SERIES_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    Closing,
    GroupingRule,
    Progress,
    announced_by,
    closing_of,
    value_of,
)

RULE = GroupingRule(timeout=5, maximum_age=60)
STUDY = GroupingRule()
TIMES = st.floats(0, 1e9)


@pytest.mark.parametrize(
    ("progress", "closing"),
    [
        (Progress(100, 100, 1), Closing(105, "idle")),
        (Progress(100, 155, 1), Closing(160, "idle")),
        (Progress(100, 156, 1), Closing(160, "age")),
        (Progress(100, 110, 2, 3), Closing(115, "idle")),
        (Progress(100, 110, 3, 3), Closing(110, "complete")),
        (Progress(100, 170, 4, 3), Closing(170, "complete")),
    ],
)
def test_a_group_is_closed(progress, closing):
    assert closing_of(RULE, progress) == closing


@given(TIMES, TIMES, st.integers(1, 9), st.none() | st.integers(1, 9), st.floats(1, 1e4), st.floats(1, 1e4))
def test_it_is_closed_within_its_timeout_and_its_age(first, second, instances, announced, timeout, age):
    opened, last = sorted((first, second))
    rule = GroupingRule(timeout=timeout, maximum_age=age)
    closing = closing_of(rule, Progress(opened, last, instances, announced))
    assert closing.at <= last + timeout
    assert closing.at <= max(opened + age, last)
    assert (closing.reason == "complete") == (announced is not None and instances >= announced)


def test_what_comes_later_is_waited_for_longer():
    first = closing_of(RULE, Progress(100, 101, 1))
    assert closing_of(RULE, Progress(100, 103, 2)).at > first.at


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"1.2.3", "1.2.3"),
        (b"1.2.3\0", "1.2.3"),
        (b" A 1 ", "A 1"),
        (b"", None),
        (b"\0", None),
        (b"  ", None),
        (None, None),
        ("Müller".encode("latin-1"), "Müller"),
    ],
)
def test_padding_is_no_value(raw, value):
    assert value_of(STUDY, {} if raw is None else {STUDY_INSTANCE_UID: raw}) == value


@given(st.binary(max_size=600), st.binary(max_size=600))
def test_values_are_the_same_where_the_bytes_are(one, other):
    values = [value_of(STUDY, {STUDY_INSTANCE_UID: raw}) for raw in (one, other)]
    assert (values[0] == values[1]) == (one.strip(b"\0 ") == other.strip(b"\0 "))
    assert all(value is None or 1 <= len(value) <= 256 for value in values)


@pytest.mark.parametrize(
    ("raw", "number"),
    [(b"12", 12), (b" 7 ", 7), (b"0", None), (b"-3", None), (b"1.5", None), (b"", None), (b"9" * 13, None)],
)
def test_how_many_were_announced(raw, number):
    assert announced_by(STUDY, {0x00201208: raw}) == number
    assert announced_by(GroupingRule(tag=SERIES_INSTANCE_UID), {0x00201209: raw}) == number
    assert announced_by(GroupingRule(tag=0x00100020), {0x00201208: raw}) is None


def test_which_elements_are_looked_at():
    assert STUDY.tags == {STUDY_INSTANCE_UID, 0x00201208}
    assert GroupingRule(tag=0x00100020).tags == {0x00100020}
