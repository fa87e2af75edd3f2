"""The entries of the registry: what has a name, and can be created, replaced and deleted."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from port104.registry.job_templates import JobTemplate

PIPELINE = "pipeline-"
"""Begins the setting of an AE title that names a pipeline: `pipeline-<name>`, with its ID or its name."""
EXPECTED_FROM = "expectedFrom"
"""The setting of an AE title that names the destination which is asked how many instances there will be."""


Conversion = Literal["none", "lossless"]


class Certificate(Protocol):
    """What a peer showed over TLS; net.PeerCertificate is one."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hexadecimal."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """Whose it is, in lower case."""
        ...


class LocalAE(msgspec.Struct, frozen=True, kw_only=True):
    """An AE title under which port104 can be called, and how it keeps what comes in under it."""

    word: ClassVar[str] = "aetitle"
    """What this kind of entry is called on the command line and in the store."""
    title: ClassVar[str] = "AE title"
    """The same in messages."""
    alias: ClassVar[str] = "aeTitle"
    """The key of what must be unique besides the name; empty: nothing must."""

    ae_title: str
    name: str = ""
    """What people call it; none given: its AE title. Unique, as is the AE title."""
    overwrite_same_instance: bool = False
    """An instance that is sent again replaces the one stored before."""
    ignored_sop_classes: frozenset[str] = frozenset()
    """Acknowledged with success and not stored."""
    allowed_sop_classes: frozenset[str] = frozenset()
    """Stored; empty: all."""
    accepted_transfer_syntaxes: frozenset[str] = frozenset()
    """Taken for instances; empty: all."""
    maximum_object_size: int | None = None
    """Bytes of the longest data set that is kept, 0 = any; None: what holds for every AE title."""
    processor: str = ""
    processor_settings: Mapping[str, str | int] = {}

    def __post_init__(self) -> None:
        """Name it."""
        _name_by_default(self, self.ae_title)

    @property
    def pipelines(self) -> dict[str, str]:
        """What it calls each of its pipelines -> the ID or the name of that pipeline."""
        settings = self.processor_settings.items()
        return {key[len(PIPELINE) :]: str(value) for key, value in settings if key.startswith(PIPELINE)}

    @property
    def expected_from(self) -> str | None:
        """The name of the destination that is asked how many instances there will be; None: nobody is."""
        name = self.processor_settings.get(EXPECTED_FROM)
        return None if name is None else str(name)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A peer that may call, and the hosts that it calls from: address, CIDR network or host name.

    `ignored_sop_classes` and `allowed_sop_classes` are like those of a LocalAE, for what this peer sends.
    Where it has `certificate_fingerprints` (SHA-256 in hexadecimal) or `certificate_names` (in lower case),
    it must show a certificate over TLS that has one of them.
    """

    word: ClassVar[str] = "src"
    title: ClassVar[str] = "source"
    alias: ClassVar[str] = ""

    ae_title: str
    hosts: tuple[str, ...]
    """One or more."""
    name: str = ""
    """What people call it; none given: its AE title. Unique; the AE title need not be."""
    ignored_sop_classes: frozenset[str] = frozenset()
    allowed_sop_classes: frozenset[str] = frozenset()
    certificate_fingerprints: frozenset[str] = frozenset()
    certificate_names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Name it."""
        _name_by_default(self, self.ae_title)

    @property
    def demands_certificate(self) -> bool:
        """Whether address and AE title do not do."""
        return bool(self.certificate_fingerprints or self.certificate_names)

    def fits(self, certificate: Certificate | None) -> bool:
        """Whether this peer may be who showed `certificate`; None: nobody showed one."""
        if not self.demands_certificate:
            return True
        return certificate is not None and bool(
            certificate.fingerprint in self.certificate_fingerprints
            or certificate.names & self.certificate_names
        )


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A peer that results can be sent to; `name` is what pipelines call it.

    It has an AE title, a host and a port, or it is a web server and has a `url`.
    """

    word: ClassVar[str] = "dest"
    title: ClassVar[str] = "destination"
    alias: ClassVar[str] = ""

    name: str
    ae_title: str = ""
    host: str = ""
    port: int = 0
    url: str | None = None
    """Where its DICOMweb services are, over STOW-RS instead of C-STORE."""
    token_file: str | None = None
    """File with the bearer token that the web server is shown."""
    headers_file: str | None = None
    """File with other headers for it."""
    tls: bool = False
    """Whether it is called over TLS."""
    conversion: Conversion = "none"
    """What becomes of a data set whose transfer syntax it refuses; `lossless`: it is converted, if it can."""
    window: int = 1
    """Operations outstanding that are proposed to it (PS3.7 D.3.3.3); 1: none besides the one."""
    associations: int = 2
    """Associations with it, or connections to its web server, at one time."""
    storage_commitment: bool = False
    """What it is sent is delivered once it says that it holds it (PS3.4 annex J)."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What each process of a command may use; 0: what port104 itself may."""

    memory: int = 0
    """Bytes of address space (RLIMIT_AS)."""
    open_files: int = 0
    """Descriptors (RLIMIT_NOFILE)."""
    cpu_seconds: int = 0
    """Seconds of CPU time (RLIMIT_CPU)."""


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with a job: a command, a Job of Kubernetes, a webhook or a folder of other software."""

    word: ClassVar[str] = "pipeline"
    title: ClassVar[str] = "pipeline"
    alias: ClassVar[str] = "id"

    name: str
    """What people call it; unique."""
    id: str = ""
    """What AE titles call it (`pipeline-<name>=<id>`); unique. None given: it is made when it is stored."""
    command: tuple[str, ...] = ()
    """A program and its arguments; no shell comes between."""
    webhook: str | None = None
    """The URL that is told of each run."""
    webhook_secret_file: str | None = None
    """File with the secret that its messages are signed with."""
    folder: str | None = None
    """The folder that each run's payload is put into."""
    kubernetes: JobTemplate | None = None
    """The Job that a cluster runs."""
    environment: Mapping[str, str] = {}
    """Variables for the command, or for the container of the Job."""
    limits: Limits = Limits()
    """What the command may use."""
    concurrency: int = 1
    """Runs under way at one time, on all engines."""
    time_limit: float = 3600.0
    """Seconds for one attempt; 0: no limit."""
    retries: int = 3
    """Attempts after the first."""
    destinations: tuple[str, ...] = ()
    """Names of the destinations that its results go to."""

    @property
    def reads_objects(self) -> bool:
        """Whether its payload comes by the object store alone."""
        return self.kubernetes is not None and self.kubernetes.payload == "objectStore"


Entry = LocalAE | Source | Destination | Pipeline
ENTRY_TYPES: tuple[type[Entry], ...] = (LocalAE, Source, Destination, Pipeline)


def alias_of(entry: Entry) -> str | None:
    """What must be unique besides the name: what a peer calls a local AE by, and an AE title a pipeline."""
    if isinstance(entry, LocalAE):
        return entry.ae_title
    return entry.id or None if isinstance(entry, Pipeline) else None


def _name_by_default(entry: Any, name: str) -> None:
    """Give a frozen entry a name where it has none."""
    if not entry.name:
        msgspec.structs.force_setattr(entry, "name", name)
