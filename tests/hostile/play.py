"""Plays a case against whoever listens, and tells what was answered; judges nothing.

A task of its own reads while the script is played, so that neither a peer that answers early nor one that
stops reading can hold it up.
"""

import contextlib
import itertools
from typing import NamedTuple

import trio

from hostile import crafted
from hostile.case import Associate, Await, Beneath, Case, Deafen, Fin, Flood, Rst, Send, Trickle
from hostile.talk import GONE, Talk, Transport

SILENCE = "-"  # no answer came, or none that ends what had to end


class Observation(NamedTuple):
    """`answers` in the notation of case.py; `seconds` from the last byte of the script to the last one."""

    answers: tuple[str, ...]
    seconds: float

    @property
    def answer(self):
        """The one that counts: the last."""
        return self.answers[-1]


async def prepare(case: Case, transport: Transport) -> None:
    """Store what is to be there before the case; a peer that refuses it has nothing to lose."""
    for instance, data_set in case.before:
        await store(transport, instance, data_set)


async def play(case: Case, transport: Transport, patience: float) -> Observation:
    """Play the script, and wait at most `patience` seconds for an answer that ends it."""
    try:
        with trio.fail_after(patience):
            talk = await Talk.connect(transport, naked=case.naked, narrow=Deafen() in case.steps)
    except (trio.TooSlowError, *GONE) as fault:
        return Observation((f"no connection: {type(fault).__name__}",), 0.0)
    async with talk:
        return await _play_on(talk, case, patience)


async def _play_on(talk, case, patience):
    talk.listen()
    with trio.move_on_after(patience):
        await _perform(talk, case)
    played = trio.current_time()
    talk.listen()
    with trio.move_on_after(patience):
        await _hear_out(talk, case)
        return Observation(_told(talk.heard), trio.current_time() - played)
    return Observation(_told([*talk.heard, SILENCE]), trio.current_time() - played)


def _told(heard):
    """What was heard, the same in a row once. After A-RELEASE-RP the connection may be closed."""
    if heard[-2:] == ["RP", "CL"]:
        heard = heard[:-1]
    return tuple(answer for answer, _ in itertools.groupby(heard))


async def _perform(talk, case):
    """The steps, as far as the peer lets them be made."""
    try:
        for step in case.steps:
            await _STEPS[type(step)](talk, step)
    except (*GONE, _Ended):
        pass  # what the peer answered is on record


async def _hear_out(talk, case):
    """Wait for what is the answer to the script; where it may go on after that, see that it does."""
    await talk.hear_until(lambda: _is_answered(talk, case))
    if talk.ended or not case.may_go_on(talk.heard[-1] if talk.heard else "OK"):
        return
    if talk.heard[-1:] == ["AC"]:
        talk.heard[-1] = talk.accept.verdict(case)
    answered = len(talk.heard)
    with contextlib.suppress(*GONE):
        await talk.send(crafted.echo(e0110=0xEEEE))
    await talk.hear_until(lambda: len(talk.heard) > answered)
    if talk.heard[answered:] == ["OK"] and answered:
        talk.heard.pop()


def _is_answered(talk, case):
    if "RP" in talk.heard and "RP" in case.accepted:
        return case.pinned == "RP"
    if talk.heard[-1:] == ["AC"]:
        return "CL" not in case.accepted  # what was not to be accepted is, or it may go on
    if len(talk.heard) < talk.awaited + case.answers:
        return False
    return case.goes_on or case.may_go_on(talk.heard[-1])


# ---- the steps ----


class _Ended(Exception):  # noqa: N818 - no fault
    """The peer ended the association before the script did."""


async def _send(talk, step):
    await talk.send(step.data(talk.accept.terms) if callable(step.data) else step.data)


async def _beneath(talk, step):
    await talk.send_beneath(step.data)


async def _associate(talk, step):
    await talk.send(step.request)
    await talk.hear(1)
    if talk.heard[-1] != "AC":
        raise _Ended
    talk.forget()


async def _await(talk, step):
    await talk.hear(step.answers)


async def _trickle(talk, step):
    for at in range(0, len(step.data), step.size):
        await talk.send(step.data[at : at + step.size])
        if talk.ended:
            return
        await trio.sleep(step.seconds)


async def _flood(talk, step):
    for _ in range(step.limit):
        await talk.send(step.data)
        if talk.ended:
            return


async def _deafen(talk, step):
    talk.deafen()


async def _fin(talk, step):
    await talk.end()


async def _rst(talk, step):
    await talk.reset()


_STEPS = {
    Send: _send,
    Beneath: _beneath,
    Associate: _associate,
    Await: _await,
    Trickle: _trickle,
    Flood: _flood,
    Deafen: _deafen,
    Fin: _fin,
    Rst: _rst,
}


# ---- right ones, before and after a case ----


async def store(transport, instance, data_set):
    """Store an instance on an association of its own; returns the answer."""
    talk = await Talk.connect(transport)
    async with talk:
        talk.listen()
        with contextlib.suppress(*GONE, _Ended):
            await _associate(talk, Associate())
            await talk.send(crafted.store(instance, data_set))
            await talk.hear(1)
            answer = talk.heard[-1]
            await _release(talk)
            return answer
    return talk.heard[-1]


async def echo(transport, patience):
    """C-ECHO on a new association; returns the seconds that it took, or None where it was not answered."""
    began = trio.current_time()
    answered = None
    with trio.move_on_after(patience), contextlib.suppress(*GONE):
        talk = await Talk.connect(transport)
        async with talk:
            talk.listen()
            with contextlib.suppress(*GONE, _Ended):
                await _associate(talk, Associate())
                await talk.send(crafted.echo())
                await talk.hear(1)
                if talk.heard == ["OK"]:
                    answered = trio.current_time() - began
                    await _release(talk)
    return answered


async def _release(talk):
    await talk.send(crafted.release())
    await talk.hear(1)
