"""What `port104 send` does: finds the files, sends them, shows how far it is, and sums up."""

import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import click
import msgspec
import trio

from port104.errors import AssociationError, ConnectError, RejectedError
from port104.net.requestor import Requestor
from port104.sending.candidates import Candidate, Unsendable, look_at
from port104.sending.delivery import Outcome, deliver
from port104.sending.journal import Journal, JournalError
from port104.sending.offering import associate_with_window
from port104.sending.selection import select
from port104.service.commands.faults import CommandError
from port104.service.commands.output import print_document, print_rows
from port104.service.commands.peers import PeerOptions
from port104.service.commands.progress import Progress, showing_progress
from port104.service.escaping import escape
from port104.wire.proposal import Syntaxes
from port104.wire.status import StatusClass, words_of

# Of files that were not sent, each is named up to here; thousands would hide the summary.
_NAMED = 20
# Seconds after which a thread lets another one on, 0.005 in Python: the one that sends needs little.
_TURN = 0.0002
_PARTIAL, _NONE, _UNREACHED, _REJECTED, _INTERRUPTED = 5, 1, 3, 4, 130


class Order(msgspec.Struct, frozen=True):
    """What to send, and how. `journal`: of what was sent before."""

    paths: tuple[str, ...]
    associations: int = 1
    window: int = 1
    journal: Path | None = None


class Row(msgspec.Struct, frozen=True):
    """How many files had one outcome. `status`: in hexadecimal; None: the peer answered none."""

    files: int
    status: str | None
    words: str


class Summary(msgspec.Struct, frozen=True):
    """`bytes`: of the data sets that were sent. `seconds`: of sending, without the search for files."""

    outcomes: list[Row]
    sent: int
    failed: int
    sent_before: int
    passed_over: int
    bytes: int
    seconds: float


class _Account:
    """Counts outcomes as they come."""

    def __init__(self, journal: Journal | None, progress: Progress) -> None:
        self.by_outcome: Counter[tuple[str | None, str]] = Counter()
        self.sent = self.failed = self.bytes = 0
        self._journal = journal
        self._progress = progress

    def take(self, outcome: Outcome) -> None:
        response, candidate = outcome.response, outcome.candidate
        if response is None:
            self.fail(candidate.path, outcome.why)
        elif response.status_class in (StatusClass.SUCCESS, StatusClass.WARNING):
            self.sent += 1
            self.bytes += candidate.size
            self.by_outcome[f"{response.status:04X}", words_of(response.status)] += 1
            self._note(candidate, response.status)
        else:
            self.fail(candidate.path, words_of(response.status), f"{response.status:04X}")
        self._progress.advance(candidate.size, failed=self.failed)

    def _note(self, candidate: Candidate, status: int) -> None:
        """Write it down; a full disk keeps no file from being sent."""
        if self._journal is not None:
            try:
                self._journal.note(candidate, status)
            except JournalError as fault:
                self._journal = None
                self._progress.tell(f"{fault}: what is sent from now on is not noted")

    def fail(self, path: str, why: str, status: str | None = None) -> None:
        self.by_outcome[status, why] += 1
        self.failed += 1
        if self.failed <= _NAMED:
            self._progress.tell(escape(f"{path}: {why}" + (f" ({status})" if status else "")))
        elif self.failed == _NAMED + 1:
            self._progress.tell("further files that were not sent are counted only")


def post(peer: PeerOptions, order: Order, output: str) -> int:
    """Send what is ordered, and print what became of it; returns the exit code."""
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(order.journal, peer.name)) if order.journal else None
        candidates, unsendable, passed_over = _find(order.paths)
        before = len(candidates)
        candidates = [each for each in candidates if journal is None or not journal.has(each)]
        total = sum(candidate.size for candidate in candidates)
        progress = stack.enter_context(showing_progress(len(candidates), total))
        account = _Account(journal, progress)
        for each in unsendable:
            account.fail(each.path, each.why)
        begun = time.monotonic()
        end = _send(peer, order, candidates, account.take) if candidates else None
        seconds = time.monotonic() - begun
    summary = Summary(
        outcomes=[Row(count, *outcome) for outcome, count in account.by_outcome.most_common()],
        sent=account.sent,
        failed=account.failed,
        sent_before=before - len(candidates),
        passed_over=passed_over,
        bytes=account.bytes,
        seconds=round(seconds, 3),
    )
    _print(summary, end, output)
    return _exit_code(summary, end)


