"""The standard's words for how a peer refuses or ends an association, for messages.

Numbers that the standard reserves are given as they came.
"""

from port104.wire.pdu import AssociateRJ

_RESULTS = {1: "rejected permanently", 2: "rejected transiently"}
_REJECT_REASONS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given by the service provider (ACSE)",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
_ABORT_REASONS = {
    0: "no reason given",
    1: "unrecognized PDU",
    2: "unexpected PDU",
    4: "unrecognized PDU parameter",
    5: "unexpected PDU parameter",
    6: "invalid PDU parameter value",
}
_CONTEXT_RESULTS = {
    1: "user rejection",
    2: "no reason given by the service provider",
    3: "abstract syntax not supported",
    4: "transfer syntaxes not supported",
}


def reject_words(reject: AssociateRJ) -> str:
    """Say what an A-ASSOCIATE-RJ says (PS3.8 table 9-21)."""
    result = _RESULTS.get(reject.result, "rejected")
    reason = _REJECT_REASONS.get((reject.source, reject.reason), "a reason that PS3.8 does not know")
    return f"{result}: {reason} ({reject.result}/{reject.source}/{reject.reason})"


def abort_words(source: int, reason: int) -> str:
    """Say what an A-ABORT says (PS3.8 table 9-26); a service user gives no reason."""
    if source == 0:
        return "by the service user"
    words = _ABORT_REASONS.get(reason, "a reason that PS3.8 does not know")
    return f"by the service provider: {words} ({source}/{reason})"


def context_words(result: int) -> str:
    """Say why a presentation context was refused (PS3.8 table 9-18)."""
    return _CONTEXT_RESULTS.get(result, f"result {result}, which PS3.8 does not know")
