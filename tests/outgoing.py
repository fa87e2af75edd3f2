"""Results that wait in a ledger, and destinations that play what a test tells them to."""

import contextlib
from collections import Counter, defaultdict
from itertools import islice

import trio

from port104.export.contracts import BrokenOffError, UnreachableError, UnsendableError
from port104.export.verdicts import Answered
from port104.jobs.ledger.results import Result
from port104.registry.entries import Destination


def result(number, destination="PACS", run="r"):
    return Result(
        file=f"runs/{run}/1/output/{number}.dcm",
        destination=destination,
        sop_class_uid="1.2",
        sop_instance_uid=f"1.2.{number}",
        state="waiting",
    )


def destination(name, **facts):
    return Destination(name=name, ae_title=name, host="127.0.0.1", port=104, **facts)


class Played:
    """A destination: `script` says what comes of each call, in turn; then all is well.

    A number is a status; "abort" ends the association; "hang" takes `patience` seconds and then ends it;
    "gone" is an instance whose file is gone. `always`: number -> what comes of it whenever it is sent, then.
    `together`: files that are under way at one time; `refuses`: there is no association.
    """

    def __init__(self):
        self.script = []
        self.always = {}
        self.refuses = False
        self.mute = False
        self.hangs = False
        self.seconds = 0.01
        self.together = 1
        self.calls = []
        self.stored = Counter()
        self.opened = self.open_now = self.most_open = 0
        self.echoes = 0


class World:
    """Opens associations with played destinations. As contracts.OpenPeer."""

    patience = 20.0

    def __init__(self):
        self.destinations = defaultdict(Played)

    @contextlib.asynccontextmanager
    async def open(self, destination, paths):
        played = self.destinations[destination.name]
        if played.hangs:
            await trio.sleep(self.patience)
        if played.refuses or played.hangs:
            raise UnreachableError("connection refused")
        played.opened += 1
        played.open_now += 1
        played.most_open = max(played.most_open, played.open_now)
        try:
            yield Association(played, self.patience)
        finally:
            played.open_now -= 1


class Association:
    """As contracts.Peer."""

    def __init__(self, played, patience):
        self._played = played
        self._patience = patience
        self._ended = False

    async def store(self, paths):
        first, *_ = several = [int(path.stem) for path in islice(paths, self._played.together)]
        if len(several) == 1:
            return [await self._answer_to(first)]
        answers = []
        for number in several:
            try:
                answers.append(None if self._ended else await self._answer_to(number))
            except BrokenOffError:
                answers.append(None)
        return answers

    async def _answer_to(self, number):
        assert not self._ended
        played = self._played
        played.calls.append(number)
        act = played.script.pop(0) if played.script else played.always.get(number, 0)
        await trio.sleep(self._patience if act == "hang" else played.seconds)
        if act == "gone":
            raise UnsendableError("its file is gone", final=True)
        if isinstance(act, str):
            self._ended = True
            raise BrokenOffError("the peer aborted" if act == "abort" else "no answer came in time")
        if act == 0 or 0xB000 <= act <= 0xBFFF:
            played.stored[number] += 1
        return Answered(act)

    async def echo(self):
        self._played.echoes += 1
        if self._played.mute:
            raise BrokenOffError("no answer came in time")
