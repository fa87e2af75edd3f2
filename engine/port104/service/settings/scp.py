"""`dicom.scp`: whom port104 answers, and with what limits."""

from typing import Annotated

from msgspec import Meta, field

from port104 import uids
from port104.service import values
from port104.service.settings.local_aes import LocalAESettings
from port104.service.settings.section import Section
from port104.service.settings.sources import SourceSettings, source_names_fault
from port104.service.settings.tls import TlsSettings
from port104.service.settings.user_identity import UserIdentitySettings
from port104.service.settings.value_types import UID, Host, Network, Port, Seconds


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


class StorageCommitmentSettings(Section, frozen=True):
    """The answer to storage commitment (PS3.4 annex J)."""

    enabled: bool | None = None
    """Whether port104 answers what it holds. Null (the default): where instances are kept for ever
    (`jobs.keepInstancesHours` null), for senders delete theirs once they are answered."""


class ProxyProtocolSettings(Section, frozen=True):
    """Load balancers that say who is behind them, by the PROXY protocol (versions 1 and 2)."""

    from_: tuple[Network, ...] = field(default=(), name="from")
    """Where they are. Each connection from there must begin with a PROXY header, which comes before TLS;
    whom it names counts as the peer's address. Headers from elsewhere are refused. Never list a network
    in which other machines are: whoever is listed can claim any address."""


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
                    source_names_fault,
                )
            }
        ),
    ] = ()
    """The peers that may call, besides those that were created. Of several entries that fit, the first one
    counts, these here before the others."""
    verification: VerificationSettings = VerificationSettings()
    storage_commitment: StorageCommitmentSettings = StorageCommitmentSettings()
    user_identity: UserIdentitySettings = UserIdentitySettings()
    proxy_protocol: ProxyProtocolSettings = ProxyProtocolSettings()
    maximum_length_received: Annotated[int, Meta(ge=4096, le=16_777_216)] = 1_048_576
    """Bytes of the longest P-DATA-TF PDU that port104 accepts, as stated to peers (PS3.8 D.1)."""
    maximum_object_size: Annotated[int, Meta(ge=0)] = 34_359_738_368
    """Bytes of the longest data set that is kept, 0: any; a longer one is received to its end and
    answered A700. The default, 32 GiB, is eight times the longest uncompressed pixel data that there
    can be, so that only a peer gone wild meets it."""
    operations_window: Annotated[int, Meta(ge=1, le=256)] = 16
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
    """Seconds that running associations have to finish once port104 is told to stop.

    In the last third of them one is ended once it stands between two instances; at their end all are."""
    log_dimse_datasets: bool = False
    """Whether the elements of stored data sets are logged. They hold patient data."""
    log_data_pdus: bool = field(default=False, name="logDataPDUs")
    """Whether each PDU received or sent is logged: its type and length, not its content."""
