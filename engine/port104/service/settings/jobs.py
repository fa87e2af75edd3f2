"""`jobs`: how long what is done with is kept, and when other engines take over."""

from typing import Annotated

from msgspec import Meta

from port104.service.settings.kubernetes_jobs import Image, NameOfAnother, SecretKey
from port104.service.settings.section import Section

Hours = Annotated[float, Meta(ge=0, le=876_000)]
# At least: what an engine may need from its last word on a run to its beginning, and a command from its time
# limit to its end.
Patience = Annotated[float, Meta(ge=60, le=86_400)]


class TransferSettings(Section, frozen=True):
    """The steps of a Job that carry its payload and output by the object store."""

    image: Image | None = None
    """Their image, port104's. Null (the default): that of port104's own pod."""
    secret: NameOfAnother = ""
    """Name of a Secret of the namespace with the access key that they have there. Empty (the default): it is
    found as Amazon's tools find it, by the service account's web identity or from the node's metadata."""
    access_key_id_key: SecretKey = "accessKeyId"
    """Key of the Secret that holds the access key."""
    secret_access_key_key: SecretKey = "secretAccessKey"  # noqa: S105 - what it is called
    """Key of the Secret that holds its secret."""


class JobsSettings(Section, frozen=True):
    """How long is kept what is done with; when space runs low, only what failed is kept longer.

    And when others that share the ledger take over the runs of an engine that is gone.
    """

    keep_succeeded_runs_hours: Hours = 24.0
    """The folder of a run that succeeded: its payload, log and output. It stays while results wait."""
    keep_failed_runs_hours: Hours = 168.0
    """The folder of a run that failed for good or was cancelled."""
    keep_instances_hours: Hours | None = None
    """Instances, after their group was closed, where every run that works on them succeeded or was cancelled.
    Null (the default): for ever."""
    take_over_after_seconds: Patience | None = 300.0
    """Of engines that share a ledger: runs of this one, where it is not heard of for so long and for the time
    limit of its pipeline besides, are begun anew by another. Null: never."""
    kubernetes: bool = False
    """Whether pipelines may be Jobs of the cluster whose pod port104 is, which then follows them."""
    transfer: TransferSettings = TransferSettings()
