"""What came of one association: the figures and words of its log line."""

import msgspec

from port104.native import IntakeCounts


class Tally(msgspec.Struct):
    """Counted by the rooms that serve the association.

    `outcome` is how it ended, `detail` why, `hint` what would mend it. `stored` counts duplicates
    too; `bytes` is what the stored data sets had as they were received. `streamed` were taken as they came.
    """

    stored: int = 0
    duplicates: int = 0
    streamed: int = 0
    ignored: int = 0
    refused: int = 0
    failed: int = 0
    echoes: int = 0
    bytes: int = 0
    outcome: str = ""
    detail: str = ""
    hint: str = ""

    def read(self, counts: IntakeCounts) -> None:
        """Take over what the intake has counted so far."""
        self.stored, self.duplicates, self.bytes = counts.stored, counts.duplicates, counts.bytes

    def figures(self) -> dict[str, int]:
        """Everything that is not zero."""
        counted = ("stored", "duplicates", "streamed", "ignored", "refused", "failed", "echoes", "bytes")
        return {name: value for name in counted if (value := getattr(self, name))}
