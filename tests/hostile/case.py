"""What a case is: what is sent, step by step, and which answers are right.

Answers are written as in the table of cases that the tests come from:

    AB n      A-ABORT, source 2, reason n       AB0    A-ABORT, source 0 or 2, any reason
    RJ r/s/d  A-ASSOCIATE-RJ                    RJ     any of them
    CL        the connection is closed          OK     carried on: a C-ECHO on it is answered
    CR        the presentation context is refused, and the others go on
    0117      the status of a C-STORE or other response, after which the association goes on
    C000 F000 A response's status, with those bits of it that count
    RP        A-RELEASE-RP
"""

from collections.abc import Callable
from typing import NamedTuple

from hostile.crafted import request

USUAL_REQUEST = request()


class Terms(NamedTuple):
    """What the acceptor stated in its A-ASSOCIATE-AC: the longest PDU that it receives, 0 = unlimited."""

    maximum_length: int


# ---- steps ----


class Send(NamedTuple):
    """Send bytes, or what is made of the acceptor's terms."""

    data: bytes | Callable[[Terms], bytes]


class Beneath(NamedTuple):
    """Send bytes beneath TLS: they are no record of the session's, or none of its keys."""

    data: bytes


class Associate(NamedTuple):
    """Send an A-ASSOCIATE-RQ and wait until it is accepted."""

    request: bytes = USUAL_REQUEST


class Await(NamedTuple):
    """Wait for so many more answers before going on."""

    answers: int = 1


class Trickle(NamedTuple):
    """Send `data` in pieces of so many bytes, with `seconds` between them."""

    data: bytes
    seconds: float
    size: int = 1


class Flood(NamedTuple):
    """Send `data` again and again, until the peer ends it or `limit` times."""

    data: bytes
    limit: int


class Deafen(NamedTuple):
    """Read no more."""


class Fin(NamedTuple):
    """Close our half of the connection."""


class Rst(NamedTuple):
    """End the connection by a reset."""


Step = Send | Beneath | Associate | Await | Trickle | Flood | Deafen | Fin | Rst


class Case(NamedTuple):
    """One case.

    `number`: in the reference, whose class it belongs to. `pinned`: what port104 must answer. `allowed`: what
    the standard allows besides. `before`: instances (UID, data set) that were stored before. `stores`: how
    many new instances it may leave. `answers`: how many answers to wait for, where the association goes on.
    `context`: the one that may be refused. `offered`: the asynchronous operations window that was proposed.
    `waits`: it ends by a deadline. `naked`: sent without TLS to whoever speaks it, to break the handshake.
    `whole`: its bytes must come together.
    """

    number: int
    name: str
    steps: tuple[Step, ...]
    pinned: str
    allowed: tuple[str, ...] = ()
    before: tuple[tuple[bytes, bytes], ...] = ()
    stores: int = 0
    answers: int = 1
    context: int | None = None
    offered: tuple[int, int] | None = None
    waits: bool = False
    naked: bool = False
    whole: bool = False

    @property
    def title(self):
        """Number and name, unique."""
        return f"{self.number:02}-{self.name}"

    @property
    def breaks_tls(self):
        """Whether it breaks TLS itself, so that without TLS it would be another case."""
        return self.naked or any(isinstance(step, Beneath) for step in self.steps)

    @property
    def accepted(self):
        """Every answer that is right; an A-ABORT may leave its reason open (PS3.8 9.3.8)."""
        lenient = ("AB0",) if self.pinned.startswith("AB ") else ()
        return (self.pinned, *self.allowed, *lenient)

    @property
    def goes_on(self):
        """Whether the association, or the answer to its request, goes on after the pinned answer."""
        return not _ends(self.pinned)

    def may_go_on(self, answer):
        """Whether the association is right to go on after `answer`."""
        if answer == "AC":
            return not {"OK", "CR"}.isdisjoint(self.accepted)
        return not _ends(answer) and any(matches(answer, one) for one in self.accepted)


def _ends(answer):
    return answer.startswith(("AB", "CL", "RJ", "RP"))


def matches(answer, pattern):
    """Whether an answer that was observed is the one that is written as `pattern`."""
    if pattern == "AB0":
        return answer.startswith(("AB 0/", "AB 2/"))
    if pattern.startswith("AB "):
        return answer == f"AB 2/{pattern[3:]}"
    if pattern in ("AB", "RJ"):
        return answer.startswith(f"{pattern} ")
    if " " in pattern and len(pattern) == 9:  # a status and its mask
        status, mask = (int(part, 16) for part in pattern.split())
        return len(answer) == 4 and int(answer, 16) & mask == status
    return answer == pattern
