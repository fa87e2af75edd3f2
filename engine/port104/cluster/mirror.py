"""The objects of one kind as they were heard of last. Sans-IO.

Rules that this room keeps:
- what a list says takes the place of all that was known, once its last page is there and never before;
- the version to watch on from is that of the newest thing heard, bookmarks too;
- whoever looks has what was known at one moment: what is known is replaced as a whole.
"""

from collections.abc import Iterable, Mapping

from port104.cluster.resources import Change, Resource


class Mirror:
    """`resources`: by their names. `version`: from which to watch on; None: they must be listed."""

    def __init__(self) -> None:
        self.resources: Mapping[str, Resource] = {}
        self.version: str | None = None
        self.listed = False
        """Whether there was a list: until then nothing is known."""

    def replace(self, resources: Iterable[Resource], version: str) -> None:
        """Take over a whole list."""
        self.resources = {each.metadata.name: each for each in resources}
        self.version = version
        self.listed = True

    def hear(self, changes: Iterable[Change]) -> bool:
        """Take over changes; whether any was more than a bookmark."""
        known = {**self.resources}
        heard = False
        for change in changes:
            metadata = change.resource.metadata
            self.version = metadata.resource_version
            if change.kind == "BOOKMARK":
                continue
            heard = True
            if change.kind == "DELETED":
                known.pop(metadata.name, None)
            else:
                known[metadata.name] = change.resource
        if heard:
            self.resources = known
        return heard

    def lose(self) -> None:
        """Have it listed anew; what is known stays until then."""
        self.version = None
