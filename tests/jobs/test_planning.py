"""Which runs there are, what they are called, and when they are tried again."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrivals import plan_by
from port104.jobs.planning import PlannedRun, name_of, next_attempt

NOW = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


def test_one_run_for_each_pipeline():
    settings = {"pipeline-lung": "8ee3", "pipeline-Brain 2": "77", "timeout": 5, "priority": "higher"}
    planned = plan_by("COVIDAET", settings, NOW)
    assert planned.runs == (
        PlannedRun("Brain 2", "77", "covidaet-brain-2-20231114221320"),
        PlannedRun("lung", "8ee3", "covidaet-lung-20231114221320"),
    )
    assert (planned.priority, planned.retry_delay) == (2, 5.0)


def test_without_pipelines_there_is_no_run():
    assert plan_by("A", {"jobRetryDelay": 250}, NOW).runs == ()


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_name_is_one_for_kubernetes(called, pipeline):
    assert re.fullmatch(r"([a-z0-9][a-z0-9-]{0,47}-)?20231114221320", name_of(called, pipeline, NOW))


@pytest.mark.parametrize(
    ("attempt", "attempts", "after"),
    [(1, 4, 5), (2, 4, 10), (3, 4, 20), (4, 4, None), (1, 1, None), (99, 100, 3600)],
)
def test_a_failed_run_is_tried_again_after_a_while_that_doubles(attempt, attempts, after):
    again = next_attempt(attempt, attempts, 5.0, NOW)
    assert again == (None if after is None else NOW + after)
