"""`objectStore`: a bucket that holds instances besides the storage folder."""

from typing import Annotated

from msgspec import Meta

from port104.service.settings.jobs import Hours
from port104.service.settings.section import Section
from port104.service.settings.value_types import URL, BucketURL, Seconds, Secret, Text


class ObjectStoreSettings(Section, frozen=True):
    """S3, or what is compatible with it; nothing without `url`. Success never waits for it."""

    url: BucketURL | None = None
    """The bucket, and what all keys in it begin with: `s3://bucket/prefix`. Null (the default): none."""
    endpoint: URL | None = None
    """Where the store is, `https://minio.example:9000`. Null (the default): Amazon's, in `region`."""
    allow_http: bool = False
    """Whether `endpoint` may be one of `http://`: patients' data goes there without encryption."""
    region: Text = "us-east-1"
    """Region of the bucket; other stores than Amazon's mostly do not look at it."""
    access_key_id: Text | None = None
    """Access key. Null (the default): it and its secret are found as Amazon's tools find them: in variables
    (`AWS_ACCESS_KEY_ID`), by the service account's web identity, or from the machine's metadata."""
    secret_access_key: Secret | None = None
    """Its secret; better given in a file (`_FILE`)."""
    path_style: bool = True
    """Whether the bucket's name stands in the path; false: before the name of the host."""
    certificate_authorities: Text | None = None
    """File with certificates (PEM) that the store's may be signed by, besides the system's."""
    parallel_requests: Annotated[int, Meta(ge=1, le=64)] = 8
    """How many instances are put there at a time, and how many fetched."""
    connect_timeout: Seconds = 5.0
    """Seconds that a connection may take."""
    request_timeout: Seconds = 60.0
    """Seconds that one request may take, with up to 16 MiB of an instance."""
    keep_local_hours: Hours | None = 24.0
    """Hours that an instance stays in the storage folder after its group was closed, once the store holds it
    and no run needs it; when space runs low, none. Null: for ever."""
