"""The audit messages that port104 writes, as XML by the schema of PS3.15 A.5.1.

Pure: facts in, text out, on one line. What a message says of a patient is what its profile asks for:
the patient ID and the Study Instance UID of instances transferred (PS3.15 A.5.3.7), nowhere else.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from enum import Enum
from html import escape as escape_markup

import msgspec

from port104.service.escaping import escape
from port104.service.log_format import timestamp

NOT_KNOWN = "<none>"
"""Stands for an identifier that the schema demands and the data set does not hold."""

_APPLICATION_SERVER = "4"  # audit source type (PS3.15 A.5.1.2.1)
_IP_ADDRESS = "2"  # network access point type


class Outcome(Enum):
    """EventOutcomeIndicator (PS3.15 A.5.2)."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"
    MAJOR_FAILURE = "12"


class Activity(Enum):
    """What an application did (PS3.16 CID 401)."""

    START = ("110120", "Application Start")
    STOP = ("110121", "Application Stop")


class Alert(Enum):
    """Kinds of security alert (PS3.16 CID 403)."""

    NODE_AUTHENTICATION = ("110126", "Node Authentication")
    AUDIT_RECORDING_STOPPED = ("110133", "Audit Recording Stopped")


class Action(Enum):
    """What instances transferred meant for what the receiver held (PS3.15 A.5.3.7, EventActionCode)."""

    CREATE = "C"
    """It did not hold them."""
    READ = "R"
    """It held the same."""
    UPDATE = "U"
    """They replaced what it held."""


class AuditSource(msgspec.Struct, frozen=True):
    """Who reports: this process. `site` may be empty; `process` is its ID in the operating system."""

    source_id: str
    site: str
    process: str
    ae_titles: tuple[str, ...]


class Peer(msgspec.Struct, frozen=True):
    """The other end of an association; the AE title is empty where none was said."""

    ae_title: str
    address: str


class Transfer(msgspec.Struct, frozen=True):
    """Instances of one study and patient that one association brought. `sop_classes`: UID -> number."""

    action: Action
    study_instance_uid: str
    patient_id: str
    sop_classes: Mapping[str, int]


def application_activity(source: AuditSource, activity: Activity, outcome: Outcome, at: float) -> str:
    """Say that this process started or stopped at Unix time `at` (PS3.15 A.5.3.1)."""
    return _message(
        _event(("110100", "Application Activity"), "E", outcome, at, activity.value),
        _participant(source.process, source.ae_titles, requestor=False, role=("110150", "Application")),
        _audit_source(source),
    )


def security_alert(
    source: AuditSource, alert: Alert, outcome: Outcome, node: Peer, description: str, at: float
) -> str:
    """Report `node` in words: `description` (PS3.15 A.5.3.11)."""
    detail = _element(
        "ParticipantObjectDetail",
        {"type": "Alert Description", "value": b64encode(escape(description).encode()).decode()},
    )
    return _message(
        _event(("110113", "Security Alert"), "E", outcome, at, alert.value),
        _participant(source.process, source.ae_titles, requestor=True, role=("110150", "Application")),
        _peer(node, requestor=False),
        _audit_source(source),
        _object(node.address, "2", "13", ("110182", "DCM", "Node ID"), detail),
    )


def instances_transferred(source: AuditSource, called: str, peer: Peer, transfer: Transfer, at: float) -> str:
    """Say what `peer` stored under the AE title `called` (PS3.15 A.5.3.7)."""
    classes = (
        _element("SOPClass", ({"UID": uid} if uid else {}) | {"NumberOfInstances": str(number)})
        for uid, number in sorted(transfer.sop_classes.items())
    )
    study, patient = transfer.study_instance_uid or NOT_KNOWN, transfer.patient_id or NOT_KNOWN
    return _message(
        _event(("110104", "DICOM Instances Transferred"), transfer.action.value, Outcome.SUCCESS, at),
        _peer(peer, requestor=True, role=("110153", "Source Role ID")),
        _participant(source.process, (called,), requestor=False, role=("110152", "Destination Role ID")),
        _audit_source(source),
        _object(
            study,
            "2",
            "3",
            ("110180", "DCM", "Study Instance UID"),
            _element("ParticipantObjectDescription", {}, *classes),
        ),
        _object(patient, "1", "1", ("2", "RFC-3881", "Patient Number")),
    )


def _message(*parts: str) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + _element("AuditMessage", {}, *parts)


def _event(
    event: tuple[str, str], action: str, outcome: Outcome, at: float, kind: tuple[str, str] | None = None
) -> str:
    return _element(
        "EventIdentification",
        {
            "EventActionCode": action,
            "EventDateTime": timestamp(at),
            "EventOutcomeIndicator": outcome.value,
        },
        _code("EventID", event[0], "DCM", event[1]),
        *([_code("EventTypeCode", kind[0], "DCM", kind[1])] if kind else []),
    )


def _participant(
    user: str,
    ae_titles: Iterable[str],
    *,
    requestor: bool,
    role: tuple[str, str] | None = None,
    address: str = "",
) -> str:
    attributes = {"UserID": user}
    if titles := ";".join(filter(None, ae_titles)):
        attributes["AlternativeUserID"] = f"AETITLES={titles}"  # PS3.15 A.5.2.2
    attributes["UserIsRequestor"] = str(requestor).lower()
    if address:
        attributes |= {"NetworkAccessPointID": address, "NetworkAccessPointTypeCode": _IP_ADDRESS}
    roles = [_code("RoleIDCode", role[0], "DCM", role[1])] if role else []
    return _element("ActiveParticipant", attributes, *roles)


def _peer(peer: Peer, *, requestor: bool, role: tuple[str, str] | None = None) -> str:
    return _participant(
        peer.ae_title or peer.address, (peer.ae_title,), requestor=requestor, role=role, address=peer.address
    )


def _audit_source(source: AuditSource) -> str:
    site = {"AuditEnterpriseSiteID": source.site} if source.site else {}
    return _element(
        "AuditSourceIdentification",
        {**site, "AuditSourceID": source.source_id},
        _element("AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER}),
    )


def _object(identifier: str, kind: str, role: str, id_type: tuple[str, str, str], *details: str) -> str:
    """One participant object. The schema demands a name; a patient's is not known here, nor wanted."""
    return _element(
        "ParticipantObjectIdentification",
        {
            "ParticipantObjectID": identifier,
            "ParticipantObjectTypeCode": kind,
            "ParticipantObjectTypeCodeRole": role,
        },
        _code("ParticipantObjectIDTypeCode", *id_type),
        _element("ParticipantObjectName", {}),
        *details,
    )


def _code(name: str, code: str, system: str, meaning: str) -> str:
    return _element(name, {"csd-code": code, "codeSystemName": system, "originalText": meaning})


def _element(name: str, attributes: Mapping[str, str], *children: str) -> str:
    """One element. What a peer sent may not be a character of XML at all: it is escaped first."""
    words = "".join(f' {key}="{escape_markup(escape(value))}"' for key, value in attributes.items())
    return f"<{name}{words}>{''.join(children)}</{name}>" if children else f"<{name}{words}/>"
