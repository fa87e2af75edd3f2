"""`port104 jobs logs --follow`: the log of a run as it is written, told by an engine, until the run ends.

Each look is a connection of its own, so that an engine that is started anew meanwhile is found again.
"""

import time
from collections.abc import Callable, Iterator

import click

from port104.service.commands.faults import RefusedError
from port104.service.commands.keeping import Document
from port104.service.commands.looking import Looker
from port104.service.commands.output import is_terminal
from port104.service.commands.printing_logs import print_log
from port104.service.commands.reaching import Place, reach_ledger
from port104.service.escaping import escape

_SECONDS = 0.5
_GOING_ON = ("running", "waiting")


def follow(place: Place, job: str, attempt: int | None, chosen: Callable[[Document], Document]) -> int:
    """Print the log of a run until that has ended; returns the exit code. `chosen`: takes it out of a job.

    `attempt`: only this one; None: the latest, and those that come after it.
    """
    followed = _Followed(job, attempt)

    def parts() -> Iterator[bytes]:
        while True:
            with reach_ledger(place, running=True) as ledger:
                # What it was before its log is read: what was written until then is all of it.
                run = chosen(ledger.job(job))
                yield from followed.news(ledger, run)
            if followed.has_ended(run):
                return
            time.sleep(_SECONDS)

    try:
        print_log(parts(), safely=is_terminal(), alone=True)
    except KeyboardInterrupt:
        return 0
    if followed.lacking:
        click.echo(escape(followed.lacking), err=True)
    return 0 if followed.state == "succeeded" else 1


class _Followed:
    """How far a log was read. `lacking`: why there is none; `state`: of its run."""

    def __init__(self, job: str, attempt: int | None) -> None:
        self._job = job
        self._only = attempt
        self._attempt = attempt or 0
        self._offset = 0
        self.lacking = ""
        self.state = ""

    def news(self, ledger: Looker, run: Document) -> Iterator[bytes]:
        """What was written since, also of attempts that came and went meanwhile."""
        self.state = run["state"]
        if self._attempt == 0:
            self._attempt = run["attempt"]
        if self._attempt == 0:
            return
        yield from self._rest(ledger, run["id"])
        while self._only is None and self._attempt < run["attempt"]:
            self._attempt, self._offset = self._attempt + 1, 0
            yield f"==> attempt {self._attempt} <==\n".encode()
            yield from self._rest(ledger, run["id"])

    def has_ended(self, run: Document) -> bool:
        """Whether nothing more is written."""
        is_over = self._only is not None and run["attempt"] > self._only
        return is_over or run["state"] not in _GOING_ON

    def _rest(self, ledger: Looker, run_id: str) -> Iterator[bytes]:
        try:
            for part in ledger.log(self._job, run_id, self._attempt, self._offset):
                self._offset += len(part)
                yield part
            self.lacking = ""
        except RefusedError as none:
            self.lacking = str(none)  # it may begin to write later
