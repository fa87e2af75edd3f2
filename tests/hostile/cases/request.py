"""What an A-ASSOCIATE-RQ says: versions, AE titles, contexts; 11 to 17 and 22 to 28 of the reference."""

from hostile import crafted
from hostile.case import Case, Send
from hostile.crafted import (
    APPLICATION,
    APPLICATION_CONTEXT,
    CONTEXTS,
    ECHO_CONTEXT,
    EXPLICIT,
    IMPLICIT,
    PROPOSAL,
    SECONDARY_CAPTURE,
    USER,
    VERIFICATION,
    context,
    context_of,
    item,
    request,
    title,
    user,
    with_context,
)

# Presentation contexts that are refused rather than answered by an abort are a free choice of the acceptor.
REFUSED = ("AB0", "RJ")


def asked(number, name, sent, pinned, allowed=(), **more):
    """A case that is one request."""
    return Case(number, name, (Send(sent),), pinned, allowed, **more)


VERSIONS = (
    *(
        asked(11, f"version-{version:04X}", request(version=version), "RJ 1/2/2")
        for version in (0x0000, 0x0002, 0x0004, 0x8000, 0xFFFE)
    ),
    *(
        asked(12, f"version-{version:04X}", request(version=version), "OK")
        for version in (0x0001, 0x0003, 0x0005, 0x8001, 0xFFFF)
    ),
)

_WRONG_CONTEXTS = {
    "of-another-standard": b"1.2.840.10008.3.1.1.2",
    "longer": APPLICATION_CONTEXT + b".1",
    "shorter": APPLICATION_CONTEXT[:-2],
    "letters": b"DICOM",
    "high-bytes": b"\xff" * 21,
    "65-characters": b"1." * 32 + b"1",
    "60000-characters": b"1" * 60_000,
    "nul-inside": b"1.2.840.10008\x003.1.1.1",
}


def _no_uid(uid):
    """Whoever looks at its form may abort."""
    return () if uid.replace(b".", b"").isdigit() and len(uid) <= 64 else ("AB0",)


APPLICATION_CONTEXTS = (
    *(
        asked(
            13,
            f"application-context-{name}",
            request(item(0x10, uid), *CONTEXTS, USER),
            "RJ 1/1/2",
            _no_uid(uid),
        )
        for name, uid in _WRONG_CONTEXTS.items()
    ),
    asked(13, "application-context-absent", request(*CONTEXTS, USER), "RJ 1/1/2", ("AB0",)),
    asked(13, "two-application-contexts", request(APPLICATION, *PROPOSAL), "AB0", ("RJ",)),
    asked(
        13,
        "application-context-with-nul",
        request(item(0x10, APPLICATION_CONTEXT + b"\0"), *CONTEXTS, USER),
        "OK",
        ("RJ 1/1/2",),
    ),
    asked(13, "application-context-last", request(*CONTEXTS, USER, APPLICATION), "OK", ("AB0", "RJ 1/1/2")),
)

