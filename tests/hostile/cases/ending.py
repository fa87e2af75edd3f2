"""How associations end, in order and out of it: 58 to 61 of the reference."""

from hostile import crafted
from hostile.case import Associate, Await, Case, Deafen, Fin, Flood, Rst, Send, Trickle
from hostile.crafted import (
    COMMAND,
    ECHO,
    STORE,
    command,
    data,
    echo_command,
    image,
    message,
    pdv,
    store_command,
)

ECHO_SET = command(echo_command())
# What is taken whole from a receive buffer, and what passes through several.
SIZES = (1_000, 300_000)
ABORT, RELEASE = Send(crafted.abort()), Send(crafted.release())
SILENCE = ()

# Responses repeat the UIDs of their requests, so that few fill the buffers of a peer that does not read.
LONG_UID = b"1" * 60_000


def _unread(name, content):
    steps = (Associate(), Deafen(), Flood(content, 1_000))
    return Case(58, f"{name}-never-read", steps, "CL", ("AB0",), waits=True)


UNREAD = (
    _unread("responses-to-echoes", crafted.echo(e0002=LONG_UID)),
    _unread("responses-to-refused-stores", crafted.store(b"1", b"", e1000=LONG_UID)),
)


def _begun(instance, size):
    """The command and the first half of a data set."""
    half = image(instance, b"\1" * size)[: size // 2]
    pieces = [pdv(STORE, 0, half[at : at + 16_000]) for at in range(0, len(half), 16_000)]
    return Send(message(STORE, command(store_command(instance))) + b"".join(map(data, pieces)))


STORE_PDUS = message(STORE, command(store_command(b"1.2.3.59")))
RELEASED_INSIDE = tuple(
    Case(59, f"release-{name}", (Associate(), begun, RELEASE), "AB 2", ("AB0",))
    for name, begun in (
        *((f"in-a-data-set-of-{size}", _begun(b"1.2.3.59", size)) for size in SIZES),
        ("before-the-data-set", Send(STORE_PDUS)),
        ("in-a-command", Send(data(pdv(ECHO, COMMAND, ECHO_SET[:20])))),
        ("behind-an-empty-fragment", Send(STORE_PDUS + data(pdv(STORE, 0)))),
    )
)


def _ended(end):
    """The pinned answer and the other one: only a peer that is still there can be told."""
    return ("CL", ("AB0",)) if end else ("AB0", ("CL",))


def _broken_off(name, end, size, **more):
    """A second copy of a stored instance, with other bytes, that does not come to its end."""
    instance = b"1.2.3.60.%d" % size
    return Case(
        60,
        f"{name}-in-a-data-set-of-{size}",
        (Associate(), _begun(instance, size), *end),
        *_ended(end),
        before=((instance, image(instance)),),
        **more,
    )


BROKEN_OFF = (
    *(
        _broken_off(name, end, size, waits=not end)
        for name, end in (("abort", (ABORT,)), ("rst", (Rst(),)), ("fin", (Fin(),)), ("silence", SILENCE))
        for size in SIZES
    ),
    *(
        Case(
            60,
            f"{name}-behind-a-command",
            (Associate(), Send(message(STORE, command(store_command(b"1.2.3.60")))), *end),
            *_ended(end),
            waits=not end,
        )
        for name, end in (("abort", (ABORT,)), ("rst", (Rst(),)), ("fin", (Fin(),)), ("silence", SILENCE))
    ),
    *(
        Case(
            60,
            f"{name}-in-a-fragment",
            (
                Associate(),
                Send(
                    message(STORE, command(store_command(b"1.2.3.60")))
                    + data(pdv(STORE, 2, bytes(9000)))[:5000]
                ),
                *end,
            ),
            *_ended(end),
            waits=not end,
        )
        for name, end in (("rst", (Rst(),)), ("fin", (Fin(),)), ("silence", SILENCE))
    ),
    *(
        Case(
            60,
            f"{name}-in-a-command",
            (Associate(), Send(data(pdv(ECHO, COMMAND, ECHO_SET[:20]))), *end),
            *_ended(end),
            waits=not end,
        )
        for name, end in (("abort", (ABORT,)), ("rst", (Rst(),)), ("fin", (Fin(),)), ("silence", SILENCE))
    ),
    *(
        Case(60, f"{name}-when-idle", (Associate(), *end), *_ended(end), waits=not end)
        for name, end in (("abort", (ABORT,)), ("rst", (Rst(),)), ("fin", (Fin(),)), ("silence", SILENCE))
    ),
    *(
        Case(60, f"{name}-behind-an-echo", (Associate(), Send(crafted.echo()), end), "CL", ("AB0",))
        for name, end in (("fin", Fin()), ("rst", Rst()))
    ),
)

# Never silent, and never at an end.
EMPTY, SHORT = data(pdv(ECHO, COMMAND)), data(pdv(STORE, 0, b"0123456789"))
SLOW = tuple(
    Case(
        60,
        f"{name}-without-end",
        (Associate(), Send(begun), Trickle(pdu * 1_000, 0.02, len(pdu))),
        "AB0",
        ("CL",),
        waits=True,
    )
    for name, begun, pdu in (
        ("empty-fragments-of-a-command", b"", EMPTY),
        ("empty-fragments-of-a-data-set", STORE_PDUS, data(pdv(STORE, 0))),
        ("short-fragments-of-a-data-set", STORE_PDUS, SHORT),
    )
)

RELEASE_PDU = crafted.release()
RELEASES = (
    Case(61, "release", (Associate(), RELEASE), "RP"),
    Case(61, "release-and-fin", (Associate(), RELEASE, Fin()), "RP"),
    Case(61, "release-behind-an-echo", (Associate(), Send(crafted.echo() + RELEASE_PDU)), "RP"),
    Case(
        61,
        "release-behind-a-store",
        (Associate(), Send(crafted.store(b"1.2.3.61") + RELEASE_PDU)),
        "RP",
        stores=1,
    ),
    Case(61, "release-twice", (Associate(), Send(RELEASE_PDU * 2)), "RP"),
    Case(
        61,
        "release-and-release-response",
        (Associate(), Send(RELEASE_PDU + crafted.release(crafted.RELEASE_RP))),
        "RP",
    ),
    Case(61, "release-and-an-echo", (Associate(), Send(RELEASE_PDU + crafted.echo())), "RP", ("AB0",)),
    Case(
        61,
        "release-and-a-request",
        (Associate(), Send(RELEASE_PDU + crafted.request())),
        "AB 2",
        ("RP", "AB0"),
    ),
    Case(61, "release-and-nothing-more", (Associate(), RELEASE, Await(), Send(b"\x01" * 3)), "RP"),
)

CASES = (*UNREAD, *RELEASED_INSIDE, *BROKEN_OFF, *SLOW, *RELEASES)
