"""The object store of the running service, as the settings have it."""

import random

import msgspec

from port104.dispatch.backends.kubernetes.carrying import Carrier
from port104.dispatch.backends.kubernetes.steps import Access
from port104.dispatch.fetching import Fetcher
from port104.dispatch.releasing import Releaser
from port104.dispatch.transfer.removing import Remover
from port104.dispatch.uploading import Uploader
from port104.objects.opening import open_object_store
from port104.objects.place import Place, bucket_and_prefix
from port104.service.settings.object_store import ObjectStoreSettings
from port104.service.settings.tree import Settings
from port104.service.site import Site

_HOUR = 3600.0


class ObjectStorage(msgspec.Struct, frozen=True):
    """What puts instances into the store, fetches them for payloads, and lets their files go."""

    uploader: Uploader
    fetcher: Fetcher
    releaser: Releaser
    remover: Remover


def object_storage_of(settings: ObjectStoreSettings, site: Site) -> ObjectStorage | None:
    """Put it together; None: there is no store. Raises ConfigurationError where obstore is not installed."""
    if settings.url is None:
        return None
    store = open_object_store(place_of(settings, settings.url))
    at_once = settings.parallel_requests
    keep = None if settings.keep_local_hours is None else settings.keep_local_hours * _HOUR
    uploader = Uploader(site.desk, site.root, site.node, store, at_once, random.random)
    return ObjectStorage(
        uploader,
        Fetcher(site.root, site.node, store, at_once),
        Releaser(site.desk, site.root, store, at_once, keep, uploader.look),
        Remover(site.root, store),
    )


def carrier_of(settings: Settings) -> Carrier | None:
    """What brings payloads to Jobs; None: there is no store. Raises ConfigurationError as above."""
    store, transfer = settings.object_store, settings.jobs.transfer
    if store.url is None or not settings.jobs.kubernetes:
        return None
    told = {
        "URL": store.url,
        "ENDPOINT": store.endpoint or "",
        "ALLOWHTTP": "true" if store.allow_http else "false",
        "REGION": store.region,
        "PATHSTYLE": "true" if store.path_style else "false",
        "CONNECTTIMEOUT": f"{store.connect_timeout:g}",
        "REQUESTTIMEOUT": f"{store.request_timeout:g}",
    }
    access = Access(
        {key: value for key, value in told.items() if value},
        transfer.secret,
        (transfer.access_key_id_key, transfer.secret_access_key_key),
        transfer.image,
        store.certificate_authorities,
    )
    return Carrier(open_object_store(place_of(store, store.url)), access, store.parallel_requests)


def place_of(settings: ObjectStoreSettings, url: str) -> Place:
    """Where the store is, as the settings have it."""
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