_WRONG_TITLES = {
    "high-bytes": b"\x80\xfe\xff",
    "latin-1": "MÜNCHEN".encode("latin-1"),
    "line-feed": b"PORT\n104",
    "carriage-return": b"PORT\r104",
    "forged-log-line": b'A\r\n{"level":1}',
    "backslash": b"PORT\\104",
    "parent-folder": b"../../etc",
    "parent-folder-inside": b"A/../../B",
    "two-dots": b"..",
    "escape": b"\x1b[2J\x1b[31m",
    "tab": b"PORT\t104",
    "nul-inside": b"PO\x00RT",
    "delete": b"PORT\x7f104",
    "bell": b"\x07",
}
TITLES = (
    asked(14, "called-blank", request(called=title(b"")), "RJ 1/1/7", ("RJ", "AB0")),
    asked(14, "called-all-nul", request(called=bytes(16)), "RJ 1/1/7", ("RJ", "AB0")),
    asked(14, "calling-blank", request(calling=title(b"")), "RJ 1/1/3", ("RJ", "AB0")),
    asked(14, "calling-all-nul", request(calling=bytes(16)), "RJ 1/1/3", ("RJ", "AB0")),
    asked(14, "called-unknown", request(called=title(b"SOMEBODY")), "RJ 1/1/7"),
    asked(14, "called-in-another-case", request(called=title(b"port104")), "RJ 1/1/7"),
    asked(14, "called-longer", request(called=title(b"PORT1040")), "RJ 1/1/7"),
    *(
        asked(15, f"called-{name}", request(called=title(name_bytes)), "RJ 1/1/7", ("RJ", "AB0"))
        for name, name_bytes in _WRONG_TITLES.items()
    ),
    *(
        asked(15, f"calling-{name}", request(calling=title(name_bytes)), "RJ 1/1/3", ("RJ", "AB0"))
        for name, name_bytes in _WRONG_TITLES.items()
    ),
    asked(16, "called-padded-in-front", request(called=b"PORT104".rjust(16)), "OK"),
    asked(16, "called-padded-on-both-sides", request(called=b"PORT104".center(16)), "OK"),
    asked(16, "called-padded-with-nul", request(called=b"PORT104".ljust(16, b"\0")), "OK", ("RJ", "AB0")),
    asked(16, "calling-padded-in-front", request(calling=b"PEER".rjust(16)), "OK"),
    asked(16, "calling-of-16-characters", request(calling=b"A-PEER-OF-16-CHR"), "OK"),
    asked(16, "calling-with-a-space-inside", request(calling=title(b"CT ROOM 1")), "OK"),
)

RESERVED = (
    asked(17, "header-reserved", request(header=0xFF), "OK"),
    asked(17, "body-reserved", request(reserved=b"\xff\xff"), "OK"),
    asked(17, "32-bytes-reserved", request(rest=b"\xff" * 32), "OK"),
    asked(
        17,
        "item-reserved",
        request(
            item(0x10, APPLICATION_CONTEXT, reserved=0xFF),
            context_of(
                1,
                item(0x30, VERIFICATION, reserved=0xAA),
                item(0x40, IMPLICIT, reserved=0x55),
                reserved=0xFF,
            ),
            user(crafted.MAXIMUM_LENGTH, item(0x52, b"1.2.3.4", reserved=0xFF), reserved=0xFF),
        ),
        "OK",
    ),
)

CONTEXT_IDS = (
    asked(22, "no-context", request(APPLICATION, USER), "RJ 1/1/1", ("RJ", "AB0")),
    *(
        asked(23, f"context-id-{number}", with_context(context(number)), "AB0", ("CR",), context=number)
        for number in (2, 4, 128, 254)
    ),
    asked(24, "context-id-0", with_context(context(0)), "AB0", ("CR",), context=0),
    asked(24, "context-id-twice", with_context(context(1)), "AB0", ("OK",)),
    asked(
        25,
        "128-contexts",
        request(APPLICATION, ECHO_CONTEXT, *(context(number) for number in range(3, 256, 2)), USER),
        "OK",
    ),
    asked(
        25,
        "128-contexts-of-30-transfer-syntaxes",
        request(
            APPLICATION,
            ECHO_CONTEXT,
            *(context(number, SECONDARY_CAPTURE, *[EXPLICIT] * 30) for number in range(3, 256, 2)),
            USER,
        ),
        "OK",
    ),
    asked(
        25,
        "128-contexts-of-100-transfer-syntaxes",
        request(
            APPLICATION,
            ECHO_CONTEXT,
            *(context(number, SECONDARY_CAPTURE, *[EXPLICIT] * 100) for number in range(3, 256, 2)),
            USER,
        ),
        "OK",
    ),
    # What takes long to read keeps others waiting, and nobody sends it but for that.
    asked(
        25,
        "128-contexts-of-1600-transfer-syntaxes",
        request(
            APPLICATION,
            ECHO_CONTEXT,
            *(context(number, SECONDARY_CAPTURE, *[b"1"] * 1600) for number in range(3, 256, 2)),
            USER,
        ),
        "AB0",
        ("OK", "RJ"),
    ),
    asked(
        25,
        "a-context-of-2000-transfer-syntaxes",
        with_context(
            context(3, SECONDARY_CAPTURE, *[b"1.2.3.%d" % number for number in range(2000)], EXPLICIT)
        ),
        "OK",
        context=3,
    ),
    asked(
        25, "50000-contexts", request(APPLICATION, *[context(1, b"1", b"1")] * 50_000, USER), "AB0", ("RJ",)
    ),
    asked(
        25,
        "129-contexts",
        request(APPLICATION, ECHO_CONTEXT, *(context(number % 256) for number in range(3, 260, 2)), USER),
        "AB0",
        ("OK", "RJ"),
    ),
)

