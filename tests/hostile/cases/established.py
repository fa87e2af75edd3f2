"""PDUs and fragments on an established association: 35 to 44 of the reference."""

from hostile import crafted
from hostile.case import Associate, Case, Send
from hostile.crafted import (
    COMMAND,
    DEFLATED_STORE,
    ECHO,
    LAST,
    NOT_PROPOSED,
    REFUSED,
    STORE,
    command,
    data,
    echo_command,
    fragments,
    image,
    message,
    pdu,
    pdv,
    request,
    store_command,
)

ECHO_SET = command(echo_command())
STORE_SET = command(store_command(b"1.2.3.4.5"))
STORE_PDUS = message(STORE, STORE_SET)


def sent(number, name, content, pinned, allowed=(), **more):
    """A case that sends `content` on an established association."""
    return Case(number, name, (Associate(), Send(content)), pinned, allowed, **more)


UNEXPECTED = (
    sent(35, "second-request", request(), "AB 2"),
    sent(35, "second-request-of-zeros", pdu(crafted.RQ, bytes(200)), "AB 2"),
    sent(35, "second-request-as-a-header", pdu(crafted.RQ, length=200), "AB 2"),
    sent(35, "second-request-of-length-0", pdu(crafted.RQ), "AB 6", ("AB 2",)),
    sent(35, "second-request-states-FFFFFFFF", pdu(crafted.RQ, length=0xFFFFFFFF), "AB 6", ("AB 2",)),
    sent(36, "accept", request(kind=crafted.AC), "AB 2"),
    sent(36, "reject", crafted.reject(), "AB 2"),
    sent(36, "release-response", crafted.release(crafted.RELEASE_RP), "AB 2"),
    sent(36, "accept-behind-an-echo", crafted.echo() + request(kind=crafted.AC), "AB 2"),
    sent(36, "reject-of-length-0", pdu(crafted.RJ), "AB 6", ("AB 2",)),
    sent(36, "reject-of-length-5", pdu(crafted.RJ, bytes(5)), "AB 6", ("AB 2",)),
    sent(
        36, "release-response-states-FFFFFFFF", pdu(crafted.RELEASE_RP, length=0xFFFFFFFF), "AB 6", ("AB 2",)
    ),
    *(
        sent(36, f"unknown-type-{kind:02X}", pdu(kind, bytes(4)), "AB 1")
        for kind in (0x00, 0x08, 0x09, 0x16, 0x47, 0x7F, 0x80, 0xFF)
    ),
    sent(36, "unknown-type-08-states-FFFFFFFF", pdu(0x08, length=0xFFFFFFFF), "AB 1"),
    *(
        sent(36, f"release-request-of-{length}-bytes", pdu(crafted.RELEASE_RQ, bytes(length)), "AB 6")
        for length in (0, 1, 3, 5, 16)
    ),
    sent(36, "release-request-states-FFFFFFFF", pdu(crafted.RELEASE_RQ, length=0xFFFFFFFF), "AB 6"),
    *(
        sent(36, f"abort-of-{length}-bytes", pdu(crafted.ABORT, bytes(length)), "AB 6", ("CL",))
        for length in (0, 3, 5)
    ),
    sent(36, "release-request-with-reserved-bytes", pdu(crafted.RELEASE_RQ, b"\xff" * 4, reserved=9), "RP"),
    sent(36, "abort-with-odd-source-and-reason", crafted.abort(0xFF, 0xFF), "CL"),
)

PDV_LENGTHS = (
    *(sent(37, f"data-of-{length}-bytes", data(bytes(length)), "AB 6") for length in range(6)),
    *(sent(37, f"data-header-states-{length}", data(length=length), "AB 6") for length in range(1, 6)),
    *(
        sent(
            38,
            f"pdv-{extra}-bytes-too-long",
            data(pdv(ECHO, 3, ECHO_SET, length=len(ECHO_SET) + 2 + extra)),
            "AB 6",
        )
        for extra in (1, 2, 6, 0x10000)
    ),
    *(
        sent(38, f"pdv-states-{length:08X}", data(pdv(ECHO, 3, ECHO_SET, length=length)), "AB 6")
        for length in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
    ),
    sent(
        38,
        "second-pdv-too-long",
        data(pdv(ECHO, 1, ECHO_SET[:12]), pdv(ECHO, 3, ECHO_SET[12:], length=999)),
        "AB 6",
    ),
    sent(38, "second-pdv-states-0", data(pdv(ECHO, 1, ECHO_SET[:12]), bytes(6)), "AB 6"),
    *(
        sent(38, f"{count}-bytes-behind-the-pdv", data(pdv(ECHO, 1, ECHO_SET[:12]), bytes(count)), "AB 6")
        for count in range(1, 6)
    ),
    sent(38, "pdv-too-long-in-a-data-set", STORE_PDUS + data(pdv(STORE, 0, bytes(8), length=99)), "AB 6"),
)


def _whole(length):
    """A P-DATA-TF PDU of `length` bytes that begins a data set."""
    return STORE_PDUS + data(pdv(STORE, 0, bytes(length - 6)))


