"""What commands show of the ledger: told by a running engine, or read from the ledger itself where none runs.

Documents have the form of the REST API.
"""

import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from port104.database.session import Database
from port104.service.commands.faults import OutOfReachError, RefusedError, WrongValuesError
from port104.service.commands.keeping import Document
from port104.service.commands.remote import Api
from port104.service.configuration import Configuration

What = Literal["instances", "groups", "jobs", "exports"]
Act = Literal["cancel", "rerun"]
ExportAct = Literal["cancel", "retry"]

_PAGE = 1000

AnswerT = TypeVar("AnswerT")


class Registering(msgspec.Struct, frozen=True):
    """How files are registered. `run`: None: of the only one; `destinations`: none: where all goes.

    `upload`: the files are sent, for the engine does not see them under their paths.
    """

    run: str | None
    destinations: tuple[str, ...]
    upload: bool


class Looker(Protocol):
    """Tells of the ledger. All raise CommandError, or another Port104Error that says what to do."""

    def listed(self, what: What, filters: Mapping[str, str], limit: int) -> list[Document]:
        """The latest of them, `limit` at most. `filters`: parameters of the API."""
        ...

    def ways(self, sop_instance_uid: str) -> list[Document]:
        """The way of each instance of this UID."""
        ...

    def job(self, job_id: str) -> Document:
        """Everything of one job."""
        ...

    def log(self, job_id: str, run_id: str, attempt: int | None, offset: int = 0) -> Iterator[bytes]:
        """The log of a run from that byte on, in parts. `attempt`: None: the latest."""
        ...

    def act(self, job_id: str, act: Act, run_id: str | None) -> Document:
        """Act on the runs of a job, or on one of them; returns the job as it is then."""
        ...

    def register(self, job_id: str, files: Sequence[Path], of: Registering) -> list[Document]:
        """Register files as results of a run; returns what is registered."""
        ...

    def export(self, export_id: str) -> Document:
        """Everything of one export."""
        ...

    def act_on_export(self, export_id: str, act: ExportAct) -> Document:
        """Act on an export; returns it as it is then."""
        ...


