"""What the object store has of an attempt is removed, once the attempt has ended.

    <storage folder>/runs/<run>/<attempt>/consignment.json    says that there is something

Rules that this room keeps:
- the file goes only once nothing that leads to a patient is left there: what was cut off is done again;
- no list of the bucket is needed, to which port104 need have no right: the delivery says how many files there
  may be;
- the folder of a run goes after its objects; while the store is away it stays.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import trio

from port104.dispatch.payload import RUNS
from port104.dispatch.transfer.documents import (
    MOST_BYTES,
    Delivery,
    FaultyDocumentError,
    read_delivery,
    written,
)
from port104.dispatch.transfer.shelf import Shelf
from port104.objects.faults import DamagedObjectError, MissingObjectError, ObjectStoreError

if TYPE_CHECKING:
    from port104.objects.store import ObjectStore

log = structlog.get_logger("port104.objects")

CONSIGNED = "consignment.json"


class Remover:
    """Removes what runs of this engine left in the store. `root`: the storage folder."""

    def __init__(self, root: Path, store: "ObjectStore") -> None:
        self._runs = root / RUNS
        self._store = store

    async def clear(self, run_ids: Sequence[str]) -> list[str]:
        """Remove what the store has of runs that are done with; returns those of which it has nothing."""
        return await trio.to_thread.run_sync(self._clear, run_ids)

    def _clear(self, run_ids: Sequence[str]) -> list[str]:
        cleared, away = [], False
        for run in run_ids:
            try:
                for folder in _consigned(self._runs / run):
                    if away:
                        break
                    shelf = Shelf(self._store.place.prefix, run, int(folder.name))
                    remove(self._store, shelf, folder)
                else:
                    cleared.append(run)
            except (ObjectStoreError, OSError) as fault:
                log.warning("objects of runs cannot be removed; tried again", run=run, reason=str(fault))
                away = True
        return cleared


def remove(store: "ObjectStore", shelf: Shelf, folder: Path) -> None:
    """Remove what the store has of the attempt in `folder`. Blocks. Raises ObjectStoreError, OSError."""
    count = 0
    try:
        count = len(read_delivery(store.read(shelf.delivery, MOST_BYTES)).files)
    except MissingObjectError:
        pass
    except (DamagedObjectError, FaultyDocumentError) as fault:
        log.warning(
            "objects of a run may be left in the object store",
            run=shelf.run,
            reason=f"what lists them was changed: {fault}",
        )
    store.delete([*shelf.outputs(count), shelf.manifest])
    # Where no list may be read S3 does not say of an object that it is gone: it must not be asked for again.
    store.write(shelf.delivery, written(Delivery(whole=False)))
    (folder / CONSIGNED).unlink(missing_ok=True)
    store.delete([shelf.delivery])


def _consigned(run: Path) -> Iterator[Path]:
    """The folders of a run's attempts that the store has something of."""
    for marker in run.glob(f"*/{CONSIGNED}"):
        if marker.parent.name.isdecimal():
            yield marker.parent
