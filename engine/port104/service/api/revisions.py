"""ETags: so that of two who edit an entry the later one hears of the earlier (RFC 9110 8.8.3, 13.1)."""

import hashlib
import re
from collections.abc import Sequence

import msgspec

from port104.registry.view import Kept
from port104.service.api.problems import refuse
from port104.service.registration import document_of

_TAG = r'(?:W/)?"[\x21\x23-\x7E\x80-\xFF]*"'
_TAGS = re.compile(rf"\*|{_TAG}(?:\s*,\s*{_TAG})*")
_REVISION = re.compile(r'"(\d{1,18})"')
_NO_REVISION = -1


def etag_of(kept: Kept) -> str:
    """The strong ETag of an entry: a stored one's revision, which no other state of it ever had."""
    if not kept.origin:
        return f'"{kept.revision}"'
    digest = hashlib.sha256(msgspec.json.encode([kept.origin, document_of(kept.entry)])).hexdigest()
    return f'"configuration-{digest[:16]}"'


def revision_wanted(if_match: Sequence[str], kept: Kept) -> int | None:
    """Upon which revision a change was decided, by its If-Match; None: upon any.

    Weak ETags match nothing (RFC 9110 13.1.1). Raises ProblemError where the header is malformed.
    """
    tags = _tags(if_match, "If-Match")
    if tags is None or "*" in tags:
        return None
    if etag_of(kept) in tags:
        return kept.revision
    numbers = [found for tag in tags if (found := _REVISION.fullmatch(tag))]
    return int(numbers[0][1]) if numbers else _NO_REVISION


def is_known(if_none_match: Sequence[str], kept: Kept) -> bool:
    """Whether the client has the entry as it is. Raises ProblemError where the header is malformed."""
    tags = _tags(if_none_match, "If-None-Match")
    if tags is None:
        return False
    return "*" in tags or etag_of(kept) in [tag.removeprefix("W/") for tag in tags]


def _tags(values: Sequence[str], header: str) -> list[str] | None:
    """Take a header apart; None: it was not given."""
    if not values:
        return None
    joined = ", ".join(values)
    if _TAGS.fullmatch(joined.strip()) is None:
        raise refuse(400, "header", f'{header} must be * or ETags as GET gave them: "17"')
    return ["*"] if joined.strip() == "*" else re.findall(_TAG, joined)
