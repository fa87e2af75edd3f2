"""What all sections have."""

from collections.abc import Iterator

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of every group of settings."""

    def faults(self) -> Iterator[tuple[str, str]]:
        """What is wrong between keys of the section that are right each by itself: key and reason."""
        yield from ()
