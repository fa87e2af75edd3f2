"""The judge of cases, judged: peers that answer wrongly, or not at all, are told from right ones."""

import contextlib
import struct
from collections import Counter

import pytest
import trio

from hostile import crafted
from hostile.case import Associate, Case, Deafen, Flood, Send, matches
from hostile.cases import CASES
from hostile.play import echo, play
from hostile.talk import Transport

ACCEPT = crafted.pdu(
    crafted.AC,
    bytes(68)
    + b"".join(
        crafted.item(0x21, bytes([number, 0, result, 0])) for number, result in ((1, 0), (3, 0), (5, 4))
    )
    + crafted.user(crafted.MAXIMUM_LENGTH, crafted.item(0x53, struct.pack(">HH", 4, 4))),
)
ECHOED = crafted.message(1, crafted.command({0x0100: 0x8030, 0x0800: 0x0101, 0x0900: 0}))
REFUSED = crafted.message(1, crafted.command({0x0100: 0x8001, 0x0800: 0x0101, 0x0900: 0x0117}))
ABORT = crafted.abort(2, 6)


@pytest.mark.parametrize(
    ("answer", "pattern", "held"),
    [
        ("AB 2/6", "AB 6", True),
        ("AB 2/5", "AB 6", False),
        ("AB 0/6", "AB 6", False),
        ("AB 0/0", "AB0", True),
        ("AB 2/1", "AB0", True),
        ("AB 1/0", "AB0", False),
        ("RJ 1/1/2", "AB0", False),
        ("RJ 1/1/2", "RJ 1/1/2", True),
        ("RJ 1/1/2", "RJ 1/1/7", False),
        ("RJ 1/1/2", "RJ", True),
        ("CL", "CL", True),
        ("CL", "RJ", False),
        ("-", "CL", False),
        ("OK", "OK", True),
        ("OK, but grants (4, 4)", "OK", False),
        ("0117", "0117", True),
        ("C123", "C000 F000", True),
        ("A900", "C000 F000", False),
        ("OK", "C000 F000", False),
        ("RP", "RP", True),
    ],
)
def test_notation(answer, pattern, held):
    assert matches(answer, pattern) is held


async def receive_pdu(stream):
    header = await receive_exactly(stream, 6)
    await receive_exactly(stream, int.from_bytes(header[2:], "big"))


async def receive_exactly(stream, length):
    received = b""
    while len(received) < length:
        received += await stream.receive_some(length - len(received))
    return received


@contextlib.asynccontextmanager
async def scripted(*answers):
    """An acceptor that answers the n-th PDU of each connection with the n-th of `answers`; None closes it."""

    async def serve(stream):
        for answer in answers:
            await receive_pdu(stream)
            if answer is None:
                return
            await stream.send_all(answer)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield Transport(listener.socket.getsockname()[1])
        nursery.cancel_scope.cancel()


ON_REQUEST = Case(1, "", (Send(crafted.request()),), "OK")
ON_ASSOCIATION = Case(1, "", (Associate(), Send(crafted.echo())), "OK")


