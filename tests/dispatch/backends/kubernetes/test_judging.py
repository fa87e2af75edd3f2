"""What Kubernetes says of a Job and its pod, in words that say what to do."""

import pytest

from port104.cluster.resources import Metadata, Resource
from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.kubernetes.hindering import HINDERED_SECONDS, Hindrances
from port104.dispatch.backends.kubernetes.judging import (
    containers_of,
    ending_of,
    goes_on,
    has_begun,
    has_ended,
    has_stopped,
    hindrance_of,
    is_over,
)


def job(*conditions):
    return Resource(Metadata(name="port104-a1-1"), status={"conditions": [*conditions]})


def condition(kind, reason="", message="", status="True"):
    return {"type": kind, "status": status, "reason": reason, "message": message}


def pod(state=None, **status):
    states = [] if state is None else [{"name": "pipeline", "state": state}]
    return Resource(Metadata(name="x"), status={"containerStatuses": states, **status})


LIMIT = "Job has reached the specified backoff limit"
FAILED = condition("Failed", "BackoffLimitExceeded", LIMIT)


@pytest.mark.parametrize(
    ("conditions", "ended"),
    [
        ([], False),
        ([condition("Suspended")], False),
        ([condition("FailureTarget", "BackoffLimitExceeded")], False),
        ([condition("SuccessCriteriaMet")], False),
        ([condition("Complete", status="False")], False),
        ([condition("SuccessCriteriaMet"), condition("Complete")], True),
        ([FAILED], True),
    ],
)
def test_ended(conditions, ended):
    assert has_ended(job(*conditions)) is ended


@pytest.mark.parametrize("status", [None, {}, {"conditions": None}, {"conditions": "none"}, 5])
def test_a_status_that_says_nothing(status):
    assert not has_ended(Resource(Metadata(), status=status))
    assert hindrance_of([Resource(Metadata(), status=status)]) is None
    assert not has_begun(Resource(Metadata(), status=status))
    assert not has_stopped(Resource(Metadata(), status=status))


def test_success():
    assert ending_of(job(condition("Complete")), [], 60) == Ending("succeeded")


@pytest.mark.parametrize(
    ("failed", "pods", "why"),
    [
        (
            condition("Failed", "DeadlineExceeded", "Job was active longer than specified deadline"),
            [],
            "had not ended within its time limit of 60 s, and was ended",
        ),
        (
            FAILED,
            [pod({"terminated": {"exitCode": 3, "reason": "Error"}})],
            "ended with exit code 3; what it wrote is in its log",
        ),
        (
            FAILED,
            [pod({"terminated": {"exitCode": 139, "reason": "Error"}})],
            "ended with exit code 139, by signal 11; what it wrote is in its log",
        ),
        (
            FAILED,
            [pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})],
            "was ended because memory ran out (OOMKilled): raise its limit of memory",
        ),
        (
            FAILED,
            [pod(reason="Evicted", message="The node was low on resource: ephemeral-storage.")],
            "its pod was ended by Kubernetes: Evicted: The node was low on resource: ephemeral-storage.",
        ),
        (
            FAILED,
            [],
            f"its Job failed: BackoffLimitExceeded: {LIMIT}; kubectl describe job port104-a1-1 may tell more",
        ),
        (
            condition("Failed", "PodFailurePolicy"),
            [pod({"running": {}})],
            "its Job failed: PodFailurePolicy; kubectl describe job port104-a1-1 may tell more",
        ),
        (
            condition("Failed"),
            [],
            "its Job failed: it does not say why; kubectl describe job port104-a1-1 may tell more",
        ),
    ],
)
def test_failures(failed, pods, why):
    assert ending_of(job(failed), pods, 60) == Ending("failed", why)


def test_what_the_container_says_itself_is_not_told():
    said = pod({"terminated": {"exitCode": 1, "reason": "Error", "message": "DOE^JANE"}})
    assert "DOE" not in ending_of(job(FAILED), [said], 60).why


WAITING = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "lung:2"'}}
UNSCHEDULABLE = [condition("PodScheduled", "Unschedulable", "0/3 nodes: 3 Insufficient gpu", "False")]


