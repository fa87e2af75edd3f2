"""What a web server's answer to STOW-RS means for each instance of the request (PS3.18 10.5.3). Decides.

Rules that this room keeps:
- what counts is what the answer says of an instance, whatever its status: Orthanc answers 400 where one of
  several was not stored. The status alone is believed only where that is 200 (all were stored) and no
  instance is named: a part is never taken for the whole;
- what is wrong with the destination itself costs an instance none of its attempts;
- an answer that blames a request of several, and none of these, says nothing of them: each is sent alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from port104.export.contracts import UnreachableError
from port104.export.verdicts import Answer, Answered, BrokenOff, Unsendable
from port104.wire.command import Status
from port104.wire.status import StatusClass, class_of

_FAILED, _REFERENCED, _OTHER_FAILURES = "00081198", "00081199", "0008119A"
_SOP_INSTANCE_UID, _FAILURE_REASON, _WARNING_REASON = "00081155", "00081197", "00081196"

_NOW = "cannot take anything now: its own log may say why"
_NOWHERE = "has no STOW-RS service there: url is what stands before /studies"
_ITS_OWN = {
    401: "wants to know who calls: see tokenFile and headersFile of the destination",
    403: "does not let us store: see tokenFile and headersFile of the destination, and what it lets them do",
    404: _NOWHERE,
    405: _NOWHERE,
    406: "answers in nothing that port104 reads: application/dicom+json",
    407: "wants a proxy to know who calls, which port104 does not tell: give a url past it",
    408: _NOW,
    410: _NOWHERE,
    421: _NOWHERE,
    425: _NOW,
    426: "wants another protocol than HTTP/1.1: is it https?",
    429: _NOW,
    501: _NOWHERE,
    502: _NOW,
    503: _NOW,
    504: _NOW,
    507: _NOW,
}
"""Statuses that say something of the destination, and nothing of what was sent."""
_ELSEWHERE = "sends elsewhere, which is not followed: give the url that it leads to"
_NOT_THERE = frozenset({401, 407, 429, 502, 503, 504})
"""Those of them that OPTIONS is answered with only where nothing can be stored; others refuse just that."""


class Reply(msgspec.Struct, frozen=True):
    """A response over HTTP."""

    status: int
    body: bytes


class _Said(msgspec.Struct):
    """What the body says: of instances by their UIDs, and of those that the server could not name."""

    stored: dict[str, int]
    failed: dict[str, int]
    unnamed: int | None = None
    readable: bool = True

    def names(self, uid: str) -> bool:
        """Whether it says something of this one."""
        return uid in self.failed or uid in self.stored


def check_there(status: int) -> None:
    """Whether who answers OPTIONS so may take instances. Raises UnreachableError."""
    if status in _NOT_THERE or 300 <= status < 400:
        raise _of_destination(status)


def answers_in(reply: Reply, uids: Sequence[str]) -> list[Answer] | None:
    """What became of the instances of a request; None: send each alone, so that each is told of.

    Raises UnreachableError, where the destination itself is at fault.
    """
    status = reply.status
    if status in _ITS_OWN or 300 <= status < 400:
        raise _of_destination(status)
    said = _said_in(reply.body)
    if status >= HTTPStatus.BAD_REQUEST and len(uids) > 1 and not any(map(said.names, uids)):
        return None
    return [_of_instance(said, uid, status) for uid in uids]


def _of_instance(said: _Said, uid: str, status: int) -> Answer:
    if said.names(uid):
        return Answered(said.failed.get(uid, said.stored.get(uid, 0)))
    if said.unnamed is not None:
        return Answered(said.unnamed)
    if status == HTTPStatus.OK and said.readable and not said.stored and not said.failed:
        return Answered(0)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return BrokenOff(f"the destination answered {_words(status)}: its own log may say why")
    if status >= HTTPStatus.BAD_REQUEST:
        return Unsendable(f"the destination answered {_words(status)}", final=False)
    what = "does not say whether it has it" if said.readable else "says that in no application/dicom+json"
    return Unsendable(f"the destination answered {_words(status)}, and {what}", final=False)


def _of_destination(status: int) -> UnreachableError:
    return UnreachableError(f"it answered {_words(status)}: it {_ITS_OWN.get(status, _ELSEWHERE)}")


def _words(status: int) -> str:
    """A status and what it is called; never in the words of the server, which may quote a patient."""
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)


def _said_in(body: bytes) -> _Said:
    """Read the Store Instances Response Module (PS3.18 annex I) in DICOM JSON (annex F)."""
    said = _Said({}, {})
    if not body.strip():
        return said
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        said.readable = False
        return said
    # Some servers put it into a list, as other resources have it.
    for data_set in document if isinstance(document, list) else [document]:
        for item in _items(data_set, _REFERENCED):
            said.stored[str(_value(item, _SOP_INSTANCE_UID))] = _warning(_number(item, _WARNING_REASON))
        for item in _items(data_set, _FAILED):
            said.failed[str(_value(item, _SOP_INSTANCE_UID))] = _failure(_number(item, _FAILURE_REASON))
        for item in _items(data_set, _OTHER_FAILURES):
            said.unnamed = _failure(_number(item, _FAILURE_REASON))
    return said


def _items(data_set: object, tag: str) -> Iterator[Mapping[str, Any]]:
    for value in _values(data_set, tag):
        if isinstance(value, dict):
            yield value


def _values(data_set: object, tag: str) -> Sequence[Any]:
    element = data_set.get(tag) if isinstance(data_set, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else ()


def _value(item: object, tag: str) -> object:
    return next(iter(_values(item, tag)), None)


def _number(item: object, tag: str) -> int | None:
    """A status; some servers write numbers as text."""
    value = _value(item, tag)
    if isinstance(value, str) and value.isdecimal() and value.isascii():
        value = int(value[:6])
    return value if isinstance(value, int) and 0 <= value <= 0xFFFF else None


def _failure(reason: int | None) -> int:
    """Why one was not stored; what is no failure must not make it a success."""
    if reason is None or class_of(reason) is not StatusClass.FAILURE:
        return Status.PROCESSING_FAILURE
    return reason


def _warning(reason: int | None) -> int:
    """What is to be noted of one that was stored."""
    return reason if reason is not None and class_of(reason) is StatusClass.WARNING else 0
