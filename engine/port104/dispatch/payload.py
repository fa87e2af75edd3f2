"""The folder of one attempt: the instances as hard links, a manifest, and room for results.

    <storage folder>/runs/<run>/<attempt>/
      dcm/<SOP Instance UID>.dcm    instances; they are the stored files themselves: not to be written to
      manifest.json                 what there is; written last, so that a payload that has it is whole
      output/                       what the pipeline leaves

Blocks on the disk: call it from a worker thread.
"""

import errno
import filecmp
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from port104.dispatch.node import is_folder_of
from port104.errors import Port104Error, StorageError
from port104.jobs.ledger.members import Member
from port104.jobs.ledger.runs import Run
from port104.jobs.times import iso
from port104.objects.held import Held

RUNS = "runs"
MANIFEST, INSTANCES, OUTPUT = "manifest.json", "dcm", "output"
_MANIFEST_VERSION = 1
# What a UID may be (PS3.5 9.1); any other text is no file name.
_UID = re.compile(r"[0-9][0-9.]{0,63}")


def folder_of(root: Path, run: Run) -> Path:
    """Where the payload of an attempt is, below the storage folder `root`."""
    return root / RUNS / run.id / str(run.attempt)


class IncompleteError(Port104Error):
    """The payload cannot be whole yet, and nothing failed; the text says what it waits for."""


def build(
    root: Path,
    node: str,
    run: Run,
    members: Sequence[Member],
    fetched: Mapping[Member, Path] = MappingProxyType({}),
    url_of: Callable[[str], str] = str,
) -> Path:
    """Make the folder of an attempt, where it is not there yet; returns it.

    `root`, `node`: our storage folder and its name. `fetched`: where instances are that are in no storage
    folder here. `url_of`: makes the URL of an object of its key. Raises StorageError when an instance or the
    disk cannot be reached, the text says which and what to do; IncompleteError when an instance went
    meanwhile that the object store holds.
    """
    folder = folder_of(root, run)
    try:
        if not (folder / MANIFEST).exists():
            shutil.rmtree(folder, ignore_errors=True)
            (folder / INSTANCES).mkdir(parents=True)
            (folder / OUTPUT).mkdir()
            sources = _sources(root, node, members, fetched)
            listed = [_placed(folder, *each, url_of) for each in zip(members, sources, strict=True)]
            _write(folder / MANIFEST, _manifest(run, [each for each in listed if each is not None]))
    except OSError as failure:
        raise _unmade(run, folder, failure) from failure
    return folder


def build_listed(root: Path, run: Run, members: Sequence[Member], url_of: Callable[[str], str]) -> Path:
    """Make the folder of an attempt that reads its instances from the object store, which holds all of them.

    There is no dcm/ in it: the manifest alone tells of them. Raises StorageError when the disk fails.
    """
    folder = folder_of(root, run)
    try:
        if not (folder / MANIFEST).exists():
            (folder / OUTPUT).mkdir(parents=True, exist_ok=True)
            _write(folder / MANIFEST, _manifest(run, [*_listed(members, url_of)]))
    except OSError as failure:
        raise _unmade(run, folder, failure) from failure
    return folder


