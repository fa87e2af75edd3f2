"""The last step of a Job: what the pipeline left in output/ is put into the object store.

Rules that this room keeps:
- what it left is looked at as a stranger's: files alone are taken, and no link is followed, for this step has
  credentials that the pipeline has not;
- what may be stored is listed there before it is; the list is whole only once all of it is.

Blocks on the network and the disk.
"""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from port104.dispatch.payload import OUTPUT
from port104.dispatch.results import files_below
from port104.dispatch.transfer.documents import Delivery, FaultyDocumentError, Left, name_fault, written
from port104.dispatch.transfer.patience import Patience
from port104.dispatch.transfer.shelf import Shelf

if TYPE_CHECKING:
    from port104.objects.store import ObjectStore


def deliver_output(
    store: "ObjectStore", shelf: Shelf, folder: Path, patience: Patience, at_once: int
) -> tuple[int, int]:
    """Put what is in the output/ of `folder` into the store; returns how many files, and their bytes.

    `at_once`: threads. Raises ObjectStoreError where the store was away for too long, DamagedObjectError
    where other bytes arrived there, FaultyDocumentError and FaultyResultsError for what cannot be delivered,
    OSError.
    """
    output = folder / OUTPUT
    names = sorted(name for name, _ in files_below(output))
    for number, name in enumerate(names):
        if why := name_fault(name):
            raise FaultyDocumentError(f"file {number} in {OUTPUT}/ cannot be delivered: {why}")
    begun = Delivery(whole=False, files=tuple(Left(name, (output / name).lstat().st_size) for name in names))
    patience.do(partial(store.write, shelf.delivery, written(begun)))
    with ThreadPoolExecutor(at_once) as threads:
        try:
            files = tuple(
                threads.map(
                    lambda each: _put(store, shelf.output(each[0]), output, each[1], patience),
                    enumerate(names),
                )
            )
        finally:
            threads.shutdown(cancel_futures=True)
    patience.do(partial(store.write, shelf.delivery, written(Delivery(whole=True, files=files))))
    return len(files), sum(each.size for each in files)


def _put(store: "ObjectStore", key: str, output: Path, name: str, patience: Patience) -> Left:
    def put() -> Left:
        with _opened(output / name) as file:
            held = store.put(key, file)
        return Left(name, held.size, held.digest)

    return patience.do(put)


def _opened(path: Path) -> IO[bytes]:
    """Open a file that is one, and no link. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"what was a file in {OUTPUT}/ is none any more")
    return os.fdopen(descriptor, "rb")
