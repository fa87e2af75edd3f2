"""Every setting of port104, with its meaning, unit, range and default.

The keys and their nesting are Clara DICOM Adapter's (`appsettings.json`), so that its files load
unchanged; what port104 adds stands in the same tree. Field names are snake_case here and camelCase
in files. The constraints live in the types, and configuration.py reports what breaks them.

`msgspec.Meta(extra=...)` carries what msgspec does not know:
`check` a function of the value (values.py), `valid` its range in words, `aliases` other spellings,
`synonyms` other names of a value, `named` a reader of an object whose keys are not ours (decoding.py),
`secret` that the value is shown nowhere, `unused` why port104 accepts the key and does nothing with it.
`extra_json_schema` says the same to readers of the API's description.
"""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from port104 import uids
from port104.database import address
from port104.registry.pipeline_ids import id_of_name
from port104.service import processing, values, variables

_NO_EXPORT = "port104 does not export yet"
_ONE_PROCESSOR = "port104 makes its jobs in one way"
_NO_PLATFORM = "the Clara platform is gone"

AETitle = Annotated[
    str,
    Meta(
        extra={"check": values.ae_title_fault, "valid": "1-16 printable ASCII characters, no `\\`"},
        extra_json_schema={"pattern": r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$"},
    ),
]
UID = Annotated[
    str,
    Meta(
        extra={"check": values.uid_fault, "valid": "UID"},
        extra_json_schema={"pattern": r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*$", "maxLength": 64},
    ),
]
Peer = Annotated[
    str,
    Meta(extra={"check": values.peer_fault, "valid": "IP address, CIDR network or host name"}),
]
Host = Annotated[str, Meta(extra={"check": values.host_fault, "valid": "IP address or host name"})]
Network = Annotated[
    str,
    Meta(extra={"check": values.network_fault, "valid": "IP address or CIDR network"}),
]
DatabaseURL = Annotated[
    str,
    Meta(extra={"check": address.url_fault, "valid": "postgresql://...", "secret": True}),
]
Text = Annotated[str, Meta(extra={"check": values.not_blank, "valid": "not empty"})]
Name = Annotated[
    str,
    Meta(
        extra={"check": values.name_fault, "valid": "1-64 printable characters"},
        extra_json_schema={"minLength": 1, "maxLength": 64},
    ),
]
NameOrNone = Annotated[
    str,
    Meta(
        extra={
            "check": values.name_or_none_fault,
            "valid": "1-64 printable characters, or empty: the AE title",
        },
        extra_json_schema={"maxLength": 64},
    ),
]
PipelineID = Annotated[
    str,
    Meta(
        extra={"check": values.pipeline_id_fault, "valid": "1-64 of A-Z, a-z, 0-9, `.`, `-`, `_`"},
        extra_json_schema={"pattern": "^[A-Za-z0-9._-]{1,64}$"},
    ),
]
Command = Annotated[str | tuple[str, ...], Meta(extra={"check": values.command_fault})]
URL = Annotated[
    str,
    Meta(
        extra={"check": values.url_fault, "valid": "http://... or https://..."},
        extra_json_schema={"pattern": "^https?://"},
    ),
]
AbsolutePath = Annotated[
    str,
    Meta(
        extra={"check": values.absolute_path_fault, "valid": "absolute path"},
        extra_json_schema={"pattern": "^/"},
    ),
]
Port = Annotated[int, Meta(ge=1, le=65535)]
Fingerprint = Annotated[
    str,
    Meta(
        extra={"check": values.fingerprint_fault, "valid": "SHA-256, 64 hexadecimal digits"},
        extra_json_schema={"pattern": "^([0-9A-Fa-f]:?){64}$"},
    ),
]
Seconds = Annotated[float, Meta(gt=0, le=86400)]

LEVELS = {
    "verbose": "debug",
    "trace": "debug",
    "information": "info",
    "warn": "warning",
    "critical": "fatal",
    "none": "fatal",
}
"""Names of log levels in Serilog, in .NET's Logging and elsewhere -> ours."""


class Section(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of every group of settings."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """What is wrong between keys of the section that are right each by itself: key and reason."""
        yield from ()


class LocalAESettings(Section, frozen=True):
    """One AE title under which port104 can be called."""

    ae_title: AETitle
    """The AE title. Required."""
    name: NameOrNone = ""
    """What people call it, unique. Empty (the default): the AE title itself."""
    overwrite_same_instance: bool = False
    """Whether an instance that is sent again replaces the one stored before."""
    ignored_sop_classes: tuple[UID, ...] = ()
    """SOP classes that are acknowledged with success and not stored."""
    allowed_sop_classes: tuple[UID, ...] = ()
    """SOP classes that are stored; empty: all. Others are refused at negotiation."""
    accepted_transfer_syntaxes: tuple[UID, ...] = ()
    """Transfer syntaxes that are taken for instances, which are stored as they come; empty: all. Contexts
    with others are refused at negotiation."""
    maximum_object_size: Annotated[int, Meta(ge=0)] | None = None
    """Bytes of the longest data set that is kept under it, 0: any. Null (the default): as
    `dicom.scp.maximumObjectSize` says."""
    processor: Annotated[str, Meta(extra={"unused": _ONE_PROCESSOR})] = ""
    """Clara's job processor class."""
    processor_settings: Annotated[dict[str, str | int], Meta(extra={"named": processing.read_setting})] = {}
    """Clara's job settings: `groupBy` (a tag, `0020,000D`, or its keyword) says which instances are together,
    `timeout` after how long without another one they are whole (whole seconds, 1 at least; 5 where it is not
    given), `maximumAge` when at the latest (3600 s). What comes later is a job of its own or, with
    `lateInstances` all, of everything there is. `jobRetryDelay` (milliseconds), `priority` (lower, normal,
    higher, immediate), `destinations` (of results whose pipeline names none; names with commas) and, for each
    pipeline, `pipeline-<name>` with its ID or its name are for jobs."""

    @property
    def shown_name(self) -> str:
        """The name, or the AE title where none is given."""
        return self.name or self.ae_title


class SourceSettings(Section, frozen=True):
    """One peer that may call. An AE title may have several entries, with other hosts and other rules."""

    ae_title: AETitle
    """The peer's calling AE title. Required."""
    name: NameOrNone = ""
    """What people call it, unique. Empty (the default): its AE title; where another entry has that name
    already, AE title, `@` and host."""
    host_ip: Peer | None = None
    """Where it calls from. Required unless there are `hosts`. Host names are looked up at once and then each
    minute."""
    hosts: tuple[Peer, ...] = ()
    """Where else it calls from."""
    ignored_sop_classes: tuple[UID, ...] = ()
    """SOP classes that are acknowledged with success and not stored when this peer sends them,
    besides those that the called AE title ignores."""
    allowed_sop_classes: tuple[UID, ...] = ()
    """SOP classes that are stored when this peer sends them, of those that the called AE title
    stores; empty: all of those. Others are refused at negotiation."""
    certificate_fingerprints: tuple[Fingerprint, ...] = ()
    """Its certificates by fingerprint: it must call over TLS and show one of them, or one that has
    one of `certificateNames`. Both empty (the default): it needs none."""
    certificate_names: tuple[Text, ...] = ()
    """Names (subject's common name; DNS name, IP address or e-mail address of the subject
    alternative name), regardless of case, one of which its certificate must have."""

    @property
    def demands_certificate(self) -> bool:
        """Whether it must call over TLS and show a certificate of its own."""
        return bool(self.certificate_fingerprints or self.certificate_names)

    @property
    def all_hosts(self) -> tuple[str, ...]:
        """`hostIp` and `hosts`, each once."""
        return tuple(dict.fromkeys((*filter(None, [self.host_ip]), *self.hosts)))

    @property
    def place(self) -> str:
        """The hosts in one text."""
        return ",".join(self.all_hosts)

    def faults(self) -> Iterator[tuple[str, str]]:
        """As the base says."""
        if not self.all_hosts:
            yield "hostIp", "it is required, and missing"


def source_names(sources: Sequence[SourceSettings]) -> list[str]:
    """What each is called: its name, else its AE title, and where another is called so, with its host."""
    taken = {source.name for source in sources}
    names = []
    for source in sources:
        title = source.ae_title
        choice = (title, f"{title}@{source.all_hosts[0]}", f"{title}@{source.place}")
        name = source.name or next((each for each in choice if each not in taken), choice[-1])
        taken.add(name)
        names.append(name)
    return names


def _source_names_fault(sources: Sequence[Any]) -> str | None:
    if values.FAULTY in sources:
        return None  # reported already
    names = source_names(sources)
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    return f'several entries have the same name "{name}"' if count > 1 else None


class DestinationSettings(Section, frozen=True):
    """One peer that results can be sent to."""

    name: Name
    """What pipelines call it. Required, unique."""
    ae_title: AETitle
    """The peer's called AE title. Required."""
    host_ip: Host
    """Where it listens. Required."""
    port: Port
    """Its TCP port. Required."""
    tls: Annotated[bool, Meta(extra={"unused": _NO_EXPORT})] = False
    """Whether it is called over TLS."""
    window: Annotated[int, Meta(ge=1, le=256, extra={"unused": _NO_EXPORT})] = 1
    """Operations outstanding that are proposed to it (PS3.7 D.3.3.3); 1: asynchrony is not proposed."""


class LimitsSettings(Section, frozen=True):
    """What each process of a command may use; 0: what port104 itself may."""

    memory: Annotated[int, Meta(ge=0, le=1 << 50)] = 0
    """Bytes of address space (RLIMIT_AS)."""
    open_files: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Descriptors (RLIMIT_NOFILE)."""
    cpu_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 0
    """Seconds of CPU time (RLIMIT_CPU)."""


class PipelineSettings(Section, frozen=True):
    """What is done with a job: a command, a webhook or a folder of other software, one of the three."""

    name: Name
    """What people call it. Required, unique."""
    id: PipelineID | None = None
    """What AE titles call it (`pipeline-<name>=<ID>`), unique; it never changes. Null (the default): it is
    made, and that of an entry of the configuration is derived from its name, the same after each start."""
    command: Command = ()
    """A program and its arguments, word by word or as one types them; no shell comes between."""
    environment: Annotated[dict[str, str], Meta(extra={"named": variables.read_variable})] = {}
    """Variables for the command. Whoever may read entries sees them."""
    limits: LimitsSettings = LimitsSettings()
    webhook: URL | None = None
    """The URL that is told of each run."""
    webhook_secret_file: AbsolutePath | None = None
    """File with the secret that its messages are signed with."""
    folder: AbsolutePath | None = None
    """The folder that each run's payload is put into, for other software."""
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 1
    """Runs under way at one time, on all engines."""
    time_limit: Annotated[float, Meta(ge=0, le=2_592_000)] = 3600.0
    """Seconds for one attempt; 0: no limit."""
    retries: Annotated[int, Meta(ge=0, le=1000)] = 3
    """Attempts after the first."""
    destinations: tuple[Name, ...] = ()
    """Names of the destinations that its results go to, where these name none themselves."""

    @property
    def words(self) -> tuple[str, ...]:
        """The command word by word."""
        return tuple(shlex.split(self.command)) if isinstance(self.command, str) else self.command

    @property
    def fixed_id(self) -> str:
        """The ID, or the one that is derived from the name."""
        return self.id or id_of_name(self.name)

    def faults(self) -> Iterator[tuple[str, str]]:
        """As the base says."""
        ways = {"command": self.words, "webhook": self.webhook, "folder": self.folder}
        given = [key for key, way in ways.items() if way]
        one = "a pipeline is one of command, webhook and folder"
        if not given:
            yield "command", f"{one}, and none of them is given"
        for key in given[1:]:
            yield key, f"{one}, and {given[0]} is given too"
        for key, thing in (("environment", self.environment), ("limits", self.limits != LimitsSettings())):
            if thing and "command" not in given:
                yield key, "it is for a command, and there is none"
        if self.webhook_secret_file is not None and "webhook" not in given:
            yield "webhookSecretFile", "it is for a webhook, and there is none"


class VerificationSettings(Section, frozen=True):
    """The answer to C-ECHO (PS3.4 annex A)."""

    enabled: bool = True
    """Whether the Verification SOP class is accepted."""
    transfer_syntaxes: Annotated[tuple[UID, ...], Meta(min_length=1)] = (
        uids.EXPLICIT_VR_LITTLE_ENDIAN,
        uids.IMPLICIT_VR_LITTLE_ENDIAN,
        uids.EXPLICIT_VR_BIG_ENDIAN,
    )
    """Transfer syntaxes accepted for it, in order of preference."""


class TokenKeySettings(Section, frozen=True):
    """A key that tokens may be signed with; it is tried with its own algorithm only."""

    algorithm: Literal["HS256", "RS256", "PS256", "ES256", "ES384", "EdDSA"]
    """The algorithm (RFC 7518, RFC 8037). Required."""
    file: Text
    """File with the public key in PEM; for HS256 the secret itself, of 32 bytes or more. Required."""


class TokenSettings(Section, frozen=True):
    """JSON web tokens (type 5). They are checked where there is a key."""

    keys: tuple[TokenKeySettings, ...] = ()
    """The keys that tokens may be signed with: several, so that a new one can come before the old one
    goes."""
    audience: Text | None = None
    """What a token's `aud` must name. Needed where there are keys: else a token for any other service
    would do."""
    issuer: Text | None = None
    """What a token's `iss` must be; null: it is not looked at."""
    leeway: Annotated[float, Meta(ge=0, le=600)] = 30.0
    """Seconds by which the issuer's clock and ours may differ."""


class UserIdentitySettings(Section, frozen=True):
    """Users behind associations (PS3.7 D.3.3.7). Passcodes and tokens pass in the clear without TLS."""

    mode: Literal["off", "optional", "required"] = "off"
    """`off`: what a peer sends is passed over; `optional`: an association with a wrong one is rejected;
    `required`: one without a right one too."""
    passcode_file: Text | None = None
    """File of user names and hashed passcodes, which `port104 user add` writes; read again when it
    changes. Null: names with passcodes are not checked."""
    tokens: TokenSettings = TokenSettings()


class ProxyProtocolSettings(Section, frozen=True):
    """Load balancers that say who is behind them, by the PROXY protocol (versions 1 and 2)."""

    from_: tuple[Network, ...] = field(default=(), name="from")
    """Where they are. Each connection from there must begin with a PROXY header, which comes before TLS;
    whom it names counts as the peer's address. Headers from elsewhere are refused. Never list a network
    in which other machines are: whoever is listed can claim any address."""


class TlsSettings(Section, frozen=True):
    """Associations over TLS, by PS3.15 B.12; files are in PEM form."""

    enabled: bool = False
    """Whether port104 listens for TLS on `port`, besides `dicom.scp.port` or, where that is null,
    instead of it."""
    port: Port = 2762
    """TCP port to listen on; 2762 is registered for DICOM over TLS."""
    certificate: Text | None = None
    """Our certificate, and after it those of the authorities between it and the root. Required when
    `enabled`."""
    key: Text | None = None
    """Private key of `certificate`. Null (the default): it is in the same file."""
    password_file: Text | None = None
    """File that holds the password of the key, where that is encrypted."""
    client_certificate_authorities: Text | None = None
    """Certificates of the authorities that sign those of peers, or peers' own certificates. Null (the
    default): no certificate is asked of peers, who then are known by address and AE title only."""
    require_client_certificate: bool | None = None
    """Whether a peer must show a certificate; false: one that is shown is checked. Null (the
    default): true where `clientCertificateAuthorities` is given."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest version of TLS that is spoken."""
    handshake_timeout: Seconds = 10.0
    """Seconds that a handshake may take, until the connection is closed."""
    reload_interval: Annotated[float, Meta(ge=0, le=86400)] = 60.0
    """Seconds between looks whether a file has changed; it is then read again, for new connections.
    SIGHUP has them read at once. 0: only SIGHUP."""


class ScpSettings(Section, frozen=True):
    """What port104 accepts as a called AE."""

    host: Host | None = None
    """Address to listen on. Null (the default): every IPv4 and IPv6 address of the machine."""
    port: Port | None = 104
    """TCP port to listen on, without TLS. Null: none, for TLS only."""
    tls: TlsSettings = TlsSettings()
    maximum_number_of_associations: Annotated[
        int, Meta(ge=1, le=10_000, extra={"aliases": ("max-associations",)})
    ] = 1000
    """Associations at one time. For one more the one that has been idle longest gives way (`idleGrace`);
    where none has, it is rejected as transient, local limit exceeded (PS3.8 9.3.4)."""
    maximum_number_of_associations_per_address: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """Associations from one IP address (IPv6: one /64 network); 0: no limit of its own, for all peers
    behind a load balancer or NAT have one address."""
    maximum_number_of_associations_per_calling_ae_title: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """Associations of one calling AE title; 0: no limit of its own, for any peer may use any title that is
    not bound to an address."""
    maximum_number_of_connections: Annotated[int, Meta(ge=1, le=100_000)] = 6000
    """TCP connections at one time, with or without an association. For one more the one that has waited
    longest without an association is closed."""
    maximum_number_of_connections_per_address: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """TCP connections from one IP address (IPv6: one /64 network); 0: no limit of its own."""
    idle_grace: Seconds = 60.0
    """Seconds without a byte from the peer, nor anything that it waits for, from which on an association
    gives way to another where there are too many. Only then."""
    reject_unknown_sources: bool = True
    """Whether only the peers in `sources` may call."""
    ae_titles: Annotated[
        tuple[LocalAESettings, ...],
        Meta(
            extra={
                "check": values.every(
                    values.unique("ae_title", of="aeTitle"),
                    values.unique("shown_name", of="name"),
                )
            }
        ),
    ] = ()
    """The AE titles under which port104 can be called, besides those that were created. An association for
    another is rejected."""
    sources: Annotated[
        tuple[SourceSettings, ...],
        Meta(
            extra={
                "check": values.every(
                    values.unique("ae_title", "place", of="aeTitle and hostIp"),
                    _source_names_fault,
                )
            }
        ),
    ] = ()
    """The peers that may call, besides those that were created. Of several entries that fit, the first one
    counts, these here before the others."""
    verification: VerificationSettings = VerificationSettings()
    user_identity: UserIdentitySettings = UserIdentitySettings()
    proxy_protocol: ProxyProtocolSettings = ProxyProtocolSettings()
    maximum_length_received: Annotated[int, Meta(ge=4096, le=16_777_216)] = 1_048_576
    """Bytes of the longest P-DATA-TF PDU that port104 accepts, as stated to peers (PS3.8 D.1)."""
    maximum_object_size: Annotated[int, Meta(ge=0)] = 34_359_738_368
    """Bytes of the longest data set that is kept, 0: any; a longer one is received to its end and
    answered A700. The default, 32 GiB, is eight times the longest uncompressed pixel data that there
    can be, so that only a peer gone wild meets it."""
    operations_window: Annotated[int, Meta(ge=1, le=256)] = 1
    """Operations that a peer may have outstanding (PS3.7 D.3.3.3); 1: asynchrony is not granted."""
    artim_timeout: Seconds = 30.0
    """Seconds until a connection that does not become an association is closed (PS3.8 9.1.5), however
    its bytes come; also until one whose association is over is closed."""
    request_timeout: Seconds = 10.0
    """Seconds that an A-ASSOCIATE-RQ may take once its header has come, within `artimTimeout`."""
    idle_timeout: Seconds = 300.0
    """Seconds without a byte from the peer until its association is aborted."""
    message_timeout: Seconds = 43_200.0
    """Seconds that one DIMSE message, an instance with its command, may take. Twelve hours carry 2 GiB at
    50 kB/s; slower peers are `minimumByteRate`'s."""
    minimum_byte_rate: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 1000
    """Bytes a second that a peer must send on average inside a message, or it is aborted; 0: any pace."""
    byte_rate_grace: Seconds = 120.0
    """Seconds over which that average is taken: a peer may pause inside a message nearly so long."""
    send_timeout: Seconds = 30.0
    """Seconds that a peer may take to accept bytes that are sent to it."""
    shutdown_deadline: Annotated[float, Meta(ge=0, le=86400)] = 30.0
    """Seconds that running associations have to finish once port104 is told to stop."""
    log_dimse_datasets: bool = False
    """Whether the elements of stored data sets are logged. They hold patient data."""
    log_data_pdus: bool = field(default=False, name="logDataPDUs")
    """Whether each PDU received or sent is logged: its type and length, not its content."""


class ExportSettings(Section, frozen=True):
    """Clara's export of results."""

    maximum_retries: Annotated[int, Meta(ge=0, extra={"unused": _NO_EXPORT})] = 3
    """Attempts after the first."""
    failure_threshold: Annotated[float, Meta(ge=0, le=1, extra={"unused": _NO_EXPORT})] = 0.5
    """Share of instances that may fail before the task counts as failed."""
    poll_frequency_ms: Annotated[int, Meta(ge=1, extra={"unused": _NO_EXPORT})] = 500
    """Milliseconds between polls."""
    agent: Annotated[str, Meta(extra={"unused": _NO_EXPORT})] = "DICOMweb"
    """Name of the export agent."""


class ScuSettings(Section, frozen=True):
    """What port104 sends as a calling AE."""

    ae_title: Annotated[AETitle, Meta(extra={"unused": _NO_EXPORT})] = "ClaraSCU"
    """Calling AE title."""
    maximum_number_of_associations: Annotated[
        int, Meta(ge=1, le=100, extra={"aliases": ("max-associations",), "unused": _NO_EXPORT})
    ] = 8
    """Associations at one time."""
    log_dimse_datasets: Annotated[bool, Meta(extra={"unused": _NO_EXPORT})] = False
    """Whether the elements of data sets sent are logged."""
    log_data_pdus: Annotated[bool, Meta(extra={"unused": _NO_EXPORT})] = field(
        default=False, name="logDataPDUs"
    )
    """Whether each PDU received or sent is logged."""
    destinations: Annotated[
        tuple[DestinationSettings, ...],
        Meta(extra={"check": values.unique("name", of="name"), "unused": _NO_EXPORT}),
    ] = ()
    """The peers that results can be sent to, besides those that were created."""
    export: ExportSettings = ExportSettings()


class DicomSettings(Section, frozen=True):
    """DICOM, in both directions."""

    scp: ScpSettings = ScpSettings()
    scu: ScuSettings = ScuSettings()


class StorageSettings(Section, frozen=True):
    """Where and how instances are kept."""

    temporary: Text = "/payloads"
    """Storage folder, made when missing. A relative path starts at the working directory."""
    durability: Literal["sync", "os"] = "sync"
    """When success is said: `sync`: once the instance would survive a power cut; `os`: once the
    operating system has it (it survives a crash of port104, not of the machine)."""
    io_threads: Annotated[int, Meta(ge=0, le=64)] = 0
    """Native threads that receive and write; 0: as many as there are processors, 2 at least."""
    watermark_percent: Annotated[int, Meta(ge=1, le=100)] = 85
    """Per cent of the volume that may be in use, as `df` counts it. Beyond it, or with less than
    `reserveSpaceGB` free, new associations for storage are rejected as a transient congestion, so that
    senders try again; running ones go on, and C-ECHO is answered."""
    reserve_space_gb: Annotated[float, Meta(ge=0, le=1_000_000)] = field(default=5, name="reserveSpaceGB")
    """Gigabytes (10^9 bytes) that stay free: with no more than that, instances are refused with A700 (out of
    resources). 0: only when the volume is full."""


class RegistrySettings(Section, frozen=True):
    """Where entries (AE titles, sources, destinations, pipelines) and tokens are kept that were created."""

    url: DatabaseURL | None = None
    """PostgreSQL database, `postgresql://user:password@host:5432/database`: replicas that share it see each
    other's changes within a second. A password is better given in a file (`_FILE`). Null (the default): the
    SQLite file `registry.sqlite3` in the storage folder."""


Hours = Annotated[float, Meta(ge=0, le=876_000)]


class JobsSettings(Section, frozen=True):
    """How long is kept what is done with; when space runs low, only what failed is kept longer."""

    keep_succeeded_runs_hours: Hours = 24.0
    """The folder of a run that succeeded: its payload, log and output. It stays while results wait."""
    keep_failed_runs_hours: Hours = 168.0
    """The folder of a run that failed for good or was cancelled."""
    keep_instances_hours: Hours | None = None
    """Instances, after their group was closed, where every run that works on them succeeded or was cancelled.
    Null (the default): for ever."""


class LogSettings(Section, frozen=True):
    """What port104 says about itself; Clara's `Serilog` and `Logging` map to these keys."""

    level: Annotated[
        Literal["debug", "info", "warning", "error", "fatal"], Meta(extra={"synonyms": LEVELS})
    ] = "info"
    """The least severe level that is logged; Serilog's and .NET's names work too."""
    format: Literal["auto", "console", "json"] = "auto"
    """`console` for people, `json` for machines (one object a line); `auto`: `console` when
    standard error is a terminal, `json` otherwise and in the file."""
    file: Text | None = None
    """File to log to besides standard error; a new one is begun each day (UTC)."""
    maximum_file_size: Annotated[int, Meta(ge=65_536, le=1_000_000_000_000)] = 104_857_600
    """Bytes after which a new file is begun."""
    retained_files: Annotated[int, Meta(ge=0, le=100_000)] = 31
    """Finished files that are kept; older ones are deleted."""


class AuditSyslogSettings(Section, frozen=True):
    """The syslog collector of audit messages (PS3.15 A.6, A.7)."""

    host: Host | None = None
    """Where it listens. Null (the default): no collector."""
    port: Port | None = None
    """Its port. Null (the default): 6514 for `tls`, 514 for `udp`."""
    transport: Literal["tls", "udp"] = "tls"
    """`tls` (RFC 5425), or `udp` (RFC 5426): unencrypted, and what is lost on the way goes unnoticed."""
    certificate_authorities: Text | None = None
    """File (PEM) of the authorities that may have signed the collector's certificate. Null (the default):
    those that the operating system trusts."""
    certificate: Text | None = None
    """File (PEM) of port104's own certificate, for collectors that ask for one."""
    key: Text | None = None
    """File (PEM) of its private key, without a password. Null (the default): in the certificate's file."""


class AuditSettings(Section, frozen=True):
    """Audit messages (PS3.15 A.5). Nothing is recorded unless a file or a collector is named."""

    file: Text | None = None
    """File for audit messages, one syslog message a line; begun anew each day (UTC), never deleted."""
    source_id: str = ""
    """What the messages call this system (AuditSourceID). Empty (the default): the host's name."""
    site_id: str = ""
    """What they call its site (AuditEnterpriseSiteID). Empty (the default): left out."""
    syslog: AuditSyslogSettings = AuditSyslogSettings()


class ApiTlsSettings(Section, frozen=True):
    """HTTPS; files are in PEM form. Without a certificate the API speaks plain HTTP."""

    certificate: Text | None = None
    """Our certificate, and after it those of the authorities between it and the root. Null (the default):
    no TLS."""
    key: Text | None = None
    """Private key of `certificate`. Null (the default): it is in the same file."""
    password_file: Text | None = None
    """File that holds the password of the key, where that is encrypted."""
    minimum_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest version of TLS that is spoken."""
    reload_interval: Annotated[float, Meta(ge=0, le=86400)] = 60.0
    """Seconds between looks whether a file has changed; it is then read again, for new connections.
    SIGHUP has them read at once. 0: only SIGHUP."""


class ApiSettings(Section, frozen=True):
    """The REST API, by which entries (AE titles, ..., pipelines) are changed while port104 runs."""

    host: Host | None = "127.0.0.1"
    """Address to listen on; the default is for programs of the same machine. Null: every IPv4 and IPv6
    address of the machine."""
    port: Port | None = 5000
    """TCP port to listen on. Null: none; the command line on the same machine works all the same."""
    tls: ApiTlsSettings = ApiTlsSettings()
    allow_without_token: bool = False
    """Whether everyone who can reach the port may change everything, as in Clara, while no token has been
    made. Otherwise only programs of the same machine may, and a start is refused that listens beyond it with
    neither token nor TLS."""
    documentation: bool = True
    """Whether the description of the API is served, at `/api/docs` and `/api/openapi.json`, to whoever
    asks."""


class PlatformSettings(Section, frozen=True):
    """The Clara platform."""

    endpoint: Annotated[str, Meta(extra={"unused": _NO_PLATFORM})] = ""
    """Its address."""
    parallel_uploads: Annotated[int, Meta(ge=1, extra={"unused": _NO_PLATFORM})] = 4
    """Uploads at one time."""
    max_retries: Annotated[int, Meta(ge=0, extra={"unused": _NO_PLATFORM})] = 3
    """Attempts after the first."""
    retry_delay_seconds: Annotated[int, Meta(ge=0, extra={"unused": _NO_PLATFORM})] = 180
    """Seconds between attempts."""
    upload_metadata: Annotated[bool, Meta(extra={"unused": _NO_PLATFORM})] = False
    """Whether metadata is uploaded."""
    metadata_dicom_source: Annotated[tuple[str, ...], Meta(extra={"unused": _NO_PLATFORM})] = ()
    """The tags in it."""


class ServicesSettings(Section, frozen=True):
    """What Clara worked with."""

    platform: PlatformSettings = PlatformSettings()
    platform_endpoint: Annotated[str, Meta(extra={"unused": _NO_PLATFORM})] = ""
    """Address of the platform, as Clara 0.7 spelt it."""
    results_service_endpoint: Annotated[str, Meta(extra={"unused": _NO_PLATFORM})] = ""
    """Address of the results service."""


class Settings(Section, frozen=True):
    """The section `DicomAdapter`, which may also be the whole file."""

    dicom: DicomSettings = DicomSettings()
    storage: StorageSettings = StorageSettings()
    registry: RegistrySettings = RegistrySettings()
    jobs: JobsSettings = JobsSettings()
    log: LogSettings = LogSettings()
    audit: AuditSettings = AuditSettings()
    api: ApiSettings = ApiSettings()
    pipelines: Annotated[
        tuple[PipelineSettings, ...],
        Meta(
            extra={
                "check": values.every(values.unique("name", of="name"), values.unique("fixed_id", of="id")),
            }
        ),
    ] = ()
    """What is done with jobs, besides the pipelines that were created."""
    read_ae_titles_from_crd: bool = False
    """Whether AE titles, sources and destinations come from Kubernetes. Not built yet: when true,
    port104 warns and works with those in the file."""
    crd_read_intervals: Annotated[
        int, Meta(ge=1, extra={"unused": "custom resources will be watched, not polled"})
    ] = 10_000
    """Milliseconds between Clara's reads of custom resources."""
    services: ServicesSettings = ServicesSettings()
