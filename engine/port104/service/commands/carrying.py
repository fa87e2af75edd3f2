"""What `port104 payload` does and says; its last line is what the engine tells of a step that failed.

No name of a file is said: a pipeline may have called one after its patient.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from port104.dispatch.results import FaultyResultsError
from port104.dispatch.transfer.delivering import deliver_output
from port104.dispatch.transfer.documents import FaultyDocumentError
from port104.dispatch.transfer.fetching import fetch_payload
from port104.dispatch.transfer.patience import Patience
from port104.dispatch.transfer.shelf import Shelf
from port104.errors import ConfigurationError
from port104.objects.faults import DamagedObjectError, MissingObjectError, ObjectStoreError
from port104.objects.opening import open_object_store
from port104.service.commands.faults import CommandError, OutOfReachError
from port104.service.configuration import load
from port104.service.object_store import place_of

if TYPE_CHECKING:
    from port104.objects.store import ObjectStore


def fetch(run: str, attempt: int, manifest: tuple[int, str], folder: Path, patience: float) -> None:
    """Make a payload. Raises CommandError, ConfigurationError."""
    store, at_once = _opened()
    with _translated("the payload cannot be fetched"):
        shelf = Shelf(store.place.prefix, run, attempt)
        count, size = fetch_payload(store, shelf, manifest, folder, Patience(patience, _say), at_once)
    _say(f"fetched {count} instances, {size} bytes")


def deliver(run: str, attempt: int, folder: Path, patience: float) -> None:
    """Deliver an output. Raises CommandError, ConfigurationError."""
    store, at_once = _opened()
    with _translated("the output cannot be delivered"):
        shelf = Shelf(store.place.prefix, run, attempt)
        count, size = deliver_output(store, shelf, folder, Patience(patience, _say), at_once)
    _say(f"delivered {count} files, {size} bytes")


def _opened() -> "tuple[ObjectStore, int]":
    """The object store that the environment names, and how many threads may ask it."""
    # As the first process of a container it would not end by a signal that nobody handles.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    settings = load(None, os.environ, {}).settings.object_store
    if settings.url is None:
        raise ConfigurationError(
            "there is no object store: name its bucket in PORT104_OBJECTSTORE__URL (s3://bucket/prefix)"
        )
    return open_object_store(place_of(settings, settings.url)), settings.parallel_requests


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except ObjectStoreError as fault:
        raise OutOfReachError(f"{what}: {fault}") from fault
    except (MissingObjectError, DamagedObjectError, FaultyDocumentError, FaultyResultsError) as fault:
        raise CommandError(f"{what}: {fault}") from fault
    except OSError as failure:
        raise CommandError(
            f"{what}: {failure.strerror or failure}: is there room on the node's disk, and may its files be"
            " read?"
        ) from failure


def _say(words: str) -> None:
    click.echo(f"port104: {words}", err=True)