class RemoteLooker:
    """A Looker over the API."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def listed(self, what: What, filters: Mapping[str, str], limit: int) -> list[Document]:
        """As the protocol says."""
        found: list[Document] = []
        after = ""
        while len(found) < limit:
            query = {**filters, "limit": str(min(_PAGE, limit - len(found)))}
            if after:
                query["after"] = after
            answer = self._api.ask("GET", f"/api/{what}?{urllib.parse.urlencode(query)}")
            found += answer.document
            after = answer.following
            if not after:
                break
        return found

    def ways(self, sop_instance_uid: str) -> list[Document]:
        """As the protocol says."""
        ways: list[Document] = self._api.ask("GET", f"/api/instances/{_quoted(sop_instance_uid)}").document
        return ways

    def job(self, job_id: str) -> Document:
        """As the protocol says."""
        job: Document = self._api.ask("GET", f"/api/jobs/{_quoted(job_id)}").document
        return job

    def log(self, job_id: str, run_id: str, attempt: int | None, offset: int = 0) -> Iterator[bytes]:
        """As the protocol says."""
        path = f"/api/jobs/{_quoted(job_id)}/runs/{_quoted(run_id)}/log"
        chosen = "" if attempt is None else f"&attempt={attempt}"
        total = offset + 1
        while offset < total:
            answer = self._api.ask("GET", f"{path}?offset={offset}{chosen}")
            if not answer.document:
                return
            yield answer.document
            offset, total = offset + len(answer.document), answer.total

    def act(self, job_id: str, act: Act, run_id: str | None) -> Document:
        """As the protocol says."""
        query = "" if run_id is None else f"?run={_quoted(run_id)}"
        job: Document = self._api.ask("POST", f"/api/jobs/{_quoted(job_id)}/{act}{query}").document
        return job

    def register(self, job_id: str, files: Sequence[Path], of: Registering) -> list[Document]:
        """As the protocol says. Files that are sent are registered one by one."""
        query = {} if of.run is None else {"run": of.run}
        if of.destinations:
            query["destinations"] = ",".join(of.destinations)
        path = f"/api/jobs/{_quoted(job_id)}/results?{urllib.parse.urlencode(query)}".rstrip("?")
        if not of.upload:
            paths = [str(file.absolute()) for file in files]
            registered: list[Document] = self._api.ask("POST", path, {"files": paths}).document
            return registered
        return [result for file in files for result in self._uploaded(path, file)]

    def export(self, export_id: str) -> Document:
        """As the protocol says."""
        export: Document = self._api.ask("GET", f"/api/exports/{_quoted(export_id)}").document
        return export

    def act_on_export(self, export_id: str, act: ExportAct) -> Document:
        """As the protocol says."""
        export: Document = self._api.ask("POST", f"/api/exports/{_quoted(export_id)}/{act}").document
        return export

    def _uploaded(self, path: str, file: Path) -> list[Document]:
        try:
            with file.open("rb") as upload:
                registered: list[Document] = self._api.ask("POST", path, upload).document
        except OSError as failure:
            raise WrongValuesError(f"{file}: it cannot be read: {failure.strerror}") from failure
        except RefusedError as refused:
            raise type(refused)(f"{file}: {refused}", refused.faults) from refused
        return registered


class DirectLooker:
    """A Looker over the ledger's database, which nobody else keeps now or which several share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def listed(self, what: What, filters: Mapping[str, str], limit: int) -> list[Document]:
        """As the protocol says."""
        from port104.jobs.ledger.looking import (  # noqa: PLC0415 - where nobody runs
            exports,
            groups,
            instances,
            jobs,
        )
        from port104.jobs.ledger.looking.pages import Page  # noqa: PLC0415

        questions: dict[What, tuple[Callable[..., Any], type[msgspec.Struct]]] = {
            "instances": (instances.instances, instances.WantedInstances),
            "groups": (groups.groups, groups.WantedGroups),
            "jobs": (jobs.jobs, jobs.WantedJobs),
            "exports": (exports.exports, exports.WantedExports),
        }
        read, kind = questions[what]
        given: dict[str, Any] = dict(filters)
        if "since" in given:
            given["since"] = datetime.fromisoformat(given["since"]).timestamp()
        return _documents(self._asked(read, msgspec.convert(given, kind), Page(limit)).items)

    def ways(self, sop_instance_uid: str) -> list[Document]:
        """As the protocol says."""
        from port104.jobs.ledger.looking.ways import ways  # noqa: PLC0415

        found = self._asked(ways, sop_instance_uid)
        if not found:
            raise RefusedError("no instance of this SOP Instance UID was received")
        return _documents(found)

    def job(self, job_id: str) -> Document:
        """As the protocol says."""
        from port104.jobs.ledger.looking.jobs import job  # noqa: PLC0415

        found = self._asked(job, job_id)
        if found is None:
            raise RefusedError("there is no such job: port104 jobs list shows those that there are")
        document: Document = msgspec.to_builtins(found)
        return document

    def log(self, job_id: str, run_id: str, attempt: int | None, offset: int = 0) -> Iterator[bytes]:
        """As the protocol says."""
        from port104.dispatch.run_log import MOST_BYTES, read_log  # noqa: PLC0415
        from port104.jobs.ledger.looking.places import run_place  # noqa: PLC0415

        place = self._asked(run_place, job_id, run_id)
        if place is None:
            raise RefusedError("there is no such run of this job: port104 jobs show shows those that it has")
        # Whose folder it is does not matter: the ledger knows where each is.
        while part := read_log(Path(), "", place, attempt, offset, MOST_BYTES).data:
            yield part
            offset += len(part)

    def export(self, export_id: str) -> Document:
        """As the protocol says."""
        from port104.jobs.ledger.looking.exports import export  # noqa: PLC0415

        found = self._asked(export, export_id)
        if found is None:
            raise RefusedError("there is no such export: port104 exports list shows those that there are")
        document: Document = msgspec.to_builtins(found)
        return document

    def act_on_export(self, export_id: str, act: ExportAct) -> Document:
        """As the protocol says; there is nobody who could."""
        raise _nobody(f"{act} {export_id}")

    def act(self, job_id: str, act: Act, run_id: str | None) -> Document:
        """As the protocol says; there is nobody who could."""
        raise _nobody(f"{act} {run_id or job_id}")

    def register(self, job_id: str, files: Sequence[Path], of: Registering) -> list[Document]:
        """As the protocol says; there is nobody who could."""
        raise _nobody(f"register {len(files)} results of {of.run or job_id}")

    def _asked(self, question: Callable[..., AnswerT], *arguments: Any) -> AnswerT:
        with self._database.reading() as session:
            return question(session, *arguments)


@contextmanager
def looking_directly(configuration: Configuration, folder: Path) -> Iterator[DirectLooker]:
    """Read the ledger that a start would open. Raises DatabaseError; OutOfReachError where there is none."""
    from port104.jobs.ledger.opening import FILE_NAME, look_into  # noqa: PLC0415 - where nobody runs

    url = configuration.settings.registry.url
    if url is None and not (folder / FILE_NAME).exists():
        raise OutOfReachError(
            f"no port104 runs on {folder}, and there is no ledger: name another folder (--storage),"
            " configuration (--config) or machine (--url)"
        )
    database = look_into(url, folder)
    try:
        yield DirectLooker(database)
    finally:
        database.close()


def _nobody(act: str) -> OutOfReachError:
    return OutOfReachError(
        f"no port104 runs here that could {act}: start it (port104 start), or name its address (--url)"
    )


def _documents(found: list[Any]) -> list[Document]:
    documents: list[Document] = msgspec.to_builtins(found)
    return documents


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")