def _listed(members: Sequence[Member], url_of: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    """Name and describe instances; the same one is listed once, whoever received it."""
    digests: dict[str, str] = {}
    for member in members:
        assert member.held is not None  # noqa: S101 - the store holds all
        stem, copy = _stem_of(member, Path(member.file)), 0
        while (name := _name(stem, copy)) in digests and digests[name] != member.held.digest:
            copy += 1
        if name not in digests:
            digests[name] = member.held.digest
            yield _described(member, name, url_of)


def _placed(
    folder: Path, member: Member, source: Path, url_of: Callable[[str], str]
) -> dict[str, Any] | None:
    """Put an instance into the payload, and describe it; None where the same one is there already."""
    stem, copy = _stem_of(member, source), 0
    while True:
        name = _name(stem, copy)
        try:
            _link(source, folder / name)
        except FileExistsError:
            if filecmp.cmp(source, folder / name, shallow=False):
                return None  # two engines received the same
            copy += 1
        else:
            return _described(member, name, url_of)


def _stem_of(member: Member, source: Path) -> str:
    uid = member.sop_instance_uid
    return uid if _UID.fullmatch(uid) else source.name.partition(".")[0]


def _name(stem: str, copy: int) -> str:
    """The path of an instance in a payload; of others with the same UID there are copies."""
    return f"{INSTANCES}/{stem}{f'.{copy}' if copy else ''}.dcm"


def _described(member: Member, name: str, url_of: Callable[[str], str]) -> dict[str, Any]:
    return {
        "file": name,
        "sopClassUid": member.sop_class_uid,
        "sopInstanceUid": member.sop_instance_uid,
        "studyInstanceUid": member.study_instance_uid,
        "seriesInstanceUid": member.series_instance_uid,
        "callingAeTitle": member.calling_ae_title,
        "received": iso(member.received),
        **_object(member.held, url_of),
    }


def _object(held: Held | None, url_of: Callable[[str], str]) -> dict[str, Any]:
    """What a program needs that reads the instance from the object store."""
    return {} if held is None else {"object": url_of(held.key), "size": held.size, "sha256": held.digest}


class Shelves:
    """Where instances stand; the folders of other engines must be there under their own paths.

    `root`, `node`: our storage folder and its name.
    """

    def __init__(self, root: Path, node: str) -> None:
        self._folders: dict[str, Path | None] = {node: root}

    def of(self, member: Member) -> Path | None:
        """The path of its file; None: the storage folder that it is in is not there on this machine."""
        if member.node not in self._folders:
            there = is_folder_of(Path(member.root), member.node)
            self._folders[member.node] = Path(member.root) if there else None
        folder = self._folders[member.node]
        return None if folder is None else folder / "instances" / member.file


def _sources(
    root: Path, node: str, members: Sequence[Member], fetched: Mapping[Member, Path]
) -> Iterator[Path]:
    """Where each instance stands. Raises as `build` does."""
    shelves = Shelves(root, node)
    for member in members:
        source = fetched.get(member) or shelves.of(member)
        if source is None:
            raise _out_of_reach(member)
        if not source.exists():
            if member.held is not None:
                raise IncompleteError("instances left the storage folder meanwhile: they are fetched")
            raise StorageError(
                f"an instance of the job is gone: {source}; restore the file, and rerun the job"
            )
        yield source


def _out_of_reach(member: Member) -> StorageError:
    return StorageError(
        f"an instance of the job is in the storage folder {member.root} of the engine on"
        f" {member.host or 'an unknown machine'} (node {member.node}), which is not there on this machine:"
        " engines that share a ledger must see each other's folders under the same paths, so put them on a"
        " volume that all have, each in a folder of its own (storage.temporary), or have an object store"
        " (objectStore.url), and rerun the job"
    )


def _unmade(run: Run, folder: Path, failure: OSError) -> StorageError:
    return StorageError(
        f"the payload of run {run.id} cannot be made: {failure.strerror} ({failure.filename or folder});"
        " check the disk of the storage folder"
    )


def _link(source: Path, target: Path) -> None:
    """Give the file a second name, or copy it to another file system. Raises FileExistsError."""
    try:
        target.hardlink_to(source)
    except OSError as failure:
        if failure.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        with source.open("rb") as reading, target.open("xb") as writing:
            shutil.copyfileobj(reading, writing, 1 << 20)


def _manifest(run: Run, instances: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "version": _MANIFEST_VERSION,
        "run": run.id,
        "job": run.job_id,
        "group": run.group_id,
        "name": run.name,
        "attempt": run.attempt,
        "aeTitle": run.called_ae_title,
        "pipeline": {"name": run.pipeline, "id": run.pipeline_id},
        "instances": instances,
    }


def _write(file: Path, document: dict[str, Any]) -> None:
    """Write it whole or not at all. It need not survive a power cut: then it is made anew."""
    new = file.with_name(file.name + ".new")
    new.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2))
    os.replace(new, file)  # noqa: PTH105 - says what it does
