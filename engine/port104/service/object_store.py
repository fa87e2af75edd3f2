"""The object store of the running service, as the settings have it."""

import random
from pathlib import Path

import msgspec

from port104.dispatch.desk import Desk
from port104.dispatch.fetching import Fetcher
from port104.dispatch.uploading import Uploader
from port104.objects.opening import open_object_store
from port104.objects.place import Place, bucket_and_prefix
from port104.service.settings.object_store import ObjectStoreSettings


class ObjectStorage(msgspec.Struct, frozen=True):
    """What puts instances into the store, and fetches them for payloads."""

    uploader: Uploader
    fetcher: Fetcher


def object_storage_of(
    settings: ObjectStoreSettings, desk: Desk, root: Path, node: str
) -> ObjectStorage | None:
    """Put it together; None: there is no store. Raises ConfigurationError where obstore is not installed.

    `root`, `node`: the storage folder and its name.
    """
    if settings.url is None:
        return None
    store = open_object_store(_place_of(settings, settings.url))
    at_once = settings.parallel_requests
    return ObjectStorage(
        Uploader(desk, root, node, store, at_once, random.random),
        Fetcher(root, node, store, at_once),
    )


def _place_of(settings: ObjectStoreSettings, url: str) -> Place:
    bucket, prefix = bucket_and_prefix(url)
    return Place(
        bucket=bucket,
        prefix=prefix,
        endpoint=settings.endpoint,
        region=settings.region,
        access_key_id=settings.access_key_id,
        secret_access_key=settings.secret_access_key,
        path_style=settings.path_style,
        authorities=settings.certificate_authorities,
        connect=settings.connect_timeout,
        request=settings.request_timeout,
    )
