"""Much at a time, in one piece or without a pause: more of what other rooms hold."""

from hostile import crafted
from hostile.case import Associate, Await, Case, Send, Trickle
from hostile.cases.established import ECHO_SET, sent
from hostile.crafted import (
    COMMAND,
    ECHO,
    LAST,
    STORE,
    command,
    data,
    echo_command,
    element,
    fragments,
    image,
    message,
    pdu,
    pdv,
    request,
    store_command,
    with_user,
)

REQUEST = request()


def _behind(number, name, behind, pinned, **more):
    """A request with something behind it that could not wait for the answer."""
    steps = (Send(REQUEST + behind), Await(2))
    return Case(number, f"{name}-behind-the-request", steps, pinned, answers=0, **more)


# Whether it came before or after we answered, the peer cannot know, and nothing may depend on it.
BEHIND_THE_REQUEST = (
    _behind(9, "echo", crafted.echo(), "OK", allowed=("AB0",)),
    _behind(9, "store", crafted.store(b"1.2.3.9"), "OK", allowed=("AB0",), stores=1),
    _behind(35, "request", REQUEST, "AB 2"),
    _behind(36, "unknown-type", pdu(0xFF), "AB 1"),
    _behind(60, "abort", crafted.abort(), "CL"),
    _behind(61, "release", crafted.release(), "RP", allowed=("AB0",)),
)


def _image_pdvs(instance, message_id=1):
    command_set = command(store_command(instance, e0110=message_id))
    return pdv(STORE, COMMAND | LAST, command_set), pdv(STORE, LAST, image(instance))


ONE_PDU = (
    sent(37, "store-in-one-pdu", data(*_image_pdvs(b"1.2.3.37.1")), "OK", ("AB0",), stores=1),
    sent(
        37,
        "two-echoes-in-one-pdu",
        data(*(pdv(ECHO, 3, command(echo_command(e0110=number))) for number in (1, 2))),
        "OK",
        ("AB0",),
        answers=2,
    ),
    sent(
        37,
        "three-stores-in-one-pdu",
        data(*(one for number in (2, 3, 4) for one in _image_pdvs(b"1.2.3.37.%d" % number, number))),
        "OK",
        ("AB0",),
        answers=3,
        stores=3,
    ),
    sent(
        37,
        "image-a-byte-in-a-fragment",
        message(STORE, command(store_command(b"1.2.3.37.5")))
        + data(*(pdv(STORE, 0, bytes([one])) for one in image(b"1.2.3.37.5", bytes(2_000))))
        + data(pdv(STORE, LAST)),
        "OK",
        stores=1,
    ),
    sent(
        37,
        "100000-empty-fragments-of-a-data-set",
        message(STORE, command(store_command(b"1.2.3.37.6")))
        + data(*[pdv(STORE, 0)] * 2_000) * 50
        + fragments(STORE, 0, image(b"1.2.3.37.6")),
        "OK",
        ("AB0",),
        stores=1,
    ),
    sent(
        37,
        "100000-empty-fragments-of-a-command",
        data(*[pdv(ECHO, COMMAND)] * 2_000) * 50 + message(ECHO, ECHO_SET),
        "OK",
        ("AB0",),
    ),
)


def _filled(length):
    """An echo's command set of `length` bytes."""
    usual = len(ECHO_SET) + len(element(0x0902, b""))
    return fragments(ECHO, COMMAND, command(echo_command(), tail=element(0x0902, bytes(length - usual))))


MANY = (
    sent(45, "command-of-64-kib", _filled(64 * 1024), "OK", ("AB0",)),
    sent(45, "command-of-64-kib-and-two-bytes", _filled(64 * 1024 + 2), "AB 6", ("OK", "AB0")),
    sent(
        46,
        "command-of-8000-elements",
        fragments(ECHO, COMMAND, command(echo_command(), tail=element(0x1001, b"") * 8_000)),
        "OK",
        ("AB0",),
    ),
    sent(
        50,
        "500-echoes",
        b"".join(crafted.echo(e0110=number) for number in range(500)),
        "OK",
        ("AB0", "0210"),
        answers=500,
    ),
    sent(
        50,
        "an-instance-twice-with-other-bytes",
        crafted.store(b"1.2.3.50.1", image(b"1.2.3.50.1", b"\1" * 5_000))
        + crafted.store(b"1.2.3.50.1", image(b"1.2.3.50.1", b"\2" * 5_000), e0110=2),
        "OK",
        ("AB0", "0111"),
        answers=2,
        stores=2,
    ),
)

