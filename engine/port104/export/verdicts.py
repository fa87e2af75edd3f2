"""What an answer means for the result that was sent. Decides; randomness is an argument.

Rules that this room keeps:
- a warning is a success with a note: the destination has the instance (PS3.4 B.2.3);
- what the destination lacks (resources, a connection) costs a result none of its attempts: they are for what
  may be wrong with the result itself, and a disk that is full for a night is not. Where others were taken
  meanwhile it is the result: some say that they lack resources (A700) of whatever they do not like;
- an association that ends in the middle of a result costs one: it may be the result that ends it.
"""

from typing import Literal

import msgspec

from port104.export.policy import ExportPolicy, backed_off
from port104.wire.command import Status
from port104.wire.status import StatusClass, class_of, words_of


class Answered(msgspec.Struct, frozen=True):
    """There was a C-STORE response. `status`: (0000,0900)."""

    status: int


class BrokenOff(msgspec.Struct, frozen=True):
    """The association ended, or time was up, before there was one. `why`: in words."""

    why: str


class Unsendable(msgspec.Struct, frozen=True):
    """It was not sent, and no attempt will change that (`final`), or another one may. `why`: in words."""

    why: str
    final: bool


Answer = Answered | BrokenOff | Unsendable


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a result, in the words of jobs.ledger.exports.Outcome.

    `strike`: whether it is held against the destination; None: it says nothing of that.
    """

    state: Literal["delivered", "failed", "waiting"]
    why: str = ""
    status: int | None = None
    delay: float = 0.0
    tried: bool = True
    strike: bool | None


def judge(
    answer: Answer, attempt: int, policy: ExportPolicy, jitter: float, *, waited: float, works: bool
) -> Verdict:
    """Decide. `attempt`: how many were made before; `jitter`: from 0 to 1.

    `waited`: seconds since it was asked for; `works`: the destination has taken others, and failed in nothing
    since.
    """
    if isinstance(answer, Answered):
        return _judge_status(answer.status, attempt, policy, jitter, waited=waited, works=works)
    if isinstance(answer, BrokenOff):
        return _again(attempt, policy, jitter, why=answer.why, strike=True)
    if answer.final:
        return Verdict(state="failed", why=answer.why, strike=None)
    return _again(attempt, policy, jitter, why=answer.why, strike=None)


def _judge_status(
    status: int, attempt: int, policy: ExportPolicy, jitter: float, *, waited: float, works: bool
) -> Verdict:
    kind, why = class_of(status), f"status {status:04X}: {words_of(status)}"
    if kind is StatusClass.SUCCESS:
        return Verdict(state="delivered", status=status, strike=False)
    if kind is StatusClass.WARNING:
        return Verdict(state="delivered", why=why, status=status, strike=False)
    if status & 0xFF00 == Status.OUT_OF_RESOURCES:
        if works:
            return _again(attempt, policy, jitter, why=why, status=status, strike=True)
        # Behind those that have not been tried yet, and the later the longer it waits.
        delay = backed_off(max(policy.first_delay, waited), policy.longest_delay, 1, jitter)
        return Verdict(state="waiting", why=why, status=status, delay=delay, tried=False, strike=True)
    return _again(attempt, policy, jitter, why=why, status=status, strike=False)


def _again(
    attempt: int,
    policy: ExportPolicy,
    jitter: float,
    *,
    why: str,
    strike: bool | None,
    status: int | None = None,
) -> Verdict:
    if attempt + 1 >= policy.attempts:
        return Verdict(state="failed", why=why, status=status, strike=strike)
    delay = backed_off(policy.first_delay, policy.longest_delay, attempt + 1, jitter)
    return Verdict(state="waiting", why=why, status=status, delay=delay, strike=strike)
