"""Entries as documents: in the configuration, in the bodies of the API, on the command line.

Documents are checked by settings/. The registry knows nothing of configuration.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from port104.registry.entries import Destination, Entry, Limits, LocalAE, Pipeline, Source
from port104.registry.faults import RegistryError
from port104.registry.job_templates import JobTemplate
from port104.registry.view import Kept
from port104.service.decoding import Fault, build, canonical
from port104.service.settings.destinations import DestinationSettings
from port104.service.settings.kubernetes_jobs import KubernetesSettings
from port104.service.settings.local_aes import LocalAESettings
from port104.service.settings.pipelines import LimitsSettings, PipelineSettings
from port104.service.settings.section import Section
from port104.service.settings.sources import SourceSettings, source_names
from port104.service.settings.tree import Settings

ORIGIN = "origin"
"""Where an entry stands in the configuration; null: it was created, and can be changed."""
WARNINGS = "warnings"
"""What an entry lacks, or others since it changed: in the answer to a change, where there is something."""


StructT = TypeVar("StructT", bound=msgspec.Struct)


class FaultyEntryError(RegistryError):
    """Everything that is wrong with the document of an entry."""

    def __init__(self, title: str, faults: Sequence[Fault]) -> None:
        self.title = title
        self.faults = tuple(faults)
        super().__init__(f"faulty {title}: {'; '.join(map(str, faults))}")


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of entry."""

    word: str
    """On the command line: `aetitle`, `src`, `dest`, `pipeline`."""
    title: str
    """In messages."""
    clara: str
    """In the paths of the API, which mostly are Clara's."""
    entry: type[Entry]
    settings: type[Section]
    """The form of its documents."""
    from_settings: Callable[[Any], Entry]
    to_settings: Callable[[Any], Section]


def read_entry(kind: Kind, document: Mapping[str, Any]) -> Entry:
    """Make an entry of a document. Raises FaultyEntryError, with everything that is wrong."""
    faults: list[Fault] = []
    settings = build(kind.settings, canonical(document, kind.settings, faults), faults)
    if faults:
        raise FaultyEntryError(kind.title, faults)
    return kind.from_settings(settings)


def document_of(entry: Entry) -> dict[str, Any]:
    """Write an entry as a document, with every key; `read_entry` makes the same entry of it."""
    settings = kind_of(type(entry)).to_settings(entry)
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
    return document


def representation_of(kept: Kept) -> dict[str, Any]:
    """Write an entry as it is shown: its document, and where it comes from."""
    return {**document_of(kept.entry), ORIGIN: kept.origin or None}


def kind_of(entry_type: type[Entry]) -> Kind:
    """The kind of a type of entry."""
    return next(kind for kind in KINDS if kind.entry is entry_type)


def defaults_from(settings: Settings, origins: Mapping[str, str]) -> tuple[Kept, ...]:
    """The entries of the configuration. `origins`: path -> place (configuration.Configuration)."""
    scp, scu = settings.dicom.scp, settings.dicom.scu
    names = source_names(scp.sources)
    named = [msgspec.structs.replace(each, name=name) for each, name in zip(scp.sources, names, strict=True)]
    identified = [msgspec.structs.replace(each, id=each.fixed_id) for each in settings.pipelines]
    return (
        *_kept(map(_local_ae, scp.ae_titles), "dicom.scp.aeTitles", origins),
        *_kept(map(_source, named), "dicom.scp.sources", origins),
        *_kept(map(_destination, scu.destinations), "dicom.scu.destinations", origins),
        *_kept(map(_pipeline, identified), "pipelines", origins),
    )


def _kept(entries: Iterator[Entry], path: str, origins: Mapping[str, str]) -> Iterator[Kept]:
    place = origins.get(path, "configuration")
    for index, entry in enumerate(entries):
        yield Kept(entry, origin=f"{place}: {path}[{index}]")


def _local_ae(settings: LocalAESettings) -> LocalAE:
    return LocalAE(
        ae_title=settings.ae_title,
        name=settings.name,
        overwrite_same_instance=settings.overwrite_same_instance,
        ignored_sop_classes=frozenset(settings.ignored_sop_classes),
        allowed_sop_classes=frozenset(settings.allowed_sop_classes),
        accepted_transfer_syntaxes=frozenset(settings.accepted_transfer_syntaxes),
        maximum_object_size=settings.maximum_object_size,
        processor=settings.processor,
        processor_settings=settings.processor_settings,
    )


