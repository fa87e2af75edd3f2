"""`dicom.scp.sources[]`: the peers that may call."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from port104.service import values
from port104.service.settings.section import Section
from port104.service.settings.value_types import UID, AETitle, Fingerprint, NameOrNone, Peer, Text


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


def source_names_fault(sources: Sequence[Any]) -> str | None:
    """Say which name several entries would have; those whose names cannot be known yet may be among them."""
    if values.FAULTY in sources:
        return None  # reported already
    names = source_names(sources)
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    return f'several entries have the same name "{name}"' if count > 1 else None
