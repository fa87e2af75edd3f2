"""A soak: one long life of the engine under a mixed load, then short ones that are ended at random moments.

In the long life what it uses is sampled; in the short ones it is restarted and killed. At the end every
acknowledged instance is accounted for.
"""

import random
import threading
import time
from collections import Counter
from typing import NamedTuple

from soak.accounts import Accounts
from soak.flatness import growth
from soak.lives import SCP, Lives, Use
from soak.peers import MIX, PLAIN_ONLY

LONG_LIFE_SHARE = 0.6
SECURE = "over TLS"  # of the visits
_SHORT_LIFE_SECONDS = (0.5, 12.0)
_KILL_SHARE = 0.6
_BUDGET_BYTES = 2_000_000_000
_SAMPLES = 240
_PAUSE_SECONDS = 0.05  # of a peer between two visits
# Peers that were there at the end have been given up by then, and their connections closed.
_LEFT_ALONE_SECONDS = SCP["idleTimeout"] + SCP["artimTimeout"] + 20


class Outcome(NamedTuple):
    """What a soak found; `faults` is empty when all is well."""

    seed: int
    seconds: float
    accounts: Accounts
    lives: Lives
    visits: Counter
    uses: list[Use]
    idle: tuple[Use, Use]
    messages: int
    faults: list[str]


class Crowd:
    """The peers, each kind in threads of its own, until `leave`."""

    def __init__(self, doors, accounts, seed):
        self.visits = Counter()
        self.faults = []
        self._leaving = threading.Event()
        kinds = [kind for kind, number in MIX.items() for _ in range(number)]
        self._threads = [
            threading.Thread(
                target=self._visit,
                name=kind.__name__,
                args=(kind, doors, accounts, random.Random(seed * 1000 + index)),
            )
            for index, kind in enumerate(kinds)
        ]
        for thread in self._threads:
            thread.start()

    def _visit(self, kind, doors, accounts, chance):
        while not self._leaving.wait(_PAUSE_SECONDS):
            if accounts.over_budget:
                continue
            door = doors.plain if kind in PLAIN_ONLY else doors.pick(chance)
            try:
                kind(door, accounts, chance)
            except Exception as fault:  # noqa: BLE001 - the report names it
                self.faults.append(f"peer {kind.__name__}: {fault!r}")
            self.visits[kind.__name__] += 1
            if door is doors.secure:
                self.visits[SECURE] += 1

    def leave(self):
        self._leaving.set()
        for thread in self._threads:
            thread.join()


def soak(folder, seconds, seed):
    """Run for about so many seconds in `folder`."""
    began = time.monotonic()
    accounts, lives = Accounts(folder, budget=_BUDGET_BYTES), Lives(folder)
    visits, uses, faults, idle, messages = Counter(), [], [], [], 0
    try:
        lives.start()
        idle.append(_at_rest(lives))
        crowd = Crowd(lives.doors, accounts, seed)
        try:
            _sample(lives, accounts, uses, seconds * LONG_LIFE_SHARE)
        finally:
            crowd.leave()
        _let_go(lives, idle[0])
        idle.append(lives.use())
        visits += crowd.visits
        crowd_of_short_lives = Crowd(lives.doors, accounts, seed + 1)
        try:
            _end_at_random(lives, accounts, random.Random(seed), seconds * (1 - LONG_LIFE_SHARE))
        finally:
            crowd_of_short_lives.leave()
        visits += crowd_of_short_lives.visits
        lives.kill()
        lives.start()  # what recovers what the last kill left
        faults += [f"part file {path.name} is left" for path in lives.parts()]
        lives.terminate()
        accounts.check_all()
        messages = lives.check_trail()
        lives.note_logged_faults()
        faults += crowd.faults + crowd_of_short_lives.faults
        faults += growth(uses, *idle)
    finally:
        lives.close()
    faults += accounts.faults + lives.faults
    return Outcome(
        seed, time.monotonic() - began, accounts, lives, visits, uses, tuple(idle), messages, faults
    )


def _sample(lives, accounts, uses, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(seconds / _SAMPLES)
        uses.append(lives.use())
        accounts.check_oldest()


def _at_rest(lives):
    """What the engine uses once all its tasks have started: it listens a moment before."""
    before, now = None, lives.use()
    while before is None or now.tasks != before.tasks:
        time.sleep(0.3)
        before, now = now, lives.use()
    return now


def _let_go(lives, idle):
    """Wait until the engine has ended what the peers left behind."""
    deadline = time.monotonic() + _LEFT_ALONE_SECONDS
    while lives.use().tasks > idle.tasks and time.monotonic() < deadline:
        time.sleep(0.2)


def _end_at_random(lives, accounts, chance, seconds):
    end = time.monotonic() + seconds
    shortest, longest = _SHORT_LIFE_SECONDS
    while time.monotonic() < end:
        time.sleep(chance.uniform(shortest, min(longest, seconds / 3)))
        if chance.random() < _KILL_SHARE:
            lives.kill()
        else:
            lives.terminate()
        accounts.check_oldest()
        lives.start()