SYNTAXES = (
    asked(
        26, "no-abstract-syntax", with_context(context_of(3, item(0x40, EXPLICIT))), "CR", REFUSED, context=3
    ),
    asked(
        26,
        "two-abstract-syntaxes",
        with_context(
            context_of(3, item(0x30, SECONDARY_CAPTURE), item(0x30, crafted.CT_IMAGE), item(0x40, EXPLICIT))
        ),
        "CR",
        REFUSED,
        context=3,
    ),
    asked(
        27,
        "no-transfer-syntax",
        with_context(context_of(3, item(0x30, SECONDARY_CAPTURE))),
        "CR",
        REFUSED,
        context=3,
    ),
    asked(27, "no-syntax-at-all", with_context(context_of(3)), "CR", REFUSED, context=3),
)

# A private SOP class in all but its form, so that only the form can be the reason.
_BAD_UIDS = {
    "65-characters": b"1." * 32 + b"1",
    "66-characters": SECONDARY_CAPTURE + b"." + b"1" * 40,
    "60000-characters": b"1." * 30_000 + b"1",
    "letters": b"1.2.840.CT",
    "high-bytes": b"1.2.\xff\xfe",
    "two-dots": b"1..2",
    "dot-first": b".1.2",
    "dot-last": b"1.2.",
    "leading-zero": b"1.02.3",
    "space-inside": b"1.2 .3",
    "nul-inside": b"1.2\x00.3",
    "path": b"../../etc/passwd",
    "negative": b"1.-2",
    "digits-of-another-script": "1.٣".encode(),
}
UIDS = (
    *(
        asked(28, f"abstract-syntax-{name}", with_context(context(3, uid)), "CR", REFUSED, context=3)
        for name, uid in _BAD_UIDS.items()
    ),
    *(
        asked(
            28,
            f"transfer-syntax-{name}",
            with_context(context(3, SECONDARY_CAPTURE, uid)),
            "CR",
            REFUSED,
            context=3,
        )
        for name, uid in _BAD_UIDS.items()
    ),
    asked(
        28, "abstract-syntax-with-nul", with_context(context(3, SECONDARY_CAPTURE + b"\0")), "OK", context=3
    ),
    asked(
        28,
        "transfer-syntax-with-nul",
        with_context(context(3, SECONDARY_CAPTURE, EXPLICIT + b"\0")),
        "OK",
        context=3,
    ),
    asked(
        28,
        "a-good-transfer-syntax-among-bad-ones",
        with_context(context(3, SECONDARY_CAPTURE, *_BAD_UIDS.values(), EXPLICIT)),
        "OK",
        context=3,
    ),
)

# A rejection is the end: what comes behind it is not for us, whatever it is.
REJECTED = tuple(
    asked(
        number, f"rejected-for-its-{name}-and-stores", sent + crafted.store(b"1.2.3.4.5") * 2, answer, ("RJ",)
    )
    for number, name, sent, answer in (
        (11, "version", request(version=2), "RJ 1/2/2"),
        (13, "application-context", request(item(0x10, b"1.2.3"), *CONTEXTS, USER), "RJ 1/1/2"),
        (14, "called-ae-title", request(called=title(b"SOMEBODY")), "RJ 1/1/7"),
        (15, "calling-ae-title", request(calling=title(b"A\\B")), "RJ 1/1/3"),
        (22, "contexts", request(APPLICATION, USER), "RJ 1/1/1"),
    )
)

CASES = (
    *VERSIONS,
    *APPLICATION_CONTEXTS,
    *TITLES,
    *RESERVED,
    *CONTEXT_IDS,
    *SYNTAXES,
    *UIDS,
    *REJECTED,
)
