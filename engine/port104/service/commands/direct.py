"""Entries and tokens in the store itself, for when no engine runs that could be asked.

Rules that this room keeps:
- who works in the storage folder owns it meanwhile, as an engine does;
- files that are made here can be read by the engine, also when root runs the command.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from port104.registry.catalogue import Catalogue, Scope
from port104.registry.entries import Destination
from port104.registry.faults import DuplicateEntryError, FixedFieldError
from port104.registry.store.opening import FILE_NAME, open_entry_store
from port104.registry.view import Kept
from port104.service import schema, values
from port104.service.commands.faults import FieldFault, OutOfReachError, RefusedError, WrongValuesError
from port104.service.commands.keeping import Document, Shown
from port104.service.configuration import Configuration
from port104.service.registration import FaultyEntryError, Kind, defaults_from, read_entry, representation_of
from port104.service.settings.scu import ScuSettings
from port104.storage.folder import owned, prepare_folder

ResultT = TypeVar("ResultT")


class DirectKeeper:
    """A keeping.Keeper over a catalogue. `note` says where it keeps; `scu`: how destinations are called."""

    def __init__(self, catalogue: Catalogue, note: str, scu: ScuSettings) -> None:
        self._catalogue = catalogue
        self.note = note
        self._scu = scu

    def entries(self, kind: Kind) -> list[Document]:
        """As the protocol says."""
        return [representation_of(kept) for kept in self._catalogue.kept(kind.entry)]

    def entry(self, kind: Kind, name: str) -> Shown:
        """As the protocol says."""
        return _shown(self._catalogue.find(kind.entry, name))

    def create(self, kind: Kind, document: Mapping[str, Any]) -> Shown:
        """As the protocol says."""
        kept = _translated(lambda: self._catalogue.create(read_entry(kind, document)))
        return _shown(kept, self._catalogue.warnings(kept.entry))

    def replace(self, kind: Kind, name: str, document: Mapping[str, Any], revision: str) -> Shown:
        """As the protocol says."""
        kept = _translated(lambda: self._catalogue.replace(name, read_entry(kind, document), int(revision)))
        return _shown(kept, self._catalogue.warnings(kept.entry, name))

    def delete(self, kind: Kind, name: str) -> Shown:
        """As the protocol says."""
        kept = self._catalogue.delete(kind.entry, name, None)
        return _shown(kept, self._catalogue.warnings(kept.entry))

    def echo(self, destination: str) -> Document:
        """As the protocol says; from here, and not from where port104 will run."""
        import trio  # noqa: PLC0415 - who asks nobody does not wait for it

        from port104.service.delivery import caller_of  # noqa: PLC0415

        entry = cast("Destination", self._catalogue.find(Destination, destination).entry)
        outcome: Document = msgspec.to_builtins(trio.run(caller_of(self._scu).verify, entry))
        return outcome

    def tokens(self) -> list[Document]:
        """As the protocol says."""
        return [msgspec.to_builtins(token) for token in self._catalogue.tokens()]

    def create_token(self, name: str, scope: str) -> str:
        """As the protocol says."""
        if (fault := values.name_fault(name)) is not None:
            raise WrongValuesError(f"faulty token: {fault}", [FieldFault("name", fault)])
        return _translated(lambda: self._catalogue.create_token(name, cast("Scope", scope)))

    def delete_token(self, name: str) -> None:
        """As the protocol says."""
        self._catalogue.delete_token(name)


@contextmanager
def own(folder: Path, *, named: bool, change: bool) -> Iterator[None]:
    """Own the storage folder `folder` while the block runs.

    `named`: somebody chose it; `change`: then it is made where it is missing. Raises FolderInUseError while
    an engine runs there, OutOfReachError and StorageError where it cannot be used.
    """
    os.umask(0o027)
    if change and named:
        prepare_folder(folder)
    if not folder.is_dir():
        if change or not named:
            raise OutOfReachError(
                f"there is no storage folder {folder}: name port104's (--storage), its configuration"
                " (--config), or its address (--url)"
            )
        yield  # nothing is stored there, and nobody can be in the way
        return
    _become_owner(folder)
    with owned(folder):
        yield


@contextmanager
def direct(configuration: Configuration, folder: Path) -> Iterator[DirectKeeper]:
    """Work with the store that a start would open. Raises RegistryError, DatabaseError."""
    url = configuration.settings.registry.url
    store = open_entry_store(url, folder)
    try:
        defaults = defaults_from(configuration.settings, configuration.origins)
        where = "the database of registry.url" if url else str(folder / FILE_NAME)
        note = f"no port104 runs here; kept in {where}"
        yield DirectKeeper(Catalogue(store, defaults), note, configuration.settings.dicom.scu)
    finally:
        store.close()


def _become_owner(folder: Path) -> None:
    """As root, be the folder's owner from now on: as that user the engine must read what is made."""
    from port104.registry.store import sqlite  # noqa: F401, PLC0415 - while we can surely read it

    about = folder.stat()
    if os.geteuid() == 0 and about.st_uid != 0:
        os.setegid(about.st_gid)
        os.seteuid(about.st_uid)


def _shown(kept: Kept, warnings: tuple[str, ...] = ()) -> Shown:
    return Shown(representation_of(kept), str(kept.revision), warnings)


def _translated(change: Callable[[], ResultT]) -> ResultT:
    try:
        return change()
    except FaultyEntryError as fault:
        faults = [FieldFault(schema.path_text(each.path), each.reason) for each in fault.faults]
        raise WrongValuesError(str(fault), faults) from fault
    except (DuplicateEntryError, FixedFieldError) as fault:
        raise RefusedError(str(fault), [FieldFault(fault.field, str(fault))]) from fault
