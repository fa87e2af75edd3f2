"""What was sent and acknowledged, and whether it is on disk, byte for byte.

A soak stores more than a disk holds. So instances that were acknowledged a while ago are checked and taken
away as a pipeline would, the oldest first, whenever more than a budget is held; the rest is checked at the
end.
"""

import threading
import time
from collections import Counter, deque

from ledger import copies_of, digest_of
from stored import data_set_of

UID_ROOT = "1.2.826.0.1.104"  # of every instance that is accounted for; others are the hostile peers'
_SETTLED_SECONDS = 10.0  # nobody sends an instance again after so long


class Accounts:
    """Called from many threads; `check_oldest` and `check_all` from one."""

    def __init__(self, folder, *, budget):
        self._folder = folder
        self._budget = budget
        self._lock = threading.Lock()
        self._sent = {}  # UID -> digests, of what was sent and not taken away
        self._acknowledged = {}
        self._order = deque()  # (when, UID, bytes), as acknowledged first
        self._held = 0
        self._number = 0
        self.acknowledged = Counter()  # by who read the answer: the thread's name
        self.bytes = 0
        self.verified = 0
        self.faults = []

    def new_uid(self):
        with self._lock:
            self._number += 1
            return f"{UID_ROOT}.{self._number}"

    def sending(self, instance, data_set):
        """Note it before its last byte is sent."""
        with self._lock:
            self._sent.setdefault(instance, set()).add(digest_of(data_set))

    def success(self, instance, data_set):
        """Note that status 0000 was read for it."""
        with self._lock:
            digests = self._acknowledged.setdefault(instance, set())
            if not digests:
                self._order.append((time.monotonic(), instance, len(data_set)))
                self._held += len(data_set)
            digests.add(digest_of(data_set))
            self.acknowledged[threading.current_thread().name] += 1
            self.bytes += len(data_set)

    @property
    def over_budget(self):
        """Whether peers are to wait until some of what they sent has been taken away."""
        return self._held > 1.25 * self._budget

    def check_oldest(self, seconds=1.0):
        """Check and take away what is over the budget and settled, for so long at most."""
        end = time.monotonic() + seconds
        while self._held > self._budget and time.monotonic() < end:
            when, instance, size = self._order[0]
            if time.monotonic() - when < _SETTLED_SECONDS:
                return
            self._check(instance, size)
            for path in copies_of(self._folder, "PORT104", instance):
                path.unlink()

    def check_all(self):
        """Check what is still held, and that nothing else of ours is there. Nobody may be sending."""
        known = set()
        while self._order:
            _, instance, size = self._order[0]
            known.update(copies_of(self._folder, "PORT104", instance))
            self._check(instance, size)
        for instance, digests in self._sent.items():  # never acknowledged: whole, or not there
            for path in copies_of(self._folder, "PORT104", instance):
                known.add(path)
                if digest_of(data_set_of(path)) not in digests:
                    self.faults.append(f"{instance}: {path.name} holds bytes that nobody sent")
        self.faults += [f"stray file {path}" for path in self._ours() if path not in known]

    def _check(self, instance, size):
        kept = {digest_of(data_set_of(path)) for path in copies_of(self._folder, "PORT104", instance)}
        with self._lock:
            self._order.popleft()
            self._held -= size
            acknowledged, sent = self._acknowledged.pop(instance), self._sent.pop(instance)
        if missing := acknowledged - kept:
            self.faults.append(
                f"{instance}: {len(missing)} of {len(acknowledged)} acknowledged data sets lost"
            )
        if kept - sent:
            self.faults.append(f"{instance}: bytes that nobody sent")
        self.verified += len(acknowledged)

    def _ours(self):
        for path in (self._folder / "instances").rglob("*.dcm"):
            with path.open("rb") as file:
                if UID_ROOT.encode() in file.read(512):
                    yield path
