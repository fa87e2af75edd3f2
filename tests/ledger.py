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
        """Send one instance, note its answer and return the status."""
        sent = Sent(digest_of(data_set), next(self._clock))
        self._sent[called, instance].append(sent)
        status = sender.store(instance, data_set)
        if status == Status.SUCCESS:
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
