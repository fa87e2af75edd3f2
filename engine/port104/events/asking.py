"""Export requests as they come from the broker, and the answers. Reads, and decides; touches no file.

Rules that this room keeps:
- whoever may write to the broker is a stranger: sizes, types and every character are looked at before
  anything is kept, and a path leads into the folder of one attempt of a run or nowhere;
- what is wrong is told by its place, and never quoted: names of files can lead to a patient.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from port104.errors import Port104Error
from port104.events.forms import (
    EXPORT_COMPLETE,
    ExportComplete,
    ExportRequest,
    ExportStatus,
    FileExportStatus,
    id_of,
)
from port104.jobs.ledger.messages import Message
from port104.jobs.ledger.requests import Became, Request

MOST_BYTES = 4 << 20
"""Of one message: room for ten thousand files."""
MOST_FILES, MOST_DESTINATIONS = 10_000, 64
MOST_EXPORTS = 20_000
"""Files times destinations."""
_LONGEST_ID, _LONGEST_PATH, _LONGEST_NAME = 200, 1024, 64
# Lines of an answer's message; what is behind them is counted.
_MOST_LINES = 100
# runs/<run>/<attempt>/<path in its folder> (dispatch/payload.py)
_PATH = re.compile(r"runs/([0-9a-f]{16})/([1-9][0-9]{0,8})/(.+)")


class FaultyRequestError(Port104Error):
    """A message is no export request that could be carried out; the text says why, and quotes nothing."""


def read_request(message_id: str | None, body: bytes) -> Request:
    """Read a message. Raises FaultyRequestError."""
    if message_id is None or not _is_plain(message_id, _LONGEST_ID):
        raise FaultyRequestError(
            "its property message-id is missing, too long or not printable: without one a message that comes"
            " twice cannot be told from two"
        )
    if len(body) > MOST_BYTES:
        raise FaultyRequestError(f"it has {len(body)} bytes, and {MOST_BYTES} are the most")
    try:
        asked = msgspec.json.decode(body, type=ExportRequest)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as fault:
        raise FaultyRequestError(f"it is no ExportRequestEvent in JSON: {_words(fault)}") from fault
    if fault_found := next(_faults(asked), None):
        raise FaultyRequestError(fault_found)
    run_id, attempt = _run_of(asked.files)
    return Request(
        message_id=message_id,
        workflow_instance_id=asked.workflow_instance_id,
        export_task_id=asked.export_task_id,
        correlation_id=asked.correlation_id,
        run_id=run_id,
        attempt=attempt,
        files=tuple(dict.fromkeys(asked.files)),
        destinations=tuple(dict.fromkeys(asked.destinations)),
    )


def answer(request: Request, became: Sequence[Became]) -> Message:
    """What is answered once all is done."""
    of_file: defaultdict[str, list[Became]] = defaultdict(list)
    for each in became:
        of_file[each.path].append(each)
    statuses = {path: _status_of(of_file[path]) for path in request.files}
    body = ExportComplete(
        workflow_instance_id=request.workflow_instance_id,
        export_task_id=request.export_task_id,
        status=_status_of_all([*statuses.values()]),
        message="\n".join(_cut([*_lines(became)])),
        file_statuses=statuses,
    )
    return Message(
        id=id_of("export complete", request.message_id),
        routing_key=EXPORT_COMPLETE,
        kind="ExportCompleteEvent",
        correlation_id=request.correlation_id,
        body=msgspec.json.encode(body).decode(),
    )


def _faults(asked: ExportRequest) -> Iterator[str]:
    """What is wrong with a request whose types are right."""
    for name in ("workflow_instance_id", "export_task_id", "correlation_id"):
        if not _is_plain(getattr(asked, name), _LONGEST_ID):
            yield f"{name} is not 1 to {_LONGEST_ID} printable ASCII characters"
    files, destinations = len(asked.files), len(asked.destinations)
    if not 1 <= files <= MOST_FILES:
        yield f"it names {files} files, and 1 to {MOST_FILES} may be"
    if not 1 <= destinations <= MOST_DESTINATIONS:
        yield f"it names {destinations} destinations, and 1 to {MOST_DESTINATIONS} may be"
    if files * destinations > MOST_EXPORTS:
        yield f"{files} files for {destinations} destinations are more than {MOST_EXPORTS} exports"
    yield from _faults_of_names(asked)


def _faults_of_names(asked: ExportRequest) -> Iterator[str]:
    for index, name in enumerate(asked.destinations):
        if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
            yield f"destinations[{index}] is not 1 to {_LONGEST_NAME} printable characters"
    for index, path in enumerate(asked.files):
        if not _leads_into_a_run(path):
            yield f"files[{index}] is no path such as runs/<run>/<attempt>/output/<file>, below the bucket"
    if len({tuple(path.split("/", 3)[:3]) for path in asked.files}) > 1:
        yield "its files are of several runs, or of several attempts of one: ask for each by a request"


def _leads_into_a_run(path: str) -> bool:
    found = _PATH.fullmatch(path) if len(path) <= _LONGEST_PATH and path.isprintable() else None
    return found is not None and not {"", ".", ".."} & {*found[3].split("/")}


def _run_of(files: Sequence[str]) -> tuple[str, int]:
    _, run_id, attempt, _ = files[0].split("/", 3)
    return run_id, int(attempt)


def _is_plain(text: str, longest: int) -> bool:
    return 1 <= len(text) <= longest and text.isascii() and text.isprintable()


def _words(fault: Exception) -> str:
    """What msgspec says, which quotes nothing; of bytes that are no UTF-8 Python would."""
    return "it is not UTF-8" if isinstance(fault, UnicodeError) else str(fault)


def _status_of(became: Sequence[Became]) -> FileExportStatus:
    """Of a file: success where every destination has it."""
    statuses = [_status_there(each) for each in became] or [FileExportStatus.UNKNOWN]
    return next((each for each in statuses if each), FileExportStatus.SUCCESS)


def _status_there(each: Became) -> FileExportStatus:
    if each.status is not None:
        return FileExportStatus(each.status)
    if each.state == "delivered":
        return FileExportStatus.SUCCESS
    return FileExportStatus.UNKNOWN if each.state is None else FileExportStatus.SERVICE_ERROR


def _status_of_all(statuses: Sequence[FileExportStatus]) -> ExportStatus:
    successes = statuses.count(FileExportStatus.SUCCESS)
    if successes == len(statuses):
        return ExportStatus.SUCCESS
    return ExportStatus.PARTIAL_FAILURE if successes else ExportStatus.FAILURE


def _lines(became: Sequence[Became]) -> Iterator[str]:
    for each in became:
        if _status_there(each):
            yield f"{each.path} for {each.destination}: {each.why or each.state or 'it is not known'}"


def _cut(lines: Sequence[str]) -> Sequence[str]:
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else [*lines[:_MOST_LINES], f"and {more} more"]
