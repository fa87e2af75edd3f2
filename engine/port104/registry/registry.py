"""Which associations are admitted.

The order of checks is Clara's: first who calls and from where, then which AE title is called. The
registry is immutable and looks nothing up: addresses of host names are handed to it
(`host_names`, `with_resolved`), so `admit` never waits. What it costs does not depend on how many entries
there are.
"""

import copy
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice

import msgspec

from port104.registry.addresses import Address, parse_address
from port104.registry.callers import Callers, network_of
from port104.registry.entries import Certificate, Destination, LocalAE, Pipeline, Source
from port104.registry.likeness import by_folded, folded
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
    """Local AEs, sources, destinations and pipelines.

    Of several sources that fit, the first counts. `like`: another registry, which lends what it found out
    about the sources that both have.
    """

    def __init__(
        self,
        *,
        local_aes: Iterable[LocalAE] = (),
        sources: Iterable[Source] = (),
        destinations: Iterable[Destination] = (),
        pipelines: Iterable[Pipeline] = (),
        reject_unknown_sources: bool = True,
        resolved: Mapping[str, Collection[str]] | None = None,
        like: "Registry | None" = None,
    ) -> None:
        self.local_aes = {entry.ae_title: entry for entry in local_aes}
        self.sources = tuple(sources)
        self.destinations = {entry.name: entry for entry in destinations}
        self.pipelines = {entry.id: entry for entry in pipelines}
        """By their IDs."""
        self._pipelines_by_name = {entry.name: entry for entry in self.pipelines.values()}
        self.reject_unknown_sources = reject_unknown_sources
        known = {} if like is None else like._callers  # noqa: SLF001 - one of us
        self._callers: dict[str, Callers] = _by_calling_ae_title(self.sources, known)
        self._callers_folded = by_folded(self._callers)
        self._local_aes_folded = by_folded(self.local_aes)
        self._resolve(resolved or {})

    def _resolve(self, resolved: Mapping[str, Collection[str]]) -> None:
        self._resolved = {name: frozenset(map(parse_address, found)) for name, found in resolved.items()}
        self._names_of: dict[Address, list[str]] = {}
        for name, addresses in self._resolved.items():
            for address in addresses:
                self._names_of.setdefault(address, []).append(name)

    def pipeline(self, id_or_name: str) -> Pipeline | None:
        """The pipeline that an AE title names so: by its ID or, where none has that ID, by its name."""
        return self.pipelines.get(id_or_name) or self._pipelines_by_name.get(id_or_name)

    @property
    def host_names(self) -> tuple[str, ...]:
        """The hosts of sources that are names, sorted: what `with_resolved` wants to know."""
        return tuple(sorted({name for callers in self._callers.values() for name in callers.host_names}))

    def with_resolved(self, resolved: Mapping[str, Collection[str]]) -> "Registry":
        """Return this registry with the addresses of host names, which replace those known before.

        A name without addresses matches no peer.
        """
        made = copy.copy(self)
        made._resolve(resolved)  # noqa: SLF001 - one of us
        return made

    def admit(
        self, called: str, calling: str, address: str, certificate: Certificate | None = None
    ) -> Admission | Refusal:
        """Judge an association by its AE titles (without padding), the peer's IP address and certificate.

        AE titles are compared exactly. An IPv4-mapped address counts as the IPv4 address. An AE title that
        has an entry with a certificate is nobody's without one, also where unknown sources may call. Raises
        ValueError when `address` is not an IP address.
        """
        peer = parse_address(address)
        callers = self._callers.get(calling, _NOBODY)
        at_home = callers.at(peer, self._names_of.get(peer, ()))
        source = next((entry for entry in at_home if entry.fits(certificate)), None)
        if source is None and at_home:
            return _wrong_certificate(calling, peer, certificate)
        if source is None and (self.reject_unknown_sources or callers.guarded):
            return self._unknown_source(calling, peer, callers)
        local_ae = self.local_aes.get(called)
        if local_ae is None:
            return self._unknown_local_ae(called)
        return Admission(local_ae, source)

    def _unknown_source(self, calling: str, peer: Address, callers: Callers) -> Refusal:
        why = f"calling AE title {json.dumps(calling)} is not among the sources"
        if callers.sources:
            hosts = _listed(callers.hosts, self._host_in_words)
            why = f"{json.dumps(calling)} may call from {hosts}, not from {peer}"
        elif (alike := self._callers_folded.get(folded(calling))) is not None:
            why += f"; {json.dumps(alike)} is, and upper and lower case differ"
        entry = json.dumps({"aeTitle": calling, "hostIp": str(peer)})
        hint = f"add {entry} to the sources (port104 create src, or dicom.scp.sources)"
        return Refusal(
            CALLING_AE_TITLE_NOT_RECOGNISED, why, f"{hint}, or set dicom.scp.rejectUnknownSources to false"
        )

    def _host_in_words(self, host: str) -> str:
        if network_of(host) is not None:
            return host
        found = sorted(map(str, self._resolved.get(host, ())))
        return f"{host} ({_listed(found) or 'no address known'})"

    def _unknown_local_ae(self, called: str) -> Refusal:
        why = f"called AE title {json.dumps(called)} is not among the local AE titles"
        if (alike := self._local_aes_folded.get(folded(called))) is not None:
            why += f"; {json.dumps(alike)} is, and upper and lower case differ"
        entry = json.dumps({"aeTitle": called})
        hint = f"add {entry} to the AE titles (port104 create aetitle, or dicom.scp.aeTitles)"
        if self.local_aes:
            hint += f", or have the peer call {_listed(self.local_aes, json.dumps)}"
        return Refusal(CALLED_AE_TITLE_NOT_RECOGNISED, why, hint)


_NOBODY = Callers(())


def _by_calling_ae_title(sources: Iterable[Source], known: Mapping[str, Callers]) -> dict[str, Callers]:
    grouped: dict[str, list[Source]] = {}
    for source in sources:
        grouped.setdefault(source.ae_title, []).append(source)
    found = {}
    for title, entries in grouped.items():
        before = known.get(title, _NOBODY)
        found[title] = before if before.sources == tuple(entries) else Callers(entries)
    return found


def _wrong_certificate(calling: str, peer: Address, certificate: Certificate | None) -> Refusal:
    who = f"{json.dumps(calling)} at {peer}"
    if certificate is None:
        why = f"{who} must show a certificate over TLS, and showed none"
        hint = "have it call dicom.scp.tls.port with one, or take them out of its entry among the sources"
        return Refusal(CALLING_AE_TITLE_NOT_RECOGNISED, why, f"{hint} (dicom.scp.sources)")
    names = _listed(sorted(certificate.names), json.dumps) or "no name"
    why = f"{who} showed another certificate than its own: {names}, SHA-256 {certificate.fingerprint}"
    hint = "add the fingerprint to certificateFingerprints, or a name to certificateNames, of its entry"
    return Refusal(CALLING_AE_TITLE_NOT_RECOGNISED, why, f"{hint} in dicom.scp.sources if it is")


def _listed(words: Collection[str], shown: Callable[[str], str] = str) -> str:
    """Join words, not too many."""
    more = f" and {len(words) - _MOST_LISTED} more" if len(words) > _MOST_LISTED else ""
    return ", ".join(map(shown, islice(words, _MOST_LISTED))) + more
