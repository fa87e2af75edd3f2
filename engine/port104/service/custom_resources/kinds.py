"""What each kind of entry is called as a custom resource."""

import msgspec

from port104.registry.entries import Destination, Entry, LocalAE, Pipeline, Source
from port104.service.registration import Kind, kind_of


class ResourceKind(msgspec.Struct, frozen=True):
    """`name` as in manifests, `plural` as in paths."""

    name: str
    plural: str
    kind: Kind


def _kind(entry: type[Entry], name: str, plural: str) -> ResourceKind:
    return ResourceKind(name, plural, kind_of(entry))


RESOURCE_KINDS = (
    _kind(LocalAE, "LocalAE", "localaes"),
    _kind(Source, "Source", "sources"),
    _kind(Destination, "Destination", "destinations"),
    _kind(Pipeline, "Pipeline", "pipelines"),
)
BY_PLURAL = {each.plural: each for each in RESOURCE_KINDS}
