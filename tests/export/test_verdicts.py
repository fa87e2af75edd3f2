"""What an answer means for the result that was sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.export.policy import ExportPolicy, backed_off
from port104.export.verdicts import Answered, BrokenOff, Unsendable
from port104.export.verdicts import judge as judge_with

POLICY = ExportPolicy(attempts=3, first_delay=10, longest_delay=100)


def judge(answer, attempt, policy=POLICY, jitter=0, *, waited=0, works=False):
    return judge_with(answer, attempt, policy, jitter, waited=waited, works=works)


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0xB123, 0x0001, 0x0107, 0x0116])
def test_a_warning_is_a_success_with_a_note(status):
    verdict = judge(Answered(status), 0, POLICY, 0)
    assert (verdict.state, verdict.status, verdict.strike) == ("delivered", status, False)
    assert f"{status:04X}" in verdict.why


def test_a_success_says_nothing_more():
    verdict = judge(Answered(0), 2, POLICY, 0)
    assert (verdict.state, verdict.why, verdict.tried) == ("delivered", "", True)


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0xC123, 0x0110, 0x0122, 0x0124, 0xFE00])
def test_a_failure_is_tried_again_until_the_attempts_end(status):
    verdicts = [judge(Answered(status), attempt, POLICY, 0) for attempt in range(3)]
    assert [each.state for each in verdicts] == ["waiting", "waiting", "failed"]
    assert [each.delay for each in verdicts[:2]] == [10, 20]
    assert not any(each.strike for each in verdicts)  # the destination is there, and answers


@pytest.mark.parametrize("status", [0xA700, 0xA701])
def test_a_destination_without_room_costs_no_attempt(status):
    verdict = judge(Answered(status), 99)
    assert (verdict.state, verdict.tried, verdict.strike) == ("waiting", False, True)
    assert [judge(Answered(status), 0, waited=waited).delay for waited in (0, 40, 1e6)] == [10, 40, 100]


def test_one_that_is_refused_while_others_are_taken_has_its_attempts():
    verdicts = [judge(Answered(0xA700), attempt, works=True) for attempt in (0, 2)]
    assert [(each.state, each.tried, each.strike) for each in verdicts] == [
        ("waiting", True, True),
        ("failed", True, True),
    ]


def test_what_ends_an_association_has_its_attempts_too():
    verdicts = [judge(BrokenOff("aborted"), attempt, POLICY, 0) for attempt in (0, 2)]
    assert [(each.state, each.why, each.strike) for each in verdicts] == [
        ("waiting", "aborted", True),
        ("failed", "aborted", True),
    ]


def test_what_cannot_be_sent_says_nothing_of_the_destination():
    gone = judge(Unsendable("the file is gone", final=True), 0, POLICY, 0)
    refused = judge(Unsendable("no context is accepted", final=False), 0, POLICY, 0)
    assert (gone.state, refused.state, gone.strike, refused.strike) == ("failed", "waiting", None, None)


@given(st.integers(0, 0xFFFF), st.integers(0, 9), st.floats(0, 1))
def test_only_success_and_warnings_deliver(status, attempt, jitter):
    verdict = judge(Answered(status), attempt, POLICY, jitter)
    assert (verdict.state == "delivered") == (
        status in {0, 0x0001, 0x0107, 0x0116} or 0xB000 <= status <= 0xBFFF
    )
    assert verdict.status == status
    assert (verdict.state == "waiting") or verdict.delay == 0


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_back_off_doubles_to_a_limit_less_up_to_a_half(times, jitter):
    whole = min(10.0 * 2.0 ** min(times - 1, 60), 100)
    assert whole / 2 <= backed_off(10, 100, times, jitter) <= whole
