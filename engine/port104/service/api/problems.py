"""What is answered when something is wrong: problem details (RFC 7807), in words that say what to do."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Response

from port104.database.faults import DatabaseError
from port104.registry.faults import (
    ChangedEntryError,
    DuplicateEntryError,
    FixedFieldError,
    ReadOnlyEntryError,
    RegistryError,
    UnknownEntryError,
)
from port104.service import schema
from port104.service.registration import FaultyEntryError

MEDIA_TYPE = "application/problem+json"
# When a database that cannot be reached may be there again.
_RETRY_SECONDS = "10"
# More would help nobody: a body has room for sixty thousand.
_MOST_TOLD = 100


class FieldFault(msgspec.Struct, frozen=True):
    """What is wrong with one field of a body, or one parameter."""

    field: str
    reason: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem. `type` tells kinds apart, for programs; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldFault, ...] = ()

    @classmethod
    def of(cls, status: int, kind: str, detail: str, *errors: FieldFault) -> "Problem":
        """Make one; its title is the status in words."""
        return cls(f"urn:port104:problem:{kind}", HTTPStatus(status).phrase, status, detail, errors)


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = dict(headers or {})


def refuse(status: int, kind: str, detail: str, *errors: FieldFault) -> ProblemError:
    """Return what to raise."""
    return ProblemError(Problem.of(status, kind, detail, *errors))


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response[Any]:
    """Answer with a problem."""
    return Response(
        content=msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def _of_faults(fault: FaultyEntryError) -> ProblemError:
    told, more = fault.faults[:_MOST_TOLD], len(fault.faults) - _MOST_TOLD
    errors = [FieldFault(schema.path_text(each.path), each.reason) for each in told]
    detail = str(FaultyEntryError(fault.title, told)) + (f"; and {more} more faults" if more > 0 else "")
    return refuse(400, "faulty-entry", detail, *errors)


def problem_of(fault: RegistryError | DatabaseError) -> ProblemError:
    """Translate what the registry says, or its database."""
    detail = str(fault)
    match fault:
        case FaultyEntryError():
            return _of_faults(fault)
        case DuplicateEntryError() | FixedFieldError():
            kind = "duplicate" if isinstance(fault, DuplicateEntryError) else "fixed"
            return refuse(409, kind, detail, FieldFault(fault.field, detail))
        case UnknownEntryError():
            return refuse(404, "unknown-entry", detail)
        case ReadOnlyEntryError():
            return refuse(409, "read-only", detail)
        case ChangedEntryError():
            return refuse(412, "changed", detail)
        case _:
            problem = Problem.of(503, "registry-unavailable", detail)
            return ProblemError(problem, {"Retry-After": _RETRY_SECONDS})
