"""Stored instances, as the store tells of them: as many together as were stored since it told last."""

from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from port104 import native
from port104.completions import completions_in, elements_in


class StoredInstance(msgspec.Struct, frozen=True):
    """An instance that is safe and answered.

    `association`: the number of the intake that took it. `instances`: the folder that all files are in,
    `file`: this one's path below it. `duplicate`: it was held before, and is kept once.
    `replaced`: it took the place of other bytes under its UID. `picked`: elements of it, as
    completions.elements_in reads them; where it could not be read so far while it passed,
    `elements_complete` is False, and only reading the file can tell.
    """

    association: int
    called_ae_title: str
    sop_instance_uid: str
    instances: Path
    file: str
    duplicate: bool
    replaced: bool
    picked: bytes
    elements_complete: bool

    @property
    def elements(self) -> dict[int, bytes]:
        """Raw values of those of store.ROUTING_TAGS that the data set holds, but for its SOP Instance UID."""
        return elements_in(self.picked)

    @property
    def path(self) -> Path:
        """Where it stands."""
        return self.instances / self.file


class StoredInstances(Collection[StoredInstance]):
    """Instances that were stored. They are unpacked when, and in whatever thread, somebody looks at them."""

    def __init__(self, instances: Path, taken: native.Taken) -> None:
        """`instances`: the folder that their files are in. `taken`: may hold other completions as well."""
        self.taken = taken
        self._instances = instances

    def __len__(self) -> int:
        return self.taken.stored

    def __iter__(self) -> Iterator[StoredInstance]:
        for completion in completions_in(self.taken.records):
            if completion.kind == native.STORED:
                yield StoredInstance(
                    completion.intake,
                    completion.called_ae_title,
                    completion.sop_instance_uid,
                    self._instances,
                    file_below(completion.name, completion.copy),
                    completion.duplicate,
                    completion.replaced,
                    completion.picked,
                    completion.elements_complete,
                )

    def __contains__(self, instance: object) -> bool:
        return any(each == instance for each in self)


def file_below(name: str, copy: int) -> str:
    """Where below the folder of all instances one stands; copies from 1 on hold other bytes under its UID."""
    return f"{name[:2]}/{name}.{copy}.dcm" if copy else f"{name[:2]}/{name}.dcm"