def _local_ae_settings(entry: LocalAE) -> LocalAESettings:
    return LocalAESettings(
        ae_title=entry.ae_title,
        name=entry.name,
        overwrite_same_instance=entry.overwrite_same_instance,
        ignored_sop_classes=_listed(entry.ignored_sop_classes),
        allowed_sop_classes=_listed(entry.allowed_sop_classes),
        accepted_transfer_syntaxes=_listed(entry.accepted_transfer_syntaxes),
        maximum_object_size=entry.maximum_object_size,
        processor=entry.processor,
        processor_settings=dict(sorted(entry.processor_settings.items())),
    )


def _source(settings: SourceSettings) -> Source:
    return Source(
        ae_title=settings.ae_title,
        name=settings.name,
        hosts=settings.all_hosts,
        ignored_sop_classes=frozenset(settings.ignored_sop_classes),
        allowed_sop_classes=frozenset(settings.allowed_sop_classes),
        certificate_fingerprints=frozenset(map(_digits, settings.certificate_fingerprints)),
        certificate_names=frozenset(name.lower() for name in settings.certificate_names),
    )


def _source_settings(entry: Source) -> SourceSettings:
    # A host stands in one place only: who changes it there must not leave it in the other.
    one = entry.hosts[0] if len(entry.hosts) == 1 else None
    return SourceSettings(
        ae_title=entry.ae_title,
        name=entry.name,
        host_ip=one,
        hosts=() if one is not None else entry.hosts,
        ignored_sop_classes=_listed(entry.ignored_sop_classes),
        allowed_sop_classes=_listed(entry.allowed_sop_classes),
        certificate_fingerprints=_listed(entry.certificate_fingerprints),
        certificate_names=_listed(entry.certificate_names),
    )


def _destination(settings: DestinationSettings) -> Destination:
    return Destination(
        name=settings.name,
        ae_title=settings.ae_title or "",
        host=settings.host_ip or "",
        port=settings.port or 0,
        url=settings.url,
        token_file=settings.token_file,
        headers_file=settings.headers_file,
        tls=settings.tls,
        conversion=settings.conversion,
        window=settings.window,
        associations=settings.associations,
        storage_commitment=settings.storage_commitment,
    )


def _destination_settings(entry: Destination) -> DestinationSettings:
    return DestinationSettings(
        name=entry.name,
        ae_title=entry.ae_title or None,
        host_ip=entry.host or None,
        port=entry.port or None,
        url=entry.url,
        token_file=entry.token_file,
        headers_file=entry.headers_file,
        tls=entry.tls,
        conversion=entry.conversion,
        window=entry.window,
        associations=entry.associations,
        storage_commitment=entry.storage_commitment,
    )


def _pipeline(settings: PipelineSettings) -> Pipeline:
    return Pipeline(
        name=settings.name,
        id=settings.id or "",
        command=settings.words,
        environment=settings.environment,
        limits=Limits(**msgspec.structs.asdict(settings.limits)),
        webhook=settings.webhook,
        webhook_secret_file=settings.webhook_secret_file,
        folder=settings.folder,
        kubernetes=_like(settings.kubernetes, JobTemplate),
        concurrency=settings.concurrency,
        time_limit=settings.time_limit,
        retries=settings.retries,
        destinations=settings.destinations,
    )


def _pipeline_settings(entry: Pipeline) -> PipelineSettings:
    return PipelineSettings(
        name=entry.name,
        id=entry.id or None,
        command=entry.command,
        environment=dict(sorted(entry.environment.items())),
        limits=LimitsSettings(**msgspec.structs.asdict(entry.limits)),
        webhook=entry.webhook,
        webhook_secret_file=entry.webhook_secret_file,
        folder=entry.folder,
        kubernetes=_like(entry.kubernetes, KubernetesSettings),
        concurrency=entry.concurrency,
        time_limit=entry.time_limit,
        retries=entry.retries,
        destinations=entry.destinations,
    )


def _like(given: msgspec.Struct | None, kind: type[StructT]) -> StructT | None:
    """The same in another form, attribute by attribute."""
    return None if given is None else msgspec.convert(given, kind, from_attributes=True)


def _listed(words: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(words))


def _digits(fingerprint: str) -> str:
    return fingerprint.replace(":", "").lower()


KINDS = tuple(
    Kind(
        word=entry.word,
        title=entry.title,
        clara=clara,
        entry=entry,
        settings=settings,
        from_settings=from_settings,
        to_settings=to_settings,
    )
    for entry, clara, settings, from_settings, to_settings in (
        (LocalAE, "claraaetitle", LocalAESettings, _local_ae, _local_ae_settings),
        (Source, "sourceaetitle", SourceSettings, _source, _source_settings),
        (Destination, "destinationaetitle", DestinationSettings, _destination, _destination_settings),
        (Pipeline, "pipeline", PipelineSettings, _pipeline, _pipeline_settings),
    )
)
"""The kinds of entries."""
