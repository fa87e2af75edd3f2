"""From settings to what the acceptor holds connections and associations to."""

from port104.net.contracts import Limits
from port104.service.settings.scp import ScpSettings
from port104.wire.association import AssociationLimits


def association_limits_of(scp: ScpSettings) -> AssociationLimits:
    """What one association is held to."""
    return AssociationLimits(
        artim=scp.artim_timeout,
        request=scp.request_timeout,
        idle=scp.idle_timeout,
        message=scp.message_timeout,
        minimum_rate=scp.minimum_byte_rate,
        rate_grace=scp.byte_rate_grace,
        maximum_length=scp.maximum_length_received,
    )


def limits_of(scp: ScpSettings, connections: int) -> Limits:
    """What all are held to together. `connections`: how many there is room for (file_limit.py)."""
    return Limits(
        associations=scp.maximum_number_of_associations,
        associations_per_address=scp.maximum_number_of_associations_per_address,
        associations_per_calling_ae_title=scp.maximum_number_of_associations_per_calling_ae_title,
        connections=connections,
        connections_per_address=scp.maximum_number_of_connections_per_address,
        idle_grace=scp.idle_grace,
        send_timeout=scp.send_timeout,
        shutdown_deadline=scp.shutdown_deadline,
        tls_handshake_timeout=scp.tls.handshake_timeout,
    )
