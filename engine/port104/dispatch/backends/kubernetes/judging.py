"""What a Job and its pod say of an attempt: how it ended, and what keeps it from beginning. Sans-IO.

Conditions and reasons are those of `batch/v1 JobStatus` and `core/v1 ContainerState`.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from port104.cluster.resources import Resource
from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.kubernetes.steps import DELIVER, FETCH

_IMAGE = "check its name and tag, and whether imagePullSecrets lets it be pulled"
_HINTS = {
    "ErrImagePull": _IMAGE,
    "ImagePullBackOff": _IMAGE,
    "ErrImageNeverPull": "it is not on the node, and imagePullPolicy is Never",
    "InvalidImageName": "its name is none",
    "CreateContainerConfigError": "is there every Secret and ConfigMap that the pipeline names?",
    "CreateContainerError": "is its command there, and can its volumes be mounted where it says?",
    "RunContainerError": "is its command there, and may it be executed?",
}
# From Kubernetes 1.29 on: whether volumes are mounted and there is a sandbox with a network.
_PREPARED = "PodReadyToStartContainers"
_DESCRIBED = "kubectl describe {} {} tells why, as a claim or Secret that there is not, a quota, or a policy"
_USUAL_SECONDS = 20.0
# Steps that are port104 itself, and what it means where one failed that could not say so.
_CARRIES = {FETCH: "its payload could not be fetched", DELIVER: "its output could not be delivered"}
_OWN_WORDS = "port104: "
_OUT_OF_MEMORY = "OOMKilled"
_LONGEST = 300
"""Characters of what Kubernetes says."""

StatusT = TypeVar("StatusT")


class Hindrance(msgspec.Struct, frozen=True):
    """Why a pod has not begun: in Kubernetes' one word, and in words.

    `lasting`: it will not begin unless somebody changes something. `patience`: seconds in which this is what
    happens to every pod.
    """

    reason: str
    why: str
    lasting: bool
    patience: float = 0.0


class _Condition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class _JobStatus(msgspec.Struct, frozen=True):
    conditions: tuple[_Condition, ...] | None = None


class _Named(msgspec.Struct, frozen=True):
    name: str = ""


class _PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    init_containers: tuple[_Named, ...] = ()
    containers: tuple[_Named, ...] = ()


class _Template(msgspec.Struct, frozen=True):
    spec: _PodSpec = _PodSpec()


class _JobSpec(msgspec.Struct, frozen=True):
    template: _Template = _Template()


class _Waiting(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""


class _Terminated(msgspec.Struct, frozen=True, rename="camel"):
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""


class _State(msgspec.Struct, frozen=True):
    waiting: _Waiting | None = None
    running: Any = None
    terminated: _Terminated | None = None


class _Container(msgspec.Struct, frozen=True):
    name: str = ""
    state: _State = _State()


class _PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    reason: str = ""
    message: str = ""
    conditions: tuple[_Condition, ...] | None = None
    init_container_statuses: tuple[_Container, ...] | None = None
    container_statuses: tuple[_Container, ...] | None = None

    @property
    def steps(self) -> tuple[_Container, ...]:
        """Its containers, in the order in which they run."""
        return (*(self.init_container_statuses or ()), *(self.container_statuses or ()))

    @property
    def states(self) -> tuple[_State, ...]:
        """Those of its containers."""
        return tuple(each.state for each in self.steps)


def has_ended(job: Resource) -> bool:
    """Whether a Job has come to its end, well or not."""
    return _condition(job, "Complete") is not None or _condition(job, "Failed") is not None


def ending_of(job: Resource, pods: Sequence[Resource], time_limit: float) -> Ending:
    """Say how a Job that has ended did. `time_limit`: seconds, of its pipeline."""
    if _condition(job, "Complete") is not None:
        return Ending("succeeded")
    failed = _condition(job, "Failed") or _Condition()
    if failed.reason == "DeadlineExceeded":
        return Ending("failed", f"had not ended within its time limit of {time_limit:g} s, and was ended")
    for pod in pods:
        status = _read(pod.status, _PodStatus)
        for step in status.steps:
            if step.state.terminated is not None and step.state.terminated.exit_code:
                return Ending("failed", _in_words(step.name, step.state.terminated))
        if status.reason:
            return Ending(
                "failed", f"its pod was ended by Kubernetes: {_said(status.reason, status.message)}"
            )
    said = _said(failed.reason, failed.message) or "it does not say why"
    return Ending("failed", f"its Job failed: {said}; kubectl describe job {job.metadata.name} may tell more")


def _in_words(step: str, end: _Terminated) -> str:
    """What a pipeline wrote is not quoted, nor its termination message: they may name patients."""
    if step in _CARRIES:
        said = end.message.strip().rpartition("\n")[2]
        if said.startswith(_OWN_WORDS):
            return said.removeprefix(_OWN_WORDS)
        return f"{_CARRIES[step]} ({_of_code(end)}); what port104 wrote there is in its log"
    if end.reason == _OUT_OF_MEMORY:
        return f"was ended because memory ran out ({_OUT_OF_MEMORY}): raise its limit of memory"
    return f"ended with {_of_code(end)}; what it wrote is in its log"


def _of_code(end: _Terminated) -> str:
    killed = f", by signal {end.exit_code - 128}" if 128 < end.exit_code < 160 else ""
    return f"exit code {end.exit_code}{killed}"


def hindrance_of(pods: Sequence[Resource]) -> Hindrance | None:
    """What keeps a pod from beginning; None: nothing that is known."""
    return next(filter(None, map(_hindrance, pods)), None)


def _hindrance(pod: Resource) -> Hindrance | None:
    status = _read(pod.status, _PodStatus)
    for state in status.states:
        if state.waiting is not None and (hint := _HINTS.get(state.waiting.reason)):
            said = _said(state.waiting.reason, state.waiting.message)
            why = f"its container cannot be started: {said}: {hint}"
            return Hindrance(state.waiting.reason, why, lasting=True)
    denied = {each.type: each for each in status.conditions or () if each.status == "False"}
    if "PodScheduled" in denied:
        said = _said(denied["PodScheduled"].reason, denied["PodScheduled"].message)
        return Hindrance(denied["PodScheduled"].reason, f"no node takes it: {said}", lasting=False)
    if _PREPARED in denied:
        why = f"its volumes or its network are not there: {_DESCRIBED.format('pod', pod.metadata.name)}"
        return Hindrance(_PREPARED, why, lasting=True, patience=_USUAL_SECONDS)
    return None


def without_pod(job: str) -> Hindrance:
    """What keeps a Job from beginning for which there is no pod."""
    why = f"Kubernetes has made no pod for it: {_DESCRIBED.format('job', job)}"
    return Hindrance("NoPod", why, lasting=False, patience=_USUAL_SECONDS)


def has_begun(pod: Resource, container: str | None = None) -> bool:
    """Whether a container of it, or that one, runs or ran, and so has a log."""
    states = _states_of(pod, container)
    return any(each.running is not None or each.terminated is not None for each in states)


def has_stopped(pod: Resource, container: str | None = None) -> bool:
    """Whether all containers of it, or that one, have ended, and so write nothing more."""
    states = _states_of(pod, container)
    return bool(states) and all(each.terminated is not None for each in states)


def is_over(pod: Resource) -> bool:
    """Whether no container of it will begin any more: after one that failed there is no other."""
    ends = [each.terminated for each in _states_of(pod)]
    return any(end is not None and end.exit_code for end in ends) or has_stopped(pod)


def goes_on(pod: Resource) -> bool:
    """Whether nothing keeps it from going on: a container of it runs, or none will."""
    return is_over(pod) or any(each.running is not None for each in _states_of(pod))


def containers_of(job: Resource) -> tuple[str, ...]:
    """The containers of a Job's pod, in the order in which they run."""
    spec = _read(job.spec, _JobSpec).template.spec
    return tuple(each.name for each in (*spec.init_containers, *spec.containers))


def _states_of(pod: Resource, container: str | None = None) -> list[_State]:
    steps = _read(pod.status, _PodStatus).steps
    return [each.state for each in steps if container in (None, each.name)]


def _condition(job: Resource, kind: str) -> _Condition | None:
    conditions = _read(job.status, _JobStatus).conditions or ()
    return next((each for each in conditions if each.type == kind and each.status == "True"), None)


def _read(status: Any, kind: type[StatusT]) -> StatusT:
    """Read a status; one that says nothing, or something else, is an empty one."""
    try:
        return msgspec.convert(status or {}, kind)
    except msgspec.ValidationError:
        return kind()


def _said(reason: str, message: str) -> str:
    words = ": ".join(filter(None, [reason, message.strip()]))
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."
