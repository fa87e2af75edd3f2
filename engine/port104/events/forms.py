"""The bodies of messages, in the form that MONAI Deploy Informatics Gateway (MIG) gives them.

Names and numbers are those of Project-MONAI/monai-deploy-messaging. What MIG's own programs write is read
whatever else stands in it: later versions add keys.
"""

import enum
import uuid
from datetime import datetime

import msgspec

WORKFLOW_REQUEST = "md.workflow.request"
"""Routing key of workflow requests."""
EXPORT_REQUEST = "md.export.request"
"""That of export requests; the name of the agent that is to export follows it, after a dot."""
EXPORT_COMPLETE = "md.export.complete"
"""That of the answers to them."""

# Made once, at random: what is made of it with uuid5 collides with nobody's.
_NAMESPACE = uuid.UUID("0c4f4ad5-7e5b-4e0c-9d0b-3a0f6f2f1040")


class DataService(enum.IntEnum):
    """By what data came; a number in JSON."""

    UNKNOWN = 0
    DIMSE = 1
    DICOMWEB = 2
    FHIR = 3
    HL7 = 4
    ACR = 5


class FileExportStatus(enum.IntEnum):
    """What became of a file; a number in JSON."""

    SUCCESS = 0
    CONFIGURATION_ERROR = 1
    UNSUPPORTED_DATA_TYPE = 2
    SERVICE_ERROR = 3
    DOWNLOAD_ERROR = 4
    UNKNOWN = 5


class ExportStatus(enum.StrEnum):
    """What became of all files of a request."""

    SUCCESS = "Success"
    FAILURE = "Failure"
    PARTIAL_FAILURE = "PartialFailure"
    UNKNOWN = "Unknown"


class DataOrigin(msgspec.Struct, frozen=True):
    """Whence data came: `source`, the calling AE title, `destination`, the called one."""

    service: DataService = msgspec.field(name="dataService")
    source: str
    destination: str


class PayloadFile(msgspec.Struct, frozen=True):
    """A file by its path below the root of the bucket, and a file that describes it; empty: there is none.

    `object`, which MIG does not know: its URL in the object store, where it is there too.
    """

    path: str
    metadata: str = ""
    object: str | msgspec.UnsetType = msgspec.UNSET


class WorkflowRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Data is there, for workflows to begin; WorkflowRequestEvent.

    `payload_id`, `correlation_id`: UUIDs. `timestamp`: when the last of it came.
    """

    payload_id: str
    workflows: tuple[str, ...]
    file_count: int
    correlation_id: str
    bucket: str
    trigger: DataOrigin
    data_origins: tuple[DataOrigin, ...]
    timestamp: datetime
    workflow_instance_id: str | None = None
    task_id: str | None = None
    payload: tuple[PayloadFile, ...]


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Files are to be sent to destinations, by their names; ExportRequestEvent."""

    workflow_instance_id: str
    export_task_id: str
    correlation_id: str
    files: tuple[str, ...]
    destinations: tuple[str, ...]


class ExportComplete(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; ExportCompleteEvent. `message`: what went wrong, a line for each file.

    `export_request`: 0, for files that go to destinations.
    """

    workflow_instance_id: str
    export_task_id: str
    status: ExportStatus
    message: str
    file_statuses: dict[str, FileExportStatus]
    export_request: int = 0


def id_of(what: str, name: str) -> str:
    """The UUID of something of ours: the same each time, and another one for each `what` (a run, a job)."""
    return str(uuid.uuid5(_NAMESPACE, f"{what} {name}"))
