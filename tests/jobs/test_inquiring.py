"""When archives are asked about groups, and what is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.jobs.grouping import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID
from port104.jobs.inquiring import (
    FIRST_SECONDS,
    LONGEST_PAUSE_SECONDS,
    LONGEST_SECONDS,
    MOST_ARCHIVES,
    MOST_AT_ONCE,
    Inquiries,
    Question,
    question_of,
)


@pytest.mark.parametrize(
    ("tag", "value", "study", "question"),
    [
        (STUDY_INSTANCE_UID, "1.2", "1.2", Question("1.2")),
        (SERIES_INSTANCE_UID, "1.2.3", "1.2", Question("1.2", "1.2.3")),
        (SERIES_INSTANCE_UID, "1.2.3", "", None),
        (SERIES_INSTANCE_UID, "1.2.3", "*", None),
        (STUDY_INSTANCE_UID, "*", "*", None),
        (STUDY_INSTANCE_UID, "1.2\\1.3", "1.2\\1.3", None),
        (STUDY_INSTANCE_UID, "1.?", "1.?", None),
        (STUDY_INSTANCE_UID, "1" * 65, "1" * 65, None),
        (STUDY_INSTANCE_UID, "PATIENT^NAME", "1.2", None),
    ],
)
def test_only_of_one_study_or_series_is_asked(tag, value, study, question):
    assert question_of(tag, value, study) == question


def ask(inquiries, now, *numbers, groups=("a",)):
    """Ask PACS about groups at `now` if it is time; what is believed of them, None where it is not asked."""
    found = inquiries.due(dict.fromkeys(groups, "PACS"), now)
    if not found:
        return None
    believed = [
        inquiries.answered(group, number, now) for group, number in zip(found["PACS"], numbers, strict=True)
    ]
    inquiries.ended("PACS")
    return believed


def test_a_number_is_believed_when_it_was_said_twice_in_a_row():
    inquiries = Inquiries()
    assert ask(inquiries, 0) is None
    assert ask(inquiries, 0.9) is None
    said = [
        (1, 5, None),
        (3, 7, None),
        (7, 7, 7),
        (15, None, None),
        (31, 7, None),
        (63, 7, 7),
        (123, 8, None),
    ]
    for now, number, believed in said:
        assert ask(inquiries, now - 0.1) is None
        assert ask(inquiries, now, number) == [believed]


@given(st.lists(st.integers(0, 3) | st.none(), max_size=20))
def test_what_is_believed_was_said_last_and_before(numbers):
    inquiries, now, last = Inquiries(), 0.0, None
    ask(inquiries, now)
    for number in numbers:
        now += LONGEST_SECONDS
        (believed,) = ask(inquiries, now, number)
        assert believed == (number if number == last else None)
        last = number


def test_groups_that_are_closed_are_forgotten():
    inquiries = Inquiries()
    ask(inquiries, 0)
    assert ask(inquiries, 1, 5) == [None]
    assert ask(inquiries, 2, groups=()) is None
    assert inquiries.answered("a", 5, 2) is None
    assert ask(inquiries, 3) is None  # it is another one
    assert ask(inquiries, 4, 5) == [None]


def test_an_archive_is_asked_over_one_association_about_so_many_those_first_that_wait_longest():
    inquiries = Inquiries()
    groups = {f"{number:03}": "PACS" for number in range(MOST_AT_ONCE + 1)}
    inquiries.due({"050": "PACS"}, 0)
    inquiries.due(groups, 1e-3)
    (some,) = inquiries.due(groups, 10).values()
    assert (len(some), some[0]) == (MOST_AT_ONCE, "050")
    assert inquiries.due(groups, 11) == {}
    for group in some:
        inquiries.answered(group, 1, 11)
    inquiries.ended("PACS")
    assert inquiries.due(groups, 11) == {"PACS": ["049"]}


def test_few_archives_are_asked_at_one_time():
    inquiries = Inquiries()
    groups = {str(number): f"PACS{number}" for number in range(MOST_ARCHIVES + 2)}
    inquiries.due(groups, 0)
    found = inquiries.due(groups, 1)
    assert len(found) == MOST_ARCHIVES
    first, second, *_ = found
    inquiries.answered(found[first][0], 1, 1)
    inquiries.ended(first)
    inquiries.failed(second, 1)
    others = inquiries.due(groups, 1)
    assert len(others) == 2
    assert not others.keys() & found.keys()


def test_an_archive_that_fails_is_left_alone_longer_each_time_and_no_other():
    inquiries, groups = Inquiries(), {"a": "PACS", "b": "OTHER"}
    inquiries.due(groups, 0)
    now, pauses = FIRST_SECONDS, []
    assert inquiries.due(groups, now) == {"PACS": ["a"], "OTHER": ["b"]}
    inquiries.ended("OTHER")
    for _ in range(7):
        pauses.append(inquiries.failed("PACS", now))
        assert inquiries.due(groups, now + pauses[-1] - 0.1) == {"OTHER": ["b"]}
        inquiries.ended("OTHER")
        now += pauses[-1]
        assert "PACS" in inquiries.due(groups, now)
        inquiries.ended("OTHER")
    assert pauses == [15, 30, 60, 120, 240, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]
    inquiries.ended("PACS")
    assert inquiries.due(groups, now)
    assert inquiries.failed("PACS", now) == 15
