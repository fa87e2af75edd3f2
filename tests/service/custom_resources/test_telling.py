"""Status and Events say what became of a resource, once."""

import pytest

from port104.cluster.resources import Metadata, Resource
from port104.service.custom_resources.judging import Verdict
from port104.service.custom_resources.telling import event_of, status_of, time_text

NOW = 1_796_000_000.0
GOOD = Verdict("Accepted", "it holds")
BAD = Verdict("Invalid", "spec.aeTitle: it is wrong; it does not hold")


def resource(status=None, generation=1):
    return Resource(Metadata("covid", "uid", "7", generation), {}, status)


def test_the_status_of_what_holds():
    status = status_of(GOOD, ("it lacks a pipeline",), resource(), NOW)
    assert status == {
        "conditions": [
            {
                "type": "Accepted",
                "status": "True",
                "reason": "Accepted",
                "message": "it holds; it lacks a pipeline",
                "observedGeneration": 1,
                "lastTransitionTime": time_text(NOW),
            }
        ]
    }
    assert time_text(0) == "1970-01-01T00:00:00Z"
    assert status_of(GOOD, ("it lacks a pipeline",), resource(status), NOW + 1) is None


def test_the_time_is_that_of_the_last_transition():
    status = status_of(BAD, (), resource(), NOW)
    [same] = status_of(BAD, (), resource(status, generation=2), NOW + 60)["conditions"]
    assert (same["observedGeneration"], same["lastTransitionTime"]) == (2, time_text(NOW))
    [turned] = status_of(GOOD, (), resource(status), NOW + 60)["conditions"]
    assert (turned["status"], turned["lastTransitionTime"]) == ("True", time_text(NOW + 60))


@pytest.mark.parametrize("status", ["text", [], {"conditions": 1}, {"conditions": ["x", {"type": "Ready"}]}])
def test_a_status_that_others_wrote_is_no_fault(status):
    assert status_of(GOOD, (), resource(status), NOW) is not None


def test_an_event_names_the_resource_and_is_not_too_long():
    event = event_of(Verdict("Invalid", "x" * 5000), "LocalAE", "imaging", resource(), NOW)
    assert event["involvedObject"]["kind"] == "LocalAE"
    assert event["involvedObject"]["uid"] == "uid"
    assert (event["type"], event["reason"]) == ("Warning", "Invalid")
    assert len(event["message"]) < 1024