def _find(paths: tuple[str, ...]) -> tuple[list[Candidate], list[Unsendable], int]:
    """What can be sent, what cannot, and how many other files stand in folders. Raises CommandError."""
    try:
        selected = select(paths)
    except OSError as failure:
        raise CommandError(f"{failure.filename} cannot be read: {failure.strerror}") from failure
    except ValueError as fault:
        raise CommandError(f"a DICOMDIR cannot be used: {fault}") from fault
    named = {one.path for one in selected if one.named}
    candidates: list[Candidate] = []
    unsendable: list[Unsendable] = []
    passed_over = 0
    for found in look_at(one.path for one in selected):
        if isinstance(found, Candidate):
            candidates.append(found)
        elif found.path in named:
            unsendable.append(found)
        else:
            passed_over += 1
    if not candidates and not unsendable:
        raise CommandError(f"there is no DICOM file among the {passed_over} files that were named")
    return candidates, unsendable, passed_over


def _send(
    peer: PeerOptions, order: Order, candidates: list[Candidate], report: Callable[[Outcome], None]
) -> AssociationError | KeyboardInterrupt | None:
    address, proposal, timeouts = peer.address(), peer.proposal(order.window), peer.timeouts()

    @asynccontextmanager
    async def call(syntaxes: tuple[Syntaxes, ...]) -> AsyncIterator[Requestor]:
        asked = msgspec.structs.replace(proposal, syntaxes=syntaxes)
        async with associate_with_window(address, asked, timeouts) as requestor:
            yield requestor

    async def run() -> AssociationError | None:
        return await deliver(candidates, call, report, associations=order.associations, window=order.window)

    sys.setswitchinterval(_TURN)
    interrupted: KeyboardInterrupt | None = None
    try:
        return trio.run(run)
    except* KeyboardInterrupt:
        interrupted = KeyboardInterrupt()
    return interrupted


def _print(summary: Summary, end: BaseException | None, output: str) -> None:
    if output != "table":
        print_document(msgspec.to_builtins(summary), output)
    else:
        rows = [(str(row.files), row.status or "", row.words) for row in summary.outcomes]
        print_rows(("files", "status", "what became of them"), rows)
    for line in _lines(summary, end):
        click.echo(line, err=True)


def _lines(summary: Summary, end: BaseException | None) -> Iterator[str]:
    megabytes = summary.bytes / 1e6
    rate = f", {megabytes / summary.seconds:.1f} MB/s" if summary.seconds and summary.sent else ""
    yield (
        f"port104: {summary.sent} files sent, {summary.failed} not, {megabytes:.1f} MB in"
        f" {summary.seconds:.1f} s{rate}"
    )
    if summary.sent_before:
        yield f"port104: {summary.sent_before} files were sent before, as the journal says"
    if summary.passed_over:
        yield f"port104: {summary.passed_over} other files in folders were passed over"
    if isinstance(end, KeyboardInterrupt):
        yield "port104: interrupted; what was under way may have arrived"
    elif end is not None:
        yield f"port104: {escape(str(end))}"


def _exit_code(summary: Summary, end: BaseException | None) -> int:
    if isinstance(end, KeyboardInterrupt):
        return _INTERRUPTED
    if not summary.failed:
        return 0
    if summary.sent:
        return _PARTIAL
    if isinstance(end, ConnectError):
        return _UNREACHED
    return _REJECTED if isinstance(end, RejectedError) else _NONE
