"""The items of an A-ASSOCIATE-RQ and their lengths: 18 to 21 of the reference."""

from hostile import crafted
from hostile.cases.request import asked
from hostile.crafted import (
    APPLICATION,
    APPLICATION_CONTEXT,
    CONTEXTS,
    EXPLICIT,
    PROPOSAL,
    SECONDARY_CAPTURE,
    STORE,
    STORE_CONTEXT,
    USER,
    context_of,
    item,
    request,
    user,
    with_context,
)

_BY_ITEM = {
    "application-context": lambda extra: (
        item(0x10, APPLICATION_CONTEXT, length=21 + extra),
        *CONTEXTS,
    ),
    "presentation-context": lambda extra: (
        APPLICATION,
        item(0x20, STORE_CONTEXT[4:], length=len(STORE_CONTEXT) - 4 + extra),
    ),
    "user-information": lambda extra: (
        APPLICATION,
        *CONTEXTS,
        item(0x50, USER[4:], length=len(USER) - 4 + extra),
    ),
    "abstract-syntax": lambda extra: (
        APPLICATION,
        context_of(STORE, item(0x40, EXPLICIT), item(0x30, SECONDARY_CAPTURE, length=25 + extra)),
        USER,
    ),
    "transfer-syntax": lambda extra: (
        APPLICATION,
        context_of(STORE, item(0x30, SECONDARY_CAPTURE), item(0x40, EXPLICIT, length=19 + extra)),
        USER,
    ),
    "maximum-length": lambda extra: (
        APPLICATION,
        *CONTEXTS,
        user(crafted.IMPLEMENTATION, item(0x51, bytes(4), length=4 + extra)),
    ),
    "implementation-class": lambda extra: (
        APPLICATION,
        *CONTEXTS,
        user(item(0x52, b"1.2.3.4", length=7 + extra)),
    ),
    "unknown": lambda extra: (*PROPOSAL, item(0x7F, bytes(8), length=8 + extra)),
}
# One byte more than there is at the end of the PDU; in its middle the next item is swallowed.
OVERRUNS = tuple(
    asked(18, f"{name}-{extra}-bytes-too-long", request(*of(extra)), "AB0")
    for name, of in _BY_ITEM.items()
    for extra in (1, 2, 1000, 0xFF00)
    if name not in ("application-context", "presentation-context") or extra >= 1000
)
SHORT_PDUS = tuple(
    asked(18, f"pdu-{less}-bytes-too-short", request(length=len(request()) - 6 - less), "AB0")
    for less in (1, 2, 3, 5, 11, 12)
)

TRAILING = (
    *(
        asked(19, f"{count}-bytes-behind-the-items", request(*PROPOSAL, bytes(count)), "AB0")
        for count in (1, 2, 3)
    ),
    *(
        asked(
            19,
            f"{count}-bytes-in-a-context",
            with_context(context_of(3, item(0x30, SECONDARY_CAPTURE), item(0x40, EXPLICIT), bytes(count))),
            "AB0",
        )
        for count in (1, 2, 3)
    ),
    *(
        asked(
            19,
            f"{count}-bytes-in-the-user-information",
            request(
                APPLICATION, *CONTEXTS, user(crafted.MAXIMUM_LENGTH, crafted.IMPLEMENTATION, bytes(count))
            ),
            "AB0",
        )
        for count in (1, 2, 3)
    ),
)

EMPTY = (
    asked(20, "item-10-of-length-0", request(item(0x10), *CONTEXTS, USER), "AB0"),
    asked(20, "item-20-of-length-0", request(APPLICATION, item(0x20), USER), "AB0"),
    *(
        asked(
            20,
            f"item-20-of-length-{length}",
            request(APPLICATION, item(0x20, bytes([3, 0, 0][:length])), USER),
            "AB0",
        )
        for length in (1, 2, 3)
    ),
    asked(20, "item-30-of-length-0", with_context(context_of(3, item(0x30), item(0x40, EXPLICIT))), "AB0"),
    asked(
        20,
        "item-40-of-length-0",
        with_context(context_of(3, item(0x30, SECONDARY_CAPTURE), item(0x40))),
        "AB0",
    ),
    asked(20, "item-50-of-length-0", request(APPLICATION, *CONTEXTS, user()), "AB0"),
    *(
        asked(
            20,
            f"item-{kind:02X}-of-length-0",
            request(APPLICATION, *CONTEXTS, user(crafted.MAXIMUM_LENGTH, item(kind))),
            "AB0",
        )
        for kind in (0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59)
    ),
    asked(20, "item-51-of-length-0", request(APPLICATION, *CONTEXTS, user(item(0x51))), "AB0"),
)

UNKNOWN = (
    *(
        asked(21, f"item-{kind:02X}", request(*PROPOSAL, item(kind, b"\x01\x02\x03")), "OK")
        for kind in (0x00, 0x11, 0x21, 0x60, 0x7F, 0x80, 0xFF)
    ),
    *(
        asked(
            21,
            f"sub-item-{kind:02X}",
            request(
                APPLICATION,
                *CONTEXTS,
                user(crafted.MAXIMUM_LENGTH, crafted.IMPLEMENTATION, item(kind, b"12")),
            ),
            "OK",
        )
        for kind in (0x00, 0x50, 0x5A, 0x5F, 0x7F, 0xFF)
    ),
    asked(
        21,
        "sub-item-in-a-context",
        with_context(
            context_of(3, item(0x30, SECONDARY_CAPTURE), item(0x3F, b"x"), item(0x40, EXPLICIT), item(0x41))
        ),
        "OK",
        ("AB0",),
        context=3,
    ),
    asked(21, "item-7F-first", request(item(0x7F, bytes(10)), *PROPOSAL), "OK"),
    asked(21, "item-7F-of-length-0", request(*PROPOSAL, item(0x7F)), "OK"),
    asked(21, "item-7F-of-65535-bytes", request(*PROPOSAL, item(0x7F, bytes(0xFFFF))), "OK"),
    asked(21, "many-unknown-items", request(*PROPOSAL, *[item(0x7F)] * 10_000), "OK"),
    asked(21, "200000-unknown-items", request(*PROPOSAL, *[item(0x7F)] * 200_000), "AB0", ("OK", "RJ")),
    asked(21, "two-user-informations", request(*PROPOSAL, USER), "AB0", ("OK", "RJ")),
)

CASES = (*OVERRUNS, *SHORT_PDUS, *TRAILING, *EMPTY, *UNKNOWN)