@pytest.mark.parametrize(
    ("pods", "why", "lasting"),
    [
        ([pod(WAITING)], 'ImagePullBackOff: Back-off pulling image "lung:2": check its name', True),
        ([pod({"waiting": {"reason": "InvalidImageName"}})], "InvalidImageName: its name is none", True),
        (
            [pod({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}})],
            'secret "x" not found: is there every Secret',
            True,
        ),
        ([pod(conditions=UNSCHEDULABLE)], "no node takes it: Unschedulable: 0/3 nodes", False),
        ([pod({"waiting": {"reason": "x", "message": "y" * 999}})], None, False),
    ],
)
def test_hindrances(pods, why, lasting):
    found = hindrance_of(pods)
    if why is None:
        assert found is None
    else:
        assert why in found.why
        assert found.lasting is lasting


def test_nothing_hinders_what_runs_or_is_made():
    assert hindrance_of([]) is None
    assert hindrance_of([pod({"running": {}}), pod({"waiting": {"reason": "ContainerCreating"}})]) is None
    assert hindrance_of([pod(conditions=[condition("PodScheduled")])]) is None


def test_long_words_are_cut():
    why = hindrance_of([pod({"waiting": {"reason": "ErrImagePull", "message": "y" * 999}})]).why
    assert "yyy..." in why
    assert len(why) < 450


def test_begun_and_stopped():
    assert has_begun(pod({"running": {}}))
    assert not has_stopped(pod({"running": {}}))
    assert has_stopped(pod({"terminated": {"exitCode": 0}}))
    assert has_begun(pod({"terminated": {"exitCode": 0}}))
    assert not has_begun(pod(WAITING))


def test_each_hindrance_is_told_once_and_given_up_after_a_while():
    hindrances = Hindrances("port104-a1-1")
    other = pod({"waiting": {"reason": "ErrImagePull", "message": "denied"}})
    assert hindrances.hear([pod(conditions=UNSCHEDULABLE)], 0).reason == "Unschedulable"
    assert not hindrances.last(10 * HINDERED_SECONDS)  # a node may become free
    assert hindrances.hear([pod(WAITING)], 5).reason == "ImagePullBackOff"
    assert hindrances.hear([other], 10).reason == "ErrImagePull"
    assert hindrances.hear([pod(WAITING)], 15) is None
    assert not hindrances.last(4 + HINDERED_SECONDS)
    assert hindrances.last(5 + HINDERED_SECONDS)
    assert "ImagePullBackOff" in hindrances.why


def test_what_has_begun_was_not_hindered_for_long():
    hindrances = Hindrances("port104-a1-1")
    hindrances.hear([pod(WAITING)], 0)
    assert hindrances.hear([], 1) is None  # its pod is gone, by its time limit
    assert hindrances.why
    hindrances.hear([pod({"running": {}})], 2)
    assert hindrances.why == ""
    assert not hindrances.last(10 * HINDERED_SECONDS)


UNPREPARED = condition("PodReadyToStartContainers", status="False")


def test_volumes_that_are_not_there_are_told_of_after_a_while():
    """Those of every pod are not, for a moment."""
    hindrances = Hindrances("port104-a1-1")
    waiting = pod({"waiting": {"reason": "ContainerCreating"}}, conditions=[UNPREPARED])
    assert hindrances.hear([waiting], 0) is None
    assert hindrances.hear([waiting], 19) is None
    assert (hindrances.why, hindrances.last(19)) == ("", False)
    told = hindrances.hear([waiting], 20)
    assert told.why.startswith("its volumes or its network are not there: kubectl describe pod x tells why")
    assert hindrances.hear([waiting], 21) is None
    assert hindrances.last(HINDERED_SECONDS)


def test_at_its_end_a_pod_loses_its_volumes_and_is_not_hindered():
    hindrances = Hindrances("port104-a1-1")
    ended = pod({"terminated": {"exitCode": 0}}, conditions=[UNPREPARED])
    assert hindrances.hear([ended], 0) is None
    assert hindrances.hear([ended], 100) is None
    assert hindrances.why == ""
    assert not hindrances.last(1000)


