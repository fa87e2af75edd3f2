"""Whose instances an engine reaches: a run is left to the engine that does, as long as that lives.

Replicas often have a volume each, which the others do not see. Of two that find a run the one without a file
of it would let it fail. Where its instances are in several folders that nobody sees together it fails anyway.
"""

from port104.database.session import Session

_QUIET_SECONDS = 300.0
"""An engine without a patience (jobs.takeOverAfterSeconds null) is taken for gone after so long."""


def others(session: Session, node: str) -> list[tuple[str, str]]:
    """The other storage folders of the ledger: their names, and where they are."""
    rows = session.run("SELECT node, root FROM port104_node WHERE node <> ?", node)
    return [(name, root) for name, root in rows]


def reaches(seen: int) -> str:
    """Whether a run is no other engine's alone.

    Given are the names of our storage folder and of the `seen` others that we see, then the time.
    """
    instances = (
        "SELECT 1 FROM port104_job j JOIN port104_instance i ON i.group_id = j.group_id"
        " {joined} WHERE j.id = port104_run.job_id AND {which}"
    )
    ours = instances.format(joined="", which=f"i.node IN ({', '.join('?' * (1 + seen))})")
    of_the_living = instances.format(
        joined="JOIN port104_node n ON n.node = i.node",
        which=f"n.heard + COALESCE(n.patience, {_QUIET_SECONDS}) >= ?",
    )
    return f"(EXISTS ({ours}) OR NOT EXISTS ({of_the_living}))"
