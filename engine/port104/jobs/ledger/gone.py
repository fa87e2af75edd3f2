"""Engines that are gone: not heard of for longer than their patience, while another one was.

An engine whose ledger nobody shares is never gone. What is in the storage folder of one that is stays there;
what needs no file of it others see to.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from port104.database.session import Session

QUIET_SECONDS = 300.0
"""An engine without a patience (jobs.takeOverAfterSeconds null) is taken for gone after so long."""


class GoneEngine(NamedTuple):
    """`node`: the name of its storage folder; `host`: its machine; `heard`: when it was, Unix time."""

    node: str
    host: str
    heard: float

    @property
    def words(self) -> str:
        """Why what only its storage folder has cannot go on, and what to do."""
        since = datetime.fromtimestamp(self.heard, UTC).isoformat(timespec="seconds")
        return (
            f"what is needed is in the storage folder of the engine on {self.host} (node {self.node}), which"
            f" was not heard of since {since}: start that engine with its folder"
        )


def gone_engines(session: Session) -> dict[str, GoneEngine]:
    """Find them, by node."""
    rows = session.run(
        f"SELECT node, host, heard FROM port104_node WHERE heard + COALESCE(patience, {QUIET_SECONDS})"  # noqa: S608
        " < (SELECT MAX(heard) FROM port104_node)"
    )
    return {node: GoneEngine(node, host, heard) for node, host, heard in rows}
