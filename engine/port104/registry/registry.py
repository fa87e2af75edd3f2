"""Which associations are admitted.

The order of checks is Clara's: first who calls and from where, then which AE title is called. The
registry is immutable and looks nothing up: addresses of host names are handed to it
(`host_names`, `with_resolved`), so `admit` never waits.
"""

import json
from collections.abc import Collection, Iterable, Mapping

import msgspec

from port104.registry.addresses import Address, Network, parse_address, parse_network
from port104.registry.entries import Certificate, Destination, LocalAE, Source
from port104.wire.pdu import AssociateRJ

# PS3.8 9.3.4: result 1 (rejected permanent), source 1 (UL service user).
CALLING_AE_TITLE_NOT_RECOGNISED = AssociateRJ(result=1, source=1, reason=3)
CALLED_AE_TITLE_NOT_RECOGNISED = AssociateRJ(result=1, source=1, reason=7)

_MOST_LISTED = 10


class Admission(msgspec.Struct, frozen=True):
    """The association may be accepted; `source` is None for an unknown peer that is let in.

    The lists of both ends hold: each may take away, and neither gives what the other takes.
    """

    local_ae: LocalAE
    source: Source | None

    @property
    def allowed_sop_classes(self) -> frozenset[str] | None:
        """What both ends allow; None: all, where neither has a list."""
        lists = [end.allowed_sop_classes for end in self._ends if end.allowed_sop_classes]
        return frozenset.intersection(*lists) if lists else None

    @property
    def ignored_sop_classes(self) -> frozenset[str]:
        """What either end says to acknowledge and not to store."""
        return frozenset().union(*(end.ignored_sop_classes for end in self._ends))

    @property
    def _ends(self) -> tuple[LocalAE | Source, ...]:
        return (self.local_ae,) if self.source is None else (self.local_ae, self.source)


class Refusal(msgspec.Struct, frozen=True):
    """The association must be rejected.

    `why` says what did not match, `hint` what would admit the peer. Both are for people, hold what
    the peer sent only in JSON notation, and are one line.
    """

    reject: AssociateRJ
    why: str
    hint: str


