"""What is sent to an engine whose power is cut, and what must be found afterwards."""

import contextlib
import hashlib
import itertools
import random
import threading
from collections import defaultdict

from port104.storage.store import instance_path
from port104.wire.command import Status
from sender import Sender, image, uid
from stored import data_set_of

KEEP, OVERWRITE = "PORT104", "OVERWRITE"
AE_TITLES = [{"aeTitle": KEEP}, {"aeTitle": OVERWRITE, "overwriteSameInstance": True}]

# Taken whole from the receive buffer; collected from several; spliced.
SIZES = (2_000, 2_000, 40_000, 2_000, 200_000)
# A sender that is not cut off by then is done: the cut may come at a time when nobody sends.
MOST_INSTANCES = 400


class Sent:
    """One data set of a SOP instance UID: `began` and `acknowledged` are moments of the ledger's clock."""

    def __init__(self, digest, began):
        self.digest = digest
        self.began = began
        self.acknowledged = None


class Ledger:
    """Everything that was sent to one storage folder, and in which order it was acknowledged."""

    def __init__(self):
        self._clock = itertools.count()
        self._sent = defaultdict(list)  # by called AE title and SOP instance UID
        self.acknowledged = 0

    def store(self, sender, called, instance, data_set):
        """Send one instance and note its answer."""
        sent = Sent(digest_of(data_set), next(self._clock))
        self._sent[called, instance].append(sent)
        if sender.store(instance, data_set) == Status.SUCCESS:
            sent.acknowledged = next(self._clock)
            self.acknowledged += 1

    def faults_of(self, folder):
        """What is wrong with what `folder` holds, in words; empty: nothing."""
        found = []
        known = set()
        for (called, instance), sent in self._sent.items():
            paths = copies_of(folder, called, instance)
            known.update(paths)
            kept = [_digest_at(path, instance) for path in paths]
            judge = _faults_of_versions if called == OVERWRITE else _faults_of_copies
            found += [f"{instance} at {called}: {fault}" for fault in judge(sent, kept)]
        there = {path for path in (folder / "instances").rglob("*") if not path.is_dir()}
        found += [f"a stray file: {path}" for path in there - known]
        found += [f"a part file is left: {path.name}" for path in (folder / "parts").iterdir()]
        return found


def _faults_of_copies(sent, kept):
    """Each acknowledged data set stands there, once, and nothing that was not sent."""
    acknowledged = {version.digest for version in sent if version.acknowledged is not None}
    if missing := len(acknowledged - set(kept)):
        yield f"{missing} of {len(acknowledged)} acknowledged data sets lost"
    if strange := len(set(kept) - {version.digest for version in sent}):
        yield f"{strange} data sets that nobody sent"


def _faults_of_versions(sent, kept):
    """The one data set is none that was replaced by an acknowledged one, sent after its own answer."""
    if len(kept) > 1:
        yield f"{len(kept)} files of an instance that is overwritten"
    latest = max((version.began for version in sent if version.acknowledged is not None), default=-1)
    allowed = {
        version.digest for version in sent if version.acknowledged is None or version.acknowledged > latest
    }
    if kept and kept[0] not in {version.digest for version in sent}:
        yield "a data set that nobody sent"
    elif kept and kept[0] not in allowed:
        yield "an older data set than the last acknowledged one"
    if not kept and latest >= 0:
        yield "acknowledged and lost"


def digest_of(data_set):
    return hashlib.blake2b(data_set, digest_size=16).digest()


def copies_of(folder, called, instance):
    """The files of one UID: the first, and those of other bytes beside it."""
    first = instance_path(folder, called, instance)
    return [path for path in first.parent.glob(f"{first.stem}.*") if path.suffix == ".dcm"]


def _digest_at(path, instance):
    """Of a whole file's data set; anything else equals nothing that was sent."""
    try:
        data_set = data_set_of(path)
    except AssertionError:
        return b"no header"
    header = path.read_bytes()[: -len(data_set) or None]
    return digest_of(data_set) if uid(instance) in header else b"another instance's header"


# ---- senders ----


def new_instances(sender, ledger, prefix, chance):
    """One UID after the other; some are sent again, with the same bytes or with others."""
    for number in range(MOST_INSTANCES):
        instance = f"{prefix}.{number}"
        data_set = image(instance, chance.randbytes(SIZES[number % len(SIZES)]))
        ledger.store(sender, KEEP, instance, data_set)
        if number % 3 == 1:
            ledger.store(sender, KEEP, instance, data_set + bytes(2))
        if number % 4 == 1:
            ledger.store(sender, KEEP, instance, data_set)


def versions(sender, ledger, prefix, chance):
    """New bytes for few UIDs again and again, which replace the last; now and then the same twice."""
    for number in range(MOST_INSTANCES):
        instance = f"{prefix}.{number % 3}"
        data_set = image(instance, chance.randbytes(SIZES[number % len(SIZES)]))
        for _ in range(1 + (number % 5 == 4)):
            ledger.store(sender, OVERWRITE, instance, data_set)


# Two of a kind with one prefix and one seed send the same at about the same time.
SENDERS = (
    (new_instances, "1", KEEP),
    (new_instances, "2", KEEP),
    (new_instances, "3", KEEP),
    (new_instances, "3", KEEP),
    (versions, "4", OVERWRITE),
    (versions, "5", OVERWRITE),
    (versions, "5", OVERWRITE),
)


def send_until_cut_off(port, ledger, round_number, chance):
    """Send with one, some or all senders at once until the engine is gone, or they are done."""
    seed = chance.random()

    def run(send, number, called):
        with contextlib.suppress(OSError, EOFError), Sender(port, called_ae_title=called) as sender:
            send(sender, ledger, f"1.2.{round_number}.{number}", random.Random(f"{seed} {number}"))

    senders = chance.sample(SENDERS, chance.choice((1, 3, len(SENDERS))))
    threads = [threading.Thread(target=run, args=arguments) for arguments in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