UNASKED = (
    sent(
        48,
        "response-with-a-data-set",
        message(STORE, command({0x0100: 0x8020, 0x0120: 1, 0x0800: 1, 0x0900: 0xFF00}), b"abcd"),
        "OK",
        ("AB0",),
        answers=0,
    ),
    sent(
        48,
        "cancel-with-a-data-set",
        message(ECHO, command({0x0100: 0x0FFF, 0x0120: 1, 0x0800: 0}), b"abcd"),
        "OK",
        ("AB0",),
        answers=0,
    ),
    sent(
        48,
        "cancel-of-a-store",
        crafted.store(b"1.2.3.48.1") + message(STORE, command({0x0100: 0x0FFF, 0x0120: 1, 0x0800: 0x0101})),
        "OK",
        ("AB0",),
        stores=1,
    ),
    sent(
        48,
        "find-with-an-identifier-on-the-storage-context",
        message(STORE, command(store_command(b"1.2.3", e0100=0x0020)), image(b"1.2.3")),
        "0211",
        ("AB0", "0122", "0210", "0212", "A900 FF00", "C000 F000"),
    ),
    sent(48, "message-id-absent", crafted.echo(e0110=None), "OK", ("AB0", "0212")),
    sent(48, "message-id-0", crafted.echo(e0110=0), "OK"),
    sent(48, "priority-FFFF", crafted.store(b"1.2.3.48.2", e0700=0xFFFF), "OK", ("0115",), stores=1),
    sent(48, "priority-absent", crafted.store(b"1.2.3.48.3", e0700=None), "OK", ("0120",), stores=1),
)

# An association that is over stays so, whatever is sent on.
_BROKEN = Send(pdu(0xFF))
AFTER_THE_END = (
    Case(60, "abort-and-echoes", (Associate(), Send(crafted.abort() + crafted.echo() * 10)), "CL"),
    Case(60, "broken-and-4-mib", (Associate(), Send(pdu(0xFF) + bytes(1 << 22))), "AB 1"),
    Case(60, "broken-and-echoes", (Associate(), _BROKEN, Trickle(crafted.echo() * 20, 0.01, 100)), "AB 1"),
    Case(60, "half-an-abort", (Associate(), Send(crafted.abort()[:6])), "AB0", ("CL",), waits=True),
    # All that it lacks is reserved (PS3.8 9.3.6).
    Case(61, "half-a-release", (Associate(), Send(crafted.release()[:6])), "RP", ("AB0",), waits=True),
    Case(
        61,
        "release-and-echoes-without-end",
        (Associate(), Send(crafted.release()), Trickle(crafted.echo() * 20, 0.01, 50)),
        "RP",
        ("AB0",),
    ),
)

_CAPTURE = b"\0\x19" + crafted.SECONDARY_CAPTURE
ROLES = tuple(
    Case(
        32,
        f"role-{name}-and-a-store",
        (
            Associate(with_user(*(crafted.item(0x54, _CAPTURE + one) for one in roles))),
            Send(crafted.store(b"1.2.3.32.%d" % number)),
        ),
        "OK",
        ("AB0", "0122", "0124", "RJ"),
        stores=1,
    )
    for number, (name, roles) in enumerate(
        {
            "scp-alone": (b"\0\1",),
            "neither": (b"\0\0",),
            "neither-and-then-scu": (b"\0\0", b"\1\0"),
        }.items()
    )
)

CASES = (*BEHIND_THE_REQUEST, *ONE_PDU, *MANY, *UNASKED, *AFTER_THE_END, *ROLES)
