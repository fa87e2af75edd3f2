"""What runs left, and where it is to go."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from port104.database.session import Session


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a run left, for one destination; empty: for none.

    `file`: its path below the storage folder. `state`: it waits for its delivery, is kept where it is, or is
    no DICOM file; `why` says why then.
    """

    file: str
    destination: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    state: Literal["waiting", "kept", "unreadable"]
    why: str = ""


def register(session: Session, node: str, run_id: str, results: Sequence[Result], now: float) -> None:
    """Write results down; what is known already stays as it is."""
    if results:
        session.run_many(
            "INSERT INTO port104_result (run_id, file, destination, node, sop_class, sop_instance, state,"
            " why, registered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (run_id, file, destination) DO NOTHING",
            [
                (
                    run_id,
                    each.file,
                    each.destination,
                    node,
                    each.sop_class_uid,
                    each.sop_instance_uid,
                    each.state,
                    each.why,
                    now,
                )
                for each in results
            ],
        )