@pytest.mark.parametrize(
    ("case", "answers", "told"),
    [
        (ON_REQUEST, (ACCEPT, ECHOED), ("OK",)),
        (ON_REQUEST, (ACCEPT, None), ("OK", "CL")),
        (ON_REQUEST, (ACCEPT, b""), ("OK", "-")),
        (ON_REQUEST, (b"",), ("-",)),
        (ON_REQUEST, (None,), ("CL",)),
        (ON_REQUEST, (ABORT,), ("AB 2/6",)),
        (ON_REQUEST, (crafted.reject(),), ("RJ 1/1/1",)),
        (ON_REQUEST._replace(context=3), (ACCEPT, ECHOED), ("OK",)),
        (ON_REQUEST._replace(context=5), (ACCEPT, ECHOED), ("CR",)),
        (ON_REQUEST._replace(context=7), (ACCEPT, ECHOED), ("CR",)),
        (ON_REQUEST._replace(offered=(4, 8)), (ACCEPT, ECHOED), ("OK",)),
        (ON_REQUEST._replace(offered=(0, 0)), (ACCEPT, ECHOED), ("OK",)),
        (ON_REQUEST._replace(offered=(3, 8)), (ACCEPT, ECHOED), ("OK, but grants (4, 4)",)),
        (ON_ASSOCIATION, (ACCEPT, ECHOED, ECHOED), ("OK",)),
        (ON_ASSOCIATION, (ACCEPT, REFUSED, ECHOED), ("0117",)),
        (ON_ASSOCIATION._replace(pinned="0117"), (ACCEPT, REFUSED, ECHOED), ("0117",)),
        (ON_ASSOCIATION._replace(pinned="0117"), (ACCEPT, REFUSED, None), ("0117", "CL")),
        (ON_ASSOCIATION._replace(pinned="0117"), (ACCEPT, REFUSED, b""), ("0117", "-")),
        (ON_ASSOCIATION._replace(pinned="AB 6", allowed=("0117",)), (ACCEPT, REFUSED, ECHOED), ("0117",)),
        (ON_ASSOCIATION._replace(pinned="AB 6", allowed=("0117",)), (ACCEPT, REFUSED, None), ("0117", "CL")),
        (ON_REQUEST._replace(pinned="AB0"), (ACCEPT, b""), ("AC",)),
        (ON_REQUEST._replace(pinned="RJ 1/1/7"), (ACCEPT, b""), ("AC",)),
        (ON_REQUEST._replace(pinned="CL"), (ACCEPT, b""), ("AC", "-")),
        (ON_REQUEST._replace(pinned="AB0", allowed=("OK",)), (ACCEPT, ECHOED), ("OK",)),
        (ON_ASSOCIATION, (crafted.reject(),), ("RJ 1/1/1",)),
        (ON_ASSOCIATION, (ACCEPT, None), ("CL",)),
        (ON_ASSOCIATION._replace(pinned="AB 6"), (ACCEPT, ABORT), ("AB 2/6",)),
        (ON_ASSOCIATION._replace(pinned="AB 6"), (ACCEPT, ECHOED), ("OK", "-")),
        (ON_ASSOCIATION._replace(pinned="AB 6"), (ACCEPT, ECHOED + ABORT), ("OK", "AB 2/6")),
        (ON_ASSOCIATION._replace(pinned="RP"), (ACCEPT, crafted.release(crafted.RELEASE_RP)), ("RP",)),
        (ON_ASSOCIATION._replace(answers=0), (ACCEPT, b"", ECHOED), ("OK",)),
        (ON_ASSOCIATION._replace(answers=2), (ACCEPT, ECHOED + REFUSED, ECHOED), ("OK", "0117")),
    ],
)
async def test_what_is_told(case, answers, told):
    async with scripted(*answers) as transport:
        patience = 0.2 if told[-1] == "-" else 10
        assert (await play(case, transport, patience)).answers == told


async def test_a_peer_that_lets_itself_be_flooded_is_not_held_closed():
    case = Case(58, "", (Associate(), Deafen(), Flood(crafted.echo(), 10)), "CL")
    async with scripted(ACCEPT) as transport:
        assert (await play(case, transport, 0.2)).answers == ("-",)


@pytest.mark.parametrize("answers", [(), (None,), (ABORT,), (ACCEPT,), (ACCEPT, REFUSED), (ACCEPT, None)])
async def test_an_echo_that_is_not_answered_is_missed(answers):
    async with scripted(*answers) as transport:
        assert await echo(transport, 0.2) is None


def test_an_abort_with_another_reason_is_right_and_not_the_pinned_one():
    case = ON_ASSOCIATION._replace(pinned="AB 6")
    assert any(matches("AB 0/0", one) for one in case.accepted)
    assert not matches("AB 0/0", case.pinned)


def test_every_number_of_the_reference_has_a_case():
    """And 62, of our own: storage commitment, which the reference does not know."""
    assert {case.number for case in CASES} == set(range(1, 63))


def test_titles_are_unique():
    assert Counter(case.title for case in CASES).most_common(1)[0][1] == 1