MAXIMA = (
    *(
        Case(
            39,
            f"pdu-{extra}-bytes-over-the-maximum",
            (Associate(), Send(lambda terms, extra=extra: _whole(terms.maximum_length + extra))),
            "AB 6",
        )
        for extra in (1, 2, 4096)
    ),
    Case(
        39,
        "header-over-the-maximum",
        (Associate(), Send(lambda terms: STORE_PDUS + data(length=terms.maximum_length + 1))),
        "AB 6",
    ),
    sent(39, "header-states-FFFFFFFF", data(length=0xFFFFFFFF), "AB 6"),
    sent(
        39,
        "header-states-FFFFFFFF-in-a-data-set",
        STORE_PDUS + data(pdv(STORE, 0, bytes(9)), length=0xFFFFFFFF),
        "AB 6",
    ),
    sent(39, "header-states-80000000", data(length=0x80000000), "AB 6"),
    Case(
        39,
        "pdu-of-just-the-maximum",
        (
            Associate(),
            Send(
                lambda terms: (
                    message(STORE, command(store_command(b"1.2.3.39")))
                    + data(pdv(STORE, LAST, image(b"1.2.3.39", bytes((terms.maximum_length or 16384) - 200))))
                )
            ),
        ),
        "OK",
        stores=1,
    ),
)

CONTEXT_IDS = (
    *(
        sent(40, f"command-on-context-{number}", message(number, ECHO_SET), "AB 5")
        for number in (NOT_PROPOSED, REFUSED, 0, 2, 4, 255)
    ),
    *(
        sent(40, f"store-on-context-{number}", message(number, STORE_SET, image(b"1.2.3.4.5")), "AB 5")
        for number in (NOT_PROPOSED, REFUSED, 0, 2, 255)
    ),
)

CONTROL_BITS = (
    *(
        sent(41, f"command-with-bit-{bit}", data(pdv(ECHO, COMMAND | LAST | 1 << bit, ECHO_SET)), "OK")
        for bit in range(2, 8)
    ),
    sent(41, "command-with-all-bits", data(pdv(ECHO, 0xFF, ECHO_SET)), "OK"),
    *(
        sent(
            41,
            f"data-set-with-bits-{bits:02X}",
            message(STORE, command(store_command(b"1.2.3.41")))
            + data(pdv(STORE, LAST | bits, image(b"1.2.3.41"))),
            "OK",
            stores=1,
        )
        for bits in (0x04, 0x80, 0xFC)
    ),
)

ORDER = (
    sent(42, "data-set-first", data(pdv(STORE, 0, b"abcd")), "AB 5"),
    sent(42, "last-of-a-data-set-first", data(pdv(STORE, LAST, b"abcd")), "AB 5"),
    sent(42, "empty-data-set-first", data(pdv(STORE, LAST)), "AB 5"),
    sent(42, "data-set-behind-an-echo", crafted.echo() + data(pdv(ECHO, LAST, b"abcd")), "AB 5"),
    sent(42, "second-data-set", crafted.store(b"1.2.3.42") + data(pdv(STORE, LAST, b"ab")), "AB 5", stores=1),
    sent(43, "command-instead-of-the-data-set", STORE_PDUS + crafted.echo(), "AB 5"),
    sent(
        43,
        "command-in-a-data-set",
        STORE_PDUS + data(pdv(STORE, 0, bytes(8))) + message(STORE, STORE_SET),
        "AB 5",
    ),
    sent(43, "echo-in-a-data-set", STORE_PDUS + data(pdv(STORE, 0, bytes(8))) + crafted.echo(), "AB 5"),
    sent(
        43,
        "command-in-the-pdu-of-a-data-set",
        STORE_PDUS + data(pdv(STORE, 0, b"abcd"), pdv(STORE, 3, ECHO_SET)),
        "AB 5",
    ),
    sent(
        43, "data-set-in-a-command", data(pdv(STORE, COMMAND, STORE_SET[:20]), pdv(STORE, 0, b"abcd")), "AB 5"
    ),
    sent(
        43,
        "empty-command-in-a-data-set",
        STORE_PDUS + data(pdv(STORE, 0, bytes(8))) + data(pdv(STORE, 1)),
        "AB 5",
    ),
    *(
        sent(
            44,
            f"data-set-on-context-{number}",
            STORE_PDUS + fragments(number, 0, image(b"1.2.3.4.5")),
            "AB 5",
        )
        for number in (ECHO, DEFLATED_STORE, REFUSED, NOT_PROPOSED, 0, 2)
    ),
    sent(
        44,
        "data-set-changes-its-context",
        STORE_PDUS + data(pdv(STORE, 0, bytes(8)), pdv(DEFLATED_STORE, LAST, bytes(8))),
        "AB 5",
    ),
    sent(
        44,
        "command-changes-its-context",
        data(pdv(ECHO, COMMAND, ECHO_SET[:12]), pdv(STORE, COMMAND | LAST, ECHO_SET[12:])),
        "AB 5",
    ),
)

CASES = (
    *UNEXPECTED,
    *PDV_LENGTHS,
    *MAXIMA,
    *CONTEXT_IDS,
    *CONTROL_BITS,
    *ORDER,
)
