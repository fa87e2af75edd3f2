"""What AE titles call a pipeline: its ID, which is made once and never changes.

Runs that were made carry it too, so that a pipeline which was renamed or replaced still is theirs.
"""

import hashlib
import json
import secrets

import msgspec

from port104.registry.entries import Entry, Pipeline
from port104.registry.faults import FixedFieldError

_BYTES = 8  # nobody guesses any of them: they need be unique, and short enough to be typed


def with_new_id(entry: Entry) -> Entry:
    """Give a pipeline that has no ID one of its own."""
    if not isinstance(entry, Pipeline) or entry.id:
        return entry
    return msgspec.structs.replace(entry, id=secrets.token_hex(_BYTES))


def with_id_of(old: Entry, entry: Entry) -> Entry:
    """Give a pipeline the ID of the one that it takes the place of. Raises FixedFieldError for another ID."""
    if not isinstance(entry, Pipeline) or not isinstance(old, Pipeline) or entry.id == old.id:
        return entry
    if entry.id:
        raise FixedFieldError(
            f"the ID of the pipeline {json.dumps(old.name)} is {old.id}, and never changes, for AE titles and"
            " runs have it: leave it out, or create another pipeline",
            field="id",
        )
    return msgspec.structs.replace(entry, id=old.id)


def id_of_name(name: str) -> str:
    """Derive the ID of a pipeline that a configuration gives none: the same after each start."""
    return hashlib.sha256(name.encode()).hexdigest()[: 2 * _BYTES]
