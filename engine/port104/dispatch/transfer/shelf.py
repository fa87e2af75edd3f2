"""Where the object store has what one attempt is given, and what it leaves.

    <prefix>runs/<run>/<attempt>/manifest.json      the manifest of what it is given (dispatch/payload.py)
    <prefix>runs/<run>/<attempt>/delivery.json      what it left (documents.py)
    <prefix>runs/<run>/<attempt>/output/<number>    a file that it left

No key has a name in it that a pipeline or a peer chose. Instances are where they were put when they came.
"""

from collections.abc import Iterator

import msgspec

from port104.dispatch.payload import MANIFEST, OUTPUT, RUNS

DELIVERY = "delivery.json"


class Shelf(msgspec.Struct, frozen=True):
    """The keys of one attempt. `prefix`: what all keys begin with (objects.place.Place)."""

    prefix: str
    run: str
    attempt: int

    @property
    def manifest(self) -> str:
        """The key of its manifest."""
        return f"{self._base}/{MANIFEST}"

    @property
    def delivery(self) -> str:
        """The key of the document that lists what it left."""
        return f"{self._base}/{DELIVERY}"

    def output(self, number: int) -> str:
        """The key of the file with that number, from 0, in the delivery."""
        return f"{self._base}/{OUTPUT}/{number}"

    def outputs(self, count: int) -> Iterator[str]:
        """The keys of so many files."""
        return map(self.output, range(count))

    @property
    def _base(self) -> str:
        return f"{self.prefix}{RUNS}/{self.run}/{self.attempt}"
