"""What happened on a connection, as it is told: to witnesses, and in one line of the log at its end."""

from collections.abc import Callable, Mapping, Sequence

import structlog
import trio

from port104.net.connection import Connection
from port104.net.contracts import AssociationEnd, AssociationStart, Witness
from port104.net.tally import Tally
from port104.wire.agreement import AcceptedContext
from port104.wire.pdu import AssociateRJ, AssociateRQ

log = structlog.get_logger("port104.association")


class Account:
    """Of a connection from its first byte to its close, by whoever serves it.

    `began`: on trio's clock. `request`: what the peer asked for; `reject`: what refused it. `user`: whose
    identity was checked. `entered`: it had a place among the associations. `broke`: the peer broke the
    protocol, or that of TLS.
    """

    def __init__(self, address: str, connection: Connection, witnesses: Sequence[Witness]) -> None:
        """`address` is the peer's IP address."""
        self._address = address
        self._connection = connection
        self._witnesses = witnesses
        self._association: int | None = None
        self.began = trio.current_time()
        self.tally = Tally()
        self.request: AssociateRQ | None = None
        self.reject: AssociateRJ | None = None
        self.user: str | None = None
        self.entered = False
        self.broke = False

    def establish(
        self,
        association: int,
        request: AssociateRQ,
        contexts: Mapping[int, AcceptedContext],
        figures: Callable[[], dict[str, int]],
    ) -> None:
        """Tell witnesses that it is accepted. The arguments are as AssociationStart has them."""
        self._association = association
        start = AssociationStart(
            association=association,
            address=self._address,
            request=request,
            contexts=contexts,
            tls=self._connection.tls,
            user=self.user,
            figures=figures,
        )
        for witness in self._witnesses:
            witness.established(start)

    def note_end(self, outcome: str, detail: str = "", hint: str = "") -> None:
        """Remember how it ended; what ends it first counts."""
        if not self.tally.outcome:
            self.tally.outcome, self.tally.detail, self.tally.hint = outcome, detail, hint

    @property
    def peer(self) -> dict[str, str]:
        """Who called, from where, and whom."""
        if self.request is None:
            return {"address": self._address}
        return {
            "address": self._address,
            "calling": self.request.calling_ae_title,
            "called": self.request.called_ae_title,
        }

    def close(self) -> None:
        """Tell how it ended, once nothing more comes of it."""
        self._report()
        self._tell_end()

    def _report(self) -> None:
        tally = self.tally
        facts: dict[str, str | int | float] = {**self.peer}
        if self.user is not None:
            facts["user"] = self.user
        if self.entered:
            facts |= tally.figures()
            facts["seconds"] = round(trio.current_time() - self.began, 3)
        if tally.detail:
            facts["reason"] = tally.detail
        if tally.hint:
            facts["hint"] = tally.hint
        if self.request is None:
            # Load balancers and port scanners open and close connections all day.
            log.debug("no association", outcome=tally.outcome, **facts)
        elif tally.outcome == "released":
            log.info("association released", **facts)
        else:
            event = f"association {tally.outcome or 'ended'}"
            log.warning(event, **facts)

    def _tell_end(self) -> None:
        end = AssociationEnd(
            association=self._association,
            address=self._address,
            request=self.request,
            reject=self.reject,
            broke=self.broke,
            tls=self._connection.tls,
            outcome=self.tally.outcome or "ended",
            why=self.tally.detail,
            hint=self.tally.hint,
            figures=self.tally.figures(),
        )
        for witness in self._witnesses:
            witness.ended(end)