class Registry:
    """Local AEs, sources and destinations."""

    def __init__(
        self,
        *,
        local_aes: Iterable[LocalAE] = (),
        sources: Iterable[Source] = (),
        destinations: Iterable[Destination] = (),
        reject_unknown_sources: bool = True,
        resolved: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.local_aes = {entry.ae_title: entry for entry in local_aes}
        self.sources = tuple(sources)
        self.destinations = {entry.name: entry for entry in destinations}
        self.reject_unknown_sources = reject_unknown_sources
        self._fixed = {entry.host: _network(entry.host) for entry in self.sources}
        self._resolved = {
            name: frozenset(map(parse_address, found)) for name, found in (resolved or {}).items()
        }

    @property
    def host_names(self) -> tuple[str, ...]:
        """The hosts of sources that are names, sorted: what `with_resolved` wants to know."""
        return tuple(sorted(host for host, network in self._fixed.items() if network is None))

    def with_resolved(self, resolved: Mapping[str, Collection[str]]) -> "Registry":
        """Return this registry with the addresses of host names, which replace those known before.

        A name without addresses matches no peer.
        """
        return Registry(
            local_aes=self.local_aes.values(),
            sources=self.sources,
            destinations=self.destinations.values(),
            reject_unknown_sources=self.reject_unknown_sources,
            resolved=resolved,
        )

    def admit(
        self, called: str, calling: str, address: str, certificate: Certificate | None = None
    ) -> Admission | Refusal:
        """Judge an association by its AE titles (without padding), the peer's IP address and certificate.

        AE titles are compared exactly. An IPv4-mapped address counts as the IPv4 address. An AE title that
        has an entry with a certificate is nobody's without one, also where unknown sources may call. Raises
        ValueError when `address` is not an IP address.
        """
        peer = parse_address(address)
        entries = [entry for entry in self.sources if entry.ae_title == calling]
        at_home = [entry for entry in entries if self._holds(entry.host, peer)]
        source = next((entry for entry in at_home if entry.fits(certificate)), None)
        if source is None and at_home:
            return self._wrong_certificate(calling, peer, certificate)
        guarded = any(entry.demands_certificate for entry in entries)
        if source is None and (self.reject_unknown_sources or guarded):
            return self._unknown_source(calling, peer, entries)
        local_ae = self.local_aes.get(called)
        if local_ae is None:
            return self._unknown_local_ae(called)
        return Admission(local_ae, source)

    def _holds(self, host: str, peer: Address) -> bool:
        network = self._fixed[host]
        return peer in network if network is not None else peer in self._resolved.get(host, ())

    def _unknown_source(self, calling: str, peer: Address, entries: list[Source]) -> Refusal:
        why = f"calling AE title {json.dumps(calling)} is not among the sources"
        if entries:
            hosts = _listed(self._host_in_words(entry.host) for entry in entries)
            why = f"{json.dumps(calling)} may call from {hosts}, not from {peer}"
        elif (alike := _alike(calling, (entry.ae_title for entry in self.sources))) is not None:
            why += f"; {json.dumps(alike)} is, and upper and lower case differ"
        entry = json.dumps({"aeTitle": calling, "hostIp": str(peer)})
        hint = f"add {entry} to dicom.scp.sources, or set dicom.scp.rejectUnknownSources to false"
        return Refusal(CALLING_AE_TITLE_NOT_RECOGNISED, why, hint)

    def _wrong_certificate(self, calling: str, peer: Address, certificate: Certificate | None) -> Refusal:
        who = f"{json.dumps(calling)} at {peer}"
        if certificate is None:
            why = f"{who} must show a certificate over TLS, and showed none"
            hint = "have it call dicom.scp.tls.port with one, or take them out of its dicom.scp.sources entry"
            return Refusal(CALLING_AE_TITLE_NOT_RECOGNISED, why, hint)
        names = _listed(map(json.dumps, sorted(certificate.names))) or "no name"
        why = f"{who} showed another certificate than its own: {names}, SHA-256 {certificate.fingerprint}"
        hint = "add the fingerprint to certificateFingerprints, or a name to certificateNames, of its entry"
        return Refusal(CALLING_AE_TITLE_NOT_RECOGNISED, why, f"{hint} in dicom.scp.sources if it is")

    def _host_in_words(self, host: str) -> str:
        if self._fixed[host] is not None:
            return host
        found = _listed(map(str, sorted(self._resolved.get(host, ()), key=str)))
        return f"{host} ({found or 'no address known'})"

    def _unknown_local_ae(self, called: str) -> Refusal:
        why = f"called AE title {json.dumps(called)} is not among the local AE titles"
        if (alike := _alike(called, self.local_aes)) is not None:
            why += f"; {json.dumps(alike)} is, and upper and lower case differ"
        entry = json.dumps({"aeTitle": called})
        known = _listed(map(json.dumps, self.local_aes))
        hint = f"add {entry} to dicom.scp.aeTitles"
        if known:
            hint += f", or have the peer call {known}"
        return Refusal(CALLED_AE_TITLE_NOT_RECOGNISED, why, hint)


def _network(host: str) -> Network | None:
    """Return the addresses that a host entry stands for, or None for a host name."""
    try:
        return parse_network(host)
    except ValueError:
        return None


def _alike(title: str, known: Iterable[str]) -> str | None:
    """Find a title that differs in case or spaces only: the commonest slip."""
    return next((each for each in known if each.strip().lower() == title.strip().lower()), None)


def _listed(words: Iterable[str]) -> str:
    """Join words, not too many."""
    words = list(words)
    more = f" and {len(words) - _MOST_LISTED} more" if len(words) > _MOST_LISTED else ""
    return ", ".join(words[:_MOST_LISTED]) + more