def test_a_job_without_a_pod_is_told_of_after_a_while_and_waited_for():
    hindrances = Hindrances("port104-a1-1")
    assert hindrances.hear([], 0) is None
    told = hindrances.hear([], 20)
    assert told.why.startswith("Kubernetes has made no pod for it: kubectl describe job port104-a1-1 tells")
    assert not hindrances.last(10 * HINDERED_SECONDS)
    hindrances.hear([pod({"running": {}})], 30)
    assert hindrances.why == ""
    assert hindrances.hear([], 100) is None  # its time limit has removed it
    assert hindrances.why == ""


# ---- where a pod has steps ----


def steps(fetch=None, pipeline=None, deliver=None, **status):
    """A pod whose containers run in turn."""
    initialising = {"waiting": {"reason": "PodInitializing"}}
    first, second, third = (
        {"name": name, "state": state or initialising}
        for name, state in (("fetch", fetch), ("pipeline", pipeline), ("deliver", deliver))
    )
    status = {"initContainerStatuses": [first, second], "containerStatuses": [third], **status}
    return Resource(Metadata(name="x"), status=status)


RUNS, DONE = {"running": {}}, {"terminated": {"exitCode": 0}}


def failed(code=1, message="", reason="Error"):
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (
            steps(
                failed(3, "port104: x; tried again for 300 s\nport104: the payload cannot be fetched: x\n")
            ),
            "the payload cannot be fetched: x",
        ),
        (
            steps(failed(1, "Traceback\nKeyError: 'DOE^JANE'")),
            "its payload could not be fetched (exit code 1); what port104 wrote there is in its log",
        ),
        (
            steps(failed(137, reason="OOMKilled")),
            "its payload could not be fetched (exit code 137, by signal 9); what port104 wrote there",
        ),
        (steps(DONE, failed(3, "port104: DOE^JANE")), "ended with exit code 3; what it wrote is in its log"),
        (steps(DONE, DONE, failed(1, "port104: the output cannot be delivered: y")), "the output cannot be"),
        (steps(DONE, DONE, failed(2)), "its output could not be delivered (exit code 2); what port104 wrote"),
    ],
)
def test_the_step_that_failed_is_told(status, why):
    assert ending_of(job(FAILED), [status], 60).why.startswith(why)


@pytest.mark.parametrize(
    ("status", "begun", "over", "on"),
    [
        (steps(), [], False, False),
        (steps(RUNS), ["fetch"], False, True),
        (steps(DONE), ["fetch"], False, False),
        (steps(DONE, RUNS), ["fetch", "pipeline"], False, True),
        (steps(DONE, WAITING), ["fetch"], False, False),
        (steps(DONE, failed()), ["fetch", "pipeline"], True, True),
        (steps(DONE, DONE, RUNS), ["fetch", "pipeline", "deliver"], False, True),
        (steps(DONE, DONE, DONE), ["fetch", "pipeline", "deliver"], True, True),
    ],
)
def test_how_far_it_is(status, begun, over, on):
    names = ("fetch", "pipeline", "deliver")
    assert [name for name in names if has_begun(status, name)] == begun
    assert (is_over(status), goes_on(status)) == (over, on)


def test_what_hinders_a_later_step_is_told():
    hindrances = Hindrances("port104-a1-1")
    assert hindrances.hear([steps(DONE)], 0) is None
    assert hindrances.hear([steps(DONE, WAITING)], 5).reason == "ImagePullBackOff"
    assert hindrances.last(5 + HINDERED_SECONDS)
    assert hindrances.hear([steps(DONE, RUNS)], 6) is None
    assert hindrances.why == ""


def test_containers_are_known_in_their_order():
    spec = {"initContainers": [{"name": "fetch"}, {"name": "pipeline"}], "containers": [{"name": "deliver"}]}
    made = Resource(Metadata(), spec={"template": {"spec": spec}})
    assert containers_of(made) == ("fetch", "pipeline", "deliver")
    assert containers_of(Resource(Metadata(), spec=5)) == ()
