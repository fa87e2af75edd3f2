"""What entries name one another by, and which of these names nobody has.

Nothing is refused for it, for a site is set up in any order. It is said.
"""

import json
from collections.abc import Collection, Iterable, Iterator

import msgspec

from port104.registry.entries import Destination, Entry, LocalAE, Pipeline


class LooseEnd(msgspec.Struct, frozen=True):
    """The entry `name` of type `by` names one of type `wanted` that there is not, as `called`."""

    by: type[Entry]
    name: str
    wanted: type[Entry]
    called: str

    def __str__(self) -> str:
        """What is wrong, without what to do."""
        names = f"names the {self.wanted.title} {json.dumps(self.called)}, which there is not"
        return f"the {self.by.title} {json.dumps(self.name)} {names}"

    @property
    def hint(self) -> str:
        """What to do."""
        return f"create it, or name another (port104 list {self.wanted.word})"

    def concerns(self, entry: Entry, former_name: str) -> bool:
        """Whether it is this entry's, or is there because that went, or lost its `former_name`."""
        if type(entry) is self.by and entry.name == self.name:
            return True
        return type(entry) is self.wanted and self.called in (*_called(entry), former_name)


def loose_ends(
    local_aes: Collection[LocalAE], pipelines: Collection[Pipeline], destinations: Iterable[Destination]
) -> Iterator[LooseEnd]:
    """Find what AE titles and pipelines name, and there is not."""
    known = {called for pipeline in pipelines for called in _called(pipeline)}
    for local_ae in local_aes:
        for called in dict.fromkeys(local_ae.pipelines.values()):
            if called not in known:
                yield LooseEnd(LocalAE, local_ae.name, Pipeline, called)
    names = {destination.name for destination in destinations}
    for local_ae in local_aes:
        asked = local_ae.expected_from
        if asked is not None and asked not in names:
            yield LooseEnd(LocalAE, local_ae.name, Destination, asked)
    for pipeline in pipelines:
        for called in dict.fromkeys(pipeline.destinations):
            if called not in names:
                yield LooseEnd(Pipeline, pipeline.name, Destination, called)


def _called(entry: Entry) -> tuple[str, ...]:
    """What others may name it by."""
    return (entry.id, entry.name) if isinstance(entry, Pipeline) else (entry.name,)
