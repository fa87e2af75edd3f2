"""The first step of a Job: a payload is made of what the object store holds (layout: dispatch/payload.py).

Rules that this room keeps:
- the manifest is the one that the engine put there: it was told by its digest, and that tells all others;
- it gets its name last, so that a payload that has one is whole;
- done again it begins with an empty output/, as what comes after it does: Kubernetes may repeat a whole pod.

Blocks on the network and the disk.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from port104.dispatch.payload import INSTANCES, MANIFEST, OUTPUT
from port104.dispatch.transfer.documents import objects_in
from port104.dispatch.transfer.patience import Patience
from port104.dispatch.transfer.shelf import Shelf
from port104.objects.held import Held

if TYPE_CHECKING:
    from port104.objects.store import ObjectStore


def fetch_payload(
    store: "ObjectStore",
    shelf: Shelf,
    manifest: tuple[int, str],
    folder: Path,
    patience: Patience,
    at_once: int,
) -> tuple[int, int]:
    """Make the payload in `folder`; returns how many instances there are, and their bytes.

    `manifest`: its size and SHA-256; `at_once`: threads. Raises ObjectStoreError where the store was away
    for too long, MissingObjectError, DamagedObjectError, FaultyDocumentError, OSError.
    """
    shutil.rmtree(folder / OUTPUT, ignore_errors=True)
    (folder / OUTPUT).mkdir()
    (folder / INSTANCES).mkdir(exist_ok=True)
    coming = folder / f"{MANIFEST}.new"
    patience.do(partial(store.fetch, Held(shelf.manifest, *manifest, etag=""), coming))
    objects = objects_in(coming.read_bytes(), store.place)
    with ThreadPoolExecutor(at_once) as threads:
        try:
            for _ in threads.map(lambda each: _fetch(store, folder / each[0], each[1], patience), objects):
                pass
        finally:
            threads.shutdown(cancel_futures=True)
    coming.rename(folder / MANIFEST)
    return len(objects), sum(held.size for _, held in objects)


def _fetch(store: "ObjectStore", target: Path, held: Held, patience: Patience) -> None:
    if not target.exists():  # it has its name only once it is what was stored
        patience.do(partial(store.fetch, held, target))
