"""What was sent to a storage folder and acknowledged, and whether the folder holds it."""

import hashlib
import itertools
from collections import defaultdict

from port104.storage.store import instance_path
from port104.wire.command import Status
from sender import uid
from stored import data_set_of

KEEP, OVERWRITE = "PORT104", "OVERWRITE"
AE_TITLES = [{"aeTitle": KEEP}, {"aeTitle": OVERWRITE, "overwriteSameInstance": True}]


class Sent:
    """One data set of a SOP instance UID: `began` and `acknowledged` are moments of the ledger's clock.

    `sender`: what one sender sends is stored in its order, also where several are under way at once.
    `promised`: a success for it means that it survives a power cut.
    """

    def __init__(self, digest, began, sender, *, promised):
        self.promised = promised
        self.digest = digest
        self.began = began
        self.sender = sender
        self.acknowledged = None

    def is_replaced_by(self, other):
        """Whether `other`, once it is acknowledged, must have taken this one's place."""
        if other.acknowledged is None:
            return False
        is_behind = self.sender is other.sender and other.began > self.began
        return is_behind or (self.acknowledged is not None and other.began > self.acknowledged)


class Ledger:
    """Everything that was sent to one storage folder, and in which order it was acknowledged."""

    def __init__(self):
        self._clock = itertools.count()
        self._sent = defaultdict(list)  # by called AE title and SOP instance UID
        self.acknowledged = 0
        self.counts = True  # False: a success promises nothing now (storage.durability os)

    def store(self, sender, called, instance, data_set):
        """Send one instance, note its answer and return the status."""
        sent = self.note(sender, called, instance, data_set)
        return self.answered(sent, sender.store(instance, data_set))

    def note(self, sender, called, instance, data_set):
        """Note that an instance is about to be sent."""
        sent = Sent(digest_of(data_set), next(self._clock), sender, promised=self.counts)
        self._sent[called, instance].append(sent)
        return sent

    def answered(self, sent, status):
        """Note an answer; returns the status."""
        if status == Status.SUCCESS and self.counts:
            sent.acknowledged = next(self._clock)
            self.acknowledged += 1
        return status

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
        # What a power cut tore is set aside, not stored.
        rests = [path.name for path in (folder / "parts").iterdir() if path.suffix != ".torn"]
        found += [f"a part file is left: {name}" for name in rests]
        return found


def _faults_of_copies(sent, kept):
    """Each acknowledged data set stands there, once, and nothing that was not sent."""
    acknowledged = {version.digest for version in sent if version.acknowledged is not None}
    if missing := len(acknowledged - set(kept)):
        yield f"{missing} of {len(acknowledged)} acknowledged data sets lost"
    unpromised = len({version.digest for version in sent if not version.promised})
    if (strange := len(set(kept) - {version.digest for version in sent})) > unpromised:
        yield f"{strange} data sets that nobody sent"


def _faults_of_versions(sent, kept):
    """The one data set is none that an acknowledged one must have replaced."""
    if len(kept) > 1:
        yield f"{len(kept)} files of an instance that is overwritten"
    allowed = {one.digest for one in sent if not any(one.is_replaced_by(other) for other in sent)}
    if kept and kept[0] not in {version.digest for version in sent}:
        # With durability os a power cut may tear the file under its name, until one is acknowledged.
        if any(one.acknowledged is not None for one in sent) or all(one.promised for one in sent):
            yield "a data set that nobody sent"
    elif kept and kept[0] not in allowed:
        yield "an older data set than the last acknowledged one"
    if not kept and any(version.acknowledged is not None for version in sent):
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
