"""Runs are told of as workflow requests, once their payload is whole.

Rules that this room keeps:
- whatever attempts a run has, it is told of once: with the payload of the first that became whole. A rerun
  that somebody asks for is told of anew;
- what is told follows from the payload's manifest alone, so that it is the same whenever it is made.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from port104.dispatch.payload import MANIFEST, RUNS
from port104.events.forms import (
    WORKFLOW_REQUEST,
    DataOrigin,
    DataService,
    PayloadFile,
    WorkflowRequest,
    id_of,
)
from port104.jobs.ledger.messages import Message
from port104.jobs.ledger.runs import Run


class _Instance(msgspec.Struct, frozen=True, rename="camel"):
    file: str
    calling_ae_title: str
    received: datetime
    object: str | msgspec.UnsetType = msgspec.UNSET


class _Manifest(msgspec.Struct, frozen=True):
    """What is read of a payload's manifest (dispatch/payload.py)."""

    instances: tuple[_Instance, ...]


class Announcer:
    """Tells of runs; a dispatch.dispatching.Announcer. `bucket`: what messages call the storage folder.

    `told`: is called when there may be a message to send.
    """

    def __init__(self, bucket: str, told: Callable[[], None]) -> None:
        self._bucket = bucket
        self.look = told

    def message_of(self, run: Run, folder: Path) -> Message:
        """As the protocol says."""
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=_Manifest)
        return workflow_request(run, manifest.instances, self._bucket)


def workflow_request(run: Run, instances: tuple[_Instance, ...], bucket: str) -> Message:
    """What is told of a run that works on these instances."""
    callers = sorted({each.calling_ae_title for each in instances})
    origins = tuple(DataOrigin(DataService.DIMSE, each, run.called_ae_title) for each in callers)
    last = max(instances, key=lambda each: each.received)
    body = WorkflowRequest(
        payload_id=id_of("payload", run.series),
        workflows=(run.pipeline_id,),
        file_count=len(instances),
        correlation_id=id_of("job", run.job_id),
        bucket=bucket,
        trigger=DataOrigin(DataService.DIMSE, last.calling_ae_title, run.called_ae_title),
        data_origins=origins,
        timestamp=last.received,
        payload=tuple(
            PayloadFile(f"{RUNS}/{run.id}/{run.attempt}/{each.file}", object=each.object)
            for each in instances
        ),
    )
    return Message(
        id=id_of("workflow request", run.series),
        routing_key=WORKFLOW_REQUEST,
        kind="WorkflowRequestEvent",
        correlation_id=body.correlation_id,
        body=msgspec.json.encode(body).decode(),
    )
